"""GET /explain answers for a text or a pattern, with the rights of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.http.steering.test_similar import NAMED

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.http.conftest import Load, Wire

PATTERN_ID = "22222222-2222-4222-8222-222222222222"
WRAPPED = "{'message': 'permission denied for table orders', 'code': '42501', 'hint': None}"
SIGNATURE: dict[str, Any] = {
    "signature": "pattern_a",
    "algorithm": "grouping/v2",
    "template": "JWT expired",
    "example": None,
}


def test_a_text_is_read_named_and_explained(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """What was read of it, and the page with the names of the error in its statements."""
    wire.replies["grouping_rules_v1"] = []
    answer = load("explain").get(f"/?text={quote(WRAPPED)}", headers=person)
    found = answer.get_json()
    assert (found["origin"], found["code"]) == ("postgres", "42501")
    assert found["message"] == "permission denied for table orders"
    assert found["captured"]["table"] == "orders"
    assert found["cause"]["name"] == "grant-on-table"
    assert 'on table "public"."orders"' in found["cause"]["migration"]["sql"]
    assert found["cause"]["draft"] is None
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


def test_a_pattern_is_explained_by_its_latest_message(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """Or by its template where the log holds none any more; with what it was logged with."""
    function = load("explain")
    wire.replies["pattern_facets_v1"] = [NAMED]
    wire.replies["pattern_signatures_v1"] = [SIGNATURE | {"example": WRAPPED}, SIGNATURE]
    found = function.get(f"/?pattern_id={PATTERN_ID}", headers=engine).get_json()
    assert found["cause"]["name"] == "grant-on-table"
    assert found["logged_with"] == NAMED["symptoms"]
    wire.replies["pattern_signatures_v1"] = [SIGNATURE]
    found = function.get(f"/?pattern_id={PATTERN_ID}", headers=engine).get_json()
    assert found["cause"]["name"] == "jwt-expired"


def test_an_error_without_a_page_is_read_all_the_same(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """There is no cause, and the message is scrubbed."""
    wire.replies["grouping_rules_v1"] = []
    answer = load("explain").get("/?text=mail+to+mia@example.com+bounced", headers=engine)
    found = answer.get_json()
    assert found["cause"] is None
    assert "mia@" not in answer.text


def test_a_person_without_a_role_is_refused(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    refusal: Callable[..., httpx.Response],
) -> None:
    """The database decides, for a text as for a pattern."""
    wire.replies["grouping_rules_v1"] = refusal("PL001")
    wire.replies["pattern_signatures_v1"] = refusal("PL001")
    for query in ("text=oops", f"pattern_id={PATTERN_ID}"):
        assert load("explain").get(f"/?{query}", headers=person).status_code == 403


def test_an_unknown_pattern_is_404(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """A pattern without signatures does not exist."""
    wire.replies["pattern_signatures_v1"] = []
    answer = load("explain").get(f"/?pattern_id={PATTERN_ID}", headers=engine)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "unknown_pattern")


WRONG = {
    "neither": "",
    "both": f"text=oops&pattern_id={PATTERN_ID}",
    "no id": "pattern_id=7",
    "blank": "text=+",
    "an unknown field": "text=oops&colour=red",
}


@pytest.mark.parametrize("query", WRONG.values(), ids=WRONG.keys())
def test_an_address_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], query: str
) -> None:
    """Without a call to the database."""
    assert load("explain").get(f"/?{query}", headers=person).status_code == 422
    assert wire.names == []
