"""Frames that loggers write as data beside an error and not as a stack trace."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.reading.error import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GO", "MAX_FRAMES", "frames_of", "is_bare", "matched", "of_go", "with_stack"]

#: Frames of a stack that are kept.
MAX_FRAMES: Final = 40
_PANIC: Final = "runtime.gopanic\n"
#: A call and its file, as Go's stacks have them without arguments.
GO: Final = re.compile(r"(?:^|\n)(?P<function>[\w./*()\[\]{}·-]+)\n\t(?P<place>\S+\.go):[0-9]+")
_LINES: Final = re.compile(r"(?::[0-9]+)+\Z")


_BARE: Final = re.compile(
    r"\s*(?:at |#0 |[\w$.<>/*]*@(?:https?|file|webpack[\w-]*|app|capacitor)://)"
)
_STACKS: Final = ("stack", "stackTrace", "stack_trace", "stacktrace", "trace")


def is_bare(stack: str) -> bool:
    """Return whether a stack starts with a frame, so that the message stands elsewhere."""
    return _BARE.match(stack) is not None


def with_stack(message: str, fields: Mapping[str, Any]) -> str:
    """Return a message with the stack that stands in a field beside it without one.

    It may be a list of its lines, as AWS Lambda logs it.
    """
    if "\n" in message:
        return message
    for stack in map(_lines, map(fields.get, _STACKS)):
        if stack.startswith("  File "):
            kind = fields.get("errorType") or "Error"
            return f"Traceback (most recent call last):\n{stack}\n{kind}: {message}"
        if is_bare(stack):
            return f"{message}\n{stack}"
    return message


def _lines(stack: object) -> str:
    if isinstance(stack, list) and all(isinstance(line, str) for line in stack):
        return "\n".join(line.rstrip("\n") for line in stack[-MAX_FRAMES:])
    return stack if isinstance(stack, str) else ""


def frames_of(fields: Mapping[str, Any]) -> list[Frame]:
    """Return the frames of an error that its fields tell, the throwing place first."""
    frames, stack = fields.get("frames"), fields.get("stacktrace")
    if isinstance(stack, dict):
        frames = stack.get("frames")  # Sentry's
    if isinstance(frames, list):
        return _listed(frames)
    if isinstance(stack, str) and _PANIC in stack:
        return of_go(stack.partition(_PANIC)[2])  # what stands above has caught the panic
    # PHP's Monolog, Rust's tracing
    place = fields.get("file") if "class" in fields else fields.get("panic.location")
    return [Frame("", _LINES.sub("", place))] if isinstance(place, str) else []


def of_go(stack: str) -> list[Frame]:
    """Return the frames of a stack of Go."""
    return matched(GO, stack)


def matched(expression: re.Pattern[str], text: str) -> list[Frame]:
    """Return the frames that an expression with a `function` and a `place` finds in a text."""
    found = islice(expression.finditer(text), MAX_FRAMES)
    return [Frame(each["function"], each["place"] or "") for each in found]


def _listed(frames: list[Any]) -> list[Frame]:
    """Return frames of a list, as structlog has them with the outermost first."""
    return [
        Frame(str(each.get("name") or each.get("function") or ""), str(each["filename"]))
        for each in reversed(frames[-MAX_FRAMES:])
        if isinstance(each, dict) and "filename" in each and each.get("in_app") is not False
    ]
