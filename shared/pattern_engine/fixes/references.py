"""References in a request: `{"param": …}`, `{"error": …}` and `{"secret": …}`.

The parameters are known at the approval, so the analysis inserts them and checks the result. The
values of an error and of Vault are known only when the request is sent.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_ERROR_CHARACTERS: Final = 8192
"""The most characters that a request contains of one text of an error."""
ERROR_NAME: Final = re.compile(r"captured\.[A-Za-z0-9_]{1,64}|[A-Za-z][A-Za-z0-9_]{0,63}")
"""A name other than `_OWN_NAMES` is that of a captured value, with or without `captured.`."""
SECRET_NAME: Final = re.compile(r"(?!pattern_engine_)[a-z0-9_]{1,64}")
"""The names of the Vault secrets that a fix may send; those of the engine are excluded."""
_OWN_NAMES: Final = frozenset({"message", "source", "system_log_id"})
_KINDS: Final = ("param", "error", "secret")


class ReferenceRefusedError(Exception):
    """A parameter is missing, too large, or a reference itself."""


class UnsendableError(Exception):
    """A value of the error or of Vault that the request needs is missing or cannot be sent."""


def _kind(value: object) -> str | None:
    """Return the kind of a reference, which is an object with that one key, or None."""
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))) in _KINDS:
        return str(key)
    return None


def is_secret(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value refers to a Vault secret, with or without a prefix."""
    return isinstance(value, dict) and "secret" in value and value.keys() <= {"secret", "prefix"}


def is_error(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value refers to the error."""
    return _kind(value) == "error"


def references(value: object) -> Iterator[object]:
    """Yield each reference in a value, at any depth."""
    if is_secret(value) or _kind(value):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from references(child)


def with_parameters(value: object, parameters: Mapping[str, object], max_bytes: int) -> object:
    """Return a request with the values of its parameters.

    Raises:
        ReferenceRefusedError: if a parameter is missing or contains a reference, or if the inserted
            values have more than `max_bytes` as JSON.
    """
    left = max_bytes

    def put(value: Any) -> object:  # noqa: ANN401  JSON
        nonlocal left
        if _kind(value) == "param":
            given = _parameter(value["param"], parameters)
            left -= len(json.dumps(given))
            if left < 0:
                raise ReferenceRefusedError(f"the parameters have more than {max_bytes} bytes")
            return given
        if isinstance(value, dict):
            return {key: put(child) for key, child in value.items()}
        return [put(child) for child in value] if isinstance(value, list) else value

    return put(value)


def _parameter(name: object, parameters: Mapping[str, object]) -> object:
    if not isinstance(name, str) or name not in parameters:
        raise ReferenceRefusedError(f"the approval has no parameter {name!r}")
    given = parameters[name]
    if any(references(given)):
        raise ReferenceRefusedError(f"the parameter {name!r} must be a literal, not a reference")
    return given


def with_error(value: object, error: Mapping[str, Any]) -> Any:  # noqa: ANN401  JSON
    """Return a value with the values of the error to which it refers.

    Raises:
        UnsendableError: if the error lacks one of them.
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
