"""The stored part of an answer: its body as JSON or text, without the secrets that were sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pattern_engine.fixes.reflections import MASK
from pattern_engine.text import strict_json

if TYPE_CHECKING:
    from pattern_engine.fixes.connection import Answer
    from pattern_engine.fixes.reflections import Reflections


def shown_body(answer: Answer, secrets: Reflections, max_bytes: int) -> object:
    """Return the body as JSON if its type and content are JSON, else as text; None if empty.

    The text can be stored by Postgres: it has no NUL and no broken characters. It is cut at
    `max_bytes`, because replacing a broken character makes it longer.
    """
    if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
        # Decompressing could make it a thousand times larger.
        return "[compressed, not read]"
    text = answer.body.decode(errors="replace")
    if not text:
        return None
    if "json" in answer.headers.get("content-type", "json").lower():
        try:
            return _clean(strict_json.parse(text), secrets)
        except strict_json.StrictJsonError:
            pass
    return secrets.masked(text).encode()[:max_bytes].decode(errors="ignore")


def _clean(value: object, secrets: Reflections) -> object:
    if isinstance(value, str):
        return secrets.masked(value)
    if isinstance(value, dict):
        return {secrets.masked(key): _clean(v, secrets) for key, v in value.items()}
    if isinstance(value, list):
        return [_clean(child, secrets) for child in value]
    written = json.dumps(value)
    return value if secrets.masked(written) == written else MASK
