"""What a deployment has set by environment variables, with meanings and defaults, for people."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pattern_engine.settings import Settings, meanings, variable
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What Supabase names differently, and what has a table of its own.
_ELSEWHERE = frozenset({
    "supabase_url", "publishable_key", "jwks_url", "jwt_issuer", "jwt_audience", "thresholds",
})  # fmt: skip
_meanings = cache(meanings)


class Value(NamedTuple):
    """A setting of the environment; all but the last are texts to show."""

    name: str
    meaning: str
    allowed: str
    default: str
    value: str
    is_changed: bool


def thresholds(settings: Settings) -> list[Value]:
    """The thresholds of the Four Laws, of verification and of approval."""
    return _values(Thresholds, settings.thresholds)


def functions(settings: Settings) -> list[Value]:
    """The settings of the functions, without secrets, which are kept from the repr as well."""
    return _values(Settings, settings)


def _values(kind: type, present: object) -> list[Value]:
    return [
        _value(field, getattr(present, field.name), _meanings(kind)[field.name])
        for field in dataclasses.fields(kind)
        if field.repr and field.name not in _ELSEWHERE
    ]


def _value(field: dataclasses.Field[Any], value: object, meaning: str) -> Value:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    is_switch = isinstance(default, bool)
    return Value(
        name=variable(field.name),
        meaning=meaning.replace("`", ""),
        allowed="on or off" if is_switch else str(field.metadata.get("bounds", "")),
        default=_shown(default),
        value=_shown(value),
        is_changed=value != default,
    )


def _shown(value: object) -> str:
    """A value as a person would type it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:,.15g}"
    if isinstance(value, str) or value is None:
        return value or "none"
    return ", ".join(_items(value)) or "none"


def _items(value: object) -> list[str]:
    if isinstance(value, dict):
        items: Mapping[str, str] = value
        return [f"{name}={path}" for name, path in items.items()]
    assert isinstance(value, tuple | frozenset)  # noqa: S101  no field holds anything else
    return sorted(str(item) for item in value)
