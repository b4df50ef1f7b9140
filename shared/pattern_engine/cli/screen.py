"""What the person's commands paint: tables, paragraphs and charts, for which Rich is loaded.

As with `terminal.show`, nothing of a text that others logged is obeyed: strings are no markup, and
whatever is painted has visible marks for what a terminal would obey or hide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from pattern_engine.text.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST = 2_000
_WIDTH_OF_PIPE = 100


class _Screen(Console):
    """A console that cannot be made to write a control character of a text."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)
        if not self.is_terminal:
            self.width = _WIDTH_OF_PIPE

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Mark what a terminal would obey; Rich's own styles are no part of the text."""
        for segment in super().render(renderable, options):
            yield (segment if segment.control else Segment(visible(segment.text), segment.style))


def paint(*renderables: RenderableType) -> None:
    """Print on standard output."""
    console = _Screen()
    for each in renderables:
        console.print(each, soft_wrap=isinstance(each, str | Text) and not console.is_terminal)


def text(value: object, style: str = "", *, longest: int = _LONGEST) -> Text:
    """Return what others wrote, of at most so many characters, as text alone."""
    shown = visible(str(value))
    if len(shown) > longest:
        shown = f"{shown[:longest]}… ({len(shown)} characters)"
    return Text(shown, style)


def line(value: object, style: str = "", *, longest: int = 160) -> Text:
    """Return what others wrote in one line."""
    return text(" ".join(str(value).split()), style, longest=longest)


def heading(title: str) -> Text:
    """Return the title of a part."""
    return Text(f"\n{title}", "bold")


def table(names: Sequence[str], rows: Iterable[Sequence[object]], *, wide: str = "") -> Table:
    """Return a table without lines; the column `wide` takes the room that is left."""
    made = Table(box=None, pad_edge=False, header_style="bold dim")
    for name in names:
        made.add_column(name, ratio=1 if name == wide else None, no_wrap=name != wide)
    for row in rows:
        made.add_row(*(each if isinstance(each, Text | Table) else line(each) for each in row))
    return made


def fields(pairs: Iterable[tuple[str, object]]) -> Table:
    """Return names with their values, below each other; what is None is left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(ratio=1)
    for name, value in pairs:
        if value is not None:
            made.add_row(name, value if isinstance(value, Text | Table) else text(value))
    return made


def when(moment: str | None) -> str:
    """Return a time of the database in the reader's zone, with how long ago it was."""
    if not moment:
        return "never"
    then = datetime.fromisoformat(moment)
    local = then.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    return f"{local} ({_distance((datetime.now(UTC) - then).total_seconds())})"


def ago(moment: str | None) -> str:
    """Return how long ago a time was, or how far it is."""
    if not moment:
        return "never"
    return _distance((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def _distance(seconds: float) -> str:
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    name, size = next((unit for unit in units if abs(seconds) >= 2 * unit[1]), units[-1])
    count = round(abs(seconds) / size)
    return f"{count} {name} ago" if seconds >= 0 else f"in {count} {name}"


def short(identifier: object) -> str:
    """Return the beginning of an id, which commands take for the whole."""
    return str(identifier or "")[:8]


def pairs(values: dict[str, Any] | None) -> str:
    """Return identifiers in a line: table=orders, column=currency."""
    return ", ".join(f"{name}={value}" for name, value in (values or {}).items()) or "nothing"


def spark(counts: Sequence[float]) -> Text:
    """Return a line of columns, one for each count."""
    most = max(counts, default=0) or 1
    return Text(
        "".join("▁▂▃▄▅▆▇█"[min(7, int(each / most * 8))] if each else " " for each in counts),
        "cyan",
    )


def bar(count: float, most: float, width: int) -> Text:
    """Return a horizontal bar, as long as a count is of the most that there is."""
    full, part = divmod(round(count / (most or 1) * width * 8), 8)
    return Text("█" * full + (" ▏▎▍▌▋▊▉"[part] if part else ""), "cyan")


def bars(counts: Iterable[tuple[str, float]], width: int = 48) -> Table:
    """Return a chart of horizontal bars."""
    known = list(counts)
    most = max((count for _, count in known), default=0)
    made = Table.grid(padding=(0, 1))
    for label, count in known:
        number = Text(f"{count:g}", justify="right")
        made.add_row(line(label, "dim"), number, bar(count, most, width))
    return made
