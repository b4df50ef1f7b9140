"""`pattern-engine pause` and `resume`: stop all fixes for a time."""

from typing import Annotated

import typer

from pattern_engine.cli import remote
from pattern_engine.cli.asking import AskedReason, Reason, duration, reasoned
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName
from pattern_engine.cli.screen import when
from pattern_engine.cli.terminal import AsJson, tell

commands = typer.Typer()


@commands.command("pause")
def run_pause(
    reason: AskedReason = None,
    lasting: Annotated[
        str,
        typer.Option(
            "--for", metavar="TIME", help="it ends by itself after this time, as 30m, 8h or 7d"
        ),
    ] = "1h",
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Stop all fixes for a time; errors are learned as usual."""
    seconds = int(duration(lasting).total_seconds())
    reason = reasoned(reason, "Why do you pause all fixes?")
    here = remote.connect(project, data_dir)
    answer = here.call("pause", reason=reason, seconds=seconds)
    words = f"no fix starts until {when(answer['pause']['expires_at'])}"
    tell(answer, words, as_json=as_json)


@commands.command("resume")
def run_resume(
    reason: Reason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """End every pause, including one that a storm of errors caused."""
    answer = remote.connect(project, data_dir).call("resume", reason=reason)
    ended = len(answer["ended"])
    words = f"{ended} pauses ended; fixes run again" if ended else "nothing was paused"
    tell(answer, words, as_json=as_json)
