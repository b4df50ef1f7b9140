"""What is in the inbox, in which order, and that many patterns are changed together or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Sql
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes


@pytest.fixture(autouse=True)
def archive(database: Sql) -> None:
    """Puts away what other tests left to be reviewed: a list shows the 200 most frequent."""
    database.run("update ops.error_patterns set status = 'archived' where status = 'open'")


@pytest.fixture
def listed(viewer: Person) -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """Reads all entries of the inbox by section, as a viewer."""

    def listed(**filters: object) -> dict[str, list[dict[str, Any]]]:
        answer = viewer.rest.call("console_inbox_v1", p_filters=filters, p_limit=200)
        return {name: section["entries"] for name, section in answer.items()}

    return listed


@pytest.fixture
def of(listed: Callable[..., dict[str, Any]]) -> Callable[[str], dict[str, str]]:
    """Where a pattern is listed: section → kind."""

    def of(pattern_id: str) -> dict[str, str]:
        return {
            section: entry["kind"]
            for section, entries in listed().items()
            for entry in entries
            if entry["pattern_id"] == pattern_id
        }

    return of


def test_what_keeps_occurring_without_a_fix_awaits_a_review(
    patterns: Patterns,
    listed: Callable[..., dict[str, Any]],
    of: Callable[[str], dict[str, str]],
    operator: Person,
) -> None:
    """From review_occurrences on, the most frequent first, until a fix runs or a proposal is open."""
    seldom, often, more = patterns.new(4), patterns.new(5), patterns.new(9)
    assert (of(seldom), of(often)) == ({"changed": "new"}, {"decision": "review"})
    order = [each["pattern_id"] for each in listed()["decision"] if each["kind"] == "review"]
    assert order.index(more) < order.index(often)
    counts = [each["occurrence_count"] for each in listed()["decision"] if each["kind"] == "review"]
    assert counts == sorted(counts, reverse=True)

    fix = {"type": "sql", "script": "select 1", "prepared_script": "select 1", "parameters": {}}
    operator.rest.call(
        "propose_fix_v1", p_pattern_id=often, p_fix=fix, p_analysis={}, p_seconds=3600
    )
    assert of(often) == {"decision": "proposal"}
    patterns.approve(more)
    assert "decision" not in of(more)


def test_errors_that_do_not_count_ask_nobody_for_anything(
    patterns: Patterns, of: Callable[[str], dict[str, str]], viewer: Person
) -> None:
    """Signed-in users can write as many as they like; the search finds them."""
    error = patterns.error()
    learned = patterns.learn(*[error | {"claimed_by": viewer.id}] * 6)
    pattern_id = str(learned[0]["pattern_id"])
    assert of(pattern_id) == {}
    (found,) = viewer.rest.call("console_inbox_v1", p_filters={"search": pattern_id})["found"][
        "entries"
    ]
    assert (found["occurrence_count"], found["untrusted_occurrences"]) == (0, 6)


def test_a_fix_that_the_engine_took_out_of_use_is_out_of_control(
    patterns: Patterns, of: Callable[[str], dict[str, str]], database: Sql
) -> None:
    """Until a person has decided: one that a person disabled is not, nor one with a later version."""
    demoted, disabled, expired, by_person = (patterns.new(5) for _ in range(4))
    for pattern_id in (demoted, disabled, expired, by_person):
        patterns.approve(pattern_id)
    fixes = "from ops.pattern_fixes as fixes where fixes.pattern_id = %s"
    database.run(f"select ops_internal.demote(fixes, null, 'failed') {fixes}", demoted)
    database.run(f"select ops_internal.switch_off(fixes, null, 'failed') {fixes}", disabled)
    database.run(f"select ops_internal.expire_fix(fixes, 'its time is over') {fixes}", expired)
    patterns.disable(by_person)
    assert of(demoted) == {"control": "demoted"}
    assert of(disabled) == {"control": "disabled"}
    assert of(expired) == {"decision": "approval_over"}
    assert of(by_person) == {"decision": "review"}
    patterns.approve(disabled)
    assert "control" not in of(disabled)


def test_a_fix_that_heals_again_and_again_is_out_of_control(
    patterns: Patterns,
    of: Callable[[str], dict[str, str]],
    listed: Callable[..., dict[str, Any]],
    outcomes: Outcomes,
    change_setting: Callable[[str, object], object],
    database: Sql,
) -> None:
    """As the notification says it, with the number of today."""
    change_setting("heals_per_week", 2)
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    for _ in range(3):
        assert patterns.apply(pattern_id)["success"]
        outcomes.passes(pattern_id, 3600)
    assert "control" not in of(pattern_id)
    database.run("select ops_internal.tell_healed_often()")
    (entry,) = (each for each in listed()["control"] if each["pattern_id"] == pattern_id)
    assert (entry["kind"], entry["details"]["heals"]) == ("healed_often", 3)
    change_setting("heals_per_week", 4)
    assert "control" not in of(pattern_id)


def test_what_came_back_and_what_is_more_frequent_than_usual_has_changed(
    patterns: Patterns,
    of: Callable[[str], dict[str, str]],
    operator: Person,
    change_setting: Callable[[str, object], object],
    database: Sql,
) -> None:
    """A spike is what the notification calls so."""
    error = patterns.error()
    pattern_id = str(patterns.learn(error)[0]["pattern_id"])
    operator.rest.call("resolve_pattern_v1", p_pattern_id=pattern_id)
    assert of(pattern_id) == {}
    change_setting("spike_errors", 3)
    log_ids = patterns.log_rows(4)
    patterns.learn(*[error | {"system_log_id": log_id} for log_id in log_ids])
    database.run("select ops_internal.tell_spikes()")
    kinds = {
        each["kind"]
        for each in operator.rest.call("console_inbox_v1", p_limit=200)["changed"]["entries"]
        if each["pattern_id"] == pattern_id
    }
    assert kinds == {"regressed", "spiked"}


def test_a_run_is_healing_until_its_outcome_is_known(
    patterns: Patterns,
    of: Callable[[str], dict[str, str]],
    database: Sql,
) -> None:
    """First it runs, then it is watched."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    claim = patterns.claim(pattern_id)
    assert of(pattern_id)["healing"] == "running"
    patterns.run(claim["application_id"])
    assert of(pattern_id)["healing"] == "verifying"
    database.run(
        "update ops.pattern_verifications set outcome = 'verified', decided_at = now() where pattern_id = %s",
        pattern_id,
    )
    assert "healing" not in of(pattern_id)


def test_what_a_running_fix_was_not_approved_for_waits_to_be_confirmed(
    patterns: Patterns,
    of: Callable[[str], dict[str, str]],
    listed: Callable[..., dict[str, Any]],
    administrator: Person,
    engine: Any,
    database: Sql,
) -> None:
    """A signature that came later, and identifiers outside the guard; until somebody confirms."""
    error = patterns.error()
    pattern_id = str(patterns.learn(error | {"identifiers": {"table": "orders"}})[0]["pattern_id"])
    patterns.approve(pattern_id)
    patterns.learn(error | {"identifiers": {"table": "invoices"}})
    (entry,) = (each for each in listed()["decision"] if each["pattern_id"] == pattern_id)
    assert (entry["kind"], entry["details"]["identifiers"]) == (
        "unconfirmed_identifiers",
        {"table": "invoices"},
    )
    administrator.rest.call(
        "confirm_identifiers_v1", p_pattern_id=pattern_id, p_identifiers=[{"table": "invoices"}]
    )
    assert "decision" not in of(pattern_id)

    late = patterns.word("pattern")
    database.run(
        "insert into ops.pattern_signatures (signature, pattern_id, algorithm, template)"
        " values (%s, %s, 'grouping/v1', 'late')",
        late,
        pattern_id,
    )
    engine.call("refuse_signature_v1", p_signature=late, p_system_log_id=None)
    assert of(pattern_id)["decision"] == "unconfirmed_signature"
    administrator.rest.call("confirm_signatures_v1", p_pattern_id=pattern_id, p_signatures=[late])
    assert "decision" not in of(pattern_id)


def test_filters_narrow_every_section_and_pages_lose_nothing(
    patterns: Patterns, viewer: Person
) -> None:
    """Each entry is on one page, however many have the same count."""
    source = patterns.word("source")
    wanted = set()
    for number in range(7):
        error = patterns.error(error_source=source, severity="critical" if number < 3 else "error")
        wanted.add(str(patterns.learn(*[error] * (6 if number < 5 else 7))[0]["pattern_id"]))
    patterns.new(6)
    filters: dict[str, Any] = {"source": source, "section": "decision"}
    seen: list[str] = []
    for _ in range(4):
        page = viewer.rest.call("console_inbox_v1", p_filters=filters, p_limit=2)["decision"]
        seen += [each["pattern_id"] for each in page["entries"]]
        filters["after"] = page["next"]
    assert page["next"] is None
    assert (len(seen), set(seen)) == (7, wanted)
    severe = viewer.rest.call(
        "console_inbox_v1", p_filters={"source": source, "severity": "critical"}
    )
    assert severe["decision"]["total"] == 3
    assert "decision" not in viewer.rest.call(
        "console_inbox_v1", p_filters={"source": source, "type": "rls"}
    )
    assert source in viewer.rest.call("console_sources_v1")


@pytest.mark.parametrize(
    "text", ["exploded in the {word}", "the {part}", "{middle}", "explodad in the {word}", "{id}"]
)
def test_the_search_finds_words_beginnings_parts_and_misspelt_words(
    patterns: Patterns, listed: Callable[..., dict[str, Any]], text: str
) -> None:
    """Whatever the status is."""
    word = patterns.word("kettle").replace("_", "")
    error = patterns.error(template=f"a boiler exploded in the {word} at noon")
    pattern_id = str(patterns.learn(error)[0]["pattern_id"])
    asked = text.format(word=word, part=word[:12], middle=word[9:18], id=f"see …/{pattern_id}#x")
    assert [each["pattern_id"] for each in listed(search=asked)["found"]] == [pattern_id]


@pytest.mark.parametrize(
    "text",
    [
        "'",
        "\\",
        "%",
        "a:*",
        "!",
        "& | !",
        "<script>",
        "'; drop table x --",
        "x" * 5000,
        "\u202e",
        "_",
    ],
)
def test_no_search_fails(listed: Callable[..., dict[str, Any]], text: str) -> None:
    """A text is no expression."""
    assert set(listed(search=text)) <= {"found"}


def test_unknown_filters_are_refused(viewer: Person) -> None:
    """A typing error is not shown as an empty inbox."""
    wrong: list[object] = [{"status": "solved"}, {"severity": "bad"}, {"section": "x"}, [], None]
    for filters in wrong:
        with pytest.raises(RefusedError) as refusal:
            viewer.rest.call("console_inbox_v1", p_filters=filters)
        assert refusal.value.code == "PL022"


def test_snoozed_patterns_are_found_by_their_status_alone(
    patterns: Patterns, of: Callable[[str], dict[str, str]], operator: Person, viewer: Person
) -> None:
    """Those that are ignored for good are not snoozed."""
    until, good = patterns.new(6), patterns.new(6)
    operator.rest.call("ignore_pattern_v1", p_pattern_id=until, p_occurrences=5)
    operator.rest.call("ignore_pattern_v1", p_pattern_id=good)
    assert of(until) == of(good) == {}
    found = {
        status: {
            each["pattern_id"]
            for each in viewer.rest.call(
                "console_inbox_v1", p_filters={"status": status}, p_limit=200
            )["found"]["entries"]
        }
        for status in ("snoozed", "ignored")
    }
    assert (until in found["snoozed"], good in found["snoozed"]) == (True, False)
    assert {until, good} <= found["ignored"]


@pytest.mark.parametrize("action", ["ignore", "reopen", "merge"])
def test_chosen_patterns_change_together_as_they_were_shown_or_not_at_all(
    patterns: Patterns, operator: Person, database: Sql, action: str
) -> None:
    """Who changes one of them in between has the others left as they were; new errors are no change."""
    error = patterns.error()
    first = str(patterns.learn(error)[0]["pattern_id"])
    ids = [first, patterns.new(), patterns.new()]
    stale = operator.rest.call("console_chosen_v1", p_pattern_ids=ids)["digest"]
    operator.rest.call("resolve_pattern_v1", p_pattern_id=ids[2])
    steer = {"p_action": action, "p_pattern_ids": ids}
    with pytest.raises(RefusedError) as refusal:
        operator.rest.call("console_steer_v1", **steer, p_digest=stale)
    assert refusal.value.code == "PL044"
    states = (
        "select array_agg(status order by id) from ops.error_patterns where pattern_id = any(%s)"
    )
    assert database.value(states, ids) == ["open", "open", "resolved"]

    digest = operator.rest.call("console_chosen_v1", p_pattern_ids=ids)["digest"]
    patterns.learn(error)
    answer = operator.rest.call("console_steer_v1", **steer, p_digest=digest)
    expected = {
        "ignore": ["ignored"] * 3,
        "reopen": ["open"] * 3,
        "merge": ["open", "merged", "merged"],
    }
    assert database.value(states, ids) == expected[action]
    if action == "merge":
        assert [each["gone"] for each in answer["merges"]] == ids[1:]


def test_a_viewer_changes_nothing(patterns: Patterns, viewer: Person, user: Person) -> None:
    """And who has no role does not even look."""
    ids = [patterns.new(), patterns.new()]
    digest = viewer.rest.call("console_chosen_v1", p_pattern_ids=ids)["digest"]
    for action in ("ignore", "reopen", "merge"):
        with pytest.raises(RefusedError) as refusal:
            viewer.rest.call(
                "console_steer_v1", p_action=action, p_pattern_ids=ids, p_digest=digest
            )
        assert refusal.value.code == "PL001"
    for call in ("console_inbox_v1", "console_sources_v1"):
        with pytest.raises(RefusedError) as refusal:
            user.rest.call(call)
        assert refusal.value.code == "PL001"
