"""Splitting a pattern in two: what moves, that it stays, what fixes fire for, and undoing it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.steering.steering import events, family, pattern, refused, state

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes


def split(person: Person, pattern_id: str, *errors: dict[str, Any], **more: object) -> Any:
    """Split the signatures of some errors off a pattern, as a person."""
    names = [error["signature"] for error in errors]
    return person.rest.call("split_pattern_v1", p_pattern_id=pattern_id, p_signatures=names, **more)


def undo(person: Person, answer: dict[str, Any]) -> Any:
    """Undo a split as a person."""
    return person.rest.call("undo_split_v1", p_split_id=answer["split_id"])


def test_a_split_moves_signatures_with_their_incidents(
    engine: Rest, patterns: Patterns, operator: Person
) -> None:
    """The new pattern has what was counted under its signatures; the old one has the rest."""
    pattern_id, errors = family(patterns, count=3, each=2)
    whole = pattern(engine, pattern_id)
    answer = split(operator, pattern_id, errors[1], p_reason="another cause")
    made_id = answer["other_pattern"]["pattern_id"]
    source, made = pattern(engine, pattern_id), pattern(engine, made_id)
    assert made["occurrence_count"] == answer["incident_count"] == 2
    assert source["occurrence_count"] == whole["occurrence_count"] - 2
    assert made["status"] == "open"
    assert made["pattern_signature"] == errors[1]["signature"]
    assert made["metadata"]["template"] == errors[1]["template"]
    assert set(made["learned_from_incidents"]).isdisjoint(source["learned_from_incidents"])
    found = [patterns.find(each["signature"])["pattern"]["pattern_id"] for each in errors]
    assert found == [pattern_id, made_id, pattern_id]


def test_what_comes_after_a_split_goes_where_its_signature_leads(
    engine: Rest, patterns: Patterns, operator: Person
) -> None:
    """Both patterns count on, each for its own."""
    pattern_id, errors = family(patterns)
    made_id = split(operator, pattern_id, errors[1])["other_pattern"]["pattern_id"]
    counts = [pattern(engine, each)["occurrence_count"] for each in (pattern_id, made_id)]
    patterns.learn(errors[0], errors[1], errors[1])
    after = [pattern(engine, each)["occurrence_count"] for each in (pattern_id, made_id)]
    assert after == [counts[0] + 1, counts[1] + 2]


def test_a_split_never_merges_again_by_evidence(
    engine: Rest, database: Sql, patterns: Patterns, operator: Person
) -> None:
    """An error whose template is alike to both joins one of them and leaves them apart."""
    narrow, wide = (patterns.error(leaf="leaf", wider=[]) for _ in range(2))
    narrow["wider"] = [wide["signature"]]
    pattern_id = patterns.learn(wide)[0]["pattern_id"]
    assert patterns.learn(narrow)[0]["pattern_id"] == pattern_id
    made_id = split(operator, pattern_id, narrow)["other_pattern"]["pattern_id"]
    between = patterns.error(leaf="leaf", wider=[narrow["signature"], wide["signature"]])
    (answer,) = patterns.learn(between)
    if "unknown" in answer:
        (answer,) = engine.call("join_errors_v1", p_errors=[between])
    assert answer["pattern_id"] in {pattern_id, made_id}
    leads = "select pattern_id::text from ops.pattern_signatures where signature = %s"
    assert database.value(leads, narrow["signature"]) == made_id
    assert database.value(leads, wide["signature"]) == pattern_id


def test_what_was_kept_apart_from_the_whole_is_kept_apart_from_the_part(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """A split of a split stays apart from all of them."""
    pattern_id, errors = family(patterns, count=4)
    first = split(operator, pattern_id, errors[1])["other_pattern"]["pattern_id"]
    second = split(operator, pattern_id, errors[2])["other_pattern"]["pattern_id"]
    told = "select ops_internal.is_kept_apart(%s, %s)"
    for one, other in ((pattern_id, first), (pattern_id, second), (first, second)):
        assert database.value(told, one, other)


def test_a_person_merges_what_was_split(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Merging by a person removes the link."""
    pattern_id, errors = family(patterns)
    made_id = split(operator, pattern_id, errors[1])["other_pattern"]["pattern_id"]
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[pattern_id, made_id])
    assert not database.value("select ops_internal.is_kept_apart(%s, %s)", pattern_id, made_id)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
def test_undoing_a_split_brings_everything_back(
    database: Sql, patterns: Patterns, operator: Person, place: int
) -> None:
    """Counts, times, names, signatures with their times, every incident; whichever moved."""
    pattern_id, errors = family(patterns, count=3)
    before = state(database, pattern_id)
    undo(operator, split(operator, pattern_id, errors[place]))
    assert state(database, pattern_id) == before


def test_undoing_keeps_what_came_since(engine: Rest, patterns: Patterns, operator: Person) -> None:
    """The new pattern's later errors and signatures go to the old one; its id is not used again."""
    pattern_id, errors = family(patterns)
    count = pattern(engine, pattern_id)["occurrence_count"]
    answer = split(operator, pattern_id, errors[1])
    newcomer = patterns.error(older=[errors[1]["signature"]])
    patterns.learn(newcomer, errors[1])
    undo(operator, answer)
    source = pattern(engine, pattern_id)
    made = pattern(engine, answer["other_pattern"]["pattern_id"])
    assert source["occurrence_count"] == count + 2
    assert patterns.find(newcomer["signature"])["pattern"]["pattern_id"] == pattern_id
    assert (made["status"], made["merged_into"], made["occurrence_count"]) == (
        "merged",
        pattern_id,
        0,
    )


def test_a_split_can_be_made_again_after_undoing(patterns: Patterns, operator: Person) -> None:
    """Undone and split again, the second part is a pattern of its own, with an id of its own."""
    pattern_id, errors = family(patterns)
    first = split(operator, pattern_id, errors[0])
    undo(operator, first)
    second = split(operator, pattern_id, errors[0])
    assert first["other_pattern"]["pattern_id"] != second["other_pattern"]["pattern_id"]
    undo(operator, second)
    found = patterns.find(errors[0]["signature"])["pattern"]
    assert (found["pattern_id"], found["pattern_signature"]) == (
        pattern_id,
        errors[0]["signature"],
    )


def test_what_was_merged_can_be_split(engine: Rest, patterns: Patterns, operator: Person) -> None:
    """Signatures that a merged pattern brought can leave, though that pattern has their name."""
    kept_id, _ = family(patterns)
    gone_id, errors = family(patterns)
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[kept_id, gone_id])
    made_id = split(operator, kept_id, errors[0])["other_pattern"]["pattern_id"]
    assert patterns.find(errors[0]["signature"])["pattern"]["pattern_id"] == made_id
    assert pattern(engine, made_id)["pattern_signature"].startswith("pattern_")


def test_a_split_is_undone_only_while_it_can_be(patterns: Patterns, operator: Person) -> None:
    """PL021 once either was merged, the part was split or got a fix; each says what to do first."""
    pattern_id, errors = family(patterns, count=4)
    answer = split(operator, pattern_id, errors[1], errors[2])
    made_id = answer["other_pattern"]["pattern_id"]
    inner = split(operator, made_id, errors[2])
    assert "Undo that split first" in refused("PL021", lambda: undo(operator, answer)).words
    undo(operator, inner)
    patterns.approve(made_id)
    assert "POST /disable" in refused("PL021", lambda: undo(operator, answer)).words
    patterns.disable(made_id)
    ids = [patterns.new(), made_id]
    merged = operator.rest.call("merge_patterns_v1", p_pattern_ids=ids)["merges"][0]["merge_id"]
    assert "Undo that merge first" in refused("PL021", lambda: undo(operator, answer)).words
    operator.rest.call("undo_merge_v1", p_merge_id=merged)
    undo(operator, answer)
    refused("PL021", lambda: undo(operator, answer))
    refused("PL018", lambda: undo(operator, {"split_id": str(uuid.uuid4())}))


def test_what_can_be_split(patterns: Patterns, operator: Person) -> None:
    """PL022 for all signatures, none, or another pattern's; PL002 for an unknown pattern."""
    pattern_id, errors = family(patterns)
    _, strangers = family(patterns)
    refused("PL022", lambda: split(operator, pattern_id, *errors))
    refused("PL022", lambda: split(operator, pattern_id))
    problem = refused("PL022", lambda: split(operator, pattern_id, errors[0], strangers[0]))
    assert strangers[0]["signature"] in problem.words
    refused("PL002", lambda: split(operator, str(uuid.uuid4()), errors[0]))


@pytest.mark.parametrize("who", ["user", "viewer"])
def test_nobody_below_operator_splits(
    request: pytest.FixtureRequest, patterns: Patterns, operator: Person, who: str
) -> None:
    """PL001 for splitting and for undoing it."""
    person: Person = request.getfixturevalue(who)
    pattern_id, errors = family(patterns)
    refused("PL001", lambda: split(person, pattern_id, errors[0]))
    answer = split(operator, pattern_id, errors[0])
    refused("PL001", lambda: undo(person, answer))


def test_the_secret_key_splits_nothing(engine: Rest, patterns: Patterns) -> None:
    """PL011: it takes a person."""
    pattern_id, errors = family(patterns)
    arguments = {"p_pattern_id": pattern_id, "p_signatures": [errors[0]["signature"]]}
    refused("PL011", lambda: engine.call("split_pattern_v1", **arguments))
    refused("PL011", lambda: engine.call("undo_split_v1", p_split_id=str(uuid.uuid4())))


def test_a_split_is_in_the_journal(engine: Rest, patterns: Patterns, operator: Person) -> None:
    """Splitting and undoing are told, with the person, the signatures and the reason."""
    pattern_id, errors = family(patterns)
    answer = split(operator, pattern_id, errors[1], p_reason="another cause")
    undo(operator, answer)
    (done,) = events(engine, "pattern_split", split_id=answer["split_id"])
    (undone,) = events(engine, "split_undone", split_id=answer["split_id"])
    assert done["actor"] == undone["actor"] == operator.id
    assert done["metadata"]["signatures"] == [errors[1]["signature"]]
    assert done["metadata"]["reason"] == "another cause"


# Fixes ---------------------------------------------------------------------------------------------


def test_the_fix_stays_and_no_longer_fires_for_what_was_split_off(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, operator: Person
) -> None:
    """The old pattern keeps its fix and its history; the new one has none."""
    pattern_id, errors = family(patterns)
    patterns.approve(pattern_id)
    outcomes.settle(pattern_id, "+")
    made_id = split(operator, pattern_id, errors[1])["other_pattern"]["pattern_id"]
    assert patterns.find(errors[0]["signature"])["fix"]
    assert patterns.find(errors[1]["signature"])["fix"] is None
    made = pattern(engine, made_id)
    assert (made["auto_fix_enabled"], made["human_approved"]) == (False, False)
    assert pattern(engine, pattern_id)["success_rate"] == 100


def test_the_expression_of_what_was_split_off_finds_the_fix_no_more(
    engine: Rest, patterns: Patterns, operator: Person
) -> None:
    """Where the first signature moves, unknown errors like it are not healed by the fix."""
    pattern_id, errors = family(patterns)
    patterns.approve(pattern_id)

    def tried() -> set[str]:
        expressions = patterns.find(patterns.word())["expressions"]
        return {expression["pattern_id"] for expression in expressions}

    assert pattern_id in tried()
    answer = split(operator, pattern_id, errors[0])
    assert pattern_id not in tried()
    assert pattern(engine, pattern_id)["pattern_signature"] == errors[1]["signature"]
    undo(operator, answer)
    assert pattern_id in tried()


def test_undoing_brings_the_trust_back(patterns: Patterns, operator: Person) -> None:
    """A fix that was approved for a signature before the split fires for it again."""
    pattern_id, errors = family(patterns)
    patterns.approve(pattern_id)
    undo(operator, split(operator, pattern_id, errors[1]))
    assert patterns.find(errors[1]["signature"])["fix"]


def test_undoing_brings_no_trust_to_a_fix_approved_in_between(
    patterns: Patterns, operator: Person
) -> None:
    """Whoever approved it while the signature was away did not see it."""
    pattern_id, errors = family(patterns)
    answer = split(operator, pattern_id, errors[1])
    patterns.approve(pattern_id)
    undo(operator, answer)
    assert patterns.find(errors[0]["signature"])["fix"]
    assert patterns.find(errors[1]["signature"])["fix"] is None


def test_signatures_of_a_pattern_are_listed(
    patterns: Patterns, viewer: Person, operator: Person, user: Person
) -> None:
    """With template, number of errors, an example, and whether the live fix fires for them."""
    pattern_id, errors = family(patterns)
    patterns.approve(pattern_id)
    other = patterns.new()
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[pattern_id, other])
    listed = viewer.rest.call("pattern_signatures_v1", p_pattern_id=pattern_id)
    assert [row["is_trusted"] for row in listed] == [True, True, False]
    assert [row["signature"] for row in listed[:2]] == [error["signature"] for error in errors]
    assert listed[0]["example"] == "something broke"
    assert sum(row["incident_count"] for row in listed) > len(errors)
    refused("PL001", lambda: user.rest.call("pattern_signatures_v1", p_pattern_id=pattern_id))
