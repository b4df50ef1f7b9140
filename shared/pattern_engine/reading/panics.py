"""Panics and wrapped errors of Go and Rust."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from pattern_engine.reading.error import MAX_HEADS, Frame
from pattern_engine.reading.frames import GO, MAX_FRAMES, of_go

if TYPE_CHECKING:
    from pattern_engine.reading.error import ReadError

__all__ = ["caused_by", "go", "go_stack", "rust"]

_GO_FRAME: Final = re.compile(
    r"\n(?P<function>[\w./*()\[\]{}·-]+)\([^\n]*\)\n\t(?P<place>\S+\.go):[0-9]+"
)


#: http: panic serving 10.0.0.7:51234: …
_SERVING: Final = re.compile(r"panic serving \S+: ")


def go(text: str, error: ReadError) -> str | None:
    """A panic of Go and its goroutine."""
    start = text.find("panic: ")
    end = text.find("\n\ngoroutine ", max(start, 0))
    frames = [Frame(m["function"], m["place"]) for m in _GO_FRAME.finditer(text)]
    own = [frame for frame in frames if not frame.function.startswith(("panic", "runtime."))]
    error.frames = error.frames or own[:MAX_FRAMES]
    if end < 0:
        end = text.find("goroutine ")
    serving = _SERVING.search(text, 0, max(end, 0))
    head = text[serving.end() if serving else start + 7 if start >= 0 else 0 : end]
    head = head.partition("\n[signal ")[0].partition(" [recovered]")[0]
    return re.sub(r"\A(?:error|interface ?\{\}|\*?[\w./]+)\((.*)\)\Z", r"\1", head, flags=re.DOTALL)


def go_stack(text: str, error: ReadError) -> str | None:
    """The stack of `%+v`, as github.com/pkg/errors prints it behind the message of its error."""
    first = GO.search(text)
    if first is None:
        return None
    error.frames = error.frames or of_go(text)
    return text[: first.start()]


_RUST: Final = re.compile(r"thread '[^'\n]*'(?: \([0-9]+\))? panicked at ")
_RUST_MESSAGE: Final = re.compile(
    r"'(?P<old>.*?)', (?P<oldplace>[\w./\\-]+\.rs)(?::[0-9]+)+"
    r"|(?P<place>[^\n]*?\.rs)(?::[0-9]+)+:\n(?P<message>.*?)(?=\nnote: |\nstack backtrace|\Z)",
    re.DOTALL,
)


def rust(text: str, error: ReadError) -> str | None:
    """A panic of Rust; before release 1.73 the place stood behind the message."""
    heads = islice(_RUST.finditer(text), MAX_HEADS)
    found = next(filter(None, (_RUST_MESSAGE.match(text, each.end()) for each in heads)), None)
    if found is None:
        return None
    error.frames = error.frames or [Frame("", found["place"] or found["oldplace"])]
    return found["old"] or found["message"]


_NUMBERED: Final = re.compile(r"\n\s+[0-9]+: ")


def caused_by(text: str, error: ReadError) -> str | None:
    """`Caused by:` with the causes below it, as anyhow and eyre print them."""
    head, _, causes = text.partition("Caused by:\n")
    causes = causes.partition("\n\nStack backtrace")[0].partition("\n\nLocation:")[0]
    error.note(head.strip())
    parts = _NUMBERED.split(f"\n{causes}")
    return parts[-1].strip() or None
