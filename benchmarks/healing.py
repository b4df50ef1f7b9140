"""The time from the insert of an error to the end of its fix, on a local stack."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from benchmarks.result import Result, percentile
from benchmarks.stack import fresh_stack

from pattern_engine.cli import main
from pattern_engine.demo.shop import FIXED_TABLE, open_shop
from pattern_engine.demo.story import OPERATOR_EMAIL, Story

ERRORS = 100


def run() -> Iterator[Result]:
    """Approve the demo's fix and let its error occur again and again, one at a time."""
    with fresh_stack(cooldown_seconds="0", runs_per_hour="100000") as status:
        story = _approved(status)
        with psycopg.connect(status["db_url"], autocommit=True) as connection:
            seconds = [_heal_once(story, connection) for _ in range(ERRORS)]
    yield Result("insert to healed, median", statistics.median(seconds) * 1000, "ms")
    yield Result(
        "insert to healed, 95th percentile",
        percentile(seconds, 0.95) * 1000,
        "ms",
        wanted="< 2,000 ms",
    )


def _approved(status: dict[str, Any]) -> Story:
    """Return the demo's shop with its fix approved."""
    story = Story(status)
    open_shop(status["db_url"])
    story.sign_up_operator()
    for words in (["operators", "add", OPERATOR_EMAIL, "--role", "ops_admin"], _GRANT):
        if main([*words, "--data-dir", status["data_dir"]]) != 0:
            raise RuntimeError(f"pattern-engine {' '.join(words)} failed")
    story.decide(story.propose(story.only_pattern_of(story.invoice_by_every_client())))
    return story


_VERIFY_LAST_RUN = """
update ops.pattern_verifications
set outcome = 'verified', decided_at = now(), late_until = now()
where outcome = 'pending'
"""
_GRANT = ["fixer", "grant", FIXED_TABLE, "--yes"]


def _heal_once(story: Story, connection: psycopg.Connection[Any]) -> float:
    """Remove a currency; return the seconds from the insert of the error to the end of the fix."""
    connection.execute("update public.orders set currency = null where id = 2")
    # Mark the last run as verified. Otherwise this error would count as its recurrence.
    connection.execute(_VERIFY_LAST_RUN)
    started = time.perf_counter()
    log_id = story.shop.invoice(2)
    if log_id is None:
        raise RuntimeError("the shop's error did not occur")
    application = story.wait_until_healed(log_id)
    if not application["success"]:
        raise RuntimeError(f"the fix failed: {application['error_after']}")
    return time.perf_counter() - started
