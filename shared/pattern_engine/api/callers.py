"""Who calls an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of callers."""

    PERSON = "person"
    ENGINE = "engine"
    CRON = "cron"


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, after its credentials were verified."""

    kind: Kind
    user_id: str | None = None
    """The person's id; None for the engine and its jobs."""
    token: str | None = field(default=None, repr=False)
    """The person's access token; database calls in the person's name carry it."""


ENGINE = Caller(Kind.ENGINE)
CRON = Caller(Kind.CRON)
