"""Format what the demo prints."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from pattern_engine.text.visible import visible

_INDENT = (0, 0, 0, 3)
_CELL = (0, 2, 0, 3)
#: Columns of texts that may be longer than the screen is wide.
_LONG = frozenset({"pattern", "what arrived"})


def progress(console: Console) -> Progress:
    """Return a progress display that counts."""
    return Progress(
        TextColumn("   {task.description:21}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def quoted(text: str) -> str:
    """Return what others wrote, so that neither the terminal nor rich's markup obeys it."""
    return escape(visible(text))


def step(console: Console, number: int, text: str) -> None:
    """Print the heading of a step."""
    console.print(f"\n[bold]{number}. {text}[/bold]")


def say(console: Console, text: str) -> None:
    """Print a paragraph of a step."""
    console.print(Padding(text, _INDENT, expand=False), highlight=False)


def script(console: Console, text: str) -> None:
    """Print a fix."""
    syntax = Syntax(text, "sql", background_color="default", word_wrap=True)
    console.print(Padding(syntax, (0, 3)))


def rows_by_table(tables: dict[str, int]) -> str:
    """Return in words how many rows of which tables were touched."""
    return ", ".join(f"{count} rows of {name}" for name, count in tables.items()) or "no rows"


def replayed(replay: dict[str, Any]) -> str:
    """Return in words the result of a simulation over stored errors."""
    totals = replay["totals"]
    return (
        f"it would have run for {totals['would_run']} of the {totals['incidents']} latest errors; "
        f"{totals['outside_guard']} name something else"
    )


def patterns(rows: Iterable[dict[str, Any]]) -> Table:
    """Return the largest patterns as a table."""
    table = _table("errors", "type", "pattern")
    for row in rows:
        table.add_row(
            str(row["occurrence_count"]),
            row["pattern_type"],
            quoted(row["metadata"]["template"]),
        )
    return table


def wrapped(rows: Iterable[tuple[str, str]]) -> Table:
    """Return how each client logged an error: the beginning of its text, on one line."""
    table = _table("logged by", "what arrived")
    for client, text in rows:
        line = visible(" ".join(text.split()))
        table.add_row(client, Text(line, no_wrap=True, overflow="ellipsis"))
    return table


def facets(named: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str]]:
    """Return the values of each facet with their counts, one facet a line."""
    return [
        (name, ", ".join(f"{quoted(one['value'])} {one['occurrences']}" for one in values))
        for name, values in named.items()
    ]


def clusters(rows: Iterable[dict[str, Any]]) -> Table:
    """Return the clusters as a table."""
    table = _table("patterns", "errors", "cluster")
    for row in rows:
        table.add_row(
            str(row["cluster_size"]), str(row["total_occurrences"]), quoted(row["cluster_name"])
        )
    return table


def orders(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Table:
    """Return the shop's orders before and after the fix."""
    table = _table("order", "customer", "currency before", "currency after", "invoiced")
    earlier = {order["id"]: order["currency"] for order in before}
    for order in after:
        table.add_row(
            str(order["id"]),
            order["customer"],
            earlier.get(order["id"]) or "[red]missing[/red]",
            order["currency"] or "[red]missing[/red]",
            "[green]yes[/green]" if order["invoices"] else "[red]no[/red]",
        )
    return table


def summary(lines: Iterable[tuple[str, str]]) -> Table:
    """Return names and values, one pair a line."""
    table = Table(show_header=False, box=None, padding=_CELL)
    for name, value in lines:
        table.add_row(name, f"[bold]{value}[/bold]")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=_CELL, header_style="dim")
    for column in columns:
        is_number = column in {"errors", "patterns", "order"}
        table.add_column(
            column, justify="right" if is_number else "left", no_wrap=column not in _LONG
        )
    return table
