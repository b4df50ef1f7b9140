"""Sending what is due: the database hands out one message at a time, and is told what became of it.

The database holds a lease on the target of the message meanwhile, so that no two workers send to
one target at once. A worker that ends between sending and recording leaves the message to the next
one, which sends it again under the same id.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pattern_engine import logs
from pattern_engine.exceptions import Unavailable
from pattern_engine.notify.models import NotifyResponse
from pattern_engine.notify.wording import Message, compose, reference

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import DueMessage
    from pattern_engine.settings import Settings

WORK_SECONDS: Final = 20.0
"""After this time the rest is left to the job of the next minute; pg_net waits for 30 seconds."""
RECORD_TRIES: Final = 3
"""A message that was sent and not recorded is sent twice, so recording is worth some tries."""
PAUSE_SECONDS: Final = 0.5


def send_due(database: Database, settings: Settings) -> NotifyResponse:
    """Send the messages that are due, until there are none or the time is used up.

    Raises:
        NotificationsNotInstalled: if Apprise is missing; then no message has been taken.
        Unavailable: if the database cannot be reached.
    """
    from pattern_engine.notify import senders  # noqa: PLC0415  Apprise is optional and slow to load

    states: list[str] = []
    ends = time.monotonic() + WORK_SECONDS
    while time.monotonic() < ends and (due := database.take_notification()):
        message: Message | None = None
        try:
            sender = senders.sender(due["url"], due["url_secret"])
            message = compose(due, settings.console_url, sender.room)
            sender.send(message, reference(due["message_id"], settings.console_url))
            problem = None
        except senders.NotSent as refusal:
            problem = str(refusal)
        except Exception as bug:  # noqa: BLE001  one message that fails must not stop the others
            logs.error("notification_failed", bug, message_id=due["message_id"])
            problem = f"{type(bug).__name__} in the engine; its log has the message_id"
        included = list(message.included) if message else []
        states.append(_record(database, due, problem, included))
    return NotifyResponse(
        sent=states.count("sent"),
        failed=len(states) - states.count("sent"),
        dead=states.count("dead"),
    )


def _record(database: Database, due: DueMessage, problem: str | None, included: list[int]) -> str:
    """Record what became of a message; return its state."""
    if problem is not None:
        logs.warning("notification_not_sent", message_id=due["message_id"], reason=problem)
    for _ in range(RECORD_TRIES - 1):
        try:
            return database.finish_notification(due["message_id"], due["try"], problem, included)
        except Unavailable:
            time.sleep(PAUSE_SECONDS)
    return database.finish_notification(due["message_id"], due["try"], problem, included)
