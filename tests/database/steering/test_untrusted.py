"""Merging, splitting and undoing them carry the errors that count and the others, each apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.database.steering.steering import pattern, state

if TYPE_CHECKING:
    from tests.conftest import People, Person, Rest, Sql
    from tests.database.conftest import Patterns


def learn(patterns: Patterns, error: dict[str, Any], writer: Rest | None, count: int) -> str:
    """Have the engine, or a user, write an error so often, and learn it; its pattern."""
    if writer is None:
        ids = patterns.log_rows(count, release="2.0")
    else:
        row = {"message": "x", "release": "9.9"}
        ids = [stored["id"] for stored in writer.insert("system_logs", [row] * count)]
    learned = patterns.learn(*[error | {"system_log_id": log_id} for log_id in ids])
    return str(learned[0]["pattern_id"])


def counts(engine: Rest, *pattern_ids: str) -> list[tuple[int, int]]:
    """What counts and what does not, of each pattern."""
    found = [pattern(engine, pattern_id) for pattern_id in pattern_ids]
    return [(one["occurrence_count"], one["untrusted_occurrences"]) for one in found]


def test_a_merge_and_its_undo_carry_both_counts(
    patterns: Patterns, people: People, operator: Person, engine: Rest, database: Sql
) -> None:
    """Both counts are added up, and parted again with what has come since."""
    one, other, user = patterns.error(), patterns.error(), people.new().rest
    kept = learn(patterns, one, None, 2)
    learn(patterns, one, user, 3)
    gone = learn(patterns, other, None, 4)
    learn(patterns, other, user, 5)
    before = state(database, kept, gone)
    merges = operator.rest.call("merge_patterns_v1", p_pattern_ids=[kept, gone])["merges"]
    assert counts(engine, kept, gone) == [(6, 8), (0, 0)]
    operator.rest.call("undo_merge_v1", p_merge_id=merges[0]["merge_id"])
    assert state(database, kept, gone) == before

    merges = operator.rest.call("merge_patterns_v1", p_pattern_ids=[kept, gone])["merges"]
    for error, writer, count in (
        (one, None, 1),
        (one, user, 10),
        (other, None, 100),
        (other, user, 20),
    ):
        learn(patterns, error, writer, count)
    assert counts(engine, kept) == [(107, 38)]
    operator.rest.call("undo_merge_v1", p_merge_id=merges[0]["merge_id"])
    assert counts(engine, kept, gone) == [(3, 13), (104, 25)]


def test_a_split_and_its_undo_carry_both_counts(
    patterns: Patterns, people: People, operator: Person, engine: Rest
) -> None:
    """Each part gets its own of both, and gives them back."""
    one, other, user = patterns.error(), patterns.error(), people.new().rest
    source = learn(patterns, one, None, 2)
    learn(patterns, one, user, 3)
    other["older"] = [one["signature"]]
    assert learn(patterns, other, None, 1) == source
    other["older"] = []
    learn(patterns, other, user, 5)
    learn(patterns, other, None, 3)
    before = pattern(engine, source)
    split = operator.rest.call(
        "split_pattern_v1", p_pattern_id=source, p_signatures=[other["signature"]]
    )
    made = split["other_pattern"]["pattern_id"]
    assert sorted(counts(engine, source, made)) == [(3, 3), (3, 5)]
    operator.rest.call("undo_split_v1", p_split_id=split["split_id"])
    after = pattern(engine, source)
    assert after == before | {"updated_at": after["updated_at"]}
    assert counts(engine, made) == [(0, 0)]


def test_a_merge_with_what_only_users_wrote_reopens_nothing(
    patterns: Patterns, people: People, operator: Person, engine: Rest
) -> None:
    """Nor does it say when and in which release the pattern was seen."""
    one, other = patterns.error(), patterns.error()
    kept = learn(patterns, one, None, 2)
    operator.rest.call("resolve_pattern_v1", p_pattern_id=kept)
    before = pattern(engine, kept)
    gone = learn(patterns, other, people.new().rest, 3)
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[kept, gone])
    after = pattern(engine, kept)
    assert after == before | {"untrusted_occurrences": 3, "updated_at": after["updated_at"]}
