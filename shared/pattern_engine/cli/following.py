"""`pattern-engine tail`: new errors, and what the engine and people do, as it happens."""

import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.text import Text

from pattern_engine.cli import remote
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import NotAllowedError, NotSignedInError, ProjectName, Remote
from pattern_engine.cli.screen import line, paint
from pattern_engine.cli.terminal import AsJson, show
from pattern_engine.local.errors import StackError

commands = typer.Typer()
#: Transactions end in another order than they took their ids in, so the latest ids are read again.
_OVERLAP = 500
_MOST = 200
_STYLES = {"critical": "bold red", "error": "red", "warning": "yellow"}


@dataclass
class _Followed:
    """A table that grows, and which of its rows were shown."""

    here: Remote
    table: str
    columns: str
    filters: dict[str, str]
    highest: int = 0
    seen: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def start(self, count: int) -> list[dict[str, Any]]:
        """Return the latest rows, and remember where they end."""
        found = self._read(order="id.desc", limit=max(count, 1))
        self.highest = max((row["id"] for row in found), default=0)
        self._note(self._read(order="id.desc", limit=_OVERLAP))
        return sorted(found, key=lambda row: int(row["id"]))[-count:] if count else []

    def new(self) -> list[dict[str, Any]]:
        """Return the rows that were not there before, the oldest first."""
        low = f"gt.{self.highest - _OVERLAP}"
        found = self._read(id=low, order="id.desc", limit=_OVERLAP + _MOST)
        fresh = [row for row in reversed(found) if row["id"] not in self.seen]
        self._note(fresh)
        return fresh

    def _read(self, **query: object) -> list[dict[str, Any]]:
        return self.here.rows(self.table, select=self.columns, **self.filters, **query)

    def _note(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.seen[row["id"]] = None
            self.highest = max(self.highest, row["id"])
        while len(self.seen) > 4 * _OVERLAP:
            self.seen.popitem(last=False)


@commands.command("tail")
def run_tail(
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="COUNT", min=0, help="how many to begin with")
    ] = 10,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.2, max=60, help="how often to look")
    ] = 1.0,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Follow new errors, and what the engine and people do, until Ctrl-C.

    With --json each is one line.
    """
    here = remote.connect(project, data_dir)
    tables = (
        _Followed(
            here,
            "system_logs",
            "id,created_at,log_level,source,message",
            {"log_level": "in.(error,critical)"},
        ),
        _Followed(
            here, "roman_events", "id,created_at,severity,event_type,description,metadata", {}
        ),
    )
    print_row = _print_json if as_json else _print
    try:
        latest = _in_order((each, each.start(lines)) for each in tables)
        for table, row in latest[-lines:] if lines else ():
            print_row(table, row)
        while True:
            time.sleep(every)
            for table, row in _in_order(_polled(tables)):
                print_row(table, row)
    except KeyboardInterrupt:
        return 0


def _polled(tables: tuple[_Followed, ...]) -> Iterator[tuple[_Followed, list[dict[str, Any]]]]:
    """Read what is new; a project that does not answer for a while ends nothing."""
    for each in tables:
        try:
            yield each, each.new()
        except (NotSignedInError, NotAllowedError):
            raise
        except StackError as problem:
            show(f"pattern-engine: {problem}; trying again", error=True)


def _in_order(
    found: Iterator[tuple[_Followed, list[dict[str, Any]]]],
) -> list[tuple[str, dict[str, Any]]]:
    rows = [(each.table, row) for each, rows in found for row in rows]
    return sorted(rows, key=lambda pair: str(pair[1]["created_at"]))


def _print_json(table: str, row: dict[str, Any]) -> None:
    show(json.dumps({"table": table} | row))


def _print(table: str, row: dict[str, Any]) -> None:
    clock = str(row["created_at"])[11:19]
    if table == "system_logs":
        level, where, words = row["log_level"], row["source"] or "", row["message"]
    else:
        level, where, words = row["severity"], row["event_type"], row["description"] or ""
    paint(
        Text.assemble(
            (clock, "dim"),
            " ",
            (f"{level:8}", _STYLES.get(level, "")),
            " ",
            line(where, "cyan", longest=40),
            " ",
            line(words, longest=400),
        )
    )
