"""What the command line prints: each command prints by `show` alone, the linter sees to it."""

import json
import logging
import sys
from typing import Annotated

import typer

from pattern_engine.text.visible import visible

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def show(text: object = "", *, error: bool = False) -> None:
    """Print a text, which may hold what others logged, on standard output or standard error."""
    print(visible(str(text)), file=sys.stderr if error else sys.stdout, flush=True)


def show_json(value: object) -> None:
    """Print for machines: in ASCII, so that nothing is obeyed and nothing is lost."""
    show(json.dumps(value, indent=2))


def tell(answer: object, words: str, *, as_json: bool) -> None:
    """Print the answer for machines, or in words for people."""
    if as_json:
        show_json(answer)
    else:
        show(words)


class VisibleFormatter(logging.Formatter):
    """Writes the message of a log record, which may hold what others logged."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message with marks for what a terminal would obey or hide."""
        return visible(super().format(record))
