"""A fix is approved by a person, in one version at a time, and stays what was approved."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from tests.conftest import People, Person, Rest, Sql
    from tests.database.conftest import Patterns


def _events(engine: Rest, pattern_id: str) -> list[dict[str, Any]]:
    return engine.select(
        "roman_events",
        order="id",
        event_type="in.(pattern_approved,pattern_disabled)",
        **{"metadata->>pattern_id": f"eq.{pattern_id}"},
    )


def test_an_administrator_approves_a_fix(patterns: Patterns, administrator: Person) -> None:
    """Approval answers the pattern, enabled, with the script, who approved it and when."""
    pattern_id = patterns.new()
    pattern = patterns.approve(pattern_id, "select 7", parameters={"status": "open"})
    approved_at = datetime.fromisoformat(pattern["approved_at"])
    assert timedelta(0) <= datetime.now(UTC) - approved_at < timedelta(minutes=1)
    expected = {
        "pattern_id": pattern_id,
        "auto_fix_enabled": True,
        "auto_fix_script": "select 7",
        "auto_fix_type": "sql",
        "auto_fix_parameters": {"status": "open"},
        "human_approved": True,
        "approved_by": administrator.id,
        "constitutional_compliant": True,
        "constitutional_violations": None,
    }
    assert {key: pattern[key] for key in expected} == expected
    assert pattern["occurrence_count"] == 1


def test_a_fix_is_pinned_with_its_limits(patterns: Patterns, administrator: Person) -> None:
    """The version keeps script, parameters, limits and a digest; limits have defaults."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "select 7", tables=("public.orders",))
    fix = patterns.fix(pattern_id)
    expected = {
        "version": 1,
        "fix_type": "sql",
        "script": "select 7",
        "prepared_script": "select 7",
        "parameters": {},
        "timeout_ms": 5000,
        "max_retries": 0,
        "max_rows": 1000,
        "trusted_writers": ["service_role"],
        "tables": ["public.orders"],
        "approved_by": administrator.id,
        "disabled_at": None,
    }
    assert {key: fix[key] for key in expected} == expected
    assert len(fix["sha256"]) == len(hashlib.sha256(b"").hexdigest())


def test_approval_is_in_the_journal(
    engine: Rest, patterns: Patterns, administrator: Person
) -> None:
    """Approving and disabling are told with the person, the version and the reason."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    patterns.disable(pattern_id, "it made things worse")
    approved, disabled = _events(engine, pattern_id)
    assert approved["event_type"] == "pattern_approved"
    assert disabled["event_type"] == "pattern_disabled"
    assert {approved["actor"], disabled["actor"]} == {administrator.id}
    assert approved["metadata"]["sha256"] == patterns.fix(pattern_id)["sha256"]
    assert disabled["metadata"]["reason"] == "it made things worse"
    assert (approved["metadata"]["version"], disabled["metadata"]["version"]) == (1, 1)


@pytest.mark.parametrize("who", ["user", "viewer", "operator"])
def test_nobody_below_administrator_approves(
    request: pytest.FixtureRequest, patterns: Patterns, who: str
) -> None:
    """PL001: approving takes the role ops_admin."""
    pattern_id = patterns.new()
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, person=request.getfixturevalue(who))
    assert refused.value.code == "PL001"


@pytest.mark.parametrize("who", ["user", "viewer"])
def test_nobody_below_operator_disables(
    request: pytest.FixtureRequest, patterns: Patterns, who: str
) -> None:
    """PL001: disabling takes the role ops_operator or ops_admin; the fix stays live."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    person: Person = request.getfixturevalue(who)
    with pytest.raises(RefusedError) as refused:
        person.rest.call("disable_pattern_v1", p_pattern_id=pattern_id, p_reason="x")
    assert refused.value.code == "PL001"
    assert patterns.fix(pattern_id)["disabled_at"] is None


def test_an_operator_disables(patterns: Patterns, operator: Person) -> None:
    """An ops_operator may switch a fix off, in his own name."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    pattern = operator.rest.call("disable_pattern_v1", p_pattern_id=pattern_id)
    assert pattern["auto_fix_enabled"] is False
    fix = patterns.fix(pattern_id)
    assert fix["disabled_by"] == operator.id
    assert fix["disabled_reason"] is None


def test_the_secret_key_is_no_person(
    engine: Rest, patterns: Patterns, administrator: Person
) -> None:
    """PL011: with the secret key nobody approves or disables, in an administrator's name either."""
    pattern_id = patterns.new()
    arguments = {
        "p_pattern_id": pattern_id,
        "p_fix": {"type": "sql", "script": "select 1", "prepared_script": "select 1"},
        "p_approved_by": administrator.id,
    }
    with pytest.raises(RefusedError) as refused:
        engine.call("approve_pattern_v1", **arguments)
    assert refused.value.code == "PL011"
    patterns.approve(pattern_id)
    with pytest.raises(RefusedError) as refused:
        engine.call("disable_pattern_v1", p_pattern_id=pattern_id, p_reason="x")
    assert refused.value.code == "PL011"


def test_nobody_approves_in_anothers_name(patterns: Patterns, people: People) -> None:
    """PL012: approved_by is the caller, not another administrator and not nobody."""
    pattern_id, other = patterns.new(), people.new("ops_admin")
    for approved_by in (other.id, None):
        with pytest.raises(RefusedError) as refused:
            patterns.approve(pattern_id, p_approved_by=approved_by)
        assert refused.value.code == "PL012"


def test_an_unknown_pattern_is_not_approved(patterns: Patterns) -> None:
    """PL002: there is no pattern with that id."""
    for attempt in (patterns.approve, patterns.disable):
        with pytest.raises(RefusedError) as refused:
            attempt("00000000-0000-0000-0000-000000000000")
        assert refused.value.code == "PL002"


def test_the_same_fix_twice_is_one_approval(engine: Rest, patterns: Patterns) -> None:
    """Approving again what is approved changes nothing and is no error."""
    pattern_id = patterns.new()
    first = patterns.approve(pattern_id, "select 7", parameters={"a": 1, "b": 2})
    again = patterns.approve(pattern_id, "select 7", parameters={"b": 2, "a": 1})
    assert again == first
    assert patterns.fix(pattern_id)["version"] == 1
    assert len(_events(engine, pattern_id)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"script": "select 8"},
        {"prepared_script": "select 8"},
        {"type": "bash"},
        {"parameters": {"max_rows": 2}},
        {"parameters": {"status": "open"}},
        {"parameters": {"target": ["number"]}},
        {"undo_script": "select 8", "prepared_undo_script": "select 8"},
        {"sample_table": "public.orders", "sample_script": "select 8"},
        {"secrets": {"token": ["example.com"]}},
        {"hosts": ["example.com"]},
        {"tables": ["public.orders"]},
        {"p_mode": "shadow"},
    ],
)
def test_another_fix_is_refused_while_one_is_live(
    patterns: Patterns, change: dict[str, Any]
) -> None:
    """PL003: whatever decides what a fix does makes another fix of it; so does its mode."""
    pattern_id = patterns.new()
    first = patterns.approve(pattern_id)
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, **change)
    assert refused.value.code == "PL003"
    assert "disable" in refused.value.words
    assert patterns.approve(pattern_id) == first


def test_a_new_version_follows_a_disabled_one(patterns: Patterns, engine: Rest) -> None:
    """After disabling another fix may be approved, as version 2; version 1 is kept as it was."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "select 1")
    patterns.disable(pattern_id, "better one known")
    pattern = patterns.approve(pattern_id, "select 2")
    assert pattern["auto_fix_script"] == "select 2"
    versions = engine.select("pattern_fixes", pattern_id=f"eq.{pattern_id}", order="version")
    assert [(fix["version"], fix["script"]) for fix in versions] == [
        (1, "select 1"),
        (2, "select 2"),
    ]
    assert versions[0]["disabled_reason"] == "better one known"
    assert versions[1]["disabled_at"] is None


def test_the_same_fix_after_disabling_is_a_new_approval(patterns: Patterns) -> None:
    """A fix that was switched off does not come back but by a person's new approval."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    patterns.disable(pattern_id)
    assert patterns.approve(pattern_id)["auto_fix_enabled"] is True
    assert patterns.fix(pattern_id)["version"] == 2


def test_there_is_nothing_to_disable_twice(patterns: Patterns) -> None:
    """PL014: a pattern without a live fix cannot be disabled."""
    pattern_id = patterns.new()
    with pytest.raises(RefusedError) as refused:
        patterns.disable(pattern_id)
    assert refused.value.code == "PL014"
    patterns.approve(pattern_id)
    patterns.disable(pattern_id)
    with pytest.raises(RefusedError) as refused:
        patterns.disable(pattern_id)
    assert refused.value.code == "PL014"


@pytest.mark.parametrize(
    "parameters",
    [
        {"timeout_ms": 0},
        {"timeout_ms": 8001},
        {"timeout_ms": 1.5},
        {"timeout_ms": "5000"},
        {"timeout_ms": None},
        {"max_retries": -1},
        {"max_retries": 9},
        {"max_rows": 0},
        {"max_rows": 100_001},
        {"max_rows": 10**30},
        {"trusted_writers": "service_role"},
        {"trusted_writers": ["anon"]},
        {"trusted_writers": [None]},
        {"trusted_writers": ["service_role", 7]},
        {"target": "number"},
        {"target": [7]},
        {"target": {}},
        [],
        "text",
        7,
    ],
)
def test_limits_out_of_bounds_are_refused(patterns: Patterns, parameters: object) -> None:
    """PL013: parameters are an object, and each limit has its type and bounds."""
    pattern_id = patterns.new()
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, parameters=parameters)
    assert refused.value.code == "PL013"


@pytest.mark.parametrize(
    "change",
    [
        {"type": None},
        {"type": "python"},
        {"type": 7},
        {"script": None},
        {"script": " "},
        {"script": ["select 1"]},
        {"prepared_script": None},
        {"prepared_script": ""},
        {"undo_script": "select 1"},
        {"prepared_undo_script": "select 1"},
        {"sample_table": "public.orders"},
        {"sample_script": "select 1"},
        {"tables": "public.orders"},
        {"tables": [None]},
        {"hosts": {}},
        {"secrets": ["token"]},
        {"secrets": {"token": []}},
        {"secrets": {"token": "example.com"}},
        {"secrets": {"token": [7]}},
        # What the digest would not cover is nothing that anybody approves.
        {"mode": "live"},
        {"note": "harmless"},
    ],
)
def test_what_is_no_fix_is_refused(patterns: Patterns, change: dict[str, Any]) -> None:
    """PL013: a fix has its parts, each of its type, in pairs where they go together, and no more."""
    with pytest.raises(RefusedError) as refused:
        patterns.approve(patterns.new(), **change)
    assert refused.value.code == "PL013"


@pytest.mark.parametrize("fix", [None, {}, [], "select 1", 7, {"script": "select 1"}])
def test_what_is_nothing_like_a_fix_is_refused(
    patterns: Patterns, administrator: Person, fix: object
) -> None:
    """PL013, and not an error of the database, whatever somebody sends."""
    with pytest.raises(RefusedError) as refused:
        administrator.rest.call(
            "approve_pattern_v1",
            p_pattern_id=patterns.new(),
            p_fix=fix,
            p_approved_by=administrator.id,
        )
    assert refused.value.code == "PL013"


@pytest.mark.parametrize("mode", ["demoted", "Live", "", None])
def test_a_fix_begins_live_or_as_a_shadow(patterns: Patterns, mode: str | None) -> None:
    """PL022: there is no other mode to approve in."""
    pattern_id = patterns.new()
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, p_mode=mode)
    assert refused.value.code == "PL022"
    patterns.approve(pattern_id, p_mode="shadow")
    assert patterns.fix(pattern_id)["mode"] == "shadow"


@pytest.mark.parametrize(
    ("parameters", "column", "value"),
    [
        ({"timeout_ms": 1}, "timeout_ms", 1),
        ({"timeout_ms": 8000}, "timeout_ms", 8000),
        ({"max_retries": 8}, "max_retries", 8),
        ({"target": ["number"]}, "target", ["number"]),
        ({"max_rows": 100_000}, "max_rows", 100_000),
        ({"trusted_writers": []}, "trusted_writers", []),
        (
            {"trusted_writers": ["authenticated", "postgres"]},
            "trusted_writers",
            ["authenticated", "postgres"],
        ),
    ],
)
def test_limits_within_bounds_are_kept(
    patterns: Patterns, parameters: dict[str, Any], column: str, value: object
) -> None:
    """Each limit may take its least and its greatest value."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, parameters=parameters)
    assert patterns.fix(pattern_id)[column] == value


@pytest.mark.parametrize(
    "statement",
    [
        "update ops.pattern_fixes set script = 'x' where pattern_id = %s",
        "update ops.pattern_fixes set max_rows = 2 where pattern_id = %s",
        "update ops.pattern_fixes set disabled_at = now(), script = 'x' where pattern_id = %s",
        "update ops.pattern_fixes set disabled_reason = 'x' where pattern_id = %s",
        "delete from ops.pattern_fixes where pattern_id = %s",
        "delete from ops.error_patterns where pattern_id = %s",
    ],
)
def test_an_approved_fix_is_kept_as_it_is(
    database: Sql, patterns: Patterns, statement: LiteralString
) -> None:
    """The owner of the table neither changes nor deletes a version, and not its pattern either."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    with pytest.raises(psycopg.Error) as refused:
        database.run(statement, pattern_id)
    assert refused.value.sqlstate == "PL006"


def test_a_disabled_fix_stays_disabled(database: Sql, patterns: Patterns) -> None:
    """Nobody, the owner included, takes a disabling back."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    patterns.disable(pattern_id)
    with pytest.raises(psycopg.Error) as refused:
        database.run(
            "update ops.pattern_fixes set disabled_at = null where pattern_id = %s", pattern_id
        )
    assert refused.value.sqlstate == "PL006"


def test_nobody_deletes_a_pattern_with_an_approved_fix(
    engine: Rest, database: Sql, patterns: Patterns
) -> None:
    """What a person approved cannot be made undone by deleting the pattern, by the owner either."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    with pytest.raises(RefusedError) as refused:
        engine.delete("error_patterns", pattern_id=f"eq.{pattern_id}")
    assert refused.value.code == "42501"
    with pytest.raises(psycopg.Error) as kept:
        database.run("delete from ops.error_patterns where pattern_id = %s", pattern_id)
    assert kept.value.sqlstate == "PL006"
    assert patterns.fix(pattern_id)["version"] == 1


def test_an_approvers_account_may_go(people: People, patterns: Patterns, admin: Sql) -> None:
    """The fix stays live after its approver's account is deleted; the version keeps his id."""
    person, pattern_id = people.new("ops_admin"), patterns.new()
    patterns.approve(pattern_id, person=person)
    admin.run("delete from auth.users where id = %s", person.id)
    assert patterns.fix(pattern_id)["approved_by"] == person.id
    assert patterns.apply(pattern_id)["success"] is True
