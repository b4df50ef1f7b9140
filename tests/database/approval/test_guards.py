"""Which guard a fix gets, which fixes may be approved beside each other, and what is confirmed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb
from tests.conftest import RefusedError
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns

Tuple = dict[str, str]
CURRENCY = {"constraint": "orders_currency_check", "table": "orders"}
TOTAL = {"constraint": "orders_total_check", "table": "orders"}


class Pattern:
    """A pattern whose errors name something."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._error = patterns.error()
        self.id = self.occurs(CURRENCY)

    def occurs(self, identifiers: Tuple, **columns: object) -> str:
        """Have an error occur that names these."""
        log_id = self._patterns.log_row(**columns)
        error = self._error | {"identifiers": identifiers, "system_log_id": log_id}
        return str(self._patterns.learn(error)[0]["pattern_id"])

    def approve(self, script: str = "select 1", **changes: Any) -> dict[str, Any]:
        """Approve a fix; return what the answer says of it."""
        fix: dict[str, Any] = self._patterns.approve(self.id, script, **changes)["fix"]
        return fix

    def confirm(self, person: Person, *identifiers: Tuple, **fix: object) -> list[Tuple]:
        """Confirm identifiers; return those that were new."""
        confirmed: list[Tuple] = person.rest.call(
            "confirm_identifiers_v1", p_pattern_id=self.id, p_identifiers=identifiers, **fix
        )["confirmed_identifiers"]
        return confirmed


@pytest.fixture
def pattern(patterns: Patterns) -> Pattern:
    """A pattern that was seen once."""
    return Pattern(patterns)


def when(**names: object) -> dict[str, Any]:
    """The parameters with a condition."""
    return {"when": names}


def test_a_fix_is_guarded_by_what_its_approver_was_shown(
    patterns: Patterns, pattern: Pattern
) -> None:
    """The names that guard a fix are kept as they were seen together; others are not compared."""
    pattern.occurs(TOTAL | {"schema": "public", "database": "shop"})
    pattern.occurs(TOTAL)
    fix = pattern.approve()
    assert fix["guard"] == [TOTAL, CURRENCY] or fix["guard"] == [CURRENCY, TOTAL]
    assert patterns.fix(pattern.id)["guard"] == fix["guard"]
    assert (fix["incidents"], fix["outside"], fix["samples"]) == (3, 0, [])


def test_without_identifiers_there_is_no_guard(patterns: Patterns) -> None:
    """Errors that name nothing leave nothing to compare."""
    answer = patterns.approve(patterns.new())
    assert answer["fix"]["guard"] is None
    assert (answer["fix"]["incidents"], answer["fix"]["outside"]) == (1, 0)


def test_an_approval_tells_what_is_outside_its_guard(pattern: Pattern) -> None:
    """How many of the latest errors, and what those name."""
    for _ in range(2):
        pattern.occurs(TOTAL)
    pattern.occurs({})
    fix = pattern.approve(parameters=when(constraint=[CURRENCY["constraint"]]))
    assert fix["guard"] == [CURRENCY]
    assert (fix["incidents"], fix["outside"]) == (4, 3)
    assert [(each["identifiers"], each["occurrences"]) for each in fix["samples"]] == [
        (TOTAL, 2),
        ({}, 1),
    ]


def test_what_others_write_does_not_widen_a_guard(
    pattern: Pattern, patterns: Patterns, database: Sql
) -> None:
    """Anyone may write a log row; only identifiers in rows that fire the fix are in its guard."""
    pattern.occurs(TOTAL)
    database.run(
        """update ops.system_logs as logs set written_by = 'authenticated'
           from ops.pattern_incidents as incidents
           where incidents.system_log_id = logs.id and incidents.pattern_id = %s
             and incidents.identifiers = %s""",
        pattern.id,
        Jsonb(TOTAL),
    )
    assert pattern.approve()["guard"] == [CURRENCY]
    patterns.disable(pattern.id)
    writers = {"trusted_writers": ["authenticated"]}
    assert pattern.approve(parameters=writers)["guard"] == [TOTAL]
    patterns.disable(pattern.id)
    nobody = pattern.approve(parameters={"trusted_writers": ["postgres"]})
    assert nobody["guard"] == [CURRENCY, TOTAL], "there is nothing else to go by"


def test_an_object_named_any_is_not_any_object(pattern: Pattern) -> None:
    """A table that is really called `*` does not open the guard for all tables."""
    pattern.occurs({"constraint": "*", "table": "*"})
    assert pattern.approve()["guard"] == [CURRENCY]


def test_the_guard_is_part_of_what_is_pinned(patterns: Patterns, pattern: Pattern) -> None:
    """The same script with another guard has another digest."""
    first = pattern.approve(parameters=when(constraint=["a"]))
    patterns.disable(pattern.id)
    second = pattern.approve(parameters=when(constraint=["a"]))
    assert second["sha256"] == first["sha256"]
    patterns.disable(pattern.id)
    pattern.occurs({"constraint": "a", "table": "orders"})
    third = pattern.approve(parameters=when(constraint=["a"]))
    assert third["guard"] == [{"constraint": "a", "table": "orders"}]
    assert third["sha256"] != first["sha256"]


def test_the_same_fix_twice_is_one_approval_whatever_came_since(pattern: Pattern) -> None:
    """Approving it again neither fails nor widens its guard."""
    first = pattern.approve()
    pattern.occurs(TOTAL)
    again = pattern.approve()
    assert (again["version"], again["guard"]) == (1, first["guard"])
    assert again["outside"] == 1


@pytest.mark.parametrize(
    "given",
    [
        [],
        "*",
        {"table": "orders"},
        {"table": []},
        {"table": ["*"]},
        {"table": [""]},
        {"table": [7]},
        {"table": {}},
        {"table": None},
        {"table": ["x" * 201]},
        {"table": [str(n) for n in range(101)]},
        {"table": ["a"] * 11, "column": ["b"] * 11},
    ],
)
def test_a_condition_of_another_form_is_refused(pattern: Pattern, given: object) -> None:
    """PL013: each name has `*` or a list of values, a hundred combinations at most."""
    with pytest.raises(RefusedError) as refused:
        pattern.approve(parameters={"when": given})
    assert refused.value.code == "PL013"


def test_fixes_for_different_errors_are_live_together(
    engine: Rest, patterns: Patterns, pattern: Pattern
) -> None:
    """The columns of the pattern show the oldest, and the next when that one is disabled."""
    pattern.occurs(TOTAL)
    for number, wanted in enumerate((CURRENCY, TOTAL), start=1):
        fix = pattern.approve(
            f"select {number}", parameters=when(constraint=[wanted["constraint"]])
        )
        assert (fix["version"], fix["guard"]) == (number, [wanted])

    def shown() -> tuple[str, bool]:
        row = engine.select("error_patterns", pattern_id=f"eq.{pattern.id}")[0]
        return row["auto_fix_script"], row["auto_fix_enabled"]

    assert shown() == ("select 1", True)
    with pytest.raises(RefusedError) as refused:
        patterns.disable(pattern.id)
    assert refused.value.code == "PL022"
    assert "Version 1 has digest" in refused.value.words
    patterns.disable(pattern.id, p_version=1)
    assert shown() == ("select 2", True)
    patterns.disable(pattern.id)
    assert shown() == ("select 2", False)


@pytest.mark.parametrize("named", ["version", "sha256"])
def test_a_fix_is_named_by_version_or_digest(
    engine: Rest, patterns: Patterns, pattern: Pattern, named: str
) -> None:
    """Only the named one of several is disabled; PL006 where it is none of them."""
    unknown = {"version": 3, "sha256": "0" * 64}
    fixes = [pattern.approve(f"select '{name}'", parameters=when(role=[name])) for name in "ab"]
    with pytest.raises(RefusedError) as refused:
        patterns.disable(pattern.id, None, **{f"p_{named}": unknown[named]})
    assert refused.value.code == "PL006"
    patterns.disable(pattern.id, None, **{f"p_{named}": fixes[1][named]})
    rows = engine.select("pattern_fixes", pattern_id=f"eq.{pattern.id}", order="version")
    assert [row["disabled_at"] is None for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"constraint": ["a", "b"]}, {"constraint": ["b", "c"]}),
        ({"constraint": ["a"]}, {"constraint": "*"}),
        ({"table": ["t"]}, {"constraint": ["a"]}),
        ({"table": "*"}, {"table": ["t"]}),
        ({}, {}),
    ],
)
def test_fixes_for_the_same_errors_are_not(
    pattern: Pattern, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """PL003 where an error could be for both, with what is taken and how to narrow."""
    pattern.approve("select 1", parameters={"when": first})
    with pytest.raises(RefusedError) as refused:
        pattern.approve("select 2", parameters={"when": second})
    assert refused.value.code == "PL003"
    assert "Version 1, live" in refused.value.words
    assert "when" in refused.value.words


def test_a_fix_without_a_guard_overlaps_with_every_other(patterns: Patterns) -> None:
    """It runs for all errors of the pattern."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, parameters=when(constraint=["a"]))
    assert refused.value.code == "PL003"


def test_of_several_approvals_at_once_one_is_granted(
    pattern: Pattern, engine: Rest, database: Sql
) -> None:
    """The pattern is locked while guards are compared."""

    def approve(number: int) -> str:
        try:
            pattern.approve(f"select {number}", parameters=when(constraint=["a", f"b{number}"]))
        except RefusedError as problem:
            return problem.code
        return "granted"

    with ThreadPoolExecutor(4) as pool:
        with database.undone():
            # All of them wait here, and go on together.
            database.run(
                "select from ops.error_patterns where pattern_id = %s for update", pattern.id
            )
            outcomes = [pool.submit(approve, number) for number in range(4)]
            waiting = "select count(*) from pg_locks where not granted"
            eventually(lambda: database.value(waiting) >= len(outcomes))
        assert sorted(each.result() for each in outcomes) == ["PL003"] * 3 + ["granted"]
    assert len(engine.select("pattern_fixes", pattern_id=f"eq.{pattern.id}")) == 1


def test_an_administrator_confirms_identifiers(
    engine: Rest, pattern: Pattern, administrator: Person, patterns: Patterns
) -> None:
    """They are kept beside the guard, with who and when, and the journal tells of it."""
    before = pattern.approve()
    assert pattern.confirm(administrator, TOTAL, CURRENCY) == [TOTAL]
    assert pattern.confirm(administrator, TOTAL) == []
    fix = patterns.fix(pattern.id)
    assert (fix["guard"], fix["sha256"]) == (before["guard"], before["sha256"])
    (stored,) = engine.select("fix_confirmations", pattern_id=f"eq.{pattern.id}")
    assert (stored["identifiers"], stored["fix_version"]) == (TOTAL, 1)
    assert stored["confirmed_by"] == administrator.id
    (event,) = engine.select(
        "roman_events",
        event_type="eq.identifiers_confirmed",
        **{"metadata->>pattern_id": f"eq.{pattern.id}"},
    )
    assert event["actor"] == administrator.id
    assert event["metadata"]["identifiers"] == [TOTAL]


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_nobody_below_administrator_confirms_identifiers(
    request: pytest.FixtureRequest, pattern: Pattern, who: str
) -> None:
    """PL001: it decides what runs, as approving does."""
    pattern.approve()
    with pytest.raises(RefusedError) as refused:
        pattern.confirm(request.getfixturevalue(who), TOTAL)
    assert refused.value.code == "PL001"


def test_the_secret_key_confirms_nothing(pattern: Pattern, engine: Rest) -> None:
    """PL011: only a person does."""
    pattern.approve()
    with pytest.raises(RefusedError) as refused:
        engine.call("confirm_identifiers_v1", p_pattern_id=pattern.id, p_identifiers=[TOTAL])
    assert refused.value.code == "PL011"
    row = {"pattern_id": pattern.id, "fix_version": 1, "identifiers": TOTAL, "confirmed_by": None}
    with pytest.raises(RefusedError) as refused:
        engine.insert("fix_confirmations", row)
    assert refused.value.code == "42501"


def test_there_is_a_fix_to_confirm_for(
    pattern: Pattern, administrator: Person, patterns: Patterns
) -> None:
    """PL014 without one; a confirmation ends with its version."""
    with pytest.raises(RefusedError) as refused:
        pattern.confirm(administrator, TOTAL)
    assert refused.value.code == "PL014"
    pattern.approve()
    pattern.confirm(administrator, TOTAL)
    patterns.disable(pattern.id)
    assert pattern.approve()["outside"] == 0
    assert pattern.confirm(administrator, TOTAL) == [TOTAL]


def test_identifiers_of_another_fix_are_not_confirmed(
    pattern: Pattern, administrator: Person
) -> None:
    """PL003: an error has one fix; and of several fixes the confirmation names one."""
    for name in "ab":
        pattern.approve(f"select '{name}'", parameters=when(constraint=[name]))
    with pytest.raises(RefusedError) as refused:
        pattern.confirm(administrator, {"constraint": "c"})
    assert refused.value.code == "PL022"
    with pytest.raises(RefusedError) as refused:
        pattern.confirm(administrator, {"constraint": "b"}, p_version=1)
    assert refused.value.code == "PL003"
    assert pattern.confirm(administrator, {"constraint": "c"}, p_version=1)
    with pytest.raises(RefusedError) as refused:
        pattern.approve("select 'c'", parameters=when(constraint=["c"]))
    assert refused.value.code == "PL003", "what was confirmed is taken, too"


@pytest.mark.parametrize(
    "identifiers",
    [
        None,
        [],
        {},
        ["orders"],
        [{}],
        [{"table": "*"}],
        [{"table": 7}],
        [{"table": ""}],
        [{"table": "x" * 201}],
        [{"schema": "public"}],
        [{"table": "t"}] * 51,
    ],
)
def test_only_tuples_of_identifiers_are_confirmed(
    pattern: Pattern, administrator: Person, identifiers: object
) -> None:
    """PL022: names that guard a fix, each with one value."""
    pattern.approve()
    with pytest.raises(RefusedError) as refused:
        administrator.rest.call(
            "confirm_identifiers_v1", p_pattern_id=pattern.id, p_identifiers=identifiers
        )
    assert refused.value.code == "PL022"
