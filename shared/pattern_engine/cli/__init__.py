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


_STACK, _OWNER, _OFFLINE = "Local stack", "Owner of the database", "Without a project"
# A module is imported when its command is called, so that each command loads only what it needs.
_COMMANDS = {
    "up": _Command("up", "Start a local Supabase and serve the functions on it.", _STACK),
    "down": _Command("up", "Stop the stack and all of its processes.", _STACK),
    "status": _Command("up", "Show the addresses and keys of the stack.", _STACK),
    "demo": _Command("demo", "Show the whole life of an error on a local Supabase.", _STACK),
    "shop": _Command("try_shop", "Let a small shop with an error work on the local stack.", _STACK),
    "operators": _Command("operators", "Manage who may read, act and approve.", _OWNER),
    "fixer": _Command("fixer", "Manage what fixes may touch, reach and send.", _OWNER),
    "verify-events": _Command(
        "journal", "Check that no event of the journal was changed or removed.", _OWNER
    ),
    "check-fix": _Command(
        "check_fix", "Find out offline whether a script could be approved.", _OFFLINE
    ),
    "explain": _Command("explain", "Explain an error, offline.", _OFFLINE),
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
    """Run one command; return the exit code: 0 for success, 1 for a failure, 2 for wrong usage."""
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
