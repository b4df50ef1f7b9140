"""The catalogue of known messages compared with masking: loading, finding, and finding nothing.

Masking starts without its caches in each round, as for messages that it has not seen. The catalogue
is measured likewise (`first`), after its sections have been loaded, and once more as in a process
that has seen the entries before. Messages are those of the demo's sample.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.result import Result

from pattern_engine.catalogue import file, find
from pattern_engine.demo import history
from pattern_engine.grouping.v2 import masking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 7
_LOAD = """
import time
from pattern_engine.catalogue import find
started = time.process_time()
find('relation "orders" does not exist')
print((time.process_time() - started) * 1000)
"""


def run() -> Iterator[Result]:
    """Measure loading in new processes, then finding in this one."""
    loaded = (
        subprocess.run((sys.executable, "-c", _LOAD), check=True, capture_output=True, text=True)
        for _ in range(ROUNDS)
    )
    milliseconds = [float(each.stdout) for each in loaded]
    yield Result("load the catalogue", statistics.median(milliseconds), "ms", wanted="≤ 15")
    messages = list(dict.fromkeys(row["message"] for row in history.log_rows()))
    known = [message for message in messages if find(message)]
    for name, some in (("known", known), ("unknown", [m for m in messages if m not in set(known)])):
        yield from _compared(name, some)


def _compared(name: str, messages: list[str]) -> Iterator[Result]:
    actions: dict[str, Callable[[str], object]] = {
        "first": find,
        "warm": find,
        "mask": masking.mask,
    }
    times: dict[str, list[float]] = {action: [] for action in actions}
    for _ in range(ROUNDS):
        for action, function in actions.items():
            _forget(action)
            gc.collect()
            started = time.process_time()
            for message in messages:
                function(message)
            times[action].append((time.process_time() - started) / len(messages) * 1e6)
    median = {action: statistics.median(values) for action, values in times.items()}
    for action in ("first", "warm"):
        text = f"find a message that is {name}, {action}"
        yield Result(text, median[action], "µs", "masking it", median["mask"], "≤ 1")


def _forget(action: str) -> None:
    """Empty what masking and the catalogue remember of messages."""
    if action == "mask":
        masking.MASKER.__init__()  # type: ignore[misc]
    elif action == "first":
        for remembered in (file._items, file._template, file.entry):  # noqa: SLF001
            remembered.cache_clear()
