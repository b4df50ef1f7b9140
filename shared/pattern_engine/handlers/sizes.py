"""Values of bounded size that PostgreSQL stores."""

from __future__ import annotations

import json
from typing import Final

__all__ = ["MAX_FIELD", "MAX_MESSAGE", "MAX_METADATA", "metadata_of", "text_of"]

MAX_MESSAGE: Final = 32_768
"""Characters of a message."""
MAX_FIELD: Final = 4_096
"""Characters of any other text."""
MAX_METADATA: Final = 16_384
"""Characters of all metadata of a row as JSON."""
MAX_VALUE: Final = 1_024
"""Characters of one value of them."""
MAX_NAMES: Final = 64
"""Values that a row has as metadata."""


def text_of(text: str, most: int) -> str:
    """Return a text that is not too long, without what PostgreSQL cannot store."""
    kept = text[:most].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return kept.encode("utf-8", "replace").decode()


def metadata_of(values: dict[str, object]) -> dict[str, object]:
    """Return values as metadata: what is no JSON as its `repr`, what is too long cut."""
    told: dict[str, object] = {}
    room = MAX_METADATA
    for name, value in list(values.items())[:MAX_NAMES]:
        kept = _value(value)
        room -= len(name) + len(str(kept))
        if room < 0:
            told["omitted"] = "The rest of the metadata was too long"
            break
        told[text_of(str(name), 200)] = kept
    return told


def _value(value: object) -> object:
    if isinstance(value, str):
        return text_of(value, MAX_VALUE)
    try:
        text = json.dumps(value, default=repr, allow_nan=False, ensure_ascii=False)
        text = text.replace("\\u0000", "\N{REPLACEMENT CHARACTER}")
        # What is cut is no JSON any more, nor does PostgreSQL store every character.
        return json.loads(text) if text == text_of(text, MAX_VALUE) else text_of(text, MAX_VALUE)
    except Exception:  # noqa: BLE001  the application's own __repr__, a circle, infinity
        return f"<unprintable {type(value).__name__}>"
