"""What an exception tells: the error that it goes back to, its fields, and the stack as text.

The engine identifies an error by its root: the exception at the start of the chain of causes.
"""

from __future__ import annotations

import builtins
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from pattern_engine.handlers.sizes import MAX_FIELD, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["error_data", "message_of", "outer_messages"]

MAX_STACK: Final = 4096
"""Characters of a stack that the engine reads."""
MAX_CHAIN: Final = 8
"""Exceptions of a chain that are told, the root first."""
MAX_FRAMES: Final = 100
"""Innermost frames of an exception that are looked at."""
_DIRECT: Final = "\n\nThe above exception was the direct cause of the following exception:\n\n"
_DURING: Final = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
_LIBRARIES: Final = ("site-packages", "dist-packages", "/lib/python", "\\Lib\\")
#: Fields of the errors of psycopg, asyncpg, postgrest, supabase-auth, storage3 and Stripe, by the
#: names under which the engine reads them. A name with a dot is an attribute of an attribute. Only
#: drivers know the table and the context; they are left out, so that an error names the same things
#: whoever logs it, and one guard is right for all.
_FIELDS: Final = {
    "code": ("sqlstate", "pgcode", "code"),
    "details": ("diag.message_detail", "details", "detail"),
    "hint": ("diag.message_hint", "hint"),
}
#: The message without what the fields tell.
_MESSAGES: Final = ("diag.message_primary", "message")
#: Errors that are handled as a matter of course; what is raised meanwhile is the error.
_ORDINARY: Final = frozenset(
    each
    for each in vars(builtins).values()
    if isinstance(each, type)
    and issubclass(each, LookupError | AttributeError | ValueError | TypeError | StopIteration)
)


def message_of(error: BaseException) -> str:
    """Return the text of the root of an exception, with its class unless a database raised it."""
    return _text(_chain(error)[-1][0])


def outer_messages(error: BaseException) -> list[str]:
    """Return what was raised from the root, the outermost first; empty without a cause."""
    return [text_of(_text(each), MAX_FIELD) for each, _ in _chain(error)[:-1]]


def error_data(error: BaseException) -> dict[str, object]:
    """Return what identifies an exception, in the form of `docs/reference/error-data.md`."""
    chain = _chain(error)
    told: dict[str, object] = {"exception": _kind(chain[-1][0]), "stack": _stack(chain)}
    for each, _ in reversed(chain):
        fields = _fields(each)
        if "code" in fields:
            return told | fields
    return told


def _chain(error: BaseException) -> list[tuple[BaseException, str]]:
    """Return an exception and what it goes back to, each with what Python writes between them."""
    chain: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    following: BaseException | None = error
    joint = ""
    while following is not None and id(following) not in seen and len(chain) < MAX_CHAIN:
        seen.add(id(following))
        chain.append((following, joint))
        following, joint = _before(following)
    return chain


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    if error.__cause__ is not None:
        return error.__cause__, _DIRECT
    if isinstance(error, BaseExceptionGroup) and error.exceptions:
        return error.exceptions[0], _DIRECT
    context = error.__context__
    if context is None or error.__suppress_context__ or type(context) in _ORDINARY:
        return None, ""
    return context, _DURING


def _kind(error: BaseException) -> str:
    module, name = type(error).__module__, type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"


def _text(error: BaseException) -> str:
    """Return an exception as Python prints it, and a database's error by its message alone."""
    if "code" in _fields(error):
        for name in _MESSAGES:
            message = _attribute(error, name)
            if isinstance(message, str) and message.strip():
                return message
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  the application's own __str__
        text = "<unprintable>"
    notes = [note for note in getattr(error, "__notes__", ()) if isinstance(note, str)]
    return "\n".join([f"{_kind(error)}: {text}" if text else _kind(error), *notes])


def _fields(error: BaseException) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, attributes in _FIELDS.items():
        for attribute in attributes:
            value = _attribute(error, attribute)
            if isinstance(value, str) and value.strip():
                fields[name] = text_of(value, MAX_FIELD)
                break
    return fields


def _attribute(error: object, path: str) -> object:
    value: object = error
    for name in path.split("."):
        try:
            value = getattr(value, name, None)
        except Exception:  # noqa: BLE001  a property of the application's
            return None
    return value


def _stack(chain: list[tuple[BaseException, str]]) -> str:
    """Return the chain as Python prints it, without lines of the source, the root first.

    It has fewer frames where all of them would be more than the engine reads.
    """
    for most in (40, 20, 10, 5, 2):
        text = "".join(_blocks(chain, most))
        if len(text) <= MAX_STACK:
            break
    return text_of(text, MAX_STACK)


def _blocks(chain: list[tuple[BaseException, str]], most: int) -> Iterator[str]:
    for place, (error, joint) in enumerate(reversed(chain)):
        yield "Traceback (most recent call last):\n"
        # Of the root the frames tell where it was raised; of the others that they are others.
        yield from _frames(error.__traceback__, most if place == 0 else min(most, 5))
        text = _text(error)
        yield text if text.startswith(_kind(error)) else f"{_kind(error)}: {text}"
        yield joint


def _frames(traceback: TracebackType | None, most: int) -> Iterator[str]:
    """Yield the innermost frames, those of the application before those of libraries."""
    found: deque[tuple[str, str]] = deque(maxlen=MAX_FRAMES)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        line = f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}\n'
        found.append((code.co_filename, line))
        traceback = traceback.tb_next
    if len(found) > most:
        last = len(found) - 2
        own = [
            each
            for place, each in enumerate(found)
            if place >= last or not any(part in each[0] for part in _LIBRARIES)
        ]
        found = deque(own, maxlen=most)
    yield from islice((line for _, line in found), most)
