"""Run the benchmarks; print a table and write results/latest.json.

`python -m benchmarks [NAME …]` runs all of them, or the named modules of this folder.
"""

import argparse
import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.result import Result
from rich.console import Console
from rich.table import Table

NAMES = (
    *("startup", "learning", "scrubbing", "grouping", "catalogue", "matching", "applying"),
    *("claims", "healing", "clustering", "inserting", "console"),
)
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Run the chosen benchmarks, write their results and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    chosen = parser.parse_args().names or NAMES
    results = list(_measure(chosen))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([result.as_dict() for result in results], indent=2) + "\n")
    show(results)


def _measure(names: tuple[str, ...]) -> Iterator[Result]:
    for name in names:
        print(f"measuring {name} …", flush=True)
        yield from importlib.import_module(f"benchmarks.{name}").run()


def show(results: list[Result]) -> None:
    """Print results as a table."""
    table = Table(box=None, header_style="dim")
    for column in ("what", "value", "", "peer", "peer's", "ratio", "wanted"):
        table.add_column(
            column, justify="right" if column in {"value", "peer's", "ratio"} else "left"
        )
    for result in results:
        table.add_row(
            result.name,
            f"{result.value:,.2f}",
            result.unit,
            result.peer or "",
            "" if result.peer_value is None else f"{result.peer_value:,.2f}",
            "" if result.ratio is None else f"{result.ratio:.2f}",
            result.wanted,
        )
    width = 160 if not os.isatty(1) else None
    Console(width=width).print(table)


if __name__ == "__main__":
    main()
