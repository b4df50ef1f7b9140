"""An approval may have an end and a number of runs; then a person has to approve the fix again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from tests.conftest import RefusedError

from pattern_engine.approval.models import ApproveRequest, DecideRequest, EnableRequest
from pattern_engine.limits import MAX_HEALS

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns
    from tests.database.healing.outcomes import Outcomes

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).isoformat()


def _events(engine: Rest, kind: str, pattern_id: str) -> list[dict[str, Any]]:
    return engine.select(
        "roman_events",
        order="id",
        event_type=f"eq.{kind}",
        **{"metadata->>pattern_id": f"eq.{pattern_id}"},
    )


def _terms(fix: dict[str, Any]) -> tuple[str, str | None, int | None, int]:
    return fix["mode"], fix["ends_at"], fix["max_heals"], fix["heals"]


def _enable(person: Person, patterns: Patterns, pattern_id: str, **terms: object) -> dict[str, Any]:
    digest = patterns.fix(pattern_id)["sha256"]
    stored: dict[str, Any] = person.rest.call(
        "enable_fix_v1", p_pattern_id=pattern_id, p_sha256=digest, p_reason="once more", **terms
    )
    return stored


def _waiting(engine: Rest, pattern_id: str) -> dict[str, Any] | None:
    """What `awaiting_approval` says of the pattern's last fix; None if it is not listed."""
    for pattern in engine.call("statistics_v1")["awaiting_approval"]:
        if pattern["pattern_id"] == pattern_id:
            last: dict[str, Any] = pattern["last_fix"]
            return last
    return None


def _use_up(patterns: Patterns, pattern_id: str) -> None:
    while (claim := patterns.claim(pattern_id))["refusal"] is None:
        patterns.run(claim["application_id"])


def test_the_terms_belong_to_the_approval(engine: Rest, patterns: Patterns) -> None:
    """They are stored with the version, answered and in the journal; the digest is the fix's."""
    pattern_id, other = patterns.new(), patterns.new()
    answer = patterns.approve(pattern_id, p_ends_at=TOMORROW, p_max_heals=3)
    patterns.approve(other)
    fix = patterns.fix(pattern_id)
    assert datetime.fromisoformat(fix["ends_at"]) == datetime.fromisoformat(TOMORROW)
    assert (fix["max_heals"], fix["heals"]) == (3, 0)
    told = {"ends_at": fix["ends_at"], "max_heals": 3}
    assert answer["fix"].items() >= (told | {"heals": 0}).items()
    (event,) = _events(engine, "pattern_approved", pattern_id)
    assert event["metadata"].items() >= told.items()
    assert fix["sha256"] == patterns.fix(other)["sha256"]
    assert _terms(patterns.fix(other)) == ("live", None, None, 0)


def test_a_decision_carries_terms(desk: Desk, administrator: Person, patterns: Patterns) -> None:
    """As an approval without a proposal does."""
    pattern_id = patterns.new()
    proposal = desk.propose(pattern_id, administrator, "select 1")
    desk.decide(proposal, administrator, ends_at=TOMORROW, max_heals=7)
    fix = patterns.fix(pattern_id)
    assert datetime.fromisoformat(fix["ends_at"]) == datetime.fromisoformat(TOMORROW)
    assert fix["max_heals"] == 7


@pytest.mark.parametrize(
    "terms",
    [
        {"p_ends_at": YESTERDAY},
        {"p_ends_at": "infinity"},
        {"p_ends_at": "-infinity"},
        {"p_max_heals": 0},
        {"p_max_heals": -1},
        {"p_max_heals": MAX_HEALS + 1},
    ],
)
def test_impossible_terms_are_refused(
    patterns: Patterns, administrator: Person, terms: dict[str, Any]
) -> None:
    """PL022, and nothing is approved or changed."""
    pattern_id = patterns.new()
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, **terms)
    assert refused.value.code == "PL022"
    patterns.approve(pattern_id, p_max_heals=MAX_HEALS)
    before = patterns.fix(pattern_id)
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, **terms)
    assert refused.value.code == "PL022"
    with pytest.raises(RefusedError) as refused:
        _enable(administrator, patterns, pattern_id, **terms)
    assert refused.value.code == "PL022"
    assert patterns.fix(pattern_id) == before


@pytest.mark.parametrize("model", [ApproveRequest, DecideRequest, EnableRequest])
def test_a_request_has_a_time_with_a_zone_and_a_number_within_bounds(model: type[Any]) -> None:
    """The API refuses a local time, since nobody knows which zone was meant."""
    errors = []
    for terms in (
        {"ends_at": "2999-01-01T00:00:00"},
        {"ends_at": "tomorrow"},
        {"max_heals": 0},
        {"max_heals": MAX_HEALS + 1},
        {"max_heals": "3"},
    ):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(terms)
        errors.append({error["loc"][0] for error in refused.value.errors()} & terms.keys())
    assert [len(each) for each in errors] == [1] * 5
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"ends_at": "2999-01-01T00:00:00+02:00", "max_heals": MAX_HEALS})
    assert not {error["loc"][0] for error in refused.value.errors()} & {"ends_at", "max_heals"}


def test_an_approval_for_some_runs_ends_with_the_last(
    engine: Rest, patterns: Patterns, orders: Orders
) -> None:
    """The fix runs so often; then it awaits an approval, and each error is told why."""
    pattern_id = patterns.new(5)
    script = f"update {orders.name} set note = coalesce(note, '') || 'x' where id = 1"
    patterns.approve(pattern_id, script, tables=(orders.name,), p_max_heals=2)
    assert patterns.apply(pattern_id)["success"] is True
    assert _terms(patterns.fix(pattern_id)) == ("live", None, 2, 1)
    assert _waiting(engine, pattern_id) is None
    assert patterns.apply(pattern_id)["success"] is True
    reason = "it was for 2 runs, and as many have begun"
    assert _terms(patterns.fix(pattern_id)) == ("expired", None, 2, 2)
    for _ in range(2):
        claim = patterns.claim(pattern_id)
        assert claim["refusal"] == {"code": "expired", "reason": reason}
        assert claim["application_id"] is None
    (event,) = _events(engine, "fix_expired", pattern_id)
    assert event["severity"] == "warning"
    assert event["metadata"].items() >= {"reason": reason, "max_heals": 2, "heals": 2}.items()
    assert _waiting(engine, pattern_id) == {"version": 1, "state": "expired", "reason": reason}
    (stored,) = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")
    assert (stored["auto_fix_enabled"], stored["has_running_fix"]) == (False, False)
    found = patterns.find(stored["pattern_signature"])
    assert found["hold"] == {"code": "expired", "reason": reason}


def test_an_approval_ends_at_its_time(engine: Rest, patterns: Patterns, database: Sql) -> None:
    """The first claim afterwards is refused, and records the end once."""
    pattern_id = patterns.new(5)
    patterns.approve(pattern_id, p_ends_at=TOMORROW)
    assert patterns.apply(pattern_id)["success"] is True
    database.change("pattern_fixes", {"ends_at": YESTERDAY}, pattern_id=pattern_id)
    for _ in range(2):
        refusal = patterns.claim(pattern_id)["refusal"]
        assert refusal["code"] == "expired"
        assert refusal["reason"].startswith("it ended at ")
    assert len(_events(engine, "fix_expired", pattern_id)) == 1
    waiting = _waiting(engine, pattern_id)
    assert waiting is not None
    assert waiting["state"] == "expired"


@pytest.mark.parametrize("mode", ["live", "shadow"])
def test_an_approval_ends_at_its_time_without_an_error(
    engine: Rest, patterns: Patterns, database: Sql, mode: str
) -> None:
    """The job tells that a person has to decide, once; another fix goes on."""
    pattern_id, other, disabled = patterns.new(5), patterns.new(), patterns.new()
    for each in (pattern_id, other, disabled):
        patterns.approve(each, p_mode=mode, p_ends_at=TOMORROW)
    patterns.disable(disabled)
    database.change("pattern_fixes", {"ends_at": YESTERDAY}, pattern_id=pattern_id)
    database.value("select ops_internal.expire_fixes()")
    database.value("select ops_internal.expire_fixes()")
    (event,) = _events(engine, "fix_expired", pattern_id)
    assert event["metadata"]["former_mode"] == mode
    assert patterns.fix(pattern_id)["mode"] == "expired"
    assert _waiting(engine, pattern_id) is not None
    for each in (other, disabled):
        assert patterns.fix(each)["mode"] == mode
        assert not _events(engine, "fix_expired", each)


def test_workers_together_do_not_exceed_the_number(
    engine: Rest, patterns: Patterns, orders: Orders
) -> None:
    """Of 24 claims at once five get through, all of these run, and the end is recorded once."""
    pattern_id = patterns.new()
    script = f"update {orders.name} set note = coalesce(note, '') || 'x' where id = 1"
    patterns.approve(pattern_id, script, tables=(orders.name,), p_max_heals=5)
    logs = patterns.log_rows(24)

    def heal(log_id: int) -> str | None:
        claim = patterns.claim(pattern_id, log_id)
        if claim["application_id"]:
            assert patterns.run(claim["application_id"])["success"] is True
            return None
        return str(claim["refusal"]["code"])

    with ThreadPoolExecutor(12) as pool:
        refusals = list(pool.map(heal, logs))
    assert sorted(map(str, refusals)) == ["None"] * 5 + ["expired"] * 19
    assert orders.notes() == ["x" * 5]
    assert _terms(patterns.fix(pattern_id)) == ("expired", None, 5, 5)
    assert len(_events(engine, "fix_expired", pattern_id)) == 1


def test_a_run_that_was_claimed_in_time_still_runs(
    patterns: Patterns, database: Sql, orders: Orders
) -> None:
    """The end of the approval does not make a failure of it."""
    pattern_id = patterns.new()
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    patterns.approve(pattern_id, script, tables=(orders.name,), p_ends_at=TOMORROW)
    claim = patterns.claim(pattern_id)
    database.change("pattern_fixes", {"ends_at": YESTERDAY}, pattern_id=pattern_id)
    database.value("select ops_internal.expire_fixes()")
    assert patterns.run(claim["application_id"])["success"] is True
    assert orders.count("fixed") == 1


def test_a_run_whose_worker_died_is_taken_over(
    patterns: Patterns, outcomes: Outcomes, orders: Orders
) -> None:
    """It was counted when it began: it is not lost, and it is not counted twice."""
    pattern_id = patterns.new()
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    patterns.approve(pattern_id, script, tables=(orders.name,), p_max_heals=1)
    log_id, other = patterns.log_rows(2)
    patterns.claim(pattern_id, log_id)
    outcomes.passes(pattern_id, 3600)
    assert patterns.claim(pattern_id, other)["refusal"]["code"] == "expired"
    assert patterns.fix(pattern_id)["mode"] == "live"
    claim = patterns.claim(pattern_id, log_id)
    assert patterns.run(claim["application_id"])["success"] is True
    assert _terms(patterns.fix(pattern_id)) == ("expired", None, 1, 1)


def test_the_last_run_is_judged_as_any_other(patterns: Patterns, outcomes: Outcomes) -> None:
    """An error that comes back after it makes it failed, though the fix is out of use."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_max_heals=1)
    claim = patterns.claim(pattern_id)
    patterns.run(claim["application_id"])
    outcomes.passes(pattern_id, 10)
    outcomes.occurs(pattern_id)
    outcomes.judge(pattern_id)
    assert outcomes.of(claim["application_id"])["outcome"] == "failed"
    assert patterns.fix(pattern_id)["mode"] == "expired"


def test_enabling_allows_as_many_runs_again(
    engine: Rest, patterns: Patterns, administrator: Person
) -> None:
    """A person was asked and said yes; another number may come with it."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_max_heals=2)
    _use_up(patterns, pattern_id)
    assert _enable(administrator, patterns, pattern_id)["auto_fix_enabled"] is True
    assert _terms(patterns.fix(pattern_id)) == ("live", None, 2, 0)
    assert patterns.fix(pattern_id)["is_on_probation"] is False
    _use_up(patterns, pattern_id)
    assert patterns.fix(pattern_id)["mode"] == "expired"
    _enable(administrator, patterns, pattern_id, p_max_heals=9)
    assert _terms(patterns.fix(pattern_id)) == ("live", None, 9, 0)
    assert patterns.claim(pattern_id)["refusal"] is None
    told = [event["metadata"] for event in _events(engine, "fix_enabled", pattern_id)]
    assert [(each["former_mode"], each["max_heals"]) for each in told] == [
        ("expired", 2),
        ("expired", 9),
    ]
    assert len(_events(engine, "fix_expired", pattern_id)) == 2


def test_enabling_after_the_end_takes_a_new_end(
    patterns: Patterns, administrator: Person, database: Sql
) -> None:
    """PL022 without one: the fix would be over at once."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_ends_at=TOMORROW)
    database.change("pattern_fixes", {"ends_at": YESTERDAY}, pattern_id=pattern_id)
    for expires in (False, True):
        if expires:
            database.value("select ops_internal.expire_fixes()")
        for terms in ({}, {"p_max_heals": 3}):
            with pytest.raises(RefusedError) as refused:
                _enable(administrator, patterns, pattern_id, **terms)
            assert refused.value.code == "PL022"
            assert "ends_at" in refused.value.words
    assert patterns.fix(pattern_id)["mode"] == "expired"
    _enable(administrator, patterns, pattern_id, p_ends_at=TOMORROW)
    assert patterns.apply(pattern_id)["success"] is True


def test_a_live_fix_is_given_other_terms(
    engine: Rest, patterns: Patterns, administrator: Person
) -> None:
    """Before its approval is over, by enabling or by approving it again; its record goes on."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_max_heals=2)
    patterns.apply(pattern_id)
    before = patterns.fix(pattern_id)
    _enable(administrator, patterns, pattern_id, p_ends_at=TOMORROW)
    assert patterns.fix(pattern_id)["heals"] == 1
    _enable(administrator, patterns, pattern_id, p_max_heals=5)
    fix = patterns.fix(pattern_id)
    assert (fix["max_heals"], fix["heals"], fix["mode"]) == (5, 0, "live")
    assert fix["mode_changed_at"] == before["mode_changed_at"]
    patterns.approve(pattern_id)
    patterns.approve(pattern_id, p_max_heals=5)
    assert patterns.fix(pattern_id) == fix
    answer = patterns.approve(pattern_id, p_max_heals=6)
    assert (answer["fix"]["version"], answer["fix"]["max_heals"]) == (1, 6)
    assert len(_events(engine, "fix_enabled", pattern_id)) == 3


@pytest.mark.parametrize("who", ["user", "viewer", "operator", "engine"])
def test_only_an_administrator_changes_terms(
    request: pytest.FixtureRequest, patterns: Patterns, who: str
) -> None:
    """PL001, or PL011 for the secret key."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_max_heals=1)
    caller = request.getfixturevalue(who)
    with pytest.raises(RefusedError) as refused:
        getattr(caller, "rest", caller).call(
            "enable_fix_v1",
            p_pattern_id=pattern_id,
            p_sha256=patterns.fix(pattern_id)["sha256"],
            p_max_heals=100,
        )
    assert refused.value.code == ("PL011" if who == "engine" else "PL001")
    assert patterns.fix(pattern_id)["max_heals"] == 1


def test_approving_again_makes_the_next_version(
    engine: Rest, patterns: Patterns, administrator: Person, desk: Desk
) -> None:
    """In place of the one whose approval is over, directly or by a proposal."""
    pattern_id = patterns.new()
    for version in (1, 2):
        patterns.approve(pattern_id, p_max_heals=1)
        assert patterns.fix(pattern_id)["version"] == version
        patterns.apply(pattern_id)
    proposal = desk.propose(pattern_id, administrator, "select 1")
    desk.decide(proposal, administrator)
    fixes = engine.select("pattern_fixes", pattern_id=f"eq.{pattern_id}", order="version")
    assert [each["disabled_at"] is None for each in fixes] == [False, False, True]
    assert {each["disabled_by"] for each in fixes[:2]} == {administrator.id}
    assert patterns.apply(pattern_id)["success"] is True


def test_enabling_while_the_last_run_is_under_way_allows_more(
    patterns: Patterns, administrator: Person
) -> None:
    """The fix is live until that run ends; the person does not have to wait for it."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_max_heals=1)
    last = patterns.claim(pattern_id)
    assert patterns.claim(pattern_id)["refusal"]["code"] == "expired"
    _enable(administrator, patterns, pattern_id)
    assert patterns.run(last["application_id"])["success"] is True
    assert _terms(patterns.fix(pattern_id)) == ("live", None, 1, 0)
    assert patterns.apply(pattern_id)["success"] is True
    assert patterns.fix(pattern_id)["mode"] == "expired"
