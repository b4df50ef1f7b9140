"""Where a path leads, as far as its text tells."""

from __future__ import annotations

import enum
import fnmatch
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash import allowed
from pattern_engine.fixes.bash.words import Kind

if TYPE_CHECKING:
    from pattern_engine.fixes.bash.words import Value

__all__ = ["Where", "shown", "where"]


class Where(enum.Enum):
    """Where a path leads."""

    INSIDE = "inside the working directory"
    DEVICE = "to a device without effect"
    DATA = "wherever data say"
    HIDDEN = "wherever hidden text says"
    OUTSIDE = "outside the working directory"


#: What stands for a kind of text when only the shape of a path is looked at.
_STAND_IN: Final = {
    Kind.NAME: "name",
    Kind.INSIDE: "path",
    Kind.PRIVATE: "private",
    Kind.DATA: "\1",
    Kind.OPAQUE: "\2",
}


def where(value: Value) -> Where:
    """Tell where a path leads.

    One that begins with text of the script leads inside unless it climbs, although data follow:
    `./$name` is let pass, since the box holds whatever `$name` is; a bare `$name` is not.
    """
    if not value:
        return Where.DATA
    written = "".join(part if isinstance(part, str) else _STAND_IN[part] for part in value)
    if written in allowed.DEVICES:
        return Where.DEVICE
    components = written.split("/")
    if written.startswith("/") or any(map(_climbs, components)):
        return Where.OUTSIDE
    if Kind.OPAQUE in value:
        return Where.HIDDEN
    if value[0] is Kind.DATA or any(map(_may_climb, components)):
        return Where.DATA
    return Where.INSIDE


def shown(value: Value) -> str:
    """Return a path for people: what is not known of it is dots."""
    return "".join(part if isinstance(part, str) else "…" for part in value) or "''"


def _climbs(component: str) -> bool:
    """Tell whether a component is the parent directory, or a pattern that finds it."""
    return component.startswith(".") and component != "." and fnmatch.fnmatchcase("..", component)


def _may_climb(component: str) -> bool:
    """Tell whether data beside dots may make the parent directory."""
    rest = component.replace("\1", "")
    return rest not in (component, "") and set(rest) <= {"."}
