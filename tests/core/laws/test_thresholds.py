"""Thresholds: how quiet hours are written, and what the database is told."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from pattern_engine.thresholds import Thresholds, quiet_hours


@pytest.mark.parametrize(
    ("listed", "shown"),
    [
        ("", []),
        (" , ", []),
        ("22:00-06:00", ["22:00-06:00 UTC"]),
        ("22:00-06:00 UTC", ["22:00-06:00 UTC"]),
        ("00:00-24:00", ["00:00-24:00 UTC"]),
        (
            " 22:00-06:00  Europe/Berlin ,12:30-13:00,",
            ["22:00-06:00 Europe/Berlin", "12:30-13:00 UTC"],
        ),
    ],
)
def test_quiet_hours_are_a_comma_list(listed: str, shown: list[str]) -> None:
    """Spaces are forgiven, and without a zone it is UTC."""
    assert list(map(str, quiet_hours(listed))) == shown


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        ("at night", "'at night' is not like 22:00-06:00 Europe/Berlin"),
        ("22-06", "is not like"),
        ("22:00-6:00", "is not like"),
        ("22:00-06:60", "is not like"),
        ("22:00-06:00 Europe Berlin", "is not like"),
        ("２2:00-06:00", "is not like"),
        ("22:00-06:00, noon", "'noon' is not like"),
        ("24:00-06:00", "a time that no day has"),
        ("22:00-24:01", "a time that no day has"),
        ("22:00-22:00", "the whole day is 00:00-24:00"),
        ("22:00-06:00 Europe/Atlantis", "'Europe/Atlantis' is no time zone"),
        ("22:00-06:00 ../../etc/passwd", "is no time zone"),
        ("22:00-06:00 /etc/passwd", "is no time zone"),
        ("22:00-06:00 Europe", "is no time zone"),
    ],
)
def test_quiet_hours_that_nobody_can_mean_are_refused(listed: str, complaint: str) -> None:
    """With the text that was wrong."""
    with pytest.raises(ValueError, match=re.escape(complaint)):
        quiet_hours(listed)


def test_the_policy_is_numbers_under_the_names_of_the_fields() -> None:
    """What is decided in the database, where several callers meet, and nothing else."""
    policy = Thresholds(cooldown_seconds=0.5, demote_after=1).policy()
    assert json.loads(json.dumps(policy)) == {
        "cooldown_seconds": 0.5,
        "runs_per_hour": 60,
        "rows_per_hour": 100_000,
        "demote_after": 1,
        "disable_after": 3,
        "least_window_seconds": 300,
        "most_window_seconds": 86_400,
        "settle_seconds": 1,
        "late_seconds": 86_400,
        "storm_patterns": 10,
        "storm_seconds": 60,
        "storm_pause_seconds": 900,
    }


def test_every_number_has_bounds_that_hold_its_default() -> None:
    """Nothing that an operator turns is without an end."""
    for each in dataclasses.fields(Thresholds):
        if isinstance(each.default, bool | tuple):
            continue
        bounds = each.metadata["bounds"]
        assert bounds.least <= each.default <= bounds.most, each.name
