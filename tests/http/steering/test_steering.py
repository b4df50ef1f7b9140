"""Merge, split, undo, confirm and the life cycle call the database with the person's token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine import grouping
from pattern_engine.grouping.v1 import expression as v1
from pattern_engine.grouping.v1 import normalizing
from pattern_engine.grouping.v2 import expression as v2

if TYPE_CHECKING:
    from tests.http.conftest import Load, Wire

KEPT = "22222222-2222-4222-8222-222222222222"
GONE = "33333333-3333-4333-8333-333333333333"
MERGE = "55555555-5555-4555-8555-555555555555"
ROW: dict[str, Any] = {
    "id": 1,
    "pattern_id": KEPT,
    "pattern_signature": "pattern_3k5j8m",
    "status": "open",
    "merged_into": None,
    "occurrence_count": 7,
    "first_seen": "2025-12-15T10:30:00+00:00",
    "last_seen": "2025-12-16T10:30:00+00:00",
    "first_release": "1.0",
    "first_environment": None,
    "last_release": "1.1",
    "last_environment": "production",
    "resolved_at": None,
    "resolved_by": None,
    "resolved_release": None,
    "ignored_until": None,
    "ignored_until_count": None,
    "auto_fix_enabled": False,
    "auto_fix_script": "select 1",
    "metadata": {"sample": "something"},
}
HIDDEN = {"id", "auto_fix_script", "metadata"}
SHOWN = {name: value for name, value in ROW.items() if name not in HIDDEN}
OTHER = ROW | {"pattern_id": GONE}
MERGED = {
    "pattern": ROW,
    "merges": [
        {
            "merge_id": MERGE,
            "kept": KEPT,
            "gone": GONE,
            "signature_count": 2,
            "incident_count": 3,
        }
    ],
}
BOTH = {"pattern": ROW, "other_pattern": OTHER}

# Endpoint → body, function of the database, its answer, what it is sent, the answer without success.
CALLS: dict[str, tuple[str, dict[str, Any], str, Any, dict[str, Any], dict[str, Any]]] = {
    "merge": (
        "merge",
        {"pattern_ids": [KEPT, GONE], "reason": "same cause"},
        "merge_patterns_v1",
        MERGED,
        {"p_pattern_ids": [KEPT, GONE], "p_reason": "same cause"},
        {"pattern": SHOWN, "merges": MERGED["merges"]},
    ),
    "undo a merge": (
        "undo",
        {"merge_id": MERGE},
        "undo_merge_v1",
        BOTH,
        {"p_merge_id": MERGE},
        {"pattern": SHOWN, "other_pattern": SHOWN | {"pattern_id": GONE}},
    ),
    "undo a split": (
        "undo",
        {"split_id": MERGE},
        "undo_split_v1",
        BOTH,
        {"p_split_id": MERGE},
        {"pattern": SHOWN, "other_pattern": SHOWN | {"pattern_id": GONE}},
    ),
    "confirm": (
        "confirm",
        {"pattern_id": KEPT, "signatures": ["pattern_a", "pattern_b"]},
        "confirm_signatures_v1",
        {"pattern": ROW, "confirmed": ["pattern_b"]},
        {"p_pattern_id": KEPT, "p_signatures": ["pattern_a", "pattern_b"]},
        {"pattern": SHOWN, "confirmed": ["pattern_b"]},
    ),
    "confirm identifiers": (
        "confirm",
        {"pattern_id": KEPT, "identifiers": [{"table": "orders"}], "version": 2},
        "confirm_identifiers_v1",
        {"pattern": ROW, "confirmed_identifiers": [{"table": "orders"}]},
        {
            "p_pattern_id": KEPT,
            "p_identifiers": [{"table": "orders"}],
            "p_version": 2,
            "p_sha256": None,
        },
        {"pattern": SHOWN, "confirmed_identifiers": [{"table": "orders"}]},
    ),
    "resolve": (
        "resolve",
        {"pattern_id": KEPT, "release": "1.2", "reason": "mended"},
        "resolve_pattern_v1",
        ROW,
        {"p_pattern_id": KEPT, "p_release": "1.2", "p_reason": "mended"},
        {"pattern": SHOWN},
    ),
    "ignore": (
        "ignore",
        {"pattern_id": KEPT, "until": "2100-01-01T00:00:00Z", "occurrences": 5},
        "ignore_pattern_v1",
        ROW,
        {
            "p_pattern_id": KEPT,
            "p_until": "2100-01-01T00:00:00+00:00",
            "p_occurrences": 5,
            "p_reason": None,
        },
        {"pattern": SHOWN},
    ),
    "ignore for good": (
        "ignore",
        {"pattern_id": KEPT},
        "ignore_pattern_v1",
        ROW,
        {"p_pattern_id": KEPT, "p_until": None, "p_occurrences": None, "p_reason": None},
        {"pattern": SHOWN},
    ),
    "reopen": (
        "reopen",
        {"pattern_id": KEPT},
        "reopen_pattern_v1",
        ROW,
        {"p_pattern_id": KEPT, "p_reason": None},
        {"pattern": SHOWN},
    ),
}


@pytest.mark.parametrize(
    ("endpoint", "body", "function", "reply", "sent", "shown"), CALLS.values(), ids=CALLS.keys()
)
def test_what_a_person_decides_is_passed_on_with_the_persons_token(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    endpoint: str,
    body: dict[str, Any],
    function: str,
    reply: Any,
    sent: dict[str, Any],
    shown: dict[str, Any],
) -> None:
    """Each is one call with the person's token; the answer has only the public columns."""
    wire.replies[function] = reply
    answer = load(endpoint).post("/", json=body, headers=person)
    assert answer.get_json() == {"success": True, **shown}
    assert wire.sent(function) == sent
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "one pattern": ("merge", {"pattern_ids": [KEPT]}, "pattern_ids"),
    "no ids": ("merge", {"pattern_ids": ["a", "b"]}, "pattern_ids"),
    "too many": ("merge", {"pattern_ids": [KEPT] * 51}, "pattern_ids"),
    "no signatures": ("split", {"pattern_id": KEPT, "signatures": []}, "signatures"),
    "too many signatures": ("split", {"pattern_id": KEPT, "signatures": ["a"] * 501}, "signatures"),
    "nothing to confirm": ("confirm", {"pattern_id": KEPT}, "either signatures or identifiers"),
    "two kinds to confirm": (
        "confirm",
        {"pattern_id": KEPT, "signatures": ["a"], "identifiers": [{"table": "a"}]},
        "either",
    ),
    "signatures of a version": (
        "confirm",
        {"pattern_id": KEPT, "signatures": ["a"], "version": 1},
        "for all fixes",
    ),
    "any table": ("confirm", {"pattern_id": KEPT, "identifiers": [{"table": "*"}]}, "not any"),
    "an empty tuple": ("confirm", {"pattern_id": KEPT, "identifiers": [{}]}, "identifiers"),
    "a frame": ("confirm", {"pattern_id": KEPT, "identifiers": [{"frame": "x"}]}, "identifiers"),
    "nothing to undo": ("undo", {}, "either merge_id or split_id"),
    "two things to undo": ("undo", {"merge_id": MERGE, "split_id": MERGE}, "either"),
    "a number as time": ("ignore", {"pattern_id": KEPT, "until": 4102444800}, "ISO 8601"),
    "a time without zone": ("ignore", {"pattern_id": KEPT, "until": "2100-01-01T00:00"}, "until"),
    "no more errors": ("ignore", {"pattern_id": KEPT, "occurrences": 0}, "occurrences"),
    "an unknown field": ("reopen", {"pattern_id": KEPT, "force": True}, "force"),
    "a long release": ("resolve", {"pattern_id": KEPT, "release": "x" * 257}, "release"),
}


@pytest.mark.parametrize(("endpoint", "body", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_body_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], endpoint: str, body: dict[str, Any], told: str
) -> None:
    """An invalid body is refused with the name of the field, without a call to the database."""
    answer = load(endpoint).post("/", json=body, headers=person)
    assert answer.status_code == 422
    assert told in answer.get_json()["error"]["message"]
    assert wire.names == []


# Splitting: the new pattern gets an expression that its messages match.

MESSAGE = "pool of shop timed out after 30 s"


def listed(signature: str, example: str | None) -> dict[str, Any]:
    """Return a signature as the database lists it."""
    return {
        "signature": signature,
        "algorithm": "grouping/v2",
        "template": "whatever",
        "created_at": "2025-12-15T10:30:00+00:00",
        "confirmed_at": None,
        "is_trusted": False,
        "incident_count": 3,
        "example": example,
    }


GROUP = grouping.group(MESSAGE)
OLD_TEMPLATE = grouping.normalize(MESSAGE)
EXPRESSIONS = {
    "of the current algorithm": (GROUP.signature, MESSAGE, v2.expression(GROUP)),
    "of an older one": (
        grouping.signature_of(OLD_TEMPLATE, normalizing.NAME),
        MESSAGE,
        v1.expression(OLD_TEMPLATE),
    ),
    "of another message": ("pattern_other", MESSAGE, v2.NOTHING),
    "without a message": (GROUP.signature, None, v2.NOTHING),
}


@pytest.mark.parametrize(
    ("signature", "example", "expression"), EXPRESSIONS.values(), ids=EXPRESSIONS.keys()
)
def test_a_split_is_sent_with_an_expression(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    signature: str,
    example: str | None,
    expression: str,
) -> None:
    """A split sends an expression made from an example, or one that matches nothing."""
    wire.replies["pattern_signatures_v1"] = [
        listed("pattern_first", "another"),
        listed(signature, example),
    ]
    wire.replies["split_pattern_v1"] = BOTH | {
        "split_id": MERGE,
        "signature_count": 1,
        "incident_count": 3,
    }
    body = {"pattern_id": KEPT, "signatures": [signature], "reason": "another cause"}
    answer = load("split").post("/", json=body, headers=person).get_json()
    assert (answer["split_id"], answer["other_pattern"]["pattern_id"]) == (MERGE, GONE)
    assert wire.sent("split_pattern_v1") == {
        "p_pattern_id": KEPT,
        "p_signatures": [signature],
        "p_expression": expression,
        "p_reason": "another cause",
    }
    assert {each.headers["authorization"] for each in wire.requests} == {person["Authorization"]}
