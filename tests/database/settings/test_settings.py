"""The project's settings: who changes them, to what, and what is left of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Rest, Sql

    Change = Callable[[str, object], dict[str, Any]]


def test_operators_read_what_each_setting_is_and_means(viewer: Person, user: Person) -> None:
    """A setting tells its value, its default and its meaning; to nobody but operators."""
    found = {row["name"]: row for row in viewer.rest.select("project_settings")}
    assert found["counted_writers"]["value"] == ["service_role", "postgres"]
    assert all(row["value"] == row["default_value"] and row["meaning"] for row in found.values())
    assert user.rest.select("project_settings") == []


def test_a_change_says_who_made_it_when_and_why(
    change_setting: Change, administrator: Person, engine: Rest
) -> None:
    """The row names the person and the reason, and an event has the former value too."""
    changed = change_setting("user_rows_per_minute", 7)
    assert (changed["value"], changed["changed_by"]) == (7, administrator.id)
    assert (changed["reason"], changed["changed_at"] is None) == ("a test", False)
    event = engine.select("roman_events", event_type="eq.setting_changed", order="id.desc")[0]
    assert event["actor"] == administrator.id
    assert event["metadata"] == {
        "name": "user_rows_per_minute",
        "former_value": 100,
        "value": 7,
        "reason": "a test",
    }
    assert change_setting("user_rows_per_minute", None)["value"] == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counted_writers", "authenticated"),
        ("counted_writers", ["anon"]),
        ("counted_writers", [["authenticated"]]),
        ("user_rows_per_minute", -1),
        ("user_rows_per_minute", 1.5),
        ("user_rows_per_minute", "many"),
        ("user_rows_per_minute", [1]),
        ("load_multiple", 0),
        ("row_bytes", 1e12),
        ("of_no_setting", 1),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    administrator: Person, name: str, value: object
) -> None:
    """Whatever is no such setting, or out of its bounds, changes nothing and says what fits."""
    before = administrator.rest.select("project_settings", order="name")
    with pytest.raises(RefusedError) as refused:
        administrator.rest.call("change_setting_v1", p_name=name, p_value=value, p_reason="a test")
    assert refused.value.code == "PL022"
    assert refused.value.body["hint"]
    assert administrator.rest.select("project_settings", order="name") == before


def test_only_an_administrator_in_person_changes_one(
    operator: Person, user: Person, engine: Rest, database: Sql
) -> None:
    """Neither another operator, nor a user, nor the secret key decides whose errors count."""
    arguments = {"p_name": "counted_writers", "p_value": ["authenticated"], "p_reason": "mine"}
    for caller, code in ((operator.rest, "PL001"), (user.rest, "PL001"), (engine, "PL011")):
        with pytest.raises(RefusedError) as refused:
            caller.call("change_setting_v1", **arguments)
        assert refused.value.code == code
    for attempt in (engine, operator.rest):
        with pytest.raises(RefusedError) as refused:
            attempt.update("project_settings", {"value": []}, name="eq.counted_writers")
        assert refused.value.code == "42501"
    counted = database.value("select ops_internal.counted_writers()")
    assert "authenticated" not in counted
