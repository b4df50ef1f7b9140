"""Grouping compared with Drain3, on the same messages: accuracy, and messages per second.

The labelled corpora and their `evaluate.py` are expected beside the project, in
`../shared/corpora`, or in the directory that PATTERN_ENGINE_CORPORA names. Without them only the
speed on the sample of the demo is measured.

There are two speeds: `warm`, as in a process that has grouped these messages before, and `cold`,
with what grouping remembers of messages cleared before each run; the catalogue stays loaded. Drain3
starts with an empty tree in both. At last the time of one message: the most that a message of the
corpora takes when it is first seen, and the most of long texts that were made to be expensive.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.result import Result

from pattern_engine.demo import history
from pattern_engine.grouping import group_messages, grouping
from pattern_engine.grouping.v2 import leaf, masking
from pattern_engine.reading import places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

FOLDER = Path(
    os.environ.get("PATTERN_ENGINE_CORPORA")
    or Path(__file__).resolve().parents[2] / "shared" / "corpora"
)
ROUNDS = 5
#: Name → files, and the required minimum of GA, FGA, pairwise precision (PP) and recall (PR).
CORPORA = {
    "PostgreSQL errors": (("pg_errors.dev",), {"GA": 0.95, "PP": 0.999}),
    "Supabase-world errors": (("supabase_errors.dev",), {"GA": 0.95, "PP": 1.0}),
    "LogHub-2k, mean of 8": (
        (
            *("loghub/Apache", "loghub/BGL", "loghub/HDFS", "loghub/Hadoop"),
            *("loghub/HealthApp", "loghub/Linux", "loghub/OpenSSH", "loghub/Proxifier"),
        ),
        {"GA": 0.92, "FGA": 0.90},
    ),
    "wrapped errors": (("wrapped.dev",), {"GA": 0.80, "PP": 0.999, "PR": 0.95}),
}
#: Required ratio to Drain3 of messages that were not seen before; 1 for all others.
LEAST_COLD = {"wrapped errors": 0.5}
LONG = 65_536
#: Texts that are repeated up to `LONG` characters.
EXPENSIVE = (
    *(
        '"',
        "'",
        ": ",
        "{",
        "[{",
        "(",
        "a=b ",
        ", ",
        "| ",
        "\\n",
        "\x1b[31m",
        "é: ",
        "a b c: ",
        "\n",
    ),
    *("ERROR:  x\n", "DETAIL:  x\n", "Error: ", "Caused by: a.B: x\n\tat a.b(C)\n", "** (A) x\n"),
    *('{"a": ', '{:a => "b", ', 'err="x" ', " (SQLSTATE 23505)", "[object] (A(code: 1): x", "pq: "),
    *("thread 'a' panicked at 'x', ", "\n    at f (a.js:1:1)", "2026-01-01 10:00:00 ", "[a] "),
)
_MASKS = ((r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "IP"), (r"\b[-+]?\d+\b", "NUM"))


def run() -> Iterator[Result]:
    """Measure on the corpora, if they are there, and on the sample of the demo."""
    evaluate = _evaluate()
    if evaluate is None:
        print(f"there are no corpora in {FOLDER}; only the speed on the demo's sample is measured")
    else:
        for name, (files, wanted) in CORPORA.items():
            paths = [FOLDER / f"{file}.jsonl.gz" for file in files]
            yield from _accuracy(evaluate, name, paths, wanted)
            messages = [text for path in paths for text in evaluate.read(str(path))[0]]
            yield from _speed(name, messages)
            yield _slowest(name, messages)
    sample = [row["message"] for row in history.log_rows()]
    yield from _speed("the shipped sample", sample)
    yield _slowest("the shipped sample", sample)
    yield _slowest("64 KiB made to be expensive", _expensive())


def _evaluate() -> ModuleType | None:
    """Return the module that scores groupings of the corpora, or None if it is not there."""
    path = FOLDER / "evaluate.py"
    spec = importlib.util.spec_from_file_location("evaluate", path) if path.exists() else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _drain(messages: list[str], masks: tuple[tuple[str, str], ...] = ()) -> list[int]:
    """Group with a new Drain3: its defaults (similarity 0.4, depth 4), and masks if given."""
    miner = _miner(masks)
    return [miner.add_log_message(message)["cluster_id"] for message in messages]


def _miner(masks: tuple[tuple[str, str], ...]) -> Any:  # noqa: ANN401  drain3 has no types
    from drain3 import TemplateMiner  # noqa: PLC0415  only `make bench` installs it
    from drain3.masking import MaskingInstruction  # noqa: PLC0415
    from drain3.template_miner_config import TemplateMinerConfig  # noqa: PLC0415

    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in masks]
    return TemplateMiner(config=config)


def _accuracy(
    evaluate: ModuleType, name: str, paths: list[Path], wanted: dict[str, float]
) -> Iterator[Result]:
    """Score three ways to group the same files; each figure is the mean over the files."""
    labelled = [evaluate.read(str(path)) for path in paths]
    ours = _scores(evaluate, labelled, group_messages)
    defaults = _scores(evaluate, labelled, _drain)
    masked = _scores(evaluate, labelled, lambda messages: _drain(messages, _MASKS))
    for figure in ("GA", "FGA", "PP", "PR"):
        least = f"≥ {wanted[figure]}" if figure in wanted else ""
        for peer, scores in (("Drain3's defaults", defaults), ("Drain3 with masks", masked)):
            yield Result(f"{figure}, {name}", ours[figure], "", peer, scores[figure], least)


def _scores(
    evaluate: ModuleType,
    labelled: list[tuple[list[str], list[str]]],
    group: Callable[[list[str]], list[Any]],
) -> dict[str, float]:
    found = []
    for messages, groups in labelled:
        keys = group(messages)
        precision, recall = evaluate.pairwise(messages, groups, keys)
        found.append(evaluate.score(groups, keys) | {"PP": precision, "PR": recall})
    return {
        figure: statistics.mean(score[figure] for score in found)
        for figure in ("GA", "FGA", "PP", "PR")
    }


def _speed(name: str, messages: list[str]) -> Iterator[Result]:
    """Yield messages per second of the processor's time, as medians of runs in alternation."""
    group_messages(messages)
    times: dict[str, list[float]] = {"warm": [], "cold": [], "drain": [], "masked": []}
    for _ in range(ROUNDS):
        times["warm"].append(_seconds(lambda: group_messages(messages)))
        _forget()
        times["cold"].append(_seconds(lambda: group_messages(messages)))
        for peer, masks in (("drain", ()), ("masked", _MASKS)):
            miner = _miner(masks)
            times[peer].append(_seconds(lambda: [miner.add_log_message(m) for m in messages]))  # noqa: B023  called at once
    rate = {what: len(messages) / statistics.median(seconds) for what, seconds in times.items()}
    drain = ("Drain3, unmasked", rate["drain"])
    yield Result(f"group {name}, warm", rate["warm"], "messages/s", *drain, "≥ 1.5")
    least = f"≥ {LEAST_COLD.get(name, 1)}"
    yield Result(f"group {name}, cold", rate["cold"], "messages/s", *drain, least)
    masked = ("Drain3 with masks", rate["masked"])
    yield Result(f"group {name}, cold", rate["cold"], "messages/s", *masked)


def _seconds(action: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    action()
    return time.process_time() - started


def _slowest(name: str, messages: list[str]) -> Result:
    """Return the most milliseconds that one message takes, each when it is first seen."""
    slowest = 0.0
    for message in dict.fromkeys(messages):
        taken = []
        for _ in range(2):  # an interruption may double one measurement
            _forget()
            started = time.process_time()
            group_messages([message])
            taken.append(time.process_time() - started)
        slowest = max(slowest, min(taken))
    return Result(f"slowest message, {name}", slowest * 1000, "ms", wanted="≤ 5")


def _expensive() -> list[str]:
    nested = ['{"error":' * depth + "1" + "}" * depth for depth in (100, 900, LONG // 10)]
    return nested + [(text * (LONG // len(text) + 1))[:LONG] for text in EXPENSIVE]


def _forget() -> None:
    """Empty what grouping remembers, as in a process that starts."""
    masking.MASKER.__init__()  # type: ignore[misc]
    grouping._TEMPLATES.__init__()  # type: ignore[misc]  # noqa: SLF001
    for remembered in (leaf._widened, places._place):  # noqa: SLF001
        remembered.cache_clear()
