"""What an error names is sent with it: bounded, without secrets and personal data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine.learning import recording
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from pattern_engine.learning.sightings import Sighting

DENIED = "permission denied for table orders"


def seen(captured: dict[str, str], message: str = DENIED, **group: Any) -> Sighting:
    """A sighting with these captured values."""
    sighting = sighted(message)
    return replace(sighting, group=sighting.group._replace(captured=captured, **group))


def test_known_errors_are_sent_with_their_identifiers() -> None:
    """The keys of an error whose signature the database has carry what the error names."""
    assert recording.keys(sighted(DENIED))["identifiers"] == {"table": "orders"}


def test_errors_that_name_nothing_cost_nothing() -> None:
    """The record of such an error has no field for it."""
    record = recording.keys(seen({"value": "7"}))
    assert not {"identifiers", "frame"} & record.keys()


def test_the_throwing_place_is_no_identifier() -> None:
    """It is sent beside the identifiers."""
    record = recording.keys(seen({"table": "orders", "frame": "createOrder"}))
    assert (record["identifiers"], record["frame"]) == ({"table": "orders"}, "createOrder")


@pytest.mark.parametrize("name", ["role", "frame"])
def test_personal_data_is_left_out(name: str) -> None:
    """A value that scrubbing would change is not sent at all."""
    record: Any = recording.keys(seen({name: "ann@example.com", "table": "orders"}))
    assert "ann@example.com" not in str(record)
    assert record["identifiers"] == {"table": "orders"}


def test_a_sample_names_its_values() -> None:
    """The complete record has the values of the sample by name."""
    message = "Insufficient stock for product 100: requested 5"
    captured = recording.complete(sighted(message))["captured"]
    assert captured == {"product": "100", "requested": "5"}


def test_a_value_that_its_context_makes_secret_is_left_out() -> None:
    """What scrubbing removes from the message is not among its values either."""
    message = "login failed: password=tiger17 for shop 4"
    record = recording.complete(seen({"value": "tiger17", "shop": "4"}, message))
    assert record["captured"] == {"shop": "4"}


def test_values_are_bounded() -> None:
    """At most sixteen values of two hundred characters are sent."""
    captured = {f"value_{number}": "x" * 300 for number in range(50)}
    sent = recording.complete(seen(captured, "x" * 300))["captured"]
    assert (len(sent), {len(value) for value in sent.values()}) == (16, {200})


@pytest.mark.parametrize(("basis", "expected"), [("message", "look"), ("rule", None)])
def test_a_pattern_of_a_rule_is_no_symptom(basis: str, expected: str | None) -> None:
    """A rule joins errors of several kinds, so one of them does not decide for the pattern."""
    record = recording.complete(seen({}, basis=basis, known="x", symptom="look"))
    assert record["symptom"] == expected


def test_the_catalogue_decides_on_the_type_of_a_known_error() -> None:
    """Words of a wrapper or of a name do not: one cause has one type."""
    message = 'null value in column "a" of relation "invoices" violates not-null constraint'
    for text in (message, f"stripe webhook: {message}", f"deploy hook failed: {message}"):
        assert recording.complete(sighted(text))["pattern_type"] == "database"
    unknown = recording.complete(sighted("the payment of an invoice is lost"))
    assert unknown["pattern_type"] == "stripe"


def test_the_applications_severity_comes_before_that_of_the_catalogue() -> None:
    """Where neither tells one, the words of the message do."""
    known = seen({}, severity="critical")
    assert recording.complete(known)["severity"] == "critical"
    assert recording.complete(replace(known, severity="warning"))["severity"] == "warning"
