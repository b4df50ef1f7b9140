"""A shadow does everything but run: what would have happened is recorded and watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError
from tests.database.healing.outcomes import WINDOW
from tests.database.healing.policy import POLICY

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Orders, Patterns
    from tests.database.healing.outcomes import Outcomes


@pytest.fixture
def shadow(patterns: Patterns, orders: Orders) -> str:
    """A pattern whose fix is approved as a shadow; it would mend the first order."""
    pattern_id = patterns.new()
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    patterns.approve(pattern_id, script, tables=(orders.name,), p_mode="shadow")
    return pattern_id


def _enable(person: Person, pattern_id: str, digest: str) -> dict[str, Any]:
    stored: dict[str, Any] = person.rest.call(
        "enable_fix_v1", p_pattern_id=pattern_id, p_sha256=digest, p_reason="seen enough"
    )
    return stored


def _watched(engine: Rest, pattern_id: str) -> str:
    """The one application that a shadow has recorded."""
    (claim,) = engine.select("pattern_claims", pattern_id=f"eq.{pattern_id}")
    assert claim["purpose"] == "shadow"
    return str(claim["application_id"])


def test_a_shadow_records_what_would_have_run(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, orders: Orders, shadow: str
) -> None:
    """It is not given out, touches nothing, and is told with version and digest."""
    log_id = patterns.log_row()
    claim = patterns.claim(shadow, log_id)
    assert claim["refusal"] == {"code": "shadow"}
    assert (claim["application_id"], claim["job"]) == (None, None)
    application_id = _watched(engine, shadow)
    (event,) = engine.select(
        "roman_events",
        event_type="eq.fix_shadowed",
        **{"metadata->>application_id": f"eq.{application_id}"},
    )
    assert event["constitutional_validation"] == claim["validation"]
    fix = patterns.fix(shadow)
    assert event["metadata"] == {
        "pattern_id": shadow,
        "application_id": application_id,
        "system_log_id": log_id,
        "fix_version": 1,
        "sha256": fix["sha256"],
    }
    assert outcomes.of(application_id)["mode"] == "shadow"
    assert not engine.select("pattern_applications", pattern_id=f"eq.{shadow}")
    assert orders.count("broken") == 10


def test_a_shadow_is_not_enabled(engine: Rest, patterns: Patterns, shadow: str) -> None:
    """It runs nothing; but the pattern does not await an approval, since it has one."""
    (stored,) = engine.select("error_patterns", pattern_id=f"eq.{shadow}")
    assert (stored["auto_fix_enabled"], stored["has_running_fix"]) == (False, True)
    assert patterns.claim(shadow)["refusal"] == {"code": "shadow"}
    awaiting = engine.call("statistics_v1")["awaiting_approval"]
    assert shadow not in {pattern["pattern_id"] for pattern in awaiting}


def test_a_shadow_does_not_run_whoever_asks(
    engine: Rest, patterns: Patterns, orders: Orders, shadow: str
) -> None:
    """Its claim ended as it began: running or finishing it does nothing, and it has no job."""
    patterns.claim(shadow)
    application_id = _watched(engine, shadow)
    assert patterns.run(application_id) is None
    outcome = {"success": True, "error": None, "execution_time_ms": 1}
    engine.call("finish_application_v1", p_application_id=application_id, p_outcome=outcome)
    with pytest.raises(RefusedError) as refused:
        engine.call("application_job_v1", p_application_id=application_id)
    assert refused.value.code == "PL010"
    assert not engine.select("pattern_applications", pattern_id=f"eq.{shadow}")
    assert orders.count("broken") == 10


def test_a_shadow_keeps_the_pace_of_a_live_fix(patterns: Patterns, shadow: str) -> None:
    """Cooldown and budget hold it back as they would the runs; an error has one shadow."""
    log_id = patterns.log_row()
    policy = POLICY | {"cooldown_seconds": 60}
    for row, code in ((log_id, "shadow"), (log_id, "applied_before"), (patterns.log_row(), "laws")):
        claim = patterns.claim(shadow, row, p_policy=policy)
        assert (claim["refusal"]["code"], claim["application_id"]) == (code, None)


@pytest.mark.parametrize(("comes_back", "outcome"), [(False, "verified"), (True, "failed")])
def test_a_shadow_tells_what_became_of_the_error_without_it(
    engine: Rest,
    patterns: Patterns,
    outcomes: Outcomes,
    shadow: str,
    comes_back: bool,
    outcome: str,
) -> None:
    """It is judged as a run is, and counts for nothing: neither rate, nor trust, nor breaker."""
    policy = POLICY | {"demote_after": 1, "disable_after": 1}
    patterns.claim(shadow, p_policy=policy)
    run = _watched(engine, shadow)
    outcomes.passes(shadow, WINDOW + 1)
    outcomes.traffic(seconds_ago=WINDOW / 2)
    if comes_back:
        outcomes.occurs(shadow, WINDOW / 2)
    assert outcomes.judge(shadow) == 1
    assert outcomes.of(run)["outcome"] == outcome
    stored = engine.select("error_patterns", pattern_id=f"eq.{shadow}")[0]
    rated = ("success_rate", "confidence_score", "confidence_lower_bound", "confidence_outcomes")
    assert [stored[name] for name in rated] == [0, 0.5, None, 0]
    assert stored["consecutive_failures"] == 0
    assert patterns.fix(shadow)["mode"] == "shadow"
    (event,) = engine.select(
        "roman_events",
        event_type=f"eq.fix_{outcome}",
        **{"metadata->>application_id": f"eq.{run}"},
    )
    assert event["severity"] == "info"
    assert event["description"].startswith("Without the fix: ")


def test_a_shadow_and_a_run_do_not_follow_each_other(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, administrator: Person, shadow: str
) -> None:
    """A run after a shadow leaves it to be judged by itself."""
    patterns.claim(shadow)
    watched = _watched(engine, shadow)
    _enable(administrator, shadow, patterns.fix(shadow)["sha256"])
    live = outcomes.finish(shadow)
    assert outcomes.of(watched)["outcome"] == "pending"
    assert outcomes.of(live)["outcome"] == "pending"


def test_a_shadow_goes_live_with_the_bytes_that_were_approved(
    engine: Rest, patterns: Patterns, orders: Orders, administrator: Person, shadow: str
) -> None:
    """The same version, without probation; enabling it twice changes nothing."""
    approved = patterns.fix(shadow)
    stored = _enable(administrator, shadow, approved["sha256"])
    assert stored["auto_fix_enabled"] is True
    assert _enable(administrator, shadow, approved["sha256"]) == stored
    fix = patterns.fix(shadow)
    assert (fix["mode"], fix["is_on_probation"], fix["version"]) == ("live", False, 1)
    assert (fix["mode_changed_by"], fix["mode_reason"]) == (administrator.id, "seen enough")
    assert fix["sha256"] == approved["sha256"]
    (event,) = engine.select(
        "roman_events",
        event_type="eq.fix_enabled",
        **{"metadata->>pattern_id": f"eq.{shadow}"},
    )
    assert event["metadata"]["former_mode"] == "shadow"
    assert patterns.apply(shadow)["rows_touched"] == 1
    assert orders.count("fixed") == 1


@pytest.mark.parametrize("digest", ["0" * 64, "", None])
def test_other_bytes_are_not_enabled(
    patterns: Patterns, administrator: Person, shadow: str, digest: str
) -> None:
    """PL006: who enables a fix has read the very one that is stored."""
    with pytest.raises(RefusedError) as refused:
        _enable(administrator, shadow, digest)
    assert refused.value.code == "PL006"
    assert patterns.fix(shadow)["mode"] == "shadow"


def test_a_disabled_shadow_is_not_enabled(
    patterns: Patterns, administrator: Person, shadow: str
) -> None:
    """PL014: it needs a new approval, as any other."""
    digest = patterns.fix(shadow)["sha256"]
    patterns.disable(shadow)
    with pytest.raises(RefusedError) as refused:
        _enable(administrator, shadow, digest)
    assert refused.value.code == "PL014"


def test_the_same_bytes_in_another_mode_are_another_approval(
    patterns: Patterns, database: Sql, shadow: str, orders: Orders
) -> None:
    """PL003: a shadow becomes live by enabling it, not by approving it once more."""
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    with pytest.raises(RefusedError) as refused:
        patterns.approve(shadow, script, tables=(orders.name,))
    assert refused.value.code == "PL003"
    assert "Version 1, shadow," in refused.value.words
    assert "POST /enable" in refused.value.words
    same = patterns.approve(shadow, script, tables=(orders.name,), p_mode="shadow")
    assert same["pattern_id"] == shadow
    count = "select count(*) from ops.pattern_fixes where pattern_id = %s"
    assert database.value(count, shadow) == 1
