"""POST /notify over HTTP: its caller, its answer, and what it says where Apprise is missing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from pattern_engine import notify

if TYPE_CHECKING:
    import pytest
    from tests.http.conftest import Load, Wire

MESSAGE = {
    "message_id": "88888888-8888-4888-8888-888888888888",
    "try": 1,
    "created_at": "2026-01-01T00:00:00Z",
    "target": "on call",
    "url_secret": "notify_on_call",
    "url": None,
    "notifications": [],
}


def test_it_sends_until_nothing_is_due(load: Load, wire: Wire, job: dict[str, str]) -> None:
    """The database hears of each message; the answer counts them."""
    due = [MESSAGE, MESSAGE, None]
    wire.replies["take_notification_v1"] = lambda _: due.pop(0)
    states = ["waiting", "dead"]
    wire.replies["finish_notification_v1"] = lambda _: states.pop(0)
    answer = load("notify").post("/", json={}, headers=job)
    assert (answer.status_code, answer.get_json()) == (
        200,
        {"success": True, "sent": 0, "failed": 2, "dead": 1},
    )
    taken, told = "take_notification_v1", "finish_notification_v1"
    assert wire.names == [taken, told, taken, told, taken]
    recorded = json.loads(wire.requests[1].content)
    assert "vault.create_secret" in recorded["p_error"]


def test_without_apprise_nothing_is_taken(
    load: Load, wire: Wire, job: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 501 says what to install; no message loses a try."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.delitem(sys.modules, "pattern_engine.notify.senders", raising=False)
    monkeypatch.delattr(notify, "senders", raising=False)
    answer = load("notify").post("/", headers=job)
    assert answer.status_code == 501
    error = answer.get_json()["error"]
    assert error["code"] == "notifications_not_installed"
    assert "extra `notify`" in error["message"]
    assert wire.names == []
