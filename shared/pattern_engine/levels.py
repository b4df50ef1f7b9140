"""The levels of loggers, as `ops_internal.stamp_log_row` translates them in a log row."""

from __future__ import annotations

from typing import Final

__all__ = ["level"]

_WORDS: Final = {
    "debug": ("trace", "verbose", "silly", "fine", "10", "20"),
    "info": ("information", "informational", "notice", "log", "http", "30"),
    "warning": ("warn", "40"),
    "critical": ("fatal", "crit", "alert", "emerg", "emergency", "panic", "60"),
}
_KNOWN: Final = {word: name for name, words in _WORDS.items() for word in (name, *words)}


def level(written: object) -> object:
    """Return the level that a logger's word or number means; an unknown one is an error.

    What is neither a word nor a number is returned as it is.
    """
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        return written
    return _KNOWN.get(str(written).strip().lower(), "error")
