"""Request and response of POST /notify."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pattern_engine.api.fields import Request, Response


class NotifyRequest(Request):
    """No fields: whatever is due is sent."""


class NotifyResponse(Response):
    """What became of the messages that were due."""

    success: Literal[True] = True
    sent: int = Field(description="Messages that their targets accepted.")
    failed: int = Field(description="Tries that failed; the database tries those messages again.")
    dead: int = Field(description="Messages among those that are dead letters now.")
