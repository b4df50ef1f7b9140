"""The stored part of an answer: its body as JSON or text, without the secrets that were sent."""

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

    from pattern_engine.fixes.connection import Answer


def shown_body(answer: Answer, secrets: Collection[str], max_bytes: int) -> object:
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
    return without_secrets(text, secrets).encode()[:max_bytes].decode(errors="ignore")


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
    """Return a text with each secret masked, in plain form or as servers may quote or encode it."""
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
