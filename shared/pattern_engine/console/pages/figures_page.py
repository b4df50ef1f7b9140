"""The key figures, what happened day by day, and the review of a week's failed runs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from pattern_engine.console.visits import TYPES, Page, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pattern_engine.console.visits import Json, Visit

PERIODS = (7, 30, 90)
_WEEK = timedelta(days=7)


def period(visit: Visit) -> int:
    """How many days the page is about."""
    asked = visit.asked("days")
    return int(asked) if asked in map(str, PERIODS) else 30


def days_between(first: str, last: str) -> list[date]:
    """Every day from the first to the last."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def seconds(day: date) -> int:
    """When a day of UTC begins, for a chart."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def by_day(rows: Iterable[Json], days: Sequence[date], name: str = "number") -> list[float | None]:
    """A number of each day out of rows with a day; None where there is no row."""
    found = {row["day"]: row[name] for row in rows}
    return [found.get(day.isoformat()) for day in days]


def chart(days: Sequence[date], **series: Sequence[float | None]) -> Json:
    """A chart of numbers by day; a number that is missing is 0."""
    return {
        "x": [seconds(day) for day in days],
        "series": [
            {"label": label.replace("_", " "), "values": [value or 0 for value in values]}
            for label, values in series.items()
        ],
    }


def lines(days: Sequence[date], **series: Sequence[float | None]) -> Json:
    """A chart of lines, which have gaps where there is no number."""
    return {
        "x": [seconds(day) for day in days],
        "series": [
            {"label": label.replace("_", " "), "values": list(values), "line": True}
            for label, values in series.items()
        ],
    }


def _share(row: Json) -> float | None:
    decided = row["healed"] + row["failed"]
    return row["healed"] / decided if decided else None


def show(visit: Visit) -> Page:
    """The figures."""
    length = period(visit)
    found = visit.read("console_statistics_v1", days=length)
    days = days_between(found["first_day"], found["last_day"])
    runs = [row | {"rate": _share(row)} for row in found["runs"]]
    of_all = [row for row in runs if row["pattern_type"] == "all"]
    columns = {
        "errors": by_day((row for row in found["counted"] if row["figure"] == "errors"), days),
        "new_patterns": by_day(
            (row for row in found["counted"] if row["figure"] == "new_patterns"), days
        ),
        **{name: by_day(of_all, days, name) for name in ("healed", "failed", "inconclusive")},
        "median": by_day(of_all, days, "heal_median"),
        "p95": by_day(of_all, days, "heal_p95"),
    }
    rates = {
        name: by_day((row for row in runs if row["pattern_type"] == name), days, "rate")
        for name in TYPES
    }
    return Page(
        "statistics.html",
        {
            "key": found["key"],
            "period": length,
            "periods": PERIODS,
            "charts": _charts(days, columns, rates),
            "table": _table(days, columns | rates),
            "types": [_of_type(name, runs) for name in TYPES],
            "sums": {
                name: sum(value or 0 for value in columns[name])
                for name in ("errors", "new_patterns", "healed", "failed", "inconclusive")
            },
        },
    )


def _charts(days: list[date], columns: Json, rates: Json) -> list[tuple[str, Json]]:
    percents = {
        name: [None if share is None else share * 100 for share in shares]
        for name, shares in rates.items()
        if any(share is not None for share in shares)
    }
    return [
        ("Errors a day", chart(days, errors=columns["errors"])),
        ("New patterns a day", chart(days, new_patterns=columns["new_patterns"])),
        ("Runs a day", chart(days, healed=columns["healed"], failed=columns["failed"])),
        (
            "Seconds from an error to the end of the run that healed it",
            lines(days, median=columns["median"], p95=columns["p95"]),
        ),
        (
            "Success rate by type of error, percent of the decided runs",
            lines(days, **percents),
        ),
    ]


def _table(days: list[date], columns: Json) -> list[Json]:
    """The figures of each day, the latest first."""
    rows = [
        {"day": day, **{name: values[place] for name, values in columns.items()}}
        for place, day in enumerate(days)
    ]
    return rows[::-1]


def _of_type(name: str, runs: list[Json]) -> Json:
    """What became of the runs for one type of error in the whole time."""
    found = [row for row in runs if row["pattern_type"] == name]
    sums = {
        each: sum(row[each] for row in found)
        for each in ("runs", "healed", "failed", "inconclusive")
    }
    return {"name": name, **sums, "rate": _share(sums)}


def _monday(asked: str) -> date:
    """The first day of the week that is asked for, as 2026-W48 or a day; else of this week."""
    today = datetime.now(UTC).date()
    try:
        chosen = (
            datetime.strptime(f"{asked}-1", "%G-W%V-%u").replace(tzinfo=UTC).date()
            if "W" in asked
            else date.fromisoformat(asked)
        )
    except ValueError:
        chosen = today
    return min(chosen, today) - timedelta(days=min(chosen, today).weekday())


def review(visit: Visit) -> Page:
    """The failed runs of a week."""
    monday = _monday(visit.asked("week"))
    found = visit.read("console_review_v1", week=monday.isoformat())
    is_last = monday + _WEEK > datetime.now(UTC).date()
    return Page(
        "review_week.html",
        found
        | {
            "name": week_name(monday),
            "monday": monday,
            "sunday": monday + timedelta(days=6),
            "before": week_name(monday - _WEEK),
            "after": None if is_last else week_name(monday + _WEEK),
        },
    )


def week_name(monday: date) -> str:
    """The name of a week, as 2026-W48."""
    return f"{monday:%G-W%V}"


ROUTES: tuple[Route, ...] = (
    Route("GET", "/statistics", show),
    Route("GET", "/statistics/review", review),
)
