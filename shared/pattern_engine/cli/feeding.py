"""`pattern-engine learn`: give the engine the errors of a file.

The rows are written to the log, as an application does, so that nothing is lost while the engine is
down. Each gets an id that is made of the text up to it, so that a repeated command, be it after a
kill or when the file has grown, counts none of them twice.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.console import Console
from rich.progress import Progress

from pattern_engine.cli import remote
from pattern_engine.cli.locations import DataDirectory, data_directory
from pattern_engine.cli.profiles import LOCAL, Profile
from pattern_engine.cli.remote import ProjectName, Remote
from pattern_engine.cli.terminal import AsJson, show, show_json
from pattern_engine.local.errors import StackError
from pattern_engine.local.stack import read_status

commands = typer.Typer()
_VARIABLE: Final = "SUPABASE_SECRET_KEY"
#: What loggers call the columns of ops.system_logs.
_NAMES: Final = {
    **dict.fromkeys(("message", "msg", "error_message"), "message"),
    **dict.fromkeys(("log_level", "level", "severity", "levelname"), "log_level"),
    **dict.fromkeys(("created_at", "timestamp", "time", "ts"), "created_at"),
    **dict.fromkeys(("source", "logger", "service"), "source"),
    **{name: name for name in ("environment", "error_data", "event_id", "metadata", "release")},
}
#: A person may write 100 rows a minute, unless the project says otherwise.
_BATCH, _BATCH_OF_APPLICATION = 50, 500
_LONGEST_WAIT: Final = 65.0


@dataclass
class Outcome:
    """What became of the lines of a file."""

    written: int = 0
    repeated: int = 0
    blank: int = 0
    refused: list[str] = field(default_factory=list)


@commands.command("learn")
def run_learn(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="lines of text, or of JSON; - reads standard input"),
    ],
    source: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="the component that lines without one are of"),
    ] = None,
    level: Annotated[
        str, typer.Option(metavar="LEVEL", help="level of lines without one; errors are learned")
    ] = "error",
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_application: Annotated[
        bool,
        typer.Option(
            "--as-application",
            help=f"write with the secret key in {_VARIABLE}, of a local stack with its own: the "
            "errors then count, and recent ones fire approved fixes",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Write the lines of a file to the log, from which the engine learns them.

    You write as yourself: the errors are learned and shown, but count in no number that a decision
    rests on, and their number a minute is limited. A line of JSON may name its message, level,
    time, source, release, environment and error_data.
    """
    here = remote.connect(project, data_dir)
    insert = _as_application(here, data_dir) if as_application else _as_person(here)
    lines, default_time = _read(file)
    outcome = Outcome()
    defaults = {"source": source, "log_level": level}
    if as_application and default_time:
        defaults["created_at"] = default_time
    rows = list(rows_of(lines, defaults, outcome))
    writer = Writer(here.profile, insert, outcome)
    size = _BATCH_OF_APPLICATION if as_application else _BATCH
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("written to the log", total=len(rows))
        for start in range(0, len(rows), size):
            writer.write(rows[start : start + size])
            progress.update(task, completed=start + size)
    _report(outcome, as_json=as_json)
    return 1 if outcome.refused else 0


def _read(file: str) -> tuple[list[bytes], str | None]:
    """Return the lines of a file, and when it was last changed."""
    if file == "-":
        return sys.stdin.buffer.read().splitlines(), None
    path = Path(file)
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return path.read_bytes().splitlines(), changed.isoformat()
    except OSError as problem:
        raise typer.BadParameter(f"{file} cannot be read: {problem.strerror}") from problem


def rows_of(
    lines: list[bytes], defaults: dict[str, str | None], outcome: Outcome
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, all with the same columns, as PostgREST wants them."""
    digest = hashlib.sha256()
    for each in lines:
        digest.update(each + b"\n")
        words = each.decode("utf-8", "replace").replace("\0", "\ufffd")
        if not words.strip():
            outcome.blank += 1
            continue
        given = _of_json(words) or {"message": words}
        usual = {name: value for name, value in defaults.items() if value is not None}
        yield {
            "event_id": f"learn-{digest.hexdigest()[:32]}",
            **usual,
            **{name: value for name, value in given.items() if value is not None},
        }


def _of_json(words: str) -> dict[str, Any] | None:
    """Read a line of JSON that has a message; what has no column is kept as metadata."""
    if not words.lstrip().startswith("{"):
        return None
    try:
        given = json.loads(words)
    except (ValueError, RecursionError):
        return None
    row: dict[str, Any] = {}
    others = {}
    for name, value in given.items():
        if name in _NAMES:
            row.setdefault(_NAMES[name], value)
        else:
            others[name] = value
    if not isinstance(row.get("message"), str):
        return None
    if others and "metadata" not in row:
        row["metadata"] = others
    return row


@dataclass
class Writer:
    """Writes rows, whatever is refused of them."""

    profile: Profile
    insert: Callable[[list[dict[str, Any]]], httpx.Response]
    outcome: Outcome

    def write(self, rows: list[dict[str, Any]], *, waited: bool = False) -> None:
        """Write rows: wait where there were too many, leave out what is there, split the rest."""
        if not rows:
            return
        # PostgREST takes the columns of a batch from its first row.
        names = {name for row in rows for name in row}
        answer = self.insert([{name: row.get(name) for name in names} for row in rows])
        if answer.is_success:
            self.outcome.written += len(rows)
        elif answer.status_code == 429 and not waited:
            time.sleep(min(float(answer.headers.get("Retry-After", "60")) + 1, _LONGEST_WAIT))
            self.write(rows, waited=True)
        elif answer.status_code in (401, 403) or answer.status_code >= 500:
            raise remote.refusal(answer, self.profile)
        elif len(rows) > 1:
            half = len(rows) // 2
            self.write(rows[:half])
            self.write(rows[half:])
        elif answer.status_code == 409:
            self.outcome.repeated += 1
        else:
            reason = remote.refusal(answer, self.profile)
            self.outcome.refused.append(f"{rows[0]['message'][:80]}: {reason}")


def _as_person(here: Remote) -> Callable[[list[dict[str, Any]]], httpx.Response]:
    return lambda rows: here.insert("system_logs", rows)


def _as_application(
    here: Remote, data_dir: Path | None
) -> Callable[[list[dict[str, Any]]], httpx.Response]:
    key = os.environ.get(_VARIABLE)
    if here.profile.name == LOCAL:
        key = read_status(data_directory(data_dir, None))["secret_key"]
    if not key:
        raise StackError(f"--as-application needs the project's secret key in {_VARIABLE}")
    url = f"{here.profile.api_url}/rest/v1/system_logs"
    headers = {"apikey": key, "Content-Profile": "ops", "Prefer": "return=minimal"}
    return lambda rows: remote.request(here.http, "POST", url, headers=headers, body=rows)


def _report(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "written": outcome.written,
                "repeated": outcome.repeated,
                "blank": outcome.blank,
                "refused": outcome.refused,
            }
        )
        return
    again = f", {outcome.repeated} were there before" if outcome.repeated else ""
    show(
        f"{outcome.written} rows were written to the log{again}; "
        "`pattern-engine patterns` lists what is learned of them"
    )
    for each in outcome.refused:
        show(f"pattern-engine: refused: {each}", error=True)
