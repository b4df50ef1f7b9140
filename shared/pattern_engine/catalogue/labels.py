"""How PostgreSQL's log and its clients label the parts of an error, in every language.

`labels` maps a label without its colon to the English one: `FEHLER` → `ERROR`, `DÉTAIL` → `DETAIL`.
`positions` are the texts around the place in the statement that the log adds to a message
(` at character 8`). `make catalogue` writes the file that is read here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

__all__ = ["PATH", "SOURCE", "labels", "positions", "without_position"]

PATH: Final = Path(__file__).with_name("labels.json")
_READ: Final[dict[str, Any]] = json.loads(PATH.read_text())
SOURCE: Final[str] = _READ["source"]
"""The digest of the translations that both files of the catalogue were made from."""
labels: Final[dict[str, str]] = _READ["labels"]
positions: Final = tuple((before, after) for before, after in _READ["positions"])
_MOST_DIGITS: Final = 10
_DIGITS: Final = frozenset("0123456789")
_LAST: Final = _DIGITS | {after[-1:] for _, after in positions} - {""}
_BY_END: Final = {
    after: tuple(before for before, its_after in positions if its_after == after)
    for _, after in positions
}
_LONGEST_END: Final = 1 + max(len(after) for _, after in positions)


def without_position(message: str) -> str:
    """Return a message without the place in the statement that the server's log adds at its end."""
    if message[-1:] not in _LAST or _DIGITS.isdisjoint(message[-_LONGEST_END:]):
        return message
    for after, befores in _BY_END.items():
        if message.endswith(after):
            kept = message[: len(message) - len(after)]
            text = kept.rstrip("0123456789")
            if 0 < len(kept) - len(text) <= _MOST_DIGITS and text.endswith(befores):
                return text.removesuffix(next(filter(text.endswith, befores)))
    return message
