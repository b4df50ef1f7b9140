"""What stands in a request in place of a literal: `{"param": …}`, `{"error": …}`, `{"secret": …}`.

A parameter is as fixed as the script, so the analysis puts it in before it looks at the request:
what was looked at is what runs. What an error or the Vault says is known when the request is sent.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "ERROR_NAME",
    "ReferenceRefusedError",
    "UnsendableError",
    "is_error",
    "is_secret",
    "references",
    "with_error",
    "with_parameters",
]

MAX_ERROR_CHARACTERS: Final = 8192
"""Of one text of an error, in a request."""
ERROR_NAME: Final = re.compile(r"captured\.[A-Za-z0-9_]{1,64}|[A-Za-z][A-Za-z0-9_]{0,63}")
"""Any that is not one of the error's own is that of a captured value, as `captured.` says."""
_OWN_NAMES: Final = frozenset({"message", "source", "system_log_id"})
_KINDS: Final = ("param", "error", "secret")


class ReferenceRefusedError(Exception):
    """A reference to what is not there, or may not be there."""


class UnsendableError(Exception):
    """What the request needs of the error or the Vault is not there, or cannot be sent."""


def _kind(value: object) -> str | None:
    """Which kind of reference a value is: an object with that key and no other."""
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))) in _KINDS:
        return str(key)
    return None


def is_secret(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value is a secret of the Vault, with or without a prefix."""
    return isinstance(value, dict) and "secret" in value and value.keys() <= {"secret", "prefix"}


def is_error(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value is taken from the error."""
    return _kind(value) == "error"


def references(value: object) -> Iterator[object]:
    """Each reference in a value, at any depth."""
    if is_secret(value) or _kind(value):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from references(child)


def with_parameters(value: object, parameters: Mapping[str, object], most_bytes: int) -> object:
    """A request with its parameters put in.

    Raises:
        ReferenceRefusedError: for a parameter that is not there or holds references itself, and
            where the parameters together would take more than `most_bytes` as JSON.
    """
    left = most_bytes

    def put(value: Any) -> object:  # noqa: ANN401  JSON
        nonlocal left
        if _kind(value) == "param":
            given = _parameter(value["param"], parameters)
            left -= len(json.dumps(given))
            if left < 0:
                raise ReferenceRefusedError(f"the parameters take more than {most_bytes} bytes")
            return given
        if isinstance(value, dict):
            return {key: put(child) for key, child in value.items()}
        return [put(child) for child in value] if isinstance(value, list) else value

    return put(value)


def _parameter(name: object, parameters: Mapping[str, object]) -> object:
    if not isinstance(name, str) or name not in parameters:
        raise ReferenceRefusedError(f"there is no parameter {name!r}")
    given = parameters[name]
    if any(references(given)):
        raise ReferenceRefusedError(f"the parameter {name!r} holds a reference, not a literal")
    return given


def with_error(value: object, error: Mapping[str, Any]) -> Any:  # noqa: ANN401  JSON
    """A value with what it takes of the error put in.

    Raises:
        UnsendableError: with what the error does not have.
    """
    if is_error(value):
        return _of_error(value["error"], error)
    if isinstance(value, dict):
        return {key: with_error(child, error) for key, child in value.items()}
    return [with_error(child, error) for child in value] if isinstance(value, list) else value


def _of_error(name: str, error: Mapping[str, Any]) -> object:
    if name in _OWN_NAMES:
        found = error.get(name)
    else:
        found = (error.get("captured") or {}).get(name.removeprefix("captured."))
    if found is None:
        raise UnsendableError(f"the error has no {name}")
    return found[:MAX_ERROR_CHARACTERS] if isinstance(found, str) else found
