"""Near-duplicates: which patterns resemble one, and that nothing is joined."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tests.database.steering.steering import refused

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns


def _new(patterns: Patterns, template: str) -> str:
    return str(patterns.learn(patterns.error(template=template))[0]["pattern_id"])


def test_twins_are_listed_with_their_score(
    database: Sql, patterns: Patterns, viewer: Person
) -> None:
    """The best first, the pattern itself and strangers not at all; and nothing changes."""
    word = patterns.word("zulu")
    own = _new(patterns, f"connection to {word} refused while charging the customer")
    near = _new(patterns, f"connection to {word} refused while charging a customer")
    far = _new(patterns, f"connection to {word} lost")
    stranger = _new(patterns, "quite another thing")
    found = viewer.rest.call("similar_patterns_v1", p_pattern_id=own)
    ids = [row["pattern_id"] for row in found]
    assert ids[0] == near
    assert far in ids
    assert not {own, stranger} & set(ids)
    scores = [row["score"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert 0.8 < scores[0] < 1
    assert found[0]["own_template"].endswith("the customer")
    statuses = "select count(*) from ops.error_patterns where pattern_id = any(%s::uuid[]) and status = 'open'"
    assert database.value(statuses, [own, near, far]) == 3


def test_what_an_operator_separated_is_not_proposed(patterns: Patterns, operator: Person) -> None:
    """Nor is a pattern that was merged into this one; undone, neither is proposed again."""
    word = patterns.word("yankee")
    ids = [_new(patterns, f"{word} broke in the {part}") for part in ("morning", "mourning")]
    call = operator.rest.call
    assert [row["pattern_id"] for row in call("similar_patterns_v1", p_pattern_id=ids[0])] == ids[
        1:
    ]
    merge = call("merge_patterns_v1", p_pattern_ids=ids)["merges"][0]
    assert call("similar_patterns_v1", p_pattern_id=ids[0]) == []
    call("undo_merge_v1", p_merge_id=merge["merge_id"])
    assert call("similar_patterns_v1", p_pattern_id=ids[0]) == []


def test_every_signature_of_both_counts(patterns: Patterns, operator: Person) -> None:
    """A twin of a template that a merge brought is found; the nearest pair is shown, once."""
    word = patterns.word("xray")
    own, brought = (
        _new(patterns, f"unlike {uuid.uuid4()}"),
        _new(patterns, f"{word} is out of memory"),
    )
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[own, brought])
    twin = _new(patterns, f"{word} is out of memory now")
    (row,) = operator.rest.call("similar_patterns_v1", p_pattern_id=own)
    assert (row["pattern_id"], row["own_template"]) == (twin, f"{word} is out of memory")


def test_the_number_of_twins_is_limited(patterns: Patterns, engine: Rest) -> None:
    """As asked for, at least one and at most fifty."""
    word = patterns.word("whiskey")
    ids = [_new(patterns, f"{word} overflow in part {number}") for number in range(4)]
    for limit, expected in ((2, 2), (0, 1), (1000, 3)):
        found = engine.call("similar_patterns_v1", p_pattern_id=ids[0], p_limit=limit)
        assert len(found) == expected


def test_who_may_ask(patterns: Patterns, user: Person, viewer: Person) -> None:
    """Operators of any role; PL001 for a user, PL002 for an unknown pattern."""
    target = {"p_pattern_id": patterns.new()}
    refused("PL001", lambda: user.rest.call("similar_patterns_v1", **target))
    nobody = {"p_pattern_id": str(uuid.uuid4())}
    refused("PL002", lambda: viewer.rest.call("similar_patterns_v1", **nobody))
