"""Symptoms carry no fix, and are linked with what was logged beside them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.steering.steering import refused
from tests.database.steering.test_facets import facets_of
from tests.database.steering.test_merging import merge

if TYPE_CHECKING:
    from tests.conftest import Person, Sql
    from tests.database.conftest import Patterns

LOOK = "Look for the first error of the transaction."
SYMPTOM = {"known": "postgres: current transaction is aborted", "symptom": LOOK}
PROPOSED: dict[str, Any] = {
    "p_fix": {"type": "sql", "script": "select 1", "prepared_script": "select 1"},
    "p_analysis": {},
    "p_seconds": 60,
}
NOW = datetime.now(UTC)


def logged(patterns: Patterns, error: dict[str, Any], after: float = 0, **row: Any) -> str:
    """Log and learn an error that happened so many seconds after NOW; return its pattern."""
    time = (NOW - timedelta(minutes=10) + timedelta(seconds=after)).isoformat()
    log_id = patterns.log_row(created_at=time, **row)
    return str(patterns.learn(error | {"system_log_id": log_id})[0]["pattern_id"])


def link(database: Sql) -> int:
    """Run the job that links, on everything that was learned."""
    return int(database.value("select ops_internal.link_symptoms('0 seconds')"))


def test_the_pattern_says_what_the_catalogue_knows(database: Sql, patterns: Patterns) -> None:
    """It is stored when the pattern is made, and changed when a complete record says otherwise."""
    metadata = "select metadata from ops.error_patterns where pattern_id = %s"
    error = patterns.error()
    pattern_id = patterns.learn(error | SYMPTOM)[0]["pattern_id"]
    assert database.value(metadata, pattern_id).items() >= SYMPTOM.items()
    keys = {name: error[name] for name in ("signature", "system_log_id", "claimed_by")}
    patterns.learn(keys)
    assert database.value(metadata, pattern_id).items() >= SYMPTOM.items()
    patterns.learn(error | {"known": "postgres: other"})
    assert database.value(metadata, pattern_id)["known"] == "postgres: other"
    assert "symptom" not in database.value(metadata, pattern_id)


def test_no_fix_for_a_symptom_is_proposed_or_approved(patterns: Patterns, operator: Person) -> None:
    """The refusal says what to look for instead."""
    pattern_id = patterns.learn(patterns.error() | SYMPTOM)[0]["pattern_id"]
    for attempt in (
        lambda: patterns.approve(pattern_id),
        lambda: operator.rest.call("propose_fix_v1", p_pattern_id=pattern_id, **PROPOSED),
    ):
        assert LOOK in refused("PL030", attempt).words


def test_a_proposal_of_before_is_not_approved(
    patterns: Patterns, operator: Person, administrator: Person
) -> None:
    """A pattern that the catalogue calls a symptom since the proposal gets no fix either."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    proposal = operator.rest.call("propose_fix_v1", p_pattern_id=pattern_id, **PROPOSED)
    patterns.learn(error | SYMPTOM)
    decision = {"p_proposal_id": proposal["proposal_id"], "p_sha256": proposal["sha256"]}
    call = administrator.rest.call
    refused("PL030", lambda: call("decide_fix_v1", p_decision="approve", p_reason="x", **decision))
    call("decide_fix_v1", p_decision="reject", p_reason="a symptom", **decision)


@pytest.mark.parametrize(
    ("symptom_row", "cause_row"),
    [
        ({"error_data": {"requestId": "req-123456"}}, {"metadata": {"request_id": "req-123456"}}),
        ({"metadata": {"session_id": "65f1c2.1a"}}, {"metadata": {"session_id": "65f1c2.1a"}}),
        ({"error_data": {"digest": "28469012"}}, {"metadata": {"digest": "28469012"}}),
        (
            {"metadata": {"pid": 4242, "user": "shop"}},
            {"metadata": {"parsed": [{"process_id": 4242, "user_name": "shop"}]}},
        ),
        (
            {"error_data": {"headers": {"x-request-id": "req-99887"}}},
            {"metadata": {"trace_id": "req-99887"}},
        ),
    ],
)
def test_a_symptom_is_linked_with_what_its_session_logged(
    database: Sql,
    patterns: Patterns,
    viewer: Person,
    symptom_row: dict[str, Any],
    cause_row: dict[str, Any],
) -> None:
    """Both patterns show the other one, and the refusal names the cause with its count."""
    cause = logged(patterns, patterns.error(), **cause_row)
    symptom = patterns.error() | SYMPTOM
    for seconds in (1, 2):
        pattern_id = logged(patterns, symptom, seconds, **symptom_row)
    link(database)
    (found,) = facets_of(viewer, pattern_id)["causes"]
    assert (found["pattern_id"], found["occurrences"]) == (cause, 2)
    (found,) = facets_of(viewer, cause)["symptoms"]
    assert (found["pattern_id"], found["occurrences"]) == (pattern_id, 2)
    assert f"{cause} 2 times" in refused("PL030", lambda: patterns.approve(pattern_id)).words


@pytest.mark.parametrize(
    ("cause_row", "after"),
    [
        ({"metadata": {"request_id": "another-one"}}, 0),
        ({"metadata": {"request_id": "one-request"}}, 62),
        ({}, 0),
    ],
    ids=["another request", "later than a minute", "no request"],
)
def test_a_symptom_is_linked_with_nothing_else(
    database: Sql, patterns: Patterns, viewer: Person, cause_row: dict[str, Any], after: float
) -> None:
    """Neither another request's error nor one of another time is its cause."""
    logged(patterns, patterns.error(), after, **cause_row)
    request = {"request_id": "one-request"}
    pattern_id = logged(patterns, patterns.error() | SYMPTOM, metadata=request)
    link(database)
    assert facets_of(viewer, pattern_id)["causes"] == []


def test_a_process_is_the_same_only_with_its_user(
    database: Sql, patterns: Patterns, viewer: Person
) -> None:
    """The number of a server process is soon given to another session."""
    logged(patterns, patterns.error(), metadata={"pid": 77, "user": "shop"})
    row: dict[str, Any] = {"metadata": {"pid": 77, "user": "worker"}}
    pattern_id = logged(patterns, patterns.error() | SYMPTOM, **row)
    link(database)
    assert facets_of(viewer, pattern_id)["causes"] == []


def test_a_symptom_is_no_cause(database: Sql, patterns: Patterns, viewer: Person) -> None:
    """Two symptoms of one request do not explain each other."""
    row: dict[str, Any] = {"metadata": {"request_id": uuid.uuid4().hex}}
    ids = [logged(patterns, patterns.error() | SYMPTOM, **row) for _ in range(2)]
    link(database)
    assert [facets_of(viewer, pattern_id)["causes"] for pattern_id in ids] == [[], []]


def test_each_symptom_is_linked_once(database: Sql, patterns: Patterns, viewer: Person) -> None:
    """The job goes on after the last incident, and leaves those that are too young."""
    row: dict[str, Any] = {"metadata": {"request_id": uuid.uuid4().hex}}
    logged(patterns, patterns.error(), **row)
    pattern_id = logged(patterns, patterns.error() | SYMPTOM, **row)
    database.value("select ops_internal.link_symptoms()")
    assert facets_of(viewer, pattern_id)["causes"] == []
    link(database)
    link(database)
    assert facets_of(viewer, pattern_id)["causes"][0]["occurrences"] == 1


def test_a_link_goes_with_its_pattern(database: Sql, patterns: Patterns, operator: Person) -> None:
    """After a merge of the cause, the symptom shows the kept pattern."""
    row: dict[str, Any] = {"metadata": {"request_id": uuid.uuid4().hex}}
    kept = patterns.new()
    cause = logged(patterns, patterns.error(), **row)
    pattern_id = logged(patterns, patterns.error() | SYMPTOM, **row)
    link(database)
    merge(operator, kept, cause)
    assert [found["pattern_id"] for found in facets_of(operator, pattern_id)["causes"]] == [kept]
