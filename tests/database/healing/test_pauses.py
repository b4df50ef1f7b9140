"""The global pause: by a person or in a storm, obeyed at the next call, ended by time or person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb
from tests.conftest import RefusedError
from tests.database.approval.proposing import mend, message
from tests.database.steering.steering import events, refused

from pattern_engine.healing import application
from pattern_engine.healing.candidates import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns


@pytest.fixture(autouse=True)
def _no_pause_is_left(database: Sql) -> Iterator[None]:
    """A pause holds for every test of the stack: none outlives its own."""
    yield
    database.run("update ops.fix_pauses set ended_at = now() where ended_at is null")


def pause(person: Person, reason: str = "migration", seconds: int = 600) -> dict[str, Any]:
    """Pause all fixes."""
    begun: dict[str, Any] = person.rest.call("pause_fixes_v1", p_reason=reason, p_seconds=seconds)
    return begun


def test_nothing_is_taken_in_hand_while_a_pause_holds(
    operator: Person, patterns: Patterns, engine: Rest
) -> None:
    """The reason and the end are answered, and no law is asked; after the resuming it runs."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    begun = pause(operator, "the warehouse is being counted")
    claim = patterns.claim(pattern_id)
    assert (claim["application_id"], claim["validation"]) == (None, None)
    assert claim["refusal"] == {
        "code": "paused",
        "until": begun["expires_at"],
        "reason": "the warehouse is being counted",
    }
    (event,) = events(engine, "fixes_paused", pause_id=begun["pause_id"])
    assert event["actor"] == operator.id
    ended = operator.rest.call("resume_fixes_v1", p_reason="counted")
    assert ended == {"ended": [begun["pause_id"]]}
    assert patterns.apply(pattern_id)["success"] is True


def test_what_was_taken_in_hand_before_the_pause_does_not_begin(
    operator: Person, patterns: Patterns, orders: Orders
) -> None:
    """Within one call: the run itself asks, too."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, mend(orders))
    claim = patterns.claim(pattern_id)
    pause(operator)
    outcome = patterns.run(claim["application_id"])
    assert (outcome["success"], "paused" in outcome["error"]) == (False, True)
    assert orders.count("broken") == 10


def test_a_fix_outside_the_database_does_not_begin_either(
    operator: Person, patterns: Patterns, engine: Rest
) -> None:
    """PL024: whoever asks for the job gets none."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "{}", type="api_call")
    claim = patterns.claim(pattern_id)
    assert claim["job"]["script"] == "{}"
    pause(operator)
    refused(
        "PL024",
        lambda: engine.call("application_job_v1", p_application_id=claim["application_id"]),
    )


def test_the_engine_says_why_nothing_runs(
    desk: Desk, operator: Person, administrator: Person, orders: Orders
) -> None:
    """An error during a pause is learned and answered with the pause's reason."""
    text = message()
    pattern_id, _ = desk.occur(text)
    desk.decide(desk.propose(pattern_id, operator, mend(orders)), administrator)
    pause(operator, "counting")
    _, log_id = desk.occur(text)
    answer = desk.heal(log_id)
    assert (answer.applied, "counting" in str(answer.reason)) == (False, True)
    assert orders.count("broken") == 10
    operator.rest.call("resume_fixes_v1")
    assert desk.heal(log_id).success is True


def test_a_pause_says_nothing_of_an_error_that_is_handled(
    desk: Desk, operator: Person, administrator: Person, orders: Orders, patterns: Patterns
) -> None:
    """A second delivery is answered by the run there was; a note would hide a dead worker's claim."""
    text = message()
    pattern_id, _ = desk.occur(text)
    desk.decide(desk.propose(pattern_id, operator, mend(orders)), administrator)
    _, healed = desk.occur(text)
    assert desk.heal(healed).success is True
    _, claimed = desk.occur(text)
    assert patterns.claim(pattern_id, claimed)["refusal"] is None
    pause(operator)
    for log_id, reason in (
        (healed, "This version of the fix has already run for this log row"),
        (claimed, "Another worker is handling this error"),
    ):
        (found,) = find(desk.database, [desk.sighting(log_id)])
        healing = application.heal(desk.database, found, desk.settings)
        assert (healing.answer.reason, healing.note) == (reason, None)
    operator.rest.call("resume_fixes_v1")


def test_a_pause_ends_by_itself(operator: Person, patterns: Patterns, database: Sql) -> None:
    """After its seconds nobody has to remember it, and there is nothing to resume."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    begun = pause(operator, seconds=1)
    expired = "update ops.fix_pauses set expires_at = now() - interval '1 s' where pause_id = %s"
    assert database.run(expired, begun["pause_id"]) == 1
    assert operator.rest.call("resume_fixes_v1") == {"ended": []}
    assert patterns.apply(pattern_id)["success"] is True


def test_of_two_pauses_the_longer_one_holds(
    operator: Person, administrator: Person, patterns: Patterns
) -> None:
    """Resuming ends both."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    first, second = pause(operator, "short", 60), pause(administrator, "long", 600)
    assert patterns.claim(pattern_id)["refusal"]["reason"] == "long"
    ended = operator.rest.call("resume_fixes_v1")["ended"]
    assert sorted(ended) == sorted([first["pause_id"], second["pause_id"]])


def test_a_storms_pause_is_made_once_and_ended_by_a_person(operator: Person, database: Sql) -> None:
    """It has no person who began it; who ends it is on record."""
    policy = Jsonb({"storm_seconds": 60, "storm_pause_seconds": 300})
    for _ in range(2):
        database.run("select ops_internal.stop_for_storm(12, %s)", policy)
    rows = database.rows("select * from ops.fix_pauses where ended_at is null")
    assert [(row["cause"], row["started_by"], row["reason"]) for row in rows] == [
        ("storm", None, "12 patterns with a fix fired within 60 seconds")
    ]
    operator.rest.call("resume_fixes_v1", p_reason="looked at")
    (row,) = database.rows("select * from ops.fix_pauses where id = %s", rows[0]["id"])
    assert (str(row["ended_by"]), row["ended_reason"]) == (operator.id, "looked at")


WRONG = {
    "no end": {"p_reason": "x", "p_seconds": None},
    "no length": {"p_reason": "x", "p_seconds": 0},
    "for ever": {"p_reason": "x", "p_seconds": 2_592_001},
    "no reason": {"p_reason": None, "p_seconds": 60},
    "a blank reason": {"p_reason": " ", "p_seconds": 60},
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_a_pause_has_a_reason_and_an_end(operator: Person, arguments: dict[str, Any]) -> None:
    """PL022: one that nobody can explain, or that never ends, is none."""
    refused("PL022", lambda: operator.rest.call("pause_fixes_v1", **arguments))


@pytest.mark.parametrize("who", ["user", "viewer"])
def test_who_may_not_pause(request: pytest.FixtureRequest, operator: Person, who: str) -> None:
    """PL001: pausing and resuming take an operator; a pause stays as it is."""
    person: Person = request.getfixturevalue(who)
    refused("PL001", lambda: pause(person))
    begun = pause(operator)
    refused("PL001", lambda: person.rest.call("resume_fixes_v1"))
    assert operator.rest.call("resume_fixes_v1") == {"ended": [begun["pause_id"]]}


def test_the_secret_key_pauses_nothing_by_itself(engine: Rest, anon: Rest) -> None:
    """PL011 for the secret key; anyone else is not let in at all."""
    refused("PL011", lambda: engine.call("pause_fixes_v1", p_reason="x", p_seconds=60))
    refused("PL011", lambda: engine.call("resume_fixes_v1"))
    for name, arguments in {
        "pause_fixes_v1": {"p_reason": "x", "p_seconds": 60},
        "resume_fixes_v1": {},
    }.items():
        with pytest.raises(RefusedError) as caught:
            anon.call(name, **arguments)
        assert caught.value.code == "42501"


def test_operators_of_any_role_read_pauses(viewer: Person, user: Person, operator: Person) -> None:
    """Users of the application see none."""
    begun = pause(operator)
    name = f"eq.{begun['pause_id']}"
    assert len(viewer.rest.select("fix_pauses", pause_id=name)) == 1
    assert user.rest.select("fix_pauses", pause_id=name) == []
