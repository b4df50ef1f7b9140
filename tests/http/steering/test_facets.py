"""GET /facets takes its fields from the query, and answers what the errors of a pattern named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.http.steering.test_similar import NAMED, PATTERN_ID

if TYPE_CHECKING:
    from tests.http.conftest import Load, Wire


def test_the_facets_of_a_pattern_are_answered(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """The database adds them up, with the rights of the caller."""
    wire.replies["pattern_facets_v1"] = [NAMED]
    answer = load("facets").get(f"/?pattern_id={PATTERN_ID}&limit=5", headers=person)
    assert answer.get_json() == NAMED
    assert wire.sent("pattern_facets_v1") == {"p_pattern_ids": [PATTERN_ID], "p_values": 5}
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


@pytest.mark.parametrize("query", ["", "pattern_id=7", f"pattern_id={PATTERN_ID}&limit=101"])
def test_an_address_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], query: str
) -> None:
    """An invalid query is refused without a call to the database."""
    assert load("facets").get(f"/?{query}", headers=person).status_code == 422
    assert wire.names == []
