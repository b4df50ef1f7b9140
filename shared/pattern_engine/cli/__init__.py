"""The command line `pattern-engine`: one module for each group of commands."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Protocol

from pattern_engine.cli.terminal import VisibleFormatter, show
from pattern_engine.local.errors import StackError

__all__ = ["build_parser", "main"]

_PACKAGE = "pattern-learning-engine"
# Command → the module that defines it. A module is imported when its command is called, so that
# each command loads only what it needs.
_MODULES = {
    "up": "up",
    "down": "up",
    "status": "up",
    "demo": "demo",
    "operators": "operators",
    "fixer": "fixer",
    "verify-events": "journal",
    "check-fix": "check_fix",
    "explain": "explain",
}


class _Module(Protocol):
    def add_commands(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Add the module's commands to the command line."""


def build_parser(modules: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line, with the commands of all modules or of some."""
    parser = argparse.ArgumentParser(
        prog="pattern-engine",
        description="Run the local stack, and administer the Pattern Learning Engine.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(_PACKAGE)}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in modules or dict.fromkeys(_MODULES.values()):
        module: _Module = importlib.import_module(f"pattern_engine.cli.{name}")
        module.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 for success, 1 for a failure, 2 for wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    module = _MODULES.get(words[0]) if words else None
    options = build_parser([module] if module else None).parse_args(words)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        exit_code: int = options.run(options)
    except StackError as error:
        show(f"pattern-engine: {error}", error=True)
        return 1
    return exit_code
