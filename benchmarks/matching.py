"""Match and learn an error among 10 and among 100,000 patterns with an enabled fix.

The measurements alternate between two stacks, so that a busy machine slows both alike.
"""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
from benchmarks.result import Result, side_by_side
from benchmarks.stack import Counted, fresh_stack, settings_of

from pattern_engine.healing.candidates import Match, find
from pattern_engine.learning import counting
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEW, MANY = 10, 100_000
ROUNDS = 200
KNOWN = "could not connect to database shop on port 5432"
WORDS = (
    "alpha",
    "bravo",
    "charlie",
    "delta",
    "echo",
    "foxtrot",
    "golf",
    "hotel",
    "india",
    "juliet",
)


def run() -> Iterator[Result]:
    """Measure on two new stacks."""
    with ExitStack() as stacks:
        small, large = (_filled(stacks.enter_context(fresh_stack()), n) for n in (FEW, MANY))
        yield from _compared("match a known error", small, large, _match_known)
        yield from _compared("match an unknown error", small, large, _match_unknown)
        yield from _compared("learn a known error", small, large, _learn_known)
        yield from _compared("learn a new error", small, large, _learn_new)
        yield Result("calls to match a known error", _calls(large, _match_known), "", wanted="1")
        yield Result("calls to learn a known error", _calls(large, _learn_known), "", wanted="1")
        yield Result("calls to learn a new error", _calls(large, _learn_new), "", wanted="1")


def _compared(
    what: str, small: Counted, large: Counted, action: Callable[[Counted], object]
) -> Iterator[Result]:
    median = side_by_side(
        {"small": lambda: action(small), "large": lambda: action(large)}, rounds=ROUNDS
    )
    peer = (f"among {FEW}", median["small"])
    yield Result(f"{what} among {MANY:,} enabled", median["large"], "ms", *peer, "< 1.5")


def _match_known(database: Counted) -> None:
    (found,) = find(database, [sighted(KNOWN)])
    if not isinstance(found, Match):
        raise TypeError("the fix of a known error was not found")


def _match_unknown(database: Counted) -> None:
    (found,) = find(database, [sighted(next(_NEW))])
    if found.pattern is not None:
        raise RuntimeError("an unknown error was found")


def _learn_known(database: Counted) -> None:
    counting.count(database, [record(sighted(KNOWN))])


def _learn_new(database: Counted) -> None:
    (learned,) = counting.count(database, [record(sighted(next(_NEW)))])
    if learned["action"] != "created":
        raise RuntimeError("a new error was not new")


#: Messages without a variable, so that no two of them are alike.
_NEW = (
    f"the {' '.join(words)} handler gave up for good" for words in itertools.permutations(WORDS, 4)
)


def _calls(database: Counted, action: Callable[[Counted], object]) -> float:
    before = database.calls
    action(database)
    return database.calls - before


def _filled(status: dict[str, Any], count: int) -> Counted:
    """Fill a stack with this many patterns, one of them for the known error; return its client."""
    database = Counted(settings_of(status))
    (learned,) = counting.count(database, [record(sighted(KNOWN))])
    started = time.perf_counter()
    with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
        connection.execute(_PATTERNS, (count - 1,))
        connection.execute(_SIGNATURES, (learned["pattern_id"],))
        connection.execute(_FIXES)
        connection.execute(_ENABLE)
        connection.execute("vacuum analyze")
    print(f"  {count:,} patterns created in {time.perf_counter() - started:.0f} s", flush=True)
    return database


_PATTERNS = """
insert into ops.error_patterns (
  pattern_signature, pattern_type, error_message_pattern, severity, tries_expression, metadata
)
select
  'pattern_' || words.word, 'api', '^worker ' || words.word || ' gave up$', 'error', false,
  jsonb_build_object('template', 'worker ' || words.word || ' gave up')
from (select md5(number::text) as word from generate_series(1, %s) as number) as words
"""
_SIGNATURES = """
insert into ops.pattern_signatures (signature, pattern_id, algorithm, template, leaf, wider)
select pattern_signature, pattern_id, 'grouping/v2', metadata ->> 'template', '4 worker',
  array(select 'pattern_' || md5(id || ':' || place) from generate_series(1, 6) as place)
from ops.error_patterns where pattern_id <> %s
"""
_FIXES = """
insert into ops.pattern_fixes (
  pattern_id, version, fix_type, script, prepared_script, parameters,
  timeout_ms, max_retries, max_rows, trusted_writers, target, tables, hosts, secrets, sha256,
  approved_by
)
select
  pattern_id, 1, 'sql', 'select 1', 'select 1', '{}',
  5000, 0, 1000, '{service_role}', '{}', '{}', '{}', '{}', 'x', gen_random_uuid()
from ops.error_patterns
"""
_ENABLE = """
update ops.error_patterns set
  auto_fix_enabled = true, human_approved = true, approved_at = now(),
  auto_fix_script = 'select 1', auto_fix_type = 'sql'
"""
