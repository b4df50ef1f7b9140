"""One request of a signed-in person, and what a page answers to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from pattern_engine.api.fields import PatternType
from pattern_engine.exceptions import InvalidField

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.settings import Settings

_MOST_DIGITS = 18
_RANKS = {"ops_viewer": 0, "ops_operator": 1, "ops_admin": 2}
TYPES: tuple[str, ...] = get_args(PatternType)
"""The types of patterns, in the order of lists and filters."""
Json = dict[str, Any]
Fields = Mapping[str, list[str]]
"""The values of a form or a query string, by name."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of an operator.

    Attributes:
        frame: The answer of `ops.console_frame_v1`: role, address, mark and pauses.
        query: The parameters of the address.
        form: The fields of a form, which is known to come from a page of this session.
        is_fragment: Whether htmx asks for a part of a page.
    """

    caller: Caller
    database: Database
    settings: Settings
    frame: Json
    query: Fields
    form: Fields
    is_fragment: bool

    def read(self, function: str, **arguments: object) -> Any:  # noqa: ANN401  the JSON of any page
        """Return what a function of the schema `ops` answers to the person, by its own name.

        The names of the arguments are those of the function without `p_`.
        """
        named = {f"p_{name}": value for name, value in arguments.items()}
        return self.database.ask(function, named, self.caller)

    @property
    def role(self) -> str:
        """The person's role."""
        return str(self.frame["role"])

    def may(self, role: str) -> bool:
        """Whether the person has this role or a higher one."""
        return _RANKS[self.role] >= _RANKS[role]

    def asked(self, name: str, default: str = "") -> str:
        """The first value of a parameter of the address."""
        return self.query.get(name, [default])[0].strip()

    def entered(self, name: str, default: str = "") -> str:
        """The first value of a field of the form, as it was typed but for spaces around it."""
        return self.form.get(name, [default])[0].replace("\r\n", "\n").strip()

    def number(self, name: str) -> int | str:
        """The whole number in a field; anything else as it was typed, an empty text for nothing."""
        return whole_number(self.entered(name))

    def moment(self, name: str) -> str:
        """The time in a field, in UTC.

        Pages send with it by how many minutes UTC is ahead of the reader's zone. Without the
        page's script it is in UTC already.

        Raises:
            InvalidField: if it is no time.
        """
        text = self.entered(name)
        try:
            ahead = timedelta(minutes=int(self.entered("zone") or "0"))
            return (datetime.fromisoformat(text).replace(tzinfo=UTC) + ahead).isoformat()
        except (ValueError, OverflowError):
            raise InvalidField(f"{text[:50]!r} is no time, as in 2026-01-31T18:00.") from None

    def chosen(self, name: str) -> list[str]:
        """All values of a field of the form, such as checked boxes."""
        return list(self.form.get(name, []))


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a part of one, made of a template of the folder `templates`."""

    template: str
    values: Json = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Go:
    """Send the browser to another page after something was done, with a sentence that says what."""

    path: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing happened since the page was made, so there is nothing to show."""


Answer = Page | Go | Unchanged
Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A path below the console, as werkzeug writes it, with its method and its handler.

    The handler gets the `Visit` and, by name, what stands in angle brackets.
    """

    method: str
    path: str
    handler: Handler


def whole_number(text: str) -> int | str:
    """The whole number in a text; any other text as it is, which is refused where it is read."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else text
