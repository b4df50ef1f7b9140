"""Making HTML out of the templates.

Every text is shown with marks for characters that would be obeyed or hidden, and escaped. No
template can forget that, because both happen where a value is put into the page.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from pattern_engine.console import assets, differences
from pattern_engine.fixes import legible
from pattern_engine.text.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

_TEMPLATES = Path(__file__).parent / "templates"
_CUT = 2_000
NOTHING = "none"
"""What is shown where there is no number."""


def _safe(value: object) -> object:
    """What is put into a page in place of a value."""
    if value is None or isinstance(value, jinja2.Undefined | Markup):
        return value if isinstance(value, Markup) else ""
    return visible(value) if isinstance(value, str) else value


@cache
def environment() -> jinja2.Environment:
    """The templates, with the filters that they use."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "marked": marked,
        "exposed": exposed,
        "cut": cut,
        "exact": exact,
        "moment": moment,
        "at": at,
        "count": count,
        "counted": counted,
        "percent": percent,
        "span": span,
        "tojson_text": lambda value: json.dumps(value, ensure_ascii=False),
        "pretty_json": differences.pretty,
        "short": lambda digest: str(digest)[:12],
        "json_attribute": lambda value: json.dumps(value, separators=(",", ":")),
    }
    return made


def render(name: str, values: dict[str, Any], url: Callable[[str], str]) -> str:
    """Return the HTML of a template."""

    def asset(file: str) -> str:
        found = assets.find(file)
        version = found.version if found else "missing"
        return url(f"/assets/{file}?v={version}")

    return environment().get_template(name).render(values, url=url, asset=asset)


def marked(text: object) -> Markup:
    """Return a text in which each mark in place of a character stands out."""
    whole = str(text).replace("\r\n", "\n")
    if visible(whole) == whole:
        return escape(whole)
    parts: list[Markup] = []
    for char in whole:
        shown = visible(char)
        if shown == char:
            parts.append(escape(char))
        else:
            parts.append(Markup('<mark class="hidden-character">{}</mark>').format(shown))
    return Markup("").join(parts)


def exposed(text: object) -> Markup:
    """Return a line of a script with the name of each character that a reviewer cannot trust."""
    whole = str(text)
    names = dict(legible.suspicious(whole))
    if not names:
        return marked(whole)
    parts: list[Markup] = []
    for place, char in enumerate(whole):
        if place in names:
            code, _, name = names[place].partition(" ")
            seen = f"{char} {code}" if char.isalpha() else code
            mark = Markup('<mark class="hidden-character" title="{}">{}</mark>')
            parts.append(mark.format(name, visible(seen)))
        else:
            parts.append(marked(char))
    return Markup("").join(parts)


def exact(text: object) -> Markup:
    """Return a text without marks, for a field of a form, which has to keep what was typed."""
    return escape(str(text))


def cut(text: object, most: int = _CUT) -> str:
    """Return the beginning of a long text, and how much was left out."""
    whole = str(text or "")
    if len(whole) <= most:
        return whole
    return f"{whole[:most]}… ({len(whole) - most:,} more characters)"


def moment(value: str | None, empty: str = "never") -> Markup:
    """Return a time, in UTC; the page's script shows it in the reader's zone."""
    if not value:
        return escape(empty)
    when = datetime.fromisoformat(value).astimezone(UTC)
    text = f"{when:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        when.isoformat(timespec="seconds"), text, text
    )


def at(seconds: int) -> Markup:
    """Return a time that is given in seconds since 1970, as charts have it."""
    return moment(datetime.fromtimestamp(seconds, UTC).isoformat())


def count(number: float | None) -> str:
    """Return a number with separators between thousands."""
    return NOTHING if number is None else f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return a number with what is counted: 1 error, 2 errors."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float | None) -> str:
    """Return a share of 0 to 1 as a percentage."""
    return NOTHING if share is None else f"{share * 100:.0f} %"


def span(seconds: float | None) -> str:
    """Return a duration in the two largest units that it has."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    left = round(seconds)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"
