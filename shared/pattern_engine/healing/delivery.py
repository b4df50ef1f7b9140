"""Receiving the database webhook: learn from new log rows, and heal those with an enabled fix.

The body says which rows; their content is read from the table. There are three kinds of calls:

- an announcement of new rows. It stands for the rows that follow it too: errors that come together
  are announced once, and a call looks for new ones until there are none;
- a list of ids, which Supabase or anybody may send, any number of times: a row counts once and a
  fix version runs once for it, so a repeated call changes nothing;
- a sweep, which learns whatever was never learned, as long as there is anything.

A row that fails does not stop the other rows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pattern_engine import logs
from pattern_engine.exceptions import PatternEngineError
from pattern_engine.healing.models import WebhookResponse
from pattern_engine.learning import log_rows
from pattern_engine.learning.log_rows import Failures

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Json, LogRecord, Look, RefusalNote
    from pattern_engine.healing.candidates import Match, NoMatch
    from pattern_engine.healing.models import WebhookRequest
    from pattern_engine.learning.sightings import Sighting
    from pattern_engine.settings import Settings

WORK_SECONDS: Final = 20.0
"""After this time a call that is not done is continued by another; pg_net waits for 30 seconds."""
MOST_AT_ONCE: Final = 500
"""Errors whose fixes are looked up in one call."""
MARGIN_SECONDS: Final = 0.01
"""An insert that saw that somebody will look again is committed within this time, as a rule."""
LATE_SECONDS: Final = 0.3
"""After this time a call that found no more looks a last time, for inserts that took longer."""


def receive(request: WebhookRequest, database: Database, settings: Settings) -> WebhookResponse:
    """Learn from the rows that a webhook is about, and heal them.

    Raises:
        Unavailable: if the database cannot be reached; sending the call again is safe.
    """
    delivery = _Delivery(database, settings)
    ids = request.log_ids()
    if request.type == "SWEEP":
        delivery.sweep()
    elif request.first is not None:
        delivery.announced(request.first, request.last or request.first)
    elif ids:
        delivery.named(ids)
    return WebhookResponse(
        received=len(ids) or delivery.received,
        learned=delivery.learned,
        unchanged=delivery.unchanged,
        applied=delivery.applied,
        healed=delivery.healed,
        failed=len(delivery.failures),
    )


class _Delivery:
    """One call: what is left to be healed, and what became of its rows so far."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._fixable: list[Sighting] = []
        self._ends = time.monotonic() + WORK_SECONDS
        self.failures = Failures()
        self.received = self.learned = self.unchanged = self.applied = self.healed = 0

    def named(self, ids: list[int]) -> None:
        """Learn from these rows, and heal them."""
        for rows in log_rows.read(self._database, ids, self.failures):
            self._learn(rows, by_name=True)
        self._heal()

    def announced(self, first: int, last: int) -> None:
        """Learn from the rows of an announcement and from those that came after it."""
        seen: set[int] = set()
        look: Look = "first"
        is_over = False
        while True:
            looked = time.monotonic()
            found = self._database.read_new_logs(first, last, look)
            rows = [row for row in found["logs"] if row["id"] not in seen]
            seen.update(row["id"] for row in rows)
            self._learn(rows)
            if rows and looked > self._ends:
                self._go_on({"type": "INSERT", "first": first, "last": last})
            elif rows and found["is_full"]:  # a backlog: learning comes before healing
                first, look = rows[-1]["id"] + 1, "next"
                continue
            self._heal()
            again_after_ms = found["again_after_ms"]
            if looked > self._ends or (again_after_ms is None and (is_over or not seen)):
                return
            is_over = again_after_ms is None
            again = again_after_ms / 1000 + MARGIN_SECONDS if again_after_ms else LATE_SECONDS
            time.sleep(max(looked + again - time.monotonic(), 0))
            look = "last"

    def sweep(self) -> None:
        """Learn from all rows that were never learned, and heal them at the end."""
        while ids := self._database.take_unlearned():
            before = dict(self.failures)
            for rows in log_rows.read(self._database, ids, self.failures):
                self._learn(rows)
            if failed := {id_: why for id_, why in self.failures.items() if id_ not in before}:
                self._database.note_failures(failed)
            if time.monotonic() > self._ends:
                self._go_on({"type": "SWEEP"})
                break
        self._heal()

    def _go_on(self, call: Json) -> None:
        self._database.call_webhook({"table": "system_logs", "schema": "ops"} | call)

    def _learn(self, rows: list[LogRecord], *, by_name: bool = False) -> None:
        """Learn from rows; those with a fix are healed later.

        A row that another call has learned meanwhile is healed by that call, unless this one was
        given the row by name.
        """
        self.received += len(rows)
        for sighting, outcome in log_rows.learn(self._database, rows, self.failures):
            if outcome["action"] == "unchanged":
                self.unchanged += 1
            else:
                self.learned += 1
            if outcome["has_fix"] and (by_name or outcome["action"] != "unchanged"):
                self._fixable.append(sighting)

    def _heal(self) -> None:
        """Heal the errors that have a fix, one by one, and record why others were refused."""
        fixable, self._fixable = self._fixable, []
        for start in range(0, len(fixable), MOST_AT_ONCE):
            notes: list[RefusalNote] = []
            for found in self._candidates(fixable[start : start + MOST_AT_ONCE]):
                note = self._heal_one(found)
                if note is not None:
                    notes.append(note)
            if notes:
                self._database.record_refusals(notes)

    def _candidates(self, errors: list[Sighting]) -> list[Match | NoMatch]:
        """Find the fix of each error; if the batch fails, look each of them up by itself."""
        from pattern_engine.healing import candidates  # noqa: PLC0415  most calls only learn

        try:
            return candidates.find(self._database, errors)
        except PatternEngineError as problem:
            if log_rows.is_for_all(problem):
                raise
            if len(errors) == 1:
                self.failures.note("finding_failed", problem, errors[0].system_log_id)
                return []
            return [found for error in errors for found in self._candidates([error])]

    def _heal_one(self, found: Match | NoMatch) -> RefusalNote | None:
        """Heal one error, or return the note that says why its fix was refused."""
        from pattern_engine.healing import application  # noqa: PLC0415  most calls only learn

        try:
            healing = application.heal(self._database, found, self._settings)
        except Exception as problem:  # noqa: BLE001  a row that fails must not stop the others
            self.failures.note("healing_failed", problem, found.sighting.system_log_id)
            return None
        answer = healing.answer
        self.applied += answer.applied
        self.healed += answer.success is True
        if not answer.applied:
            log_id = found.sighting.system_log_id
            logs.debug("not_applied", system_log_id=log_id, reason=answer.reason)
        return healing.note
