"""Law 2 measures the errors of five minutes by those that are usual at this hour of the week."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.database.healing.past import Past

HOUR, DAY, WEEK = 3_600, 86_400, 604_800


def load(past: Past) -> dict[str, Any]:
    """What Law 2 says of the load now, once the job has counted."""
    past.sql.run("select ops_internal.count_errors()")
    verdict = past.judged()
    law = verdict["laws"][1]
    numbers: dict[str, Any] = law["numbers"]
    return numbers | {"holds": law["parts"]["load"]}


def usually(past: Past, count: int, *distances: float) -> None:
    """So many errors in each five minutes of the hour that many seconds ago."""
    past.sql.run("delete from ops_internal.error_counts")
    past.sql.run("update ops_internal.error_counting set last_id = 0")
    past.sql.run("delete from ops.system_logs where log_level = 'error'")
    for distance in distances:
        for step in range(-6, 7):
            past.errors(count, distance + step * 300)


@pytest.mark.parametrize(
    "distances",
    [
        [week * WEEK for week in (1, 2, 3, 4)],
        [WEEK],
        [day * DAY for day in (1, 2, 3)],
        [HOUR + HOUR * number for number in range(3)],
    ],
    ids=["weeks", "a week", "days", "hours"],
)
def test_a_usual_load_forbids_nothing(past: Past, distances: list[float]) -> None:
    """A busy project heals on a normal day; three times as many errors are too many for it."""
    usually(past, 150, *distances)
    past.errors(200)
    found = load(past)
    assert found["holds"] is True
    assert (found["usual_errors"], found["errors_at_maximum"]) == (150, 450)
    assert found["system_entropy"] == pytest.approx(200 / 450)
    past.errors(250)
    assert load(past)["holds"] is False


def test_one_storm_does_not_become_usual(past: Past) -> None:
    """One bad hour among the weeks raises nothing."""
    usually(past, 1, *(week * WEEK for week in (1, 2, 3, 4)))
    for step in range(-6, 7):
        past.errors(500, 2 * WEEK + step * 300)
    past.errors(100)
    found = load(past)
    assert found["holds"] is False
    assert found["errors_at_maximum"] == 100


def test_other_hours_say_nothing(past: Past) -> None:
    """A quiet night has its own measure, however busy the days are."""
    usually(past, 1, *(week * WEEK for week in (1, 2, 3, 4)))
    for hours in range(6, 12):
        past.errors(200, WEEK + hours * HOUR)
    past.errors(150)
    assert load(past)["holds"] is False


def test_without_a_history_the_threshold_is_the_measure(past: Past) -> None:
    """A new project is measured by the specification's constant."""
    usually(past, 1)
    past.errors(99)
    assert load(past)["holds"] is True
    past.errors(1)
    found = load(past)
    assert found["holds"] is False
    assert found["errors_at_maximum"] == 100


def test_rows_that_do_not_count_are_neither_load_nor_history(past: Past) -> None:
    """Nobody who signs up makes a storm, or makes one look usual."""
    usually(past, 200, *(week * WEEK for week in (1, 2, 3, 4)))
    past.sql.run(
        "update ops.system_logs set written_by = 'authenticated' where log_level = 'error'"
    )
    past.errors(1, 5 * WEEK - HOUR)
    past.errors(150)
    assert load(past)["holds"] is False
    past.sql.run(
        "update ops.system_logs set written_by = 'authenticated' "
        "where created_at > now() - interval '1 hour'"
    )
    assert load(past)["recent_errors"] == 0


def test_a_row_is_counted_once(past: Past) -> None:
    """The job goes on where its last run ended."""
    usually(past, 10, WEEK)
    assert load(past)["holds"] is True
    before = past.sql.value("select sum(errors) from ops_internal.error_counts")
    assert past.sql.value("select ops_internal.count_errors()") == 0
    past.errors(3, WEEK)
    assert past.sql.value("select ops_internal.count_errors()") == 3
    assert past.sql.value("select sum(errors) from ops_internal.error_counts") == before + 3
