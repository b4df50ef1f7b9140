"""The command line `pattern-engine`: one module for each group of commands."""

import importlib
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from pattern_engine.cli.terminal import VisibleFormatter, show
from pattern_engine.local.errors import StackError

__all__ = ["CommandLine", "command_line", "main"]

_PACKAGE = "pattern-learning-engine"
_PROGRAM = "pattern-engine"
_WRONG_USAGE = 2


class _Command(NamedTuple):
    """Which module defines a command, what it does, and where the list of commands has it."""

    module: str
    summary: str
    panel: str


_ON_CALL, _DECIDE, _STEER, _PERSON = "On call", "Fixes", "Grouping", "Sign in"
_STACK, _OWNER, _OFFLINE = "Local stack", "Owner of the database", "Without a project"
# A module is imported when its command is called, so that each command loads only what it needs.
_COMMANDS = {
    "inbox": _Command(
        "whats_waiting",
        "Show what waits for a person: out of control, to decide, changed, healing.",
        _ON_CALL,
    ),
    "patterns": _Command("on_call", "List and search patterns.", _ON_CALL),
    "show": _Command(
        "on_call",
        "Show a pattern: what its errors named, its fixes and their runs, and what is similar.",
        _ON_CALL,
    ),
    "stats": _Command(
        "charting", "Show the figures of learning and healing, with a chart.", _ON_CALL
    ),
    "tail": _Command(
        "following",
        "Follow new errors, and what the engine and people do, until Ctrl-C.",
        _ON_CALL,
    ),
    "cluster": _Command(
        "charting",
        "Cluster the patterns that behave alike, instead of all clusters before.",
        _ON_CALL,
    ),
    "learn": _Command(
        "feeding",
        "Write the lines of a file to the log, from which the engine learns them.",
        _ON_CALL,
    ),
    "propose": _Command(
        "deciding",
        "Propose a fix, which is analysed and tried at once, for an administrator to decide on.",
        _DECIDE,
    ),
    "review": _Command(
        "deciding",
        "Show all that a decision on a proposal rests on: script, guard, dry-run, replay, record.",
        _DECIDE,
    ),
    "approve": _Command(
        "deciding",
        "Approve a proposal: from then on its fix runs by itself whenever the error occurs.",
        _DECIDE,
    ),
    "reject": _Command("deciding", "Reject a proposal, with the reason for it.", _DECIDE),
    "enable": _Command(
        "deciding", "Put a demoted or expired fix back in use, or make a shadow live.", _DECIDE
    ),
    "disable": _Command(
        "deciding", "Switch a fix off at once; only a new approval puts it back in use.", _DECIDE
    ),
    "rollback": _Command(
        "deciding",
        "Undo a run with the undo script that was approved with its fix, which is demoted then.",
        _DECIDE,
    ),
    "pause": _Command(
        "braking", "Stop all fixes for a time; errors are learned as usual.", _DECIDE
    ),
    "resume": _Command(
        "braking", "End every pause, including one that a storm of errors caused.", _DECIDE
    ),
    "merge": _Command(
        "regrouping", "Merge patterns that are the same error, after a look at them.", _STEER
    ),
    "split": _Command("regrouping", "Move some signatures of a pattern to a new pattern.", _STEER),
    "undo": _Command("regrouping", "Undo a merge or a split.", _STEER),
    "confirm": _Command(
        "regrouping", "Let a live fix run for errors that its approver did not see.", _STEER
    ),
    "ignore": _Command(
        "regrouping",
        "Ignore patterns until a time, until a number of further errors, or for good.",
        _STEER,
    ),
    "resolve": _Command(
        "regrouping",
        "Mark a pattern as resolved; if its error happens again, that is a regression.",
        _STEER,
    ),
    "reopen": _Command("regrouping", "Open a resolved, ignored or archived pattern.", _STEER),
    "rules": _Command("ruling", "List, try, save and disable grouping rules.", _STEER),
    "login": _Command("signing_in", "Sign in to a project.", _PERSON),
    "logout": _Command(
        "signing_in", "Sign out of a project, and remove its session from this machine.", _PERSON
    ),
    "up": _Command("up", "Start a local Supabase and serve the functions on it.", _STACK),
    "down": _Command("up", "Stop the stack and all of its processes.", _STACK),
    "status": _Command("up", "Show the addresses and keys of the stack.", _STACK),
    "demo": _Command("demo", "Show the whole life of an error on a local Supabase.", _STACK),
    "shop": _Command(
        "try_shop",
        "Let a small shop work on the local stack, whose checkout forgets the currency of orders.",
        _STACK,
    ),
    "operators": _Command("operators", "Manage who may read, act and approve.", _OWNER),
    "fixer": _Command("fixer", "Manage what fixes may touch, reach and send.", _OWNER),
    "verify-events": _Command(
        "journal", "Check that no event of the journal was changed or removed.", _OWNER
    ),
    "check-fix": _Command(
        "check_fix", "Find out offline whether a script could be approved.", _OFFLINE
    ),
    "explain": _Command(
        "explain",
        "Explain an error: what it means, how its cause is seen, and what may mend it.",
        _OFFLINE,
    ),
}


class CommandLine(TyperGroup):
    """Lists every command by its summary, and imports the one that is called."""

    def resolve_command(  # type: ignore[override]  # Typer's own types are not public
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        """Return the command that is called, and its arguments."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name else None, rest

    @staticmethod
    def load(name: str) -> TyperCommand | TyperGroup:
        """Import a command."""
        module = importlib.import_module(f"pattern_engine.cli.{_COMMANDS[name].module}")
        command = get_group(module.commands).commands[name]
        assert isinstance(command, TyperCommand | TyperGroup)  # noqa: S101  Typer makes no other
        return command


def _print_version(asked: bool) -> None:
    if asked:
        show(f"{_PROGRAM} {version(_PACKAGE)}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Run the local stack, and administer the Pattern Learning Engine."""


def command_line() -> CommandLine:
    """Return the command line with all of its commands."""
    root = typer.Typer(cls=CommandLine, rich_markup_mode="rich")
    root.callback()(_root)
    line = get_command(root)
    assert isinstance(line, CommandLine)  # noqa: S101  it was told so
    for name, (_, summary, panel) in _COMMANDS.items():
        line.add_command(TyperCommand(name, help=summary, rich_help_panel=panel))
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code.

    It is 0 for success, 1 for a failure, 2 for wrong usage, 3 if nobody is signed in, 4 if the role
    does not allow it, and 5 if something has changed meanwhile.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return command_line().main(words, _PROGRAM, standalone_mode=False) or 0
    except typer.TyperException as problem:
        return _tell_usage(problem)
    except StackError as error:
        show(f"{_PROGRAM}: {error}", error=True)
        return error.exit_code
    except typer.Abort:
        show(f"{_PROGRAM}: nothing was done", error=True)
    return 1


def _tell_usage(problem: typer.TyperException) -> int:
    """Tell what is wrong with the words of a command line."""
    context: typer.Context | None = getattr(problem, "ctx", None)
    if context is not None:
        show(context.get_usage(), error=True)
        show(f"`{context.command_path} --help` explains it.", error=True)
    show(f"{_PROGRAM}: {problem.format_message()}", error=True)
    return _WRONG_USAGE
