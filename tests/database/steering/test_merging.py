"""Merging patterns: what moves, who may, what is refused, and that undoing brings everything back."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.steering.steering import events, family, pattern, refused, state

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns


def merge(person: Person, *ids: str, reason: str | None = None) -> dict[str, Any]:
    """Merge patterns as a person."""
    answer: dict[str, Any] = person.rest.call(
        "merge_patterns_v1", p_pattern_ids=ids, p_reason=reason
    )
    return answer


def undo(person: Person, merge_id: str) -> dict[str, Any]:
    """Undo a merge as a person."""
    answer: dict[str, Any] = person.rest.call("undo_merge_v1", p_merge_id=merge_id)
    return answer


def join(database: Sql, kept: str, gone: str) -> str:
    """Join two patterns by evidence, as learning does."""
    return str(
        database.value(
            "select ops_internal.join_patterns(%s, %s, 'evidence', null, 'x')", kept, gone
        )
    )


def test_a_merge_moves_signatures_and_incidents_and_adds_up(
    engine: Rest, patterns: Patterns, operator: Person
) -> None:
    """The kept pattern has both counts, times and logs; the other keeps its row, empty."""
    kept_id, kept_errors = family(patterns, each=1)
    gone_id, gone_errors = family(patterns, each=2)
    before = pattern(engine, kept_id), pattern(engine, gone_id)
    answer = merge(operator, kept_id, gone_id, reason="same cause")
    kept, gone = pattern(engine, kept_id), pattern(engine, gone_id)
    assert answer["pattern"]["pattern_id"] == kept_id
    total = before[0]["occurrence_count"] + before[1]["occurrence_count"]
    assert (kept["occurrence_count"], gone["occurrence_count"]) == (total, 0)
    assert kept["last_seen"] == max(before[0]["last_seen"], before[1]["last_seen"])
    assert kept["first_seen"] == min(before[0]["first_seen"], before[1]["first_seen"])
    assert set(before[1]["learned_from_incidents"]) <= set(kept["learned_from_incidents"])
    assert (gone["status"], gone["merged_into"]) == ("merged", kept_id)
    for error in kept_errors + gone_errors:
        assert patterns.find(error["signature"])["pattern"]["pattern_id"] == kept_id
    (done,) = answer["merges"]
    assert (done["kept"], done["gone"]) == (kept_id, gone_id)
    assert (done["signature_count"], done["incident_count"]) == (2, before[1]["occurrence_count"])


def test_new_variants_follow_a_merge(engine: Rest, patterns: Patterns, operator: Person) -> None:
    """What is learned under a signature of the merged pattern counts for the kept one."""
    kept_id, _ = family(patterns)
    gone_id, errors = family(patterns)
    merge(operator, kept_id, gone_id)
    count = pattern(engine, kept_id)["occurrence_count"]
    (learned,) = patterns.learn(errors[0])
    assert (learned["pattern_id"], learned["occurrence_count"]) == (kept_id, count + 1)
    assert pattern(engine, gone_id)["occurrence_count"] == 0


def test_a_merge_is_in_the_journal(engine: Rest, patterns: Patterns, operator: Person) -> None:
    """Merging and undoing are told, with the person and the reason."""
    kept_id, gone_id = patterns.new(), patterns.new()
    merge_id = merge(operator, kept_id, gone_id, reason="same cause")["merges"][0]["merge_id"]
    undo(operator, merge_id)
    (merged,) = events(engine, "patterns_merged", merge_id=merge_id)
    (undone,) = events(engine, "merge_undone", merge_id=merge_id)
    assert merged["actor"] == undone["actor"] == operator.id
    assert merged["metadata"]["reason"] == "same cause"
    (row,) = engine.select("pattern_merges", merge_id=f"eq.{merge_id}")
    assert (row["merged_by"], row["actor"], row["undone_by"]) == (
        "person",
        operator.id,
        operator.id,
    )


def test_undoing_a_merge_brings_everything_back(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Counts, times, status, signatures with their times, and every incident are as they were."""
    kept_id, _ = family(patterns)
    gone_id, _ = family(patterns)
    operator.rest.call("resolve_pattern_v1", p_pattern_id=kept_id, p_release="1.2")
    operator.rest.call("ignore_pattern_v1", p_pattern_id=gone_id, p_occurrences=7)
    before = state(database, kept_id, gone_id)
    merge_id = merge(operator, kept_id, gone_id)["merges"][0]["merge_id"]
    assert state(database, kept_id, gone_id) != before
    undo(operator, merge_id)
    assert state(database, kept_id, gone_id) == before


def test_undoing_keeps_what_came_since(engine: Rest, patterns: Patterns, operator: Person) -> None:
    """Errors counted after the merge go with their signature; new signatures stay with the kept."""
    kept_id, kept_errors = family(patterns)
    gone_id, gone_errors = family(patterns)
    counts = [pattern(engine, each)["occurrence_count"] for each in (kept_id, gone_id)]
    merge_id = merge(operator, kept_id, gone_id)["merges"][0]["merge_id"]
    newcomer = patterns.error(older=[gone_errors[0]["signature"]])
    log_id = patterns.log_row(release="9.9", environment="staging")
    patterns.learn(gone_errors[1] | {"system_log_id": log_id}, kept_errors[0], newcomer)
    undo(operator, merge_id)
    kept, gone = pattern(engine, kept_id), pattern(engine, gone_id)
    # The newcomer was counted under the older signature of the merged pattern.
    assert [kept["occurrence_count"], gone["occurrence_count"]] == [counts[0] + 1, counts[1] + 2]
    assert (gone["last_release"], gone["last_environment"]) == ("9.9", "staging")
    assert log_id in gone["learned_from_incidents"]
    assert log_id not in kept["learned_from_incidents"]
    assert patterns.find(newcomer["signature"])["pattern"]["pattern_id"] == kept_id


def test_merges_are_undone_in_any_order_that_makes_sense(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Two merges into one pattern can be undone the first one first."""
    ids = [family(patterns)[0] for _ in range(3)]
    before = state(database, *ids)
    answer = merge(operator, *ids)
    for done in answer["merges"]:
        undo(operator, done["merge_id"])
    assert state(database, *ids) == before


def test_a_chain_is_undone_from_its_end(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """PL021: while the kept pattern is itself merged, its own merge waits; then all comes back."""
    first, second, third = (family(patterns)[0] for _ in range(3))
    before = state(database, first, second, third)
    inner = merge(operator, second, third)["merges"][0]["merge_id"]
    outer = merge(operator, first, second)["merges"][0]["merge_id"]
    assert "Undo that merge first" in refused("PL021", lambda: undo(operator, inner)).words
    undo(operator, outer)
    undo(operator, inner)
    assert state(database, first, second, third) == before


def test_a_merge_is_undone_once(patterns: Patterns, operator: Person) -> None:
    """PL021 the second time, PL018 for an id that nobody has."""
    merge_id = merge(operator, patterns.new(), patterns.new())["merges"][0]["merge_id"]
    undo(operator, merge_id)
    refused("PL021", lambda: undo(operator, merge_id))
    refused("PL018", lambda: undo(operator, str(uuid.uuid4())))


def test_a_merge_whose_signatures_were_split_off_is_not_undone(
    patterns: Patterns, operator: Person
) -> None:
    """PL021: the split has to be undone first."""
    kept_id, _ = family(patterns)
    gone_id, errors = family(patterns)
    merge_id = merge(operator, kept_id, gone_id)["merges"][0]["merge_id"]
    split = operator.rest.call(
        "split_pattern_v1", p_pattern_id=kept_id, p_signatures=[errors[0]["signature"]]
    )
    assert "Undo that split first" in refused("PL021", lambda: undo(operator, merge_id)).words
    operator.rest.call("undo_split_v1", p_split_id=split["split_id"])
    undo(operator, merge_id)


def test_what_a_person_decided_since_is_not_undone(
    engine: Rest, patterns: Patterns, operator: Person
) -> None:
    """A pattern that was resolved after the merge stays resolved when the merge is undone."""
    kept_id, gone_id = patterns.new(), patterns.new()
    merge_id = merge(operator, kept_id, gone_id)["merges"][0]["merge_id"]
    operator.rest.call("resolve_pattern_v1", p_pattern_id=kept_id)
    undo(operator, merge_id)
    assert pattern(engine, kept_id)["status"] == "resolved"
    assert pattern(engine, gone_id)["status"] == "open"


def test_evidence_never_joins_what_an_operator_separated(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Undoing a merge keeps the two apart, and so does whatever either is merged into."""
    kept_id, gone_id, other = patterns.new(), patterns.new(), patterns.new()
    undo(operator, merge(operator, kept_id, gone_id)["merges"][0]["merge_id"])
    told = "select ops_internal.may_join(%s, %s)"
    assert not database.value(told, kept_id, gone_id)
    assert database.value(told, other, gone_id)
    with pytest.raises(Exception, match="an operator separated these patterns"):
        join(database, kept_id, gone_id)
    inherited = merge(operator, other, kept_id)["merges"][0]["merge_id"]
    assert not database.value(told, other, gone_id)
    undo(operator, inherited)
    assert database.value(told, other, gone_id)
    assert not database.value(told, kept_id, gone_id)


def test_a_person_joins_again_what_was_separated(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Merging by a person removes the link."""
    kept_id, gone_id = patterns.new(), patterns.new()
    undo(operator, merge(operator, kept_id, gone_id)["merges"][0]["merge_id"])
    merge(operator, kept_id, gone_id)
    assert not database.value("select ops_internal.is_kept_apart(%s, %s)", kept_id, gone_id)


def test_evidence_is_told_from_a_person(
    engine: Rest, database: Sql, patterns: Patterns, operator: Person
) -> None:
    """A join by evidence has no actor; a person undoes it like any other."""
    kept_id, gone_id = patterns.new(), patterns.new()
    merge_id = join(database, kept_id, gone_id)
    (event,) = events(engine, "patterns_merged", merge_id=merge_id)
    assert (event["actor"], event["metadata"]["merged_by"]) == (None, "evidence")
    undo(operator, merge_id)
    assert pattern(engine, gone_id)["status"] == "open"


def test_nobody_merges_in_a_persons_name(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """PL011: the engine joins by evidence alone."""
    with (
        database.undone(),
        pytest.raises(Exception, match="only a signed-in person may do this"),
    ):
        database.value(
            "select ops_internal.join_patterns(%s, %s, 'person', %s, 'x')",
            patterns.new(),
            patterns.new(),
            operator.id,
        )


@pytest.mark.parametrize("who", ["user", "viewer"])
def test_nobody_below_operator_merges_or_undoes(
    request: pytest.FixtureRequest, patterns: Patterns, operator: Person, who: str
) -> None:
    """PL001: it takes the role ops_operator or ops_admin."""
    person: Person = request.getfixturevalue(who)
    refused("PL001", lambda: merge(person, patterns.new(), patterns.new()))
    merge_id = merge(operator, patterns.new(), patterns.new())["merges"][0]["merge_id"]
    refused("PL001", lambda: undo(person, merge_id))


def test_the_secret_key_merges_nothing(engine: Rest, patterns: Patterns) -> None:
    """PL011: merging and undoing take a person."""
    ids = [patterns.new(), patterns.new()]
    refused("PL011", lambda: engine.call("merge_patterns_v1", p_pattern_ids=ids))
    refused("PL011", lambda: engine.call("undo_merge_v1", p_merge_id=str(uuid.uuid4())))


def test_several_patterns_are_merged_at_once(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Each has a merge of its own, and they are undone one by one."""
    kept, *others = (patterns.new() for _ in range(4))
    before = state(database, kept, *others)
    answer = merge(operator, kept, *others)
    assert [done["gone"] for done in answer["merges"]] == others
    assert answer["pattern"]["occurrence_count"] == 4
    for done in answer["merges"][::-1]:
        undo(operator, done["merge_id"])
    assert state(database, kept, *others) == before


def test_all_patterns_are_merged_or_none(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Where one of them cannot be merged, the others stay as they are."""
    kept, other, merged = (patterns.new() for _ in range(3))
    merge(operator, patterns.new(), merged)
    before = state(database, kept, other)
    refused("PL020", lambda: merge(operator, kept, other, merged))
    assert state(database, kept, other) == before


def test_two_different_patterns_are_needed(patterns: Patterns, operator: Person) -> None:
    """PL022 for one pattern, or one named twice; PL002 for one that does not exist."""
    pattern_id = patterns.new()
    refused("PL022", lambda: merge(operator, pattern_id))
    refused("PL022", lambda: merge(operator, pattern_id, pattern_id))
    refused("PL002", lambda: merge(operator, pattern_id, str(uuid.uuid4())))


def test_a_merged_pattern_is_used_no_more(
    engine: Rest, patterns: Patterns, operator: Person
) -> None:
    """PL020, with the id of the pattern to use, for whatever is tried with it."""
    kept_id, gone_id, other = (patterns.new() for _ in range(3))
    merge(operator, kept_id, gone_id)
    attempts = (
        lambda: merge(operator, other, gone_id),
        lambda: patterns.approve(gone_id),
        lambda: operator.rest.call("resolve_pattern_v1", p_pattern_id=gone_id),
    )
    for attempt in attempts:
        assert kept_id in refused("PL020", attempt).words
    assert pattern(engine, other)["occurrence_count"] == 1


def test_merging_again_what_is_merged_changes_nothing(patterns: Patterns, operator: Person) -> None:
    """The same merge a second time answers the first one."""
    ids = patterns.new(), patterns.new()
    assert merge(operator, *ids) == merge(operator, *ids)


# Fixes ---------------------------------------------------------------------------------------------


def test_the_pattern_with_the_live_fix_is_kept(
    engine: Rest, database: Sql, patterns: Patterns, operator: Person
) -> None:
    """Whoever comes first in the list, or in the call by evidence: a fix stays where it is."""
    for by_person in (True, False):
        plain, fixed = patterns.new(), patterns.new()
        patterns.approve(fixed)
        if by_person:
            assert merge(operator, plain, fixed)["pattern"]["pattern_id"] == fixed
        else:
            join(database, plain, fixed)
        assert pattern(engine, plain)["merged_into"] == fixed
        assert pattern(engine, fixed)["auto_fix_enabled"]


def test_two_live_fixes_are_not_merged(
    engine: Rest, database: Sql, patterns: Patterns, operator: Person
) -> None:
    """PL016, and nothing changes; once one of them is disabled, it works."""
    ids = patterns.new(), patterns.new(), patterns.new()
    for pattern_id in ids[1:]:
        patterns.approve(pattern_id)
    before = state(database, *ids)
    refused("PL016", lambda: merge(operator, *ids))
    with pytest.raises(Exception, match="both patterns have a live fix"):
        join(database, *ids[1:])
    assert not database.value("select ops_internal.may_join(%s, %s)", *ids[1:])
    assert state(database, *ids) == before
    patterns.disable(ids[1])
    assert merge(operator, *ids)["pattern"]["pattern_id"] == ids[2]
    assert pattern(engine, ids[0])["merged_into"] == ids[2]


def test_a_fix_does_not_fire_for_merged_signatures_until_they_are_confirmed(
    patterns: Patterns, operator: Person, administrator: Person
) -> None:
    """Its approver has not seen them; an administrator says that it is meant for them."""
    fixed, errors = family(patterns)
    patterns.approve(fixed)
    other, others = family(patterns)
    merge(operator, fixed, other)
    assert all(patterns.find(each["signature"])["fix"] for each in errors)
    assert not any(patterns.find(each["signature"])["fix"] for each in others)
    answer = administrator.rest.call(
        "confirm_signatures_v1", p_pattern_id=fixed, p_signatures=[others[0]["signature"]]
    )
    assert answer["confirmed"] == [others[0]["signature"]]
    assert patterns.find(others[0]["signature"])["fix"]
    assert not patterns.find(others[1]["signature"])["fix"]


def test_a_confirmation_does_not_move_to_another_pattern(
    patterns: Patterns, operator: Person, administrator: Person
) -> None:
    """Undone and merged into another fixed pattern, a signature is as unknown to it as any."""
    first, second = patterns.new(), patterns.new()
    other, (error, _) = family(patterns)
    patterns.approve(first)
    patterns.approve(second)
    merge_id = merge(operator, first, other)["merges"][0]["merge_id"]
    confirm = {"p_pattern_id": first, "p_signatures": [error["signature"]]}
    administrator.rest.call("confirm_signatures_v1", **confirm)
    undo(operator, merge_id)
    assert not patterns.find(error["signature"])["fix"]
    merge(operator, second, other)
    assert not patterns.find(error["signature"])["fix"]


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_only_an_administrator_confirms(
    request: pytest.FixtureRequest, patterns: Patterns, who: str
) -> None:
    """PL001: who may not approve a fix may not widen it."""
    pattern_id, (error, _) = family(patterns)
    patterns.approve(pattern_id)
    person: Person = request.getfixturevalue(who)
    arguments = {"p_pattern_id": pattern_id, "p_signatures": [error["signature"]]}
    refused("PL001", lambda: person.rest.call("confirm_signatures_v1", **arguments))


def test_what_can_be_confirmed(patterns: Patterns, administrator: Person) -> None:
    """PL014 without a live fix, PL022 for a signature of another pattern or none at all."""
    pattern_id, (error, _) = family(patterns)
    _, (stranger, _) = family(patterns)
    call = administrator.rest.call
    arguments: dict[str, Any] = {"p_pattern_id": pattern_id, "p_signatures": [error["signature"]]}
    refused("PL014", lambda: call("confirm_signatures_v1", **arguments))
    patterns.approve(pattern_id)
    assert call("confirm_signatures_v1", **arguments)["confirmed"] == []
    for wrong in ([stranger["signature"]], []):
        changed = arguments | {"p_signatures": wrong}
        refused("PL022", partial(call, "confirm_signatures_v1", **changed))


def test_confirming_is_in_the_journal(
    engine: Rest, patterns: Patterns, operator: Person, administrator: Person
) -> None:
    """With the person, the version of the fix, and the signatures."""
    fixed, (other, errors) = patterns.new(), family(patterns)
    patterns.approve(fixed)
    merge(operator, fixed, other)
    names = sorted(error["signature"] for error in errors)
    administrator.rest.call("confirm_signatures_v1", p_pattern_id=fixed, p_signatures=names)
    (event,) = events(engine, "signatures_confirmed", pattern_id=fixed)
    assert event["actor"] == administrator.id
    assert event["metadata"]["signatures"] == names
    assert event["metadata"]["sha256"] == patterns.fix(fixed)["sha256"]


def test_the_secret_key_gives_no_trust(database: Sql, patterns: Patterns, operator: Person) -> None:
    """Neither by writing times nor by the setting that undoing uses."""
    fixed, (other, errors) = patterns.new(), family(patterns)
    patterns.approve(fixed)
    merge(operator, fixed, other)
    database.run("set role service_role")
    database.run("set pattern_engine.restores_trust = 'on'")
    for column in ("created_at", "confirmed_at"):
        with pytest.raises(Exception, match="permission denied"):
            database.change(
                "pattern_signatures", {column: "2000-01-01"}, signature=errors[0]["signature"]
            )
    database.call("learn_errors_v1", errors)
    assert not patterns.find(errors[0]["signature"])["fix"]
