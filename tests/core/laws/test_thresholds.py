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
        ("at night", "'at night' must have the form 22:00-06:00 Europe/Berlin"),
        ("22-06", "must have the form"),
        ("22:00-6:00", "must have the form"),
        ("22:00-06:60", "must have the form"),
        ("22:00-06:00 Europe Berlin", "must have the form"),
        ("２2:00-06:00", "must have the form"),
        ("22:00-06:00, noon", "'noon' must have the form"),
        ("24:00-06:00", "a time after 24:00"),
        ("22:00-24:01", "a time after 24:00"),
        ("22:00-22:00", "write 00:00-24:00 for the whole day"),
        ("22:00-06:00 Europe/Atlantis", "no time zone named 'Europe/Atlantis'"),
        ("22:00-06:00 ../../etc/passwd", "no time zone named"),
        ("22:00-06:00 /etc/passwd", "no time zone named"),
        ("22:00-06:00 Europe", "no time zone named"),
    ],
)
def test_quiet_hours_that_nobody_can_mean_are_refused(listed: str, complaint: str) -> None:
    """With the text that was wrong."""
    with pytest.raises(ValueError, match=re.escape(complaint)):
        quiet_hours(listed)


def test_the_policy_is_numbers_under_the_names_of_the_fields() -> None:
    """Everything that is counted, and nothing else: the database decides by it."""
    thresholds = Thresholds(cooldown_seconds=0.5, demote_after=1)
    policy = thresholds.policy()
    assert json.loads(json.dumps(policy)) == policy
    assert (policy["cooldown_seconds"], policy["demote_after"], policy["rows_per_hour"]) == (
        *(0.5, 1),
        100_000,
    )
    others = {"allow_destructive", "quiet_hours", "two_people"}
    assert policy.keys() == {each.name for each in dataclasses.fields(Thresholds)} - others


def test_every_number_has_bounds_that_hold_its_default() -> None:
    """Nothing that an operator turns is without an end."""
    for each in dataclasses.fields(Thresholds):
        if isinstance(each.default, bool | tuple):
            continue
        bounds = each.metadata["bounds"]
        assert bounds.least <= each.default <= bounds.most, each.name
