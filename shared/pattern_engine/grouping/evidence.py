"""Reading what an application sent in addition to the message to identify an error.

The application fills `ops.system_logs.error_data`. These keys are read, which resemble Sentry's:

- `fingerprint`: a string or a list of strings. Errors with the same fingerprint are one pattern,
  whatever their messages are. `{{ default }}` in a list stands for the error's own template.
- `stack`, or `stacktrace`: the trace as text, as the language prints it.
- `exception`: the kind as a string, or an object with `type`, and, if known, `value` and
  `stacktrace.frames`, oldest call first, each with `filename` (or `module`) and `function`; a frame
  whose `in_app` is false is a library's. A list of such objects, or one below `values`, is a chain
  of causes, the cause first.
- `code`, `details`, `hint`, `constraint` and the other fields of `OF_DRIVERS`, as strings.

Values of any other form are ignored, so that an error is learned whatever its error_data holds.
`ops_internal.bounded_error_data` reads the same of a log row, before it leaves the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pattern_engine.reading.traces import DIRECT

__all__ = ["MAX_CAUSES", "MAX_CHARACTERS", "MAX_FRAMES", "NONE", "OF_DRIVERS", "Evidence", "read"]

#: Characters of each value that are read.
MAX_CHARACTERS: int = 4096
#: Characters of each value of a frame that are read.
MAX_PLACE: int = 512
#: Frames of a stack that are read.
MAX_FRAMES: int = 64
#: Exceptions of a chain that are read.
MAX_CAUSES: int = 8
_DEFAULT = "{{ default }}"
#: Keys of the fields that drivers give their errors.
OF_DRIVERS = (
    *("code", "sqlState", "details", "detail", "hint", "where", "context", "routine"),
    *("constraint", "table", "column", "schema", "constraint_name", "table_name", "column_name"),
)


class Evidence(NamedTuple):
    """What identifies an error in addition to its message."""

    fingerprint: str | None = None
    stack: str | None = None
    exception: str | None = None
    fields: Mapping[str, str] | None = None


NONE = Evidence()


def read(error_data: object, message: str) -> Evidence:
    """Return the evidence in `error_data`, in linear time; this never raises."""
    if not isinstance(error_data, Mapping):
        return NONE
    causes = _causes(error_data.get("exception"))
    stack = _text(error_data.get("stack")) or _text(error_data.get("stacktrace"))
    return Evidence(
        _fingerprint(error_data.get("fingerprint"), message),
        stack or _trace(causes, message),
        _kind(causes[-1]) if causes else None,
        _fields(error_data),
    )


def _fields(error_data: Mapping[str, object]) -> dict[str, str] | None:
    fields = {name: _text(error_data.get(name)) for name in OF_DRIVERS if name in error_data}
    return {name: value for name, value in fields.items() if value is not None} or None


def _text(value: object) -> str | None:
    return value[:MAX_CHARACTERS] if isinstance(value, str) and value.strip() else None


def _word(value: object, most: int = MAX_CHARACTERS) -> str:
    """Return a text in one line; empty if the value is no text."""
    return " ".join(value[:most].split()) if isinstance(value, str) else ""


def _fingerprint(value: object, message: str) -> str | None:
    parts = [_word(part) for part in (value if isinstance(value, list) else [value])[:MAX_FRAMES]]
    given = [part for part in parts if part]
    if not given or set(given) == {_DEFAULT}:
        return None
    if _DEFAULT in given:
        from pattern_engine import grouping  # noqa: PLC0415  rarely needed

        template = grouping.group(message).template
        given = [template if part == _DEFAULT else part for part in given]
    return " ".join(given)[:MAX_CHARACTERS]


def _causes(value: object) -> list[Mapping[str, object]]:
    """Return the chain of exceptions, the cause first."""
    if isinstance(value, Mapping) and isinstance(value.get("values"), list):
        value = value["values"]
    chain = value if isinstance(value, list) else [value]
    return [
        {"type": one} if isinstance(one, str) else one
        for one in chain[-MAX_CAUSES:]
        if isinstance(one, str | Mapping) and _kind({"type": one} if isinstance(one, str) else one)
    ]


def _kind(exception: Mapping[str, object]) -> str | None:
    """Return the kind of an exception if it is a name, with or without dots."""
    kind = _word(exception.get("type"))
    module = _word(exception.get("module"))
    named = f"{module}.{kind}" if module and "." not in kind and module != "builtins" else kind
    return named if named and all(c.isalnum() or c in "._$:" for c in named) else None


def _trace(causes: list[Mapping[str, object]], message: str) -> str | None:
    """Return frames in the form of a Python traceback; None if there are no frames.

    The form does not matter, because a template has only kinds, modules and functions.
    """
    parts: list[str] = []
    has_frames = False
    for cause in causes:
        frames = _frames(cause.get("stacktrace"))
        has_frames = has_frames or bool(frames)
        value = _word(cause.get("value")) or " ".join(message.split())
        kind = (_kind(cause) or "").replace("$", ".").replace(":", ".")
        parts += ["Traceback (most recent call last):", *frames, f"{kind}: {value}", "", DIRECT, ""]
    del parts[-3:]
    return "\n".join(parts) if has_frames else None


def _frames(stacktrace: object) -> list[str]:
    frames = stacktrace.get("frames") if isinstance(stacktrace, Mapping) else None
    if not isinstance(frames, list):
        return []
    lines = (_frame(frame) for frame in frames[-MAX_FRAMES:] if isinstance(frame, Mapping))
    return [line for line in lines if line]


def _frame(frame: Mapping[str, object]) -> str | None:
    function, module, file, path = (
        _word(frame.get(name), MAX_PLACE) for name in ("function", "module", "filename", "abs_path")
    )
    place = file or path
    place = place or (f"{module}.x" if module else "")
    if frame.get("in_app") is False or not function or not place:
        return None
    place = place.replace('"', "'")
    return f'  File "{place}", line 1, in {function}'
