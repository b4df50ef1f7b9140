"""What a person reviewed is what runs: analyses are made again, and a fix is tried beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.database.approval.proposing import caller, message

from pattern_engine import settings
from pattern_engine.approval import approval, composing, proposals
from pattern_engine.approval.models import ApproveRequest, DecideRequest, PreviewRequest
from pattern_engine.exceptions import FixNotPinned, FixRefused

if TYPE_CHECKING:
    from tests.conftest import Person, Rest
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders


def _events(engine: Rest, event_type: str, pattern_id: str) -> list[dict[str, Any]]:
    return engine.select(
        "roman_events",
        event_type=f"eq.{event_type}",
        **{"metadata->>pattern_id": f"eq.{pattern_id}"},
    )


def _approve(desk: Desk, person: Person, pattern_id: str, script: str, **more: Any) -> Any:
    request = ApproveRequest.model_validate(
        {
            "pattern_id": pattern_id,
            "auto_fix_script": script,
            "auto_fix_type": "sql",
            "approved_by": person.id,
        }
        | more
    )
    return approval.approve(request, caller(person), desk.database, desk.settings)


@pytest.fixture
def flattering(desk: Desk, orders: Orders, operator: Person) -> dict[str, Any]:
    """A proposal that an operator stored without the engine: its analysis hides the delete."""
    text = message()
    pattern_id, _ = desk.occur(text)
    script = f"delete from {orders.name} where id = 1"
    fix, analysis = composing.compose("sql", script, {}, None, desk.settings.facilities())
    proposal: dict[str, Any] = operator.rest.call(
        "propose_fix_v1",
        p_pattern_id=pattern_id,
        p_fix=fix,
        p_analysis=analysis.as_dict() | {"destructive": [], "operations": ["select"]},
        p_seconds=600,
    )
    return proposal | {"message": text}


def test_a_flattering_analysis_is_refused_at_the_preview(
    desk: Desk, flattering: dict[str, Any], operator: Person, engine: Rest
) -> None:
    """The stored analysis has to be that of the script; the attempt is recorded."""
    request = PreviewRequest(proposal_id=flattering["proposal_id"])
    with pytest.raises(FixNotPinned, match="analysis"):
        proposals.preview(request, caller(operator), desk.database, desk.settings)
    (event,) = _events(engine, "fix_refused", flattering["pattern_id"])
    assert event["metadata"]["changed"] == ["analysis"]
    assert event["metadata"]["proposed_by"] == operator.id


def test_a_flattering_analysis_is_refused_at_the_decision(
    desk: Desk, flattering: dict[str, Any], administrator: Person, engine: Rest
) -> None:
    """Nothing is approved by it."""
    request = DecideRequest(
        proposal_id=flattering["proposal_id"], sha256=flattering["sha256"], decision="approve"
    )
    with pytest.raises(FixNotPinned, match="analysis"):
        proposals.decide(request, caller(administrator), desk.database, desk.settings)
    assert len(_events(engine, "fix_refused", flattering["pattern_id"])) == 1
    assert engine.select("pattern_fixes", pattern_id=f"eq.{flattering['pattern_id']}") == []


def test_a_flattering_analysis_is_refused_at_the_run(
    desk: Desk,
    flattering: dict[str, Any],
    administrator: Person,
    engine: Rest,
    orders: Orders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who approves by the database's own function does not run what was not reviewed either."""
    administrator.rest.call(
        "decide_fix_v1",
        p_proposal_id=flattering["proposal_id"],
        p_sha256=flattering["sha256"],
        p_decision="approve",
        p_reason=None,
    )
    monkeypatch.setattr(settings, "current", lambda: desk.settings)  # by which it is logged
    _, log_id = desk.occur(flattering["message"])
    answer = desk.heal(log_id)
    assert answer.applied is False
    assert "analysis" in str(answer.reason)
    assert orders.count("broken") == 10
    (event,) = _events(engine, "fix_refused", flattering["pattern_id"])
    assert event["severity"] == "critical"


def test_approving_tries_the_fix_and_refuses_one_that_does_not_run(
    desk: Desk, orders: Orders, administrator: Person, engine: Rest
) -> None:
    """A table that does not exist, or was not granted, is found out now and not at night."""
    pattern_id, _ = desk.occur(message())
    for script, told in (
        (f"update {orders.name}_gone set status = 'x' where id = 1", "does not exist"),
        (f"update {orders.name} set nothing = 'x' where id = 1", "nothing"),
        (f"update {orders.name} set status = null where id = 1", "not-null"),
        (f"insert into {orders.name} values (99, 'x')", "permission denied"),
    ):
        with pytest.raises(FixRefused, match=told):
            _approve(desk, administrator, pattern_id, script)
    assert engine.select("pattern_fixes", pattern_id=f"eq.{pattern_id}") == []
    assert len(_events(engine, "fix_rejected", pattern_id)) == 4
    _approve(desk, administrator, pattern_id, f"update {orders.name} set note = 'x' where id = 1")
    (fix,) = engine.select("pattern_fixes", pattern_id=f"eq.{pattern_id}")
    assert fix["disabled_at"] is None
    assert orders.count("broken") == 10


def test_approving_without_a_stored_error_tries_the_fix_too(
    desk: Desk, orders: Orders, administrator: Person, patterns: Any
) -> None:
    """The log may have lost the errors of the pattern."""
    with pytest.raises(FixRefused, match="does not exist"):
        _approve(
            desk, administrator, patterns.new(), f"delete from {orders.name}_gone where id = 1"
        )


def test_the_preview_tells_what_to_know(desk: Desk, orders: Orders, operator: Person) -> None:
    """A script for one of many cases, with no target, would be judged by all of them."""
    pattern_id, _ = desk.occur(message())
    script = f"update {orders.name} set status = 'x' where id = ($2 #>> '{{captured,order}}')::int"
    proposal = desk.propose(pattern_id, operator, script)
    assert proposal.dry_run is not None
    assert any("names no target" in each for each in proposal.dry_run["warnings"])
    named = desk.propose(pattern_id, operator, script, target=["order"])
    assert named.dry_run is not None
    assert named.dry_run["warnings"] == []
