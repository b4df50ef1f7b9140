"""Reading an error: its envelopes are peeled off, the outermost first, until the root is left."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.reading import (
    dumps,
    frames,
    labelled,
    objects,
    prefixes,
    sqlstates,
    traces,
    wrappers,
)
from pattern_engine.reading.error import MAX_LAYERS, MAX_TEXT, MAX_WORK, ReadError, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["read"]


def read(
    text: str,
    *,
    stack: str | None = None,
    exception: str | None = None,
    fields: Mapping[str, object] | None = None,
) -> ReadError:
    """Return what a text says of an error, in linear time; this never raises.

    At most `MAX_CHARACTERS` are read, of which `MAX_TEXT` where they are no JSON document, and
    `MAX_LAYERS` envelopes are peeled, fewer of a long text (`MAX_WORK`). A text of no known form
    is its own message. `stack` is a stack trace that came with the text, `exception` the class of
    the exception, `fields` what else the application told of it.
    """
    error = _read(text)
    if stack:
        inner = _read(f"{error.message}\n{stack}" if frames.is_bare(stack) else stack)
        if inner.frames or inner.kind:
            inner.message = inner.message or error.message
            inner.code = inner.code or error.code
            inner.origin = inner.origin or error.origin
            error = inner
    error.kind = error.kind or exception
    if fields:
        objects.note(fields, error)
    _conclude(error)
    return error


def _read(text: str) -> ReadError:
    error = ReadError()
    text = cut(text).strip()
    work = 0
    for _ in range(MAX_LAYERS):
        rest = _of_document(text, error) if len(text) > MAX_TEXT else None
        if rest is None:
            text = cut(text, MAX_TEXT).strip()
            work += len(text)
            rest = _peeled(text, error) if work <= MAX_WORK else None
        if rest is None or not (rest := rest.strip()) or rest == text:
            break
        error.layers.append(text)
        text = rest
    error.message = cut(text, MAX_TEXT)
    return error


def _of_document(text: str, error: ReadError) -> str | None:
    """Return the message of a long text that is a JSON document, also behind a prefix."""
    start = text.find("{", 0, 300)
    document = objects.parsed(text[start:]) if start >= 0 and text[-1] in "}]" else None
    return objects.from_document(document, error) if isinstance(document, dict) else None


def _conclude(error: ReadError) -> None:
    """Tell the origin and the SQLSTATE by the class of a driver's exception."""
    if error.kind and sqlstates.is_driver(error.kind):
        error.origin = error.origin or "postgres"
    state = (
        sqlstates.of_kind(error.kind.rpartition(".")[2].rpartition(":")[2]) if error.kind else None
    )
    if state is not None:
        error.origin = error.origin or "postgres"
        error.code = error.code or state


def _peeled(text: str, error: ReadError) -> str | None:
    """Return a text without its outermost envelope; None where there is none."""
    if not text or is_sentence(text):
        return None
    for peel in PEELERS:
        rest = peel(text, error)
        if rest is not None and rest.strip():
            return rest
    return None


#: A word, and no character that every envelope has one of, but for what `is_sentence` looks for.
_SENTENCE: Final = re.compile(
    r"(?!warn|info|U)[A-Za-z][a-z_]* [^:=({\[|>\\\n\x1b;,`\u2013\u2014]*[a-z\"]\Z"
).match


def is_sentence(text: str) -> bool:
    """Return whether a text is so plain that no envelope can be around it.

    Half of all messages are: this one look spares all others.
    """
    return _SENTENCE(text) is not None and not (
        (" - " in text or " line " in text or ".php" in text)
        or ('" "' in text or "ode" in text or "tate" in text)
    )


def _whole_object(text: str, error: ReadError) -> str | None:
    is_object = text[0] in "{[" or text.startswith(dumps.STARTS)
    return objects.from_text(text, error) if is_object and len(text) > 2 else None


def _object_behind(text: str, error: ReadError) -> str | None:
    """A document behind the prefix of its log line."""
    start = text.find("{", 0, 300)
    if (
        start <= 0
        or text[-1] not in "}]"
        or "\n" in text[:start]
        or text[start + 1] not in "\"' \n"
    ):
        return None
    document = objects.parsed(text[start:])
    if not isinstance(document, dict):
        return None
    message = objects.from_document(document, error)
    status = _STATUS(text, 0, start) if error.status is None else None
    error.status = status[1] if status and message else error.status
    return message


#: HTTP 409 from POST /orders: {…}
_STATUS: Final = re.compile(r"(?:HTTP(?:/[0-9.]+)?|[Ss]tatus(?: code)?:?) ([45][0-9]{2})\b").search


def _colours(text: str, _error: ReadError) -> str | None:
    if "\x1b[" not in text:
        return None
    first, *parts = text.split("\x1b[")
    return first + "".join(part.lstrip("0123456789;")[1:] for part in parts)


def _prefix(text: str, _error: ReadError) -> str | None:
    return prefixes.without_prefix(text)


def _margin(text: str, _error: ReadError) -> str | None:
    return prefixes.without_margin(text)


def _verbose(text: str, _error: ReadError) -> str | None:
    """The message of an entry of the journal with all its fields, as `journalctl -o verbose`."""
    start = text.find("\n    MESSAGE=")
    if start < 0:
        return None
    end = text.find("\n    _", start + 5)
    return text[start + 13 : end if end > 0 else None].replace("\n            ", "\n")


#: Tried in this order; after each success from the start again.
PEELERS: Final[tuple[Callable[[str, ReadError], str | None], ...]] = (
    _colours,
    _whole_object,
    _verbose,
    _margin,
    objects.csvlog,
    _object_behind,
    objects.logfmt,
    traces.root_of,
    wrappers.field,
    labelled.labelled,
    _prefix,
    labelled.without_sections,
    wrappers.unwrapped,
    wrappers.without_context,
)
