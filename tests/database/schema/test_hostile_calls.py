"""What a person or a program may send to the functions about fixes: a clear refusal, and no harm."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError, Rest, Sql
from tests.database.conftest import POLICY

if TYPE_CHECKING:
    from tests.conftest import People, Person
    from tests.database.conftest import Orders, Patterns

FIX = {"type": "sql", "script": "select 1", "prepared_script": "select 1"}
NOBODY = str(uuid.UUID(int=0))


def _refused(person: Person | Rest, function: str, **arguments: object) -> str:
    """Call a function that has to refuse; return the code."""
    rest = person if isinstance(person, Rest) else person.rest
    with pytest.raises(RefusedError) as refused:
        rest.call(function, **arguments)
    return refused.value.code


def _propose(person: Person, pattern_id: str, **changes: object) -> dict[str, Any]:
    arguments = {"p_pattern_id": pattern_id, "p_fix": FIX, "p_analysis": {}, "p_seconds": 60}
    proposal: dict[str, Any] = person.rest.call("propose_fix_v1", **(arguments | changes))
    return proposal


@pytest.mark.parametrize(
    "seconds", [None, 0, 0.5, -1, 31_536_001, 1e300, "Infinity", "-Infinity", "NaN"]
)
def test_a_proposal_has_an_end(patterns: Patterns, operator: Person, seconds: object) -> None:
    """PL022: between a second and a year."""
    arguments = {"p_pattern_id": patterns.new(), "p_fix": FIX, "p_analysis": {}}
    assert _refused(operator, "propose_fix_v1", **arguments, p_seconds=seconds) == "PL022"


@pytest.mark.parametrize("analysis", [None, [], "fine", 7])
def test_a_proposal_has_an_analysis(patterns: Patterns, operator: Person, analysis: object) -> None:
    """PL022: an object; what it says is the proposer's, and decides nothing."""
    arguments = {"p_pattern_id": patterns.new(), "p_fix": FIX, "p_seconds": 60}
    assert _refused(operator, "propose_fix_v1", **arguments, p_analysis=analysis) == "PL022"


@pytest.mark.parametrize(
    "fix",
    [
        None,
        {},
        [],
        "select 1",
        FIX | {"type": "python"},
        FIX | {"prepared_script": None},
        FIX | {"sample_script": "select 1"},
        FIX | {"mode": "live"},
        FIX | {"sha256": "0" * 64},
        FIX | {"parameters": []},
        FIX | {"parameters": {"max_rows": 1e9}},
    ],
)
def test_what_is_no_fix_is_not_proposed(patterns: Patterns, operator: Person, fix: object) -> None:
    """PL013: nobody is shown, or decides on, what could not be pinned as it stands."""
    arguments = {"p_pattern_id": patterns.new(), "p_analysis": {}, "p_seconds": 60}
    assert _refused(operator, "propose_fix_v1", **arguments, p_fix=fix) == "PL013"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"p_decision": None}, "PL022"),
        ({"p_decision": "Approve"}, "PL022"),
        ({"p_mode": "demoted"}, "PL022"),
        ({"p_mode": None}, "PL022"),
        ({"p_mode": ""}, "PL022"),
        ({"p_sha256": "0" * 64}, "PL006"),
        ({"p_sha256": None}, "PL006"),
        ({"p_proposal_id": NOBODY}, "PL027"),
        ({"p_proposal_id": None}, "PL027"),
    ],
)
def test_a_decision_is_one_that_there_is(
    patterns: Patterns,
    operator: Person,
    administrator: Person,
    database: Sql,
    changes: dict[str, Any],
    code: str,
) -> None:
    """Anything else is refused, and the proposal stays open."""
    pattern_id = patterns.new()
    proposal = _propose(operator, pattern_id)
    arguments = {
        "p_proposal_id": proposal["proposal_id"],
        "p_sha256": proposal["sha256"],
        "p_decision": "approve",
        "p_reason": None,
        "p_mode": "live",
    }
    assert _refused(administrator, "decide_fix_v1", **(arguments | changes)) == code
    count = "select count(*) from ops.pattern_fixes where pattern_id = %s"
    assert database.value(count, pattern_id) == 0
    decided = administrator.rest.call("decide_fix_v1", **arguments)
    assert decided["proposal"]["decision"] == "approved"
    assert decided["pattern"]["auto_fix_enabled"] is True


def test_of_two_who_decide_at_once_one_does(
    patterns: Patterns, operator: Person, people: People, database: Sql
) -> None:
    """The other is told that it is decided; there is one version."""
    pattern_id = patterns.new()
    proposal = _propose(operator, pattern_id)
    administrators = [people.new("ops_admin") for _ in range(8)]

    def decide(person: Person) -> str:
        try:
            person.rest.call(
                "decide_fix_v1",
                p_proposal_id=proposal["proposal_id"],
                p_sha256=proposal["sha256"],
                p_decision="approve",
                p_reason=None,
            )
        except RefusedError as refused:
            return refused.code
        return "approved"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(decide, administrators)) == ["PL028"] * 7 + ["approved"]
    count = "select count(*) from ops.pattern_fixes where pattern_id = %s"
    assert database.value(count, pattern_id) == 1


def test_a_stored_proposal_that_was_changed_is_not_approved(
    patterns: Patterns, operator: Person, administrator: Person, database: Sql
) -> None:
    """PL006: what is pinned is what the digest was made of."""
    pattern_id = patterns.new()
    proposal = _propose(operator, pattern_id)
    database.run(
        """update ops.fix_proposals set fix = fix || '{"prepared_script": "select 2"}'
           where proposal_id = %s""",
        proposal["proposal_id"],
    )
    code = _refused(
        administrator,
        "decide_fix_v1",
        p_proposal_id=proposal["proposal_id"],
        p_sha256=proposal["sha256"],
        p_decision="approve",
        p_reason=None,
    )
    assert code == "PL006"


def test_a_rehearsal_keeps_nothing_whatever_the_script(
    engine: Rest, patterns: Patterns, operator: Person, orders: Orders
) -> None:
    """Each error is tried by itself, the real run and all of it undone; no cap hides how much."""
    script = f"update {orders.name} set status = 'fixed' where id > ($2 ->> 'above')::int"
    fix = FIX | {
        "script": script,
        "prepared_script": script,
        "tables": [orders.name],
        "parameters": {"max_rows": 1},
    }
    proposal = _propose(operator, patterns.new(), p_fix=fix)
    errors = [{"above": 0}, {"above": "x"}, {"above": 8}, {}]
    outcomes = engine.call(
        "rehearse_proposal_v1", p_proposal_id=proposal["proposal_id"], p_errors=errors
    )
    assert [outcome["success"] for outcome in outcomes] == [True, False, True, True]
    assert [outcome["rows_touched"] for outcome in outcomes] == [10, 0, 2, 0]
    assert orders.count("broken") == 10
    code = _refused(engine, "rehearse_proposal_v1", p_proposal_id=NOBODY, p_errors=[{}])
    assert code == "PL027"


# -- Taking back --------------------------------------------------------------------------------


def test_of_many_who_take_a_run_back_one_does(
    patterns: Patterns, operator: Person, orders: Orders
) -> None:
    """The others are told that it is under way, and the undo script runs once."""
    pattern_id = patterns.new()
    undo = f"update {orders.name} set note = coalesce(note, '') || '+' where id = 1"
    patterns.approve(pattern_id, undo_script=undo, prepared_undo_script=undo)
    application_id = patterns.claim(pattern_id)["application_id"]
    patterns.run(application_id)

    def order(_: int) -> dict[str, Any] | str:
        try:
            answer: dict[str, Any] = operator.rest.call(
                "start_rollback_v1", p_application_id=application_id, p_reason="wrong"
            )
        except RefusedError as refused:
            return refused.code
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(order, range(8)))
    assert [answer for answer in answers if isinstance(answer, str)] == ["PL021"] * 7
    (started,) = [answer for answer in answers if not isinstance(answer, str)]
    for _ in range(2):
        patterns.run(started["application_id"])
    assert orders.sql.value(f"select note from {orders.name} where id = 1") == "+"


# -- All together -------------------------------------------------------------------------------


def test_nothing_waits_for_each_other_in_a_circle(
    engine: Rest,
    patterns: Patterns,
    operator: Person,
    administrator: Person,
    addresses: dict[str, Any],
) -> None:
    """Claims, runs, learning, judging, recovery and people at once: no deadlock, one outcome each."""
    errors = [patterns.error() for _ in range(4)]
    made = [str(row["pattern_id"]) for row in patterns.learn(*errors)]
    for pattern_id in made:
        patterns.approve(pattern_id, "select pg_sleep(0.002)")
    policy = POLICY | {"least_window_seconds": 0.1, "most_window_seconds": 0.1}

    def heal(place: int) -> None:
        for turn in range(12):
            error = errors[(place + turn) % 4]
            log_id = patterns.log_row()
            patterns.learn(error | {"system_log_id": log_id}, *errors)
            claim = patterns.claim(made[(place + turn) % 4], log_id, p_policy=policy)
            if claim["claimed"]:
                assert patterns.run(claim["application_id"])["success"]

    def judge(place: int) -> None:
        with Sql(addresses["db_url"]) as sql:
            for _ in range(40):
                sql.call("verify_applications_v1" if place % 2 else "recover_applications_v1")

    def person(_: int) -> None:
        for turn in range(12):
            fix = patterns.fix(made[turn % 4])
            administrator.rest.call(
                "enable_fix_v1", p_pattern_id=made[turn % 4], p_sha256=fix["sha256"]
            )
            operator.rest.call("fix_proposals_v1")

    with ThreadPoolExecutor(12) as pool:
        work = [
            *(pool.submit(heal, place) for place in range(6)),
            *(pool.submit(judge, place) for place in range(4)),
            *(pool.submit(person, place) for place in range(2)),
        ]
        for one in work:
            one.result(120)
    of_these = f"in.({','.join(made)})"
    claims = engine.select("pattern_claims", pattern_id=of_these)
    assert all(claim["finished_at"] for claim in claims)
    rows = engine.select("pattern_applications", pattern_id=of_these)
    assert sorted(row["application_id"] for row in rows) == sorted(
        claim["application_id"] for claim in claims
    )
