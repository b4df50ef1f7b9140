"""A database with nothing in it, and the engine's own way to learn into it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from pattern_engine import grouping
from pattern_engine.exceptions import LockNotAvailable
from pattern_engine.grouping import rules
from pattern_engine.learning import counting
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted
from pattern_engine.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import Sql

    from pattern_engine.database.database import Database
    from pattern_engine.database.records import LearnedRecord

BATCH = 500


def settings_of(addresses: dict[str, Any]) -> Settings:
    """Return the settings of a function that runs beside a stack."""
    return Settings(
        supabase_url=addresses["api_url"],
        publishable_key=addresses["publishable_key"],
        secret_key=addresses["secret_key"],
        webhook_secret=addresses["webhook_secret"],
        database_timeout_seconds=60,
        # One process stands for many here.
        database_calls=64,
    )


@dataclass(frozen=True)
class Learner:
    """Learns messages as the functions do, into tables that are empty at first."""

    database: Database
    sql: Sql
    settings: Settings

    def clear(self) -> None:
        """Forget everything that was learned."""
        self.sql.run("truncate ops.error_patterns, ops.roman_events cascade")

    def learn(self, *messages: str) -> list[LearnedRecord]:
        """Learn messages in one call."""
        rule_set = rules.current(self.database)
        errors = [record(sighted(text, rule_set=rule_set)) for text in messages]
        return counting.count(self.database, errors)

    def learn_all(self, messages: list[str], *, workers: int = 1, batch: int = BATCH) -> None:
        """Learn messages in batches, by so many workers at once."""
        starts = range(0, len(messages), batch)
        batches = [messages[start : start + batch] for start in starts]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(self._learn_patiently, batches))

    def _learn_patiently(self, texts: list[str]) -> None:
        """Learn a batch; where others hold the lock for too long, send it again, as callers do."""
        for _ in range(10):
            try:
                self.learn(*texts)
            except LockNotAvailable:
                continue
            return
        self.learn(*texts)

    def learn_by_v1(self, *messages: str) -> list[dict[str, Any]]:
        """Learn messages as the release did whose only algorithm was grouping/v1."""
        errors = [_as_by_v1(text) for text in messages]
        learned: list[dict[str, Any]] = self.sql.call("learn_errors_v1", errors)
        return learned

    def groups(self, messages: list[str]) -> list[str]:
        """Return the pattern that each message belongs to by now, by its current signature."""
        rows = self.sql.rows("select signature, pattern_id::text from ops.pattern_signatures")
        patterns = {row["signature"]: row["pattern_id"] for row in rows}
        return [patterns[grouping.group(grouping.clean(text)).signature] for text in messages]

    def count(self, table: LiteralString, condition: LiteralString = "true") -> int:
        """Count the rows of a table of schema ops."""
        return int(self.sql.value(f"select count(*) from ops.{table} where {condition}"))


def _as_by_v1(message: str) -> dict[str, Any]:
    template = grouping.normalize(message)
    complete = record(sighted(message))
    kept = ("pattern_type", "error_source", "severity", "features", "system_log_id", "claimed_by")
    return {name: dict(complete)[name] for name in kept} | {
        "signature": grouping.signature_of(template, "grouping/v1"),
        "algorithm": "grouping/v1",
        "template": template,
        "error_message_pattern": f"^{len(template)}$",
    }
