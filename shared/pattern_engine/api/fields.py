"""Kinds of fields, and the bases of requests and responses.

Requests are strict: no field that is not listed, no string where a number belongs. Responses are
built from what the database answered and carry no other column of it. The OpenAPI document is made
from the models of each package, so a docstring or a description there is what its reader sees.

Schemas are built when a class is first used: a function needs two of them, and start-up time is
what a serverless caller feels.
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
"""As much as is read of a log row's."""
MAX_SOURCE_LENGTH = 256
MAX_REASON_LENGTH = 1000
MAX_IDS = 500
MAX_BIGINT = 2**63 - 1
_COMPACT: Final[dict[str, Any]] = {"ensure_ascii": False, "separators": (",", ":")}


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "Input should not be blank")
    return value


def _at_most(kind: LiteralString, most: int) -> AfterValidator:
    """Refuse what has more bytes: a text in UTF-8, anything else as JSON."""

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
# JSON has no UUIDs: a string is what a strict model has to take here.
Identifier = Annotated[UUID, Field(strict=False)]
LogId = Annotated[int, Field(ge=1, le=MAX_BIGINT)]
Severity = Literal["debug", "info", "warning", "error", "critical"]
PatternType = Literal["database", "api", "rls", "stripe", "deployment"]


class Request(BaseModel):
    """A request body: strict, and without fields that nobody asked for."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class Response(BaseModel):
    """An answer: what the database says beyond its fields is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    omitted_when_none: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out of the answer where they have nothing to say."""
