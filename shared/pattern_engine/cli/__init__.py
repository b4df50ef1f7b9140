"""The command line `pattern-engine`: one module for each subject."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Protocol

__all__ = ["build_parser", "main"]

# Imported when the command line names them, so that each command starts with only what it needs.
_SUBJECTS = {
    "up": "up",
    "down": "up",
    "status": "up",
    "demo": "demo",
    "operators": "operators",
    "fixer": "fixer",
    "check-fix": "check_fix",
}


class _Subject(Protocol):
    def add_commands(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Add the subject's commands to the command line."""


def build_parser(subjects: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line, of all subjects or of some."""
    parser = argparse.ArgumentParser(
        prog="pattern-engine", description="The error tracker that heals."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in subjects or dict.fromkeys(_SUBJECTS.values()):
        subject: _Subject = importlib.import_module(f"pattern_engine.cli.{name}")
        subject.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 failed, 2 wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    named = _SUBJECTS.get(words[0]) if words else None
    options = build_parser([named] if named else None).parse_args(words)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    exit_code: int = options.run(options)
    return exit_code
