"""Kinds of fields, and the bases of requests and responses.

Requests are strict: no field that is not listed, no string where a number belongs. Responses are
built from what the database answered and carry no other column of it. The OpenAPI document is made
from the models of each package, so a docstring or a description there is what its reader sees.

Schemas are built when a class is first used: a function needs two of them, and start-up time is
what a serverless caller feels.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal
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

MOST_MESSAGE_BYTES = 64 * 1024
MOST_SCRIPT_BYTES = 64 * 1024
MOST_ERROR_DATA_BYTES = 256 * 1024
"""As much as is read of a log row's."""
MOST_SOURCE_LENGTH = 256
MOST_REASON_LENGTH = 1000
MOST_IDS = 500
MOST_BIGINT = 2**63 - 1


def _error_data_size(value: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MOST_ERROR_DATA_BYTES:
        raise PydanticCustomError(
            "error_data_too_large",
            "Input has {size} bytes of JSON, at most {most} are taken",
            {"size": size, "most": MOST_ERROR_DATA_BYTES},
        )
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "Input should not be blank")
    return value


def _message_size(value: str) -> str:
    size = len(value.encode())
    if size > MOST_MESSAGE_BYTES:
        raise PydanticCustomError(
            "message_too_large",
            "Input has {size} bytes, at most {most} are taken",
            {"size": size, "most": MOST_MESSAGE_BYTES},
        )
    return value


def _script_size(value: str) -> str:
    size = len(value.encode())
    if size > MOST_SCRIPT_BYTES:
        raise PydanticCustomError(
            "script_too_large",
            "Input has {size} bytes, at most {most} are taken",
            {"size": size, "most": MOST_SCRIPT_BYTES},
        )
    return value


Text = Annotated[str, BeforeValidator(storable), AfterValidator(_not_blank)]
Message = Annotated[Text, AfterValidator(_message_size)]
Script = Annotated[Text, AfterValidator(_script_size)]
ErrorData = Annotated[
    dict[str, Any], BeforeValidator(storable_throughout), AfterValidator(_error_data_size)
]
Source = Annotated[Text, Field(max_length=MOST_SOURCE_LENGTH)]
Reason = Annotated[Text, Field(max_length=MOST_REASON_LENGTH)]
# JSON has no UUIDs: a string is what a strict model has to take here.
Identifier = Annotated[UUID, Field(strict=False)]
LogId = Annotated[int, Field(ge=1, le=MOST_BIGINT)]
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
