"""GET /similar takes its fields from the query, and adds the words that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Load, Wire

PATTERN_ID = "22222222-2222-4222-8222-222222222222"
TWIN: dict[str, Any] = {
    "pattern_id": "33333333-3333-4333-8333-333333333333",
    "pattern_signature": "pattern_b",
    "pattern_type": "api",
    "status": "open",
    "severity": "error",
    "occurrence_count": 3,
    "auto_fix_enabled": False,
    "score": 0.812,
    "template": "upstream mail timed out",
    "own_template": "upstream shop timed out",
}
SEEN = {"occurrences": 3, "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-02T00:00:00Z"}
NAMED: dict[str, Any] = {
    "pattern_id": PATTERN_ID,
    "pattern_signature": "pattern_a",
    "template": "upstream shop timed out",
    "occurrence_count": 3,
    "known": None,
    "symptom": None,
    "merged_into": None,
    "facets": [{"name": "table", "different": 1, "values": [{"value": "orders"} | SEEN]}],
    "identifiers": [{"identifiers": {"table": "orders"}} | SEEN],
    "causes": [],
    "symptoms": [{"pattern_id": TWIN["pattern_id"], "template": "x"} | SEEN],
}


def test_twins_are_shown_with_the_words_that_differ(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """The database finds the similar patterns, with the rights of the caller."""
    wire.replies["similar_patterns_v1"] = [TWIN]
    wire.replies["pattern_facets_v1"] = [NAMED, NAMED]
    answer = load("similar").get(f"/?pattern_id={PATTERN_ID}&limit=5", headers=person)
    (shown,) = answer.get_json()["patterns"]
    assert shown["differences"] == [{"this": "shop", "other": "mail"}]
    assert (shown["score"], shown["pattern_id"]) == (0.812, TWIN["pattern_id"])
    assert shown["facets"] == answer.get_json()["facets"] == NAMED["facets"]
    assert wire.sent("pattern_facets_v1")["p_pattern_ids"] == [PATTERN_ID, TWIN["pattern_id"]]
    assert wire.sent("similar_patterns_v1") == {"p_pattern_id": PATTERN_ID, "p_limit": 5}
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


def test_ten_are_asked_for_by_default(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """Without a limit ten patterns are requested; the engine may call the endpoint too."""
    wire.replies["similar_patterns_v1"] = []
    wire.replies["pattern_facets_v1"] = [NAMED]
    answer = load("similar").get(f"/?pattern_id={PATTERN_ID}", headers=engine)
    assert answer.get_json()["patterns"] == []
    assert wire.sent("similar_patterns_v1")["p_limit"] == 10


WRONG = {
    "no pattern": "",
    "no id": "pattern_id=7",
    "twice": f"pattern_id={PATTERN_ID}&pattern_id={PATTERN_ID}",
    "too many": f"pattern_id={PATTERN_ID}&limit=51",
    "no number": f"pattern_id={PATTERN_ID}&limit=many",
    "an unknown field": f"pattern_id={PATTERN_ID}&colour=red",
}


@pytest.mark.parametrize("query", WRONG.values(), ids=WRONG.keys())
def test_an_address_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], query: str
) -> None:
    """An invalid query is refused with the name of the field, without a call to the database."""
    answer = load("similar").get(f"/?{query}", headers=person)
    assert answer.status_code == 422
    assert answer.get_json()["error"]["details"]["problems"][0]["field"]
    assert wire.names == []
