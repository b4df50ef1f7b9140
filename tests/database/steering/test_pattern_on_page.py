"""What the page of a pattern counts and lists: buckets, releases, facets, reasons, errors, trail."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.steering.steering import family, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Sql
    from tests.database.conftest import Patterns


@pytest.fixture
def ask(viewer: Person) -> Callable[..., Any]:
    """Calls a function of the page as somebody who may only look."""

    def ask(function: str, **arguments: object) -> Any:
        named = {f"p_{name}": value for name, value in arguments.items()}
        return viewer.rest.call(f"console_{function}_v1", **named)

    return ask


@pytest.fixture
def seen(patterns: Patterns) -> Callable[..., str]:
    """Learns errors of one new pattern that happened some hours ago; returns its id."""

    def seen(*hours_ago: float, error: dict[str, Any] | None = None, **columns: object) -> str:
        error = error or patterns.error()
        now = datetime.now(UTC)
        for hours in hours_ago:
            at = (now - timedelta(hours=hours)).isoformat()
            log_id = patterns.log_row(**{"created_at": at, **columns})
            (learned,) = patterns.learn(error | {"system_log_id": log_id})
        return str(learned["pattern_id"])

    return seen


def test_errors_are_counted_by_hour_and_by_day_with_others_apart(
    ask: Callable[..., Any], seen: Callable[..., str], database: Sql
) -> None:
    """Each error is in one bucket; those of writers that do not count are a series of their own."""
    pattern_id = seen(0, 0, 5, 30, 24 * 30, 24 * 70)
    database.run(
        """update ops.pattern_incidents set counts = false where id =
           (select max(id) from ops.pattern_incidents where pattern_id = %s and
            occurred_at > now() - interval '6 hours' and occurred_at < now() - interval '4 hours')""",
        pattern_id,
    )
    hours = ask("pattern_occurrences", pattern_id=pattern_id, unit="hour")["buckets"]
    days = ask("pattern_occurrences", pattern_id=pattern_id, unit="day")["buckets"]
    assert [(len(hours), len(days))] == [(48, 60)]
    assert {b[0] - a[0] for a, b in itertools.pairwise(hours)} == {3600}
    assert {b[0] - a[0] for a, b in itertools.pairwise(days)} == {86400}
    assert (sum(each[1] for each in hours), sum(each[2] for each in hours)) == (3, 1)
    assert (sum(each[1] for each in days), sum(each[2] for each in days)) == (4, 1)
    assert hours[-1][1] + hours[-2][1] == 2


def test_a_release_is_marked_where_it_came_first(
    ask: Callable[..., Any], seen: Callable[..., str], patterns: Patterns
) -> None:
    """Releases come in the order of their first errors; an unknown unit is refused."""
    error = patterns.error()
    seen(10, 9, error=error, release="shop@1.0.0")
    pattern_id = seen(5, 4, error=error, release="shop@1.1.0")
    answer = ask("pattern_occurrences", pattern_id=pattern_id)
    assert answer["unit"] == "hour"
    assert [each["release"] for each in answer["releases"]] == ["shop@1.0.0", "shop@1.1.0"]
    first = datetime.fromisoformat(answer["releases"][1]["at"])
    assert abs(first - (datetime.now(UTC) - timedelta(hours=5))) < timedelta(minutes=1)
    refused("PL022", lambda: ask("pattern_occurrences", pattern_id=pattern_id, unit="week"))


def test_reasons_are_counted_and_errors_are_filtered_by_them(
    ask: Callable[..., Any], seen: Callable[..., str], database: Sql
) -> None:
    """A reason that was recorded is listed with its number, and leads to its errors."""
    pattern_id = seen(4, 3, 2, 1, source="billing", environment="live")
    database.run(
        """update ops.pattern_incidents set refusal = 'All fixes are paused'
           where pattern_id = %s and occurred_at < now() - interval '150 minutes'""",
        pattern_id,
    )
    answer = ask("pattern_occurrences", pattern_id=pattern_id)
    assert [(each["refusal"], each["errors"]) for each in answer["refusals"]] == [
        ("All fixes are paused", 2)
    ]
    named = {facet["name"]: facet["values"][0] for facet in answer["facets"]}
    assert (named["source"]["value"], named["source"]["occurrences"]) == ("billing", 4)
    assert named["environment"]["value"] == "live"
    for filters, number in [
        ({"refusal": "All fixes are paused"}, 2),
        ({"refusal": "All fixes are paused", "source": "billing"}, 2),
        ({"source": "shop"}, 0),
        ({"environment": "live"}, 4),
        ({"table": "orders"}, 0),
    ]:
        found = ask("pattern_incidents", pattern_id=pattern_id, filters=filters)
        assert len(found["incidents"]) == number, filters


def test_pages_of_errors_have_each_error_once_even_at_the_same_moment(
    ask: Callable[..., Any], seen: Callable[..., str], database: Sql
) -> None:
    """Nothing is lost or doubled between two pages."""
    pattern_id = seen(*[1.0] * 23)
    database.run(
        """update ops.pattern_incidents set occurred_at = date_trunc('hour', occurred_at)
           where pattern_id = %s""",
        pattern_id,
    )
    pages, before = [], None
    while True:
        page = ask("pattern_incidents", pattern_id=pattern_id, before=before)
        pages.append([each["id"] for each in page["incidents"]])
        before = page["next"]
        if before is None:
            break
    ids = [each for page in pages for each in page]
    assert [len(page) for page in pages] == [10, 10, 3]
    assert ids == sorted(set(ids), reverse=True)


def test_an_error_tells_which_run_it_fired_and_how_that_ended(
    ask: Callable[..., Any], patterns: Patterns
) -> None:
    """The run and the state of its verification stand beside the error."""
    error = patterns.error()
    log_id = patterns.log_row()
    (learned,) = patterns.learn(error | {"system_log_id": log_id})
    pattern_id = learned["pattern_id"]
    patterns.approve(pattern_id)
    claim = patterns.claim(pattern_id, log_id)
    patterns.run(claim["application_id"])
    (incident,) = ask("pattern_incidents", pattern_id=pattern_id)["incidents"]
    assert incident["application_id"] == claim["application_id"]
    assert (incident["outcome"], incident["is_running"], incident["success"]) == (
        "pending", False, True,
    )  # fmt: skip
    fix = ask("pattern", pattern_id=pattern_id)["fixes"][0]
    assert (fix["version"], fix["state"], fix["outcomes"]) == (1, "live", {"pending": 1})


def test_the_trail_has_decisions_merges_and_splits_of_both_patterns(
    ask: Callable[..., Any], patterns: Patterns, operator: Person
) -> None:
    """Whoever did it is named; a merge stands in the trail of both patterns."""
    kept, errors = family(patterns)
    gone = patterns.new()
    operator.rest.call("resolve_pattern_v1", p_pattern_id=kept, p_reason="done")
    merge = operator.rest.call("merge_patterns_v1", p_pattern_ids=[kept, gone])["merges"][0]
    operator.rest.call("undo_merge_v1", p_merge_id=merge["merge_id"])
    split = operator.rest.call(
        "split_pattern_v1", p_pattern_id=kept, p_signatures=[errors[1]["signature"]]
    )
    made = split["other_pattern"]["pattern_id"]

    def trail(pattern_id: str) -> list[tuple[str, str | None]]:
        found = ask("pattern_trail", pattern_id=pattern_id)["events"]
        return [(each["event_type"], each["actor"]) for each in found]

    by = operator.email
    assert trail(kept)[:4] == [
        ("pattern_split", by), ("merge_undone", by), ("patterns_merged", by), ("pattern_resolved", by),
    ]  # fmt: skip
    assert trail(gone)[:2] == [("merge_undone", by), ("patterns_merged", by)]
    assert trail(made)[0] == ("pattern_split", by)
    found = ask("pattern_trail", pattern_id=kept)["events"]
    assert ask("pattern_trail", pattern_id=kept, before=found[1]["id"])["events"] == found[2:]
    steps = ask("pattern", pattern_id=kept)["steering"]
    assert [(step["kind"], step["is_kept"], step["undone_at"] is None) for step in steps] == [
        ("split", True, True), ("merge", True, False),
    ]  # fmt: skip


def test_the_preview_of_a_merge_says_what_the_merge_then_does(
    ask: Callable[..., Any], patterns: Patterns, operator: Person
) -> None:
    """The pattern with the fix is kept, whichever is named first; two fixes are told before."""
    one, other = patterns.new(2), patterns.new(3)
    patterns.approve(other)
    preview = ask("merge", pattern_id=one, other=other)
    assert (preview["kept"]["pattern_id"], preview["gone"]["pattern_id"]) == (other, one)
    assert [fix["version"] for fix in preview["fixes"]] == [1]
    assert (preview["signature_count"], preview["two_live_fixes"]) == (1, False)
    done = operator.rest.call("merge_patterns_v1", p_pattern_ids=[one, other])
    assert done["pattern"]["pattern_id"] == other
    assert done["pattern"]["occurrence_count"] == 5
    again = ask("merge", pattern_id=one, other=other)
    assert again["merged"] == [{"pattern_id": one, "merged_into": other}]
    third = patterns.new()
    patterns.approve(third)
    assert ask("merge", pattern_id=third, other=other)["two_live_fixes"]


def test_patterns_to_merge_with_are_found_by_words_and_never_merged_ones(
    ask: Callable[..., Any], patterns: Patterns, operator: Person
) -> None:
    """The last word may be unfinished; the pattern itself and merged ones are left out."""
    word = patterns.word("pump").replace("_", "")
    ids = [
        patterns.learn(patterns.error(template=f"the {word} of {name} is dry"))[0]["pattern_id"]
        for name in ("garden", "cellar", "roof")
    ]
    operator.rest.call("merge_patterns_v1", p_pattern_ids=ids[1:])

    def found(text: str) -> list[str]:
        return [each["pattern_id"] for each in ask("find_patterns", text=text, but=ids[0])]

    assert found(f"dry {word[:10]}") == [ids[1]]
    assert found(ids[0]) == []
    assert found(ids[2]) == []


def test_the_preview_of_a_split_counts_both_sides_and_what_has_a_value(
    ask: Callable[..., Any], patterns: Patterns, database: Sql
) -> None:
    """Signatures whose errors all have a value are told from those of which some have it."""
    pattern_id, errors = family(patterns, count=2, each=2)
    signatures = [error["signature"] for error in errors]
    database.run(
        """update ops.pattern_incidents set identifiers = '{"table": "orders"}'
           where pattern_id = %s and (signature = %s or id =
             (select min(id) from ops.pattern_incidents where signature = %s))""",
        pattern_id, signatures[1], signatures[0],
    )  # fmt: skip
    answer = ask(
        "split", pattern_id=pattern_id, signatures=signatures[1:], name="table", value="orders"
    )
    fitting, whole = answer["named"][signatures[1]]
    assert fitting == whole
    fitting, whole = answer["named"][signatures[0]]
    assert (fitting, whole > 1) == (1, True)
    assert answer["going"]["errors"] + answer["staying"]["errors"] == answer["read"]
    assert answer["staying"]["signatures"] == 1


def test_signatures_that_came_after_the_approval_are_not_trusted(
    ask: Callable[..., Any], patterns: Patterns, administrator: Person, operator: Person
) -> None:
    """Null without a fix, false after a merge, true once an administrator confirmed."""
    pattern_id, other = patterns.new(), patterns.new()

    def trusted() -> list[bool | None]:
        found = ask("pattern", pattern_id=pattern_id)["signatures"]
        return [each["is_trusted"] for each in sorted(found, key=lambda each: each["created_at"])]

    assert trusted() == [None]
    patterns.approve(pattern_id)
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[pattern_id, other])
    assert trusted() == [True, False]
    (new,) = [
        each["signature"]
        for each in ask("pattern", pattern_id=pattern_id)["signatures"]
        if not each["is_trusted"]
    ]
    administrator.rest.call("confirm_signatures_v1", p_pattern_id=pattern_id, p_signatures=[new])
    assert trusted() == [True, True]


@pytest.mark.parametrize(
    "function", ["pattern", "pattern_occurrences", "pattern_incidents", "pattern_trail", "split"]
)
def test_an_unknown_pattern_and_somebody_without_a_role_are_refused(
    function: str, user: Person, viewer: Person, patterns: Patterns
) -> None:
    """PL002 for an id of no pattern, PL001 for a signed-in user who is no operator."""
    name = f"console_{function}_v1"
    nobody = "00000000-0000-4000-8000-000000000000"
    refused("PL002", lambda: viewer.rest.call(name, p_pattern_id=nobody))
    refused("PL001", lambda: user.rest.call(name, p_pattern_id=patterns.new()))
