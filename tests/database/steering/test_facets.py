"""Facets of a pattern: what its errors named, the most frequent values first."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tests.database.steering.steering import refused

if TYPE_CHECKING:
    from tests.conftest import Person
    from tests.database.conftest import Patterns


def facets_of(person: Person, pattern_id: str, values: int = 10) -> dict[str, Any]:
    """What a person reads of one pattern."""
    (found,) = person.rest.call("pattern_facets_v1", p_pattern_ids=[pattern_id], p_values=values)
    return dict(found)


def test_each_name_has_its_most_frequent_values(patterns: Patterns, viewer: Person) -> None:
    """Counts are summed over the sets; the throwing place is a facet and no identifier."""
    error = patterns.error()
    orders, refunds = {"table": "orders", "role": "anon"}, {"table": "refunds", "role": "anon"}
    (learned, *_) = patterns.learn(
        error | {"identifiers": refunds},
        *[error | {"identifiers": orders, "frame": "createOrder"}] * 2,
        error | {"identifiers": orders},
    )
    found = facets_of(viewer, learned["pattern_id"])
    counted = {
        facet["name"]: [(value["value"], value["occurrences"]) for value in facet["values"]]
        for facet in found["facets"]
    }
    assert counted == {
        "frame": [("createOrder", 2)],
        "role": [("anon", 4)],
        "table": [("orders", 3), ("refunds", 1)],
    }
    sets = [(each["identifiers"], each["occurrences"]) for each in found["identifiers"]]
    assert sets == [(orders, 3), (refunds, 1)]


def test_a_facet_says_when_its_value_was_seen(patterns: Patterns, viewer: Person) -> None:
    """First and last seen are the times of the errors, not of learning."""
    times = ["2026-01-02T00:00:00+00:00", "2026-01-01T00:00:00+00:00"]
    error = patterns.error() | {"identifiers": {"table": "orders"}}
    ids = [patterns.log_row(created_at=time) for time in times]
    learned = [patterns.learn(error | {"system_log_id": log_id})[0] for log_id in ids]
    (facet,) = facets_of(viewer, learned[0]["pattern_id"])["facets"]
    (value,) = facet["values"]
    assert [value["first_seen"], value["last_seen"]] == times[::-1]


def test_rare_values_are_counted_and_not_listed(patterns: Patterns, viewer: Person) -> None:
    """As many values as were asked for, and how many different ones there are."""
    error = patterns.error()
    named = [error | {"identifiers": {"table": f"t{n}"}} for n in range(5)]
    learned = patterns.learn(*named, named[3])
    (facet,) = facets_of(viewer, learned[0]["pattern_id"], values=2)["facets"]
    assert (facet["different"], len(facet["values"])) == (5, 2)
    assert facet["values"][0]["value"] == "t3"


def test_facets_are_for_operators(patterns: Patterns, user: Person, viewer: Person) -> None:
    """A person without a role is refused, and so is a pattern that does not exist."""
    pattern_id = patterns.new()
    refused("PL001", lambda: facets_of(user, pattern_id))
    refused("PL002", lambda: facets_of(viewer, str(uuid.uuid4())))
