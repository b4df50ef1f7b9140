"""Format what the demo prints."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

_INDENT = (0, 0, 0, 3)
_CELL = (0, 2, 0, 3)


def progress(console: Console) -> Progress:
    """Return a progress display that counts."""
    return Progress(
        TextColumn("   {task.description:21}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


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
        f"{totals['would_match']} of {totals['incidents']} stored errors would have triggered it, "
        f"{totals['would_be_refused']} refused"
    )


def patterns(rows: Iterable[dict[str, Any]]) -> Table:
    """Return the largest patterns as a table."""
    table = _table("errors", "type", "pattern")
    for row in rows:
        table.add_row(
            str(row["occurrence_count"]), row["pattern_type"], row["metadata"]["template"]
        )
    return table


def clusters(rows: Iterable[dict[str, Any]]) -> Table:
    """Return the clusters as a table."""
    table = _table("patterns", "errors", "cluster")
    for row in rows:
        table.add_row(str(row["cluster_size"]), str(row["total_occurrences"]), row["cluster_name"])
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
        # Only a pattern may be longer than the screen is wide, so only patterns wrap.
        table.add_column(
            column, justify="right" if is_number else "left", no_wrap=column != "pattern"
        )
    return table
