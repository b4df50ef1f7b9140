"""A storm: many patterns with an enabled fix have errors together, and all fixes are paused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.healing.policy import POLICY, broken, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns

STORM = POLICY | {"storm_patterns": 6, "storm_seconds": 60, "storm_pause_seconds": 300}


@pytest.fixture
def resumed(operator: Person) -> Iterator[None]:
    """Whatever pause a test brings about ends with it."""
    yield
    operator.rest.call("resume_fixes_v1")


@pytest.fixture
def calm(database: Sql) -> None:
    """The errors of other tests lie an hour back, so that errors that come together are counted."""
    database.run("update ops.system_logs set created_at = created_at - interval '1 hour'")


def _prone(patterns: Patterns, **changes: object) -> dict[str, Any]:
    """An error whose pattern has an approved fix."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(pattern_id, **changes)  # type: ignore[arg-type]
    return error | {"pattern_id": pattern_id}


def _occur(patterns: Patterns, error: dict[str, Any]) -> int:
    """Have an error occur and be learned; return its log row."""
    log_id = patterns.log_row()
    patterns.learn(
        {name: error[name] for name in error if name != "pattern_id"} | {"system_log_id": log_id}
    )
    return log_id


@pytest.mark.usefixtures("resumed", "calm")
def test_a_storm_pauses_all_fixes_once(engine: Rest, patterns: Patterns) -> None:
    """16 patterns fire at the same moment: fewer run than make a storm; one pause, one event."""
    errors = [_prone(patterns) for _ in range(16)]
    before = {row["pause_id"] for row in engine.select("fix_pauses")}

    def heal(error: dict[str, Any]) -> dict[str, Any]:
        return patterns.claim(error["pattern_id"], _occur(patterns, error), p_policy=STORM)

    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(heal, errors))
    assert sum(claim["refusal"] is None for claim in claims) < 6
    refused = [claim for claim in claims if claim["refusal"]]
    assert {claim["refusal"]["code"] for claim in refused} <= {"laws", "paused"}
    stopped = [claim for claim in refused if claim["validation"]]
    assert [broken(claim) for claim in stopped] == [[(4, "storm")]] * len(stopped)
    (pause,) = [row for row in engine.select("fix_pauses") if row["pause_id"] not in before]
    assert (pause["cause"], pause["started_by"]) == ("storm", None)
    assert pause["reason"].endswith("patterns with a fix fired within 60 seconds")
    assert int(pause["reason"].split()[0]) in {
        number(claim, "firing_patterns") for claim in stopped
    }
    events = engine.select(
        "roman_events",
        event_type="eq.storm_stop",
        **{"metadata->>pause_id": f"eq.{pause['pause_id']}"},
    )
    assert [event["severity"] for event in events] == ["critical"]


@pytest.mark.usefixtures("resumed", "calm")
def test_the_last_pattern_before_a_storm_runs(patterns: Patterns) -> None:
    """Five different patterns run; the sixth makes the storm, and the first waits as well then."""
    errors = [_prone(patterns) for _ in range(6)]
    rows = [_occur(patterns, error) for error in errors[:5]]
    claims = [
        patterns.claim(error["pattern_id"], row, p_policy=STORM)
        for error, row in zip(errors[:5], rows, strict=True)
    ]
    assert [broken(claim) for claim in claims] == [[]] * 5
    assert [number(claim, "firing_patterns") for claim in claims] == [5] * 5
    # The error at hand counts before it was learned.
    refused = patterns.claim(errors[5]["pattern_id"], p_policy=STORM)
    assert (broken(refused), number(refused, "firing_patterns")) == ([(4, "storm")], 6)
    later = patterns.claim(errors[0]["pattern_id"], p_policy=STORM)
    assert later["refusal"]["code"] == "paused"


@pytest.mark.usefixtures("resumed", "calm")
def test_claims_make_no_storm(patterns: Patterns) -> None:
    """Errors of different patterns do: one pattern however often, and runs without one, do not."""
    errors = [_prone(patterns) for _ in range(7)]
    for error in (*[errors[0]] * 7, *errors[1:]):
        claim = patterns.claim(error["pattern_id"], p_policy=STORM)
        assert (claim["refusal"], number(claim, "firing_patterns")) == (None, 1)


@pytest.mark.usefixtures("calm")
def test_what_makes_a_storm(patterns: Patterns, database: Sql) -> None:
    """Recent errors of different patterns with an enabled fix, in rows of writers that it trusts."""
    mine, live, untrusted, old, shadow, disabled, bare = (
        *(_prone(patterns) for _ in range(4)),
        _prone(patterns, p_mode="shadow"),
        _prone(patterns),
        patterns.error(),
    )
    patterns.disable(disabled["pattern_id"])

    def firing() -> int:
        count = "select ops_internal.firing_patterns(%s, 60)"
        return int(database.value(count, mine["pattern_id"]))

    for error in (mine, mine, disabled, bare):
        _occur(patterns, error)
    assert firing() == 1, "this pattern"
    written = "update ops.system_logs set written_by = 'authenticated' where id = %s"
    database.run(written, _occur(patterns, untrusted))
    assert firing() == 1, "anyone can write such rows"
    moved = "update ops.system_logs set created_at = now() - interval '61 s' where id = %s"
    database.run(moved, _occur(patterns, old))
    assert firing() == 1, "too long ago"
    for _ in range(3):
        _occur(patterns, live)
    assert firing() == 2, "another one, once"
    _occur(patterns, shadow)
    assert firing() == 2, "a shadow runs nothing, so it is not enabled"


@pytest.mark.usefixtures("calm")
def test_a_flood_of_other_rows_hides_no_storm(patterns: Patterns, database: Sql) -> None:
    """However many errors anyone writes, the patterns that fire are counted."""
    mine, other = _prone(patterns), _prone(patterns)
    _occur(patterns, other)
    with database.undone():
        database.run(
            "insert into ops.system_logs (log_level, message) "
            "select 'critical', 'a flood' from generate_series(1, 1500)"
        )
        count = "select ops_internal.firing_patterns(%s, 60)"
        assert database.value(count, mine["pattern_id"]) == 2
