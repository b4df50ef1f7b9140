"""Suggestions: the fixes of similar patterns with what became of them; drafts, nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError
from tests.database.approval.proposing import word
from tests.database.steering.steering import refused

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Patterns

ABSENT = "99999999-9999-4999-8999-999999999999"


def suggested(rest: Rest, pattern_id: str, limit: int = 10) -> list[dict[str, Any]]:
    """The drafts for a pattern."""
    found: list[dict[str, Any]] = rest.call(
        "suggested_fixes_v1", p_pattern_id=pattern_id, p_limit=limit
    )
    return found


def text() -> str:
    """A message that resembles no other test's."""
    return " ".join(word() for _ in range(5))


@pytest.fixture
def twins(desk: Desk) -> tuple[str, str]:
    """Two patterns whose templates differ in a word."""
    both = text()
    first, _ = desk.occur(f"{both} does not answer")
    second, _ = desk.occur(f"{both} cannot answer")
    assert first != second
    return first, second


def test_a_near_template_brings_its_fix_with_its_record(
    engine: Rest, patterns: Patterns, twins: tuple[str, str]
) -> None:
    """Script and parameters to propose, and how that did where it runs."""
    bare, fixed = twins
    patterns.approve(fixed, "select 7", parameters={"max_rows": 3})
    patterns.apply(fixed)
    (draft,) = suggested(engine, bare)
    assert draft["pattern_id"] == fixed
    assert (draft["auto_fix_type"], draft["auto_fix_script"]) == ("sql", "select 7")
    assert draft["auto_fix_parameters"] == {"max_rows": 3}
    assert draft["score"] >= 0.3
    assert (draft["is_live"], draft["in_same_cluster"]) == (True, False)
    assert draft["track_record"] == {
        "verified": 0,
        "failed": 0,
        "inconclusive": 0,
        "pending": 1,
    }


def test_a_suggestion_runs_nothing(
    engine: Rest, patterns: Patterns, twins: tuple[str, str]
) -> None:
    """The pattern has no fix afterwards, and no proposal."""
    bare, fixed = twins
    patterns.approve(fixed)
    assert suggested(engine, bare)
    assert engine.select("pattern_fixes", pattern_id=f"eq.{bare}") == []
    assert engine.select("fix_proposals", pattern_id=f"eq.{bare}") == []


def test_a_pattern_of_the_same_cluster_is_suggested_however_far_its_template(
    engine: Rest, patterns: Patterns, desk: Desk, database: Sql
) -> None:
    """Without a score: near it is not."""
    bare, _ = desk.occur(text())
    fixed = patterns.new()
    patterns.approve(fixed)
    cluster = database.value(
        "insert into ops.pattern_clusters (cluster_name, pattern_ids, cluster_size) "
        "values ('test', array[%s, %s]::uuid[], 2) returning cluster_id",
        bare,
        fixed,
    )
    (draft,) = suggested(engine, bare)
    database.run("delete from ops.pattern_clusters where cluster_id = %s", cluster)
    assert (draft["pattern_id"], draft["score"]) == (fixed, None)
    assert draft["in_same_cluster"] is True


def test_disabled_fixes_are_told_as_such(
    engine: Rest, patterns: Patterns, twins: tuple[str, str]
) -> None:
    """Somebody had a reason to switch it off."""
    bare, fixed = twins
    patterns.approve(fixed)
    patterns.disable(fixed)
    (draft,) = suggested(engine, bare)
    assert draft["is_live"] is False


def test_patterns_without_a_fix_suggest_nothing(engine: Rest, twins: tuple[str, str]) -> None:
    """However near they are."""
    assert suggested(engine, twins[0]) == []


def test_those_that_helped_most_come_first_and_as_many_as_asked_for(
    engine: Rest, patterns: Patterns, desk: Desk, database: Sql
) -> None:
    """By the least share that is all but sure; those of which nothing is known come last."""
    shared = text()
    ids = [
        desk.occur(f"{shared}: {last} does not answer")[0]
        for last in ("warehouse", "storehouse", "lighthouse", "greenhouse")
    ]
    bare, low, high, unknown = ids
    assert len(set(ids)) == len(ids)
    for pattern_id in (low, high, unknown):
        patterns.approve(pattern_id)
    bound = "update ops.pattern_fixes set confidence_lower_bound = %s where pattern_id = %s"
    database.run(bound, 0.2, low)
    database.run(bound, 0.8, high)
    assert [each["pattern_id"] for each in suggested(engine, bare)] == [high, low, unknown]
    assert [each["pattern_id"] for each in suggested(engine, bare, limit=1)] == [high]


def test_an_unknown_pattern_is_refused(engine: Rest) -> None:
    """PL002."""
    refused("PL002", lambda: suggested(engine, ABSENT))


def test_who_may_ask(
    viewer: Person,
    operator: Person,
    administrator: Person,
    user: Person,
    anon: Rest,
    twins: tuple[str, str],
) -> None:
    """Operators of any role; users of the application see no script."""
    for person in (viewer, operator, administrator):
        assert suggested(person.rest, twins[0]) == []
    refused("PL001", lambda: suggested(user.rest, twins[0]))
    with pytest.raises(RefusedError) as caught:
        suggested(anon, twins[0])
    assert caught.value.code == "42501"
