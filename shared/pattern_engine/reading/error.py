"""An error as it was read: what its root says, and what the wrappers around it told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = [
    "MAX_CAUSES",
    "MAX_CHARACTERS",
    "MAX_DEPTH",
    "MAX_HEADS",
    "MAX_LAYERS",
    "MAX_TEXT",
    "MAX_WORK",
    "Frame",
    "ReadError",
    "cut",
]

#: Characters of a text that are read; of a longer one the start and the end.
MAX_CHARACTERS: Final = 65_536
#: Characters of a text that is no JSON document: of a longer one the start and the end.
MAX_TEXT: Final = 8_192
#: Characters of all the texts that are looked at one after the other.
MAX_WORK: Final = 32_768
#: Envelopes that are peeled one after the other.
MAX_LAYERS: Final = 24
#: Objects in objects that are followed.
MAX_DEPTH: Final = 12
#: Errors of a chain that are kept.
MAX_CAUSES: Final = 16
#: Errors of a trace that are looked at, where each has a head of its own.
MAX_HEADS: Final = 4
#: Characters of each section, and of a message.
MAX_SECTION: Final = 4096


class Frame(NamedTuple):
    """One call of a stack."""

    function: str
    place: str
    """A file, a module or an address, without the line."""


@dataclass(slots=True)
class ReadError:
    """The root error of a text. What the text does not tell is None or empty."""

    message: str = ""
    origin: str | None = None
    """The service or runtime that the envelope names, such as `postgres`."""
    code: str | None = None
    """The SQLSTATE or the code of another service."""
    status: str | None = None
    """The HTTP status."""
    severity: str | None = None
    kind: str | None = None
    """The class of the root exception."""
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    statement: str | None = None
    layers: list[str] = field(default_factory=list)
    """The texts from which the message was peeled, the outermost first."""
    chain: list[str] = field(default_factory=list)
    """What was peeled off and is a message, the outermost first."""
    frames: list[Frame] = field(default_factory=list)
    """The stack of the root error, the throwing place first."""
    objects: dict[str, str] = field(default_factory=dict)
    """What fields of the error name: constraint, table, column, schema, type."""

    def note(self, message: str) -> None:
        """Keep a message of an outer error."""
        if message and len(self.chain) < MAX_CAUSES:
            self.chain.append(message[:MAX_SECTION])


def cut(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return what is read of a text: all of it, or its start and its end."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n{text[-half:]}"
