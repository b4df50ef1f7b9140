"""What of an answer is kept: its body as JSON or text, without the secrets that were sent."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from pattern_engine.fixes.api_call.request import MASK
from pattern_engine.text import strict_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pattern_engine.fixes.api_call.connection import Answer

__all__ = ["shown_body", "without_secrets"]


def shown_body(answer: Answer, secrets: Collection[str], most_bytes: int) -> object:
    """Return the body as JSON if it is said to be that, and is; as text otherwise; None if empty.

    Text is what Postgres can store: without NUL, and whole characters. It is cut at `most_bytes`:
    what replaces a broken character has three bytes.
    """
    if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
        # Unpacking it could make a thousand times as much of it.
        return "[compressed, not read]"
    text = answer.body.decode(errors="replace")
    if not text:
        return None
    if "json" in answer.headers.get("content-type", "json").lower():
        try:
            return _clean(strict_json.parse(text), secrets)
        except strict_json.StrictJsonError:
            pass
    return without_secrets(text, secrets).encode()[:most_bytes].decode(errors="ignore")


def _clean(value: object, secrets: Collection[str]) -> object:
    if isinstance(value, str):
        return without_secrets(value, secrets)
    if isinstance(value, dict):
        return {without_secrets(key, secrets): _clean(v, secrets) for key, v in value.items()}
    if isinstance(value, list):
        return [_clean(child, secrets) for child in value]
    written = json.dumps(value)
    return value if without_secrets(written, secrets) == written else MASK


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return a text with each secret masked, plain or in one of the ways that servers quote it."""
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    if forms:
        text = re.sub("|".join(map(re.escape, forms)), MASK, text)
    return text.encode(errors="replace").decode().replace("\0", "�")


def _forms(secret: str) -> Iterator[str]:
    secret = secret.strip()
    if secret:
        yield secret
        yield quote(secret, safe="")
        yield json.dumps(secret)[1:-1]
        yield base64.b64encode(secret.encode()).decode()
