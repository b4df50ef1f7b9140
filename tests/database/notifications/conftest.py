"""Targets on a stack whose jobs do not run by themselves, and the engine's own worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine import settings
from pattern_engine.database.database import Database
from pattern_engine.notify import outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns
    from tests.database.notifications.receivers import NewReceiver, Receiver

    from pattern_engine.notify.models import NotifyResponse

CONSOLE = "https://console.example.com/ops"
LONG_AGO = "2020-01-01T00:00:00Z"


@dataclass
class Notifying:
    """Makes targets and notifications, sends what is due, and lets time pass."""

    service: Database
    database: Sql
    engine: Rest
    patterns: Patterns
    administrator: Person
    made: list[str] = field(default_factory=list)

    def target(self, receiver: Receiver, **fields: object) -> str:
        """Make a target for a receiver; its id."""
        secret = f"notify_{self.patterns.word()}"
        self.database.run("select vault.create_secret(%s, %s)", receiver.url, secret)
        return self.set(name=secret, url_secret=secret, **({"digest_seconds": 0} | fields))

    def set(self, **fields: object) -> str:
        """Make or change a target; its id."""
        made = self.administrator.rest.call("set_notification_target_v1", p_target=fields)
        self.made.append(made["target_id"])
        return str(made["target_id"])

    def shown(self, target_id: str) -> dict[str, Any]:
        """A target as it is listed."""
        listed = self.administrator.rest.call("list_notification_targets_v1")
        (found,) = [one for one in listed if one["target_id"] == target_id]
        return dict(found)

    def send(self) -> NotifyResponse:
        """Do what the function does when the job calls it."""
        return outbox.send_due(self.service, settings.current())

    def passes(self, target_id: str) -> None:
        """Let every pause, lease and hour of a target be over."""
        past = {"next_at": LONG_AGO, "lease_until": LONG_AGO, "last_sent_at": LONG_AGO}
        self.database.change("notification_targets", past, target_id=target_id)
        self.database.change(
            "notification_messages", {"finished_at": LONG_AGO}, target_id=target_id, state="sent"
        )

    def happens(self, pattern_id: str, kind: str = "fix_demoted", description: str = "") -> str:
        """Have something happen to a pattern; the word that the description has."""
        word = self.patterns.word()
        self.database.value(
            "select ops_internal.notify(%s, 'error', %s, jsonb_build_object('pattern_id', %s::text))",
            kind,
            f"{word} {description}",
            pattern_id,
        )
        return word

    def messages(self, state: str, target_id: str) -> list[dict[str, Any]]:
        """The messages of a target in a state."""
        call = self.administrator.rest.call
        listed = call("list_notification_messages_v1", p_state=state, p_limit=500)
        return [one for one in listed if one["target_id"] == target_id]


@pytest.fixture
def notifying(
    addresses: dict[str, Any],
    database: Sql,
    engine: Rest,
    patterns: Patterns,
    administrator: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Notifying]:
    """What the tests of this folder work with; its targets are gone at the end."""
    monkeypatch.setenv("SUPABASE_URL", addresses["api_url"])
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", addresses["publishable_key"])
    monkeypatch.setenv("SUPABASE_SECRET_KEY", addresses["secret_key"])
    monkeypatch.setenv("SUPABASE_JWT_SECRET", addresses["jwt_secret"])
    monkeypatch.setenv("PATTERN_ENGINE_WEBHOOK_SECRET", addresses["webhook_secret"])
    monkeypatch.setenv("PATTERN_ENGINE_CONSOLE_URL", CONSOLE)
    settings.current.cache_clear()
    service = Database(settings.current())
    notifying = Notifying(service, database, engine, patterns, administrator)
    yield notifying
    service.close()
    settings.current.cache_clear()
    database.run(
        "delete from ops.notification_targets where target_id = any(%s::uuid[])", notifying.made
    )


@pytest.fixture
def new_receiver() -> Iterator[NewReceiver]:
    """Makes receivers; they are stopped at the end."""
    made: list[Receiver] = []

    def new(kind: type[Receiver], *, started: bool = True) -> Receiver:
        receiver = kind()
        made.append(receiver)
        if started:
            receiver.start()
        return receiver

    yield new
    for receiver in made:
        receiver.stop()
