"""Types of fields, and the base classes of requests and responses.

Requests are strict: an unknown field is refused, and so is a string in place of a number. Responses
take only their own fields from the database's answer. The OpenAPI document is generated from the
models of each package and quotes their docstrings and descriptions.

Pydantic builds a schema when its class is first used. A function uses two of them, and building all
would make its start slower.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Final, Literal, LiteralString
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from pattern_engine.text.storable import storable, storable_throughout

MAX_MESSAGE_BYTES = 64 * 1024
MAX_SCRIPT_BYTES = 64 * 1024
MAX_ERROR_DATA_BYTES = 256 * 1024
"""The database reads at most this much of a log row's error_data, too."""
MAX_SOURCE_LENGTH = 256
MAX_REASON_LENGTH = 1000
MAX_IDS = 500
MAX_BIGINT = 2**63 - 1
_COMPACT: Final[dict[str, Any]] = {"ensure_ascii": False, "separators": (",", ":")}


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "Input should not be blank")
    return value


def _not_any(value: str) -> str:
    if value == "*":
        raise PydanticCustomError("any_value", "Input should name one object, not any")
    return value


def _at_most(kind: LiteralString, most: int) -> AfterValidator:
    """Refuse a value of more bytes: a string is measured in UTF-8, anything else as JSON."""

    def check(value: object) -> object:
        text = value if isinstance(value, str) else json.dumps(value, **_COMPACT)
        size = len(text.encode())
        if size > most:
            message = "Input has {size} bytes, at most {most} are allowed"
            raise PydanticCustomError(kind, message, {"size": size, "most": most})
        return value

    return AfterValidator(check)


Text = Annotated[str, BeforeValidator(storable), AfterValidator(_not_blank)]
Message = Annotated[Text, _at_most("message_too_large", MAX_MESSAGE_BYTES)]
Script = Annotated[Text, _at_most("script_too_large", MAX_SCRIPT_BYTES)]
ErrorData = Annotated[
    dict[str, Any],
    BeforeValidator(storable_throughout),
    _at_most("error_data_too_large", MAX_ERROR_DATA_BYTES),
]
Source = Annotated[Text, Field(max_length=MAX_SOURCE_LENGTH)]
Reason = Annotated[Text, Field(max_length=MAX_REASON_LENGTH)]
# JSON has no UUIDs, so a strict model has to accept a string here.
Identifier = Annotated[UUID, Field(strict=False)]
LogId = Annotated[int, Field(ge=1, le=MAX_BIGINT)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="The version of the fix.")]
# "*" stands for any value, so it is none.
ObjectName = Annotated[Text, Field(max_length=200), AfterValidator(_not_any)]
Severity = Literal["debug", "info", "warning", "error", "critical"]
PatternType = Literal["database", "api", "rls", "stripe", "deployment"]


class Request(BaseModel):
    """The base of requests: types are strict, and unknown fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class Response(BaseModel):
    """The base of responses: other columns of the database's answer are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    omitted_when_none: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out of the answer while they are None."""


class SeenIdentifiers(Response):
    """Identifiers that errors named together."""

    identifiers: dict[str, str]
    occurrences: int
    first_seen: str
    last_seen: str
