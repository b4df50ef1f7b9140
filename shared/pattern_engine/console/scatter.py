"""Patterns as points of a plane: how often each occurred, and how long ago it was seen last.

Both axes are logarithmic, because frequencies and times differ by powers of ten. The families of
the clustering differ in their form and colour.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from pattern_engine.text.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 800, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 115, 40, 20, 40
#: Points of the same place are laid around it in a spiral, so that how many they are is seen.
_TURN = math.pi * (3 - math.sqrt(5))
_APART = 4.0
_MAX_SPREAD = 24.0
_AGES = (
    (60, "1 minute"), (3_600, "1 hour"), (86_400, "1 day"), (7 * 86_400, "1 week"),
    (30 * 86_400, "1 month"), (365 * 86_400, "1 year"),
)  # fmt: skip
#: One form for each cluster, beside its colour: circle, square, triangle, diamond, cross.
_FORMS = (
    "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "m-3-3h6v6h-6z",
    "m0-4l4 7h-8z",
    "m0-4.5l4.5 4.5l-4.5 4.5l-4.5-4.5z",
    "m-1-4h2v3h3v2h-3v3h-2v-3h-3v-2h3z",
)


class Point(NamedTuple):
    """A pattern of a cluster, which is named by its place among the clusters."""

    cluster: int
    pattern_id: str
    occurrence_count: int
    seconds_ago: int
    template: str | None


class Scale(NamedTuple):
    """A logarithmic axis: from which value at which place to which value at which place."""

    least: float
    most: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value stands."""
        share = math.log(max(value, self.least) / self.least) / math.log(self.most / self.least)
        return self.start + share * (self.end - self.start)


def form(place: int) -> str:
    """The form of the points of a cluster, as an SVG path around the point."""
    return _FORMS[place % len(_FORMS)]


def color(place: int) -> str:
    """The class of the points of a cluster."""
    return f"chart-{place % len(_FORMS) + 1}"


def picture(points: Sequence[Point], clusters: int, link: Callable[[str], str]) -> Markup:
    """Draw patterns, each in the form of its cluster; `link` gives the address of a pattern.

    Returns:
        What to put into an `svg` of `WIDTH` and `HEIGHT`.
    """
    ages = [point.seconds_ago for point in points]
    most = max((point.occurrence_count for point in points), default=1)
    across = Scale(1, 10 ** math.ceil(math.log10(max(most, 2))), _LEFT, WIDTH - _RIGHT)
    least, oldest = max(min(ages), 10), max(*ages, 3_600)
    up = Scale(least / 1.5, oldest * 1.5, _TOP, HEIGHT - _BOTTOM)
    places = _spread([
        (across.place(point.occurrence_count), up.place(age))
        for point, age in zip(points, ages, strict=True)
    ])  # fmt: skip
    members: list[list[str]] = [[] for _ in range(clusters)]
    for point, (x, y) in zip(points, places, strict=True):
        path = form(point.cluster)
        members[point.cluster].append(_drawn(point, f"M{x:.0f} {y:.0f}{path}", link))
    groups = [
        f'<g class="{color(place)}" fill="currentColor">{"".join(drawn)}</g>'
        for place, drawn in enumerate(members)
    ]
    return Markup("\n").join([_grid(across, up), *map(Markup, groups)])  # each part is escaped


def _drawn(point: Point, path: str, link: Callable[[str], str]) -> str:
    # The tables name the patterns, and the keyboard reaches them there; here it would have to walk
    # through thousands of links.
    title = Markup("<title>{}</title>").format(visible(point.template)) if point.template else ""
    return f'<a href="{link(point.pattern_id)}" tabindex="-1">{title}<path d="{path}"/></a>'


def _spread(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Lay points of the same place around it."""
    keys = [(round(x / 4), round(y / 4)) for x, y in places]
    crowds, seen = Counter(keys), Counter[tuple[int, int]]()
    found = []
    for key, (x, y) in zip(keys, places, strict=True):
        apart = min(_APART, _MAX_SPREAD / math.sqrt(crowds[key]))
        radius, angle = apart * math.sqrt(seen[key]), _TURN * seen[key]
        seen[key] += 1
        found.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return found


def _grid(across: Scale, up: Scale) -> Markup:
    """Lines at powers of ten and at round times, with their names."""
    parts = []
    for power in range(round(math.log10(across.most)) + 1):
        x = across.place(10**power)
        parts.append(
            f'<path d="M{x:.0f} {up.start - 10:.0f}V{up.end:.0f}"/>'
            f'<text x="{x:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{10**power:,}</text>'
        )
    for age, name in _AGES:
        if up.least < age < up.most:
            y = up.place(age)
            parts.append(
                f'<path d="M{across.start:.0f} {y:.0f}H{across.end:.0f}"/>'
                f'<text x="{across.start - 10:.0f}" y="{y + 5:.0f}" text-anchor="end">{name}</text>'
            )
    return Markup('<g class="grid">{}</g>').format(Markup("").join(map(Markup, parts)))
