"""What becomes of a fix: verified, failed, inconclusive; demoted, disabled; stopped in a storm."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.scenarios.learning.test_loop import applications, faulty_rows, log_error, pattern_of
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.scenarios.conftest import Fault, Functions

HELPS_NOTHING = "select count(*) from {table}"


class Life:
    """A fault, its fix, and what the engine makes of it."""

    def __init__(
        self, engine: Rest, functions: Functions, fault: Fault, administrator: Person
    ) -> None:
        self.engine = engine
        self.functions = functions
        self.fault = fault
        self.administrator = administrator
        self.pattern_id = ""

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """Call a function as the administrator."""
        answer = self.functions.call(path, body, token=self.administrator.token)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def approve(self, script: str | None = None, **parameters: object) -> dict[str, Any]:
        """Let the fault occur once and approve SQL for it; return the pinned fix."""
        sql = (script or self.fault.fix).format(table=self.fault.table)
        return self.approve_as("sql", sql, {"status": "new", **parameters})

    def approve_as(
        self, fix_type: str, script: str, parameters: dict[str, Any], **more: object
    ) -> dict[str, Any]:
        """Let the fault occur once and approve a fix for it; return the pinned fix."""
        self.pattern_id = pattern_of(self.engine, log_error(self.engine, self.fault))["pattern_id"]
        self.post(
            "approve",
            pattern_id=self.pattern_id,
            auto_fix_script=script,
            auto_fix_type=fix_type,
            auto_fix_parameters=parameters,
            approved_by=self.administrator.id,
            **more,
        )
        return self.fix()

    def occur(self, number: int = 2, **changes: object) -> dict[str, Any]:
        """Let the fault occur again and wait until its fix has run; return the application."""
        log_id = log_error(self.engine, self.fault, number, **changes)
        (application,) = eventually(lambda: applications(self.engine, log_id))
        return application

    def refused(self, number: int = 2) -> str:
        """Let the fault occur again and wait until its fix was refused; return why."""
        log_id = log_error(self.engine, self.fault, number)

        def refusal() -> str | None:
            found = self.engine.select("pattern_incidents", system_log_id=f"eq.{log_id}")
            return found[0]["refusal"] if found else None

        reason = eventually(refusal)
        assert applications(self.engine, log_id) == []
        return str(reason)

    def breathe(self) -> None:
        """Let the application write something that is no error."""
        row = {"message": "an order was invoiced", "source": "shop", "log_level": "info"}
        self.engine.insert("system_logs", row)

    def outcome(self, application: dict[str, Any], *, not_yet: str = "pending") -> dict[str, Any]:
        """Have runs judged, as the schedule does, until this one is; return its verification."""

        def decided() -> dict[str, Any] | None:
            self.engine.call("verify_applications_v1")
            (found,) = self.engine.select(
                "pattern_verifications", application_id=f"eq.{application['application_id']}"
            )
            return found if found["outcome"] != not_yet else None

        return eventually(decided) or {}

    def pattern(self) -> dict[str, Any]:
        """Return the pattern."""
        return self.engine.select("error_patterns", pattern_id=f"eq.{self.pattern_id}")[0]

    def fix(self) -> dict[str, Any]:
        """Return the latest version of the fix."""
        return self.engine.select(
            "pattern_fixes", pattern_id=f"eq.{self.pattern_id}", order="version.desc", limit="1"
        )[0]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the journal's entries of one kind about the pattern."""
        return self.engine.select(
            "roman_events",
            event_type=f"eq.{kind}",
            order="id",
            **{"metadata->>pattern_id": f"eq.{self.pattern_id}"},
        )


@pytest.fixture
def life(engine: Rest, functions: Functions, fault: Fault, administrator: Person) -> Life:
    """A fault of its own, and those who deal with it."""
    return Life(engine, functions, fault, administrator)


def test_a_fix_that_works_is_verified(life: Life, database: Sql) -> None:
    """It ran, the error stayed away, and its source was heard of: only then does it count."""
    life.approve()
    application = life.occur()
    assert application["success"] is True
    assert (life.pattern()["success_rate"], life.pattern()["confidence_score"]) == (0, 0.5)
    life.breathe()
    verification = life.outcome(application)
    assert verification["outcome"] == "verified"
    pattern = life.pattern()
    assert (pattern["success_rate"], pattern["confidence_score"]) == (100, 0.95)
    assert 0 < pattern["confidence_lower_bound"] < 1
    assert len(life.events("fix_verified")) == 1
    assert faulty_rows(database, life.fault) == 0


def test_a_fix_that_does_not_help_is_demoted_and_then_disabled(life: Life) -> None:
    """Its script ends well each time, and the error comes back: that is what counts."""
    fix = life.approve(HELPS_NOTHING)
    first, second = life.occur(2), life.occur(3)
    assert (first["success"], second["success"]) == (True, True)
    assert life.outcome(first)["outcome"] == "failed"
    assert "The fix was demoted" in life.refused(4), "it ran although it failed twice in a row"
    assert life.fix()["mode"] == "demoted"
    assert life.pattern()["auto_fix_enabled"] is False
    assert "The fix was demoted" in life.refused(6), "nobody was told why it does not run"
    assert (life.pattern()["success_rate"], life.pattern()["confidence_score"]) == (0, 0.5)

    life.post("enable", pattern_id=life.pattern_id, sha256=fix["sha256"], reason="once more")
    third = life.occur(5)
    log_error(life.engine, life.fault, 6)
    assert life.outcome(third)["outcome"] == "failed"
    assert life.fix()["disabled_at"] is not None
    assert life.fix()["disabled_by"] is None
    assert [event["actor"] for event in life.events("fix_demoted")] == [None]
    assert [event["actor"] for event in life.events("pattern_disabled")] == [None]
    answer = life.functions.call(
        "enable",
        {"pattern_id": life.pattern_id, "sha256": fix["sha256"], "reason": "again"},
        token=life.administrator.token,
    )
    assert answer.status_code == 409, "a disabled fix needs a new approval"


def test_without_traffic_nothing_is_proved(life: Life) -> None:
    """The source fell silent altogether: that the error stays away tells nothing."""
    life.approve()
    verification = life.outcome(life.occur(source="shop-that-closed"))
    assert verification["outcome"] == "inconclusive"
    assert "shop-that-closed" in verification["reason"]
    assert (life.pattern()["success_rate"], life.pattern()["confidence_outcomes"]) == (0, 0)


def test_a_verified_fix_whose_error_returns_is_overturned(life: Life) -> None:
    """A late recurrence is a regression: the outcome turns into a failure, and the fix runs."""
    life.approve()
    application = life.occur()
    life.breathe()
    assert life.outcome(application)["outcome"] == "verified"
    again = life.occur(3)
    assert again["success"] is True
    verification = life.outcome(application, not_yet="verified")
    assert verification["outcome"] == "failed"
    assert verification["overturned_at"] is not None
    assert verification["recurrence"] == again["system_log_id"]
    assert len(life.events("verification_overturned")) == 1
    assert life.pattern()["consecutive_failures"] == 1


def test_a_shadow_runs_nothing_and_tells_what_became_of_the_error(
    life: Life, database: Sql
) -> None:
    """One call makes it live; until then the record says what would have run."""
    life.approve_as("sql", life.fault.fix, {"status": "new"}, mode="shadow")
    log_id = log_error(life.engine, life.fault, 2)
    (claim,) = eventually(
        lambda: life.engine.select("pattern_claims", system_log_id=f"eq.{log_id}")
    )
    assert (claim["purpose"], claim["sha256"]) == ("shadow", life.fix()["sha256"])
    assert applications(life.engine, log_id) == []
    log_error(life.engine, life.fault, 3)
    verification = life.outcome(claim)
    assert (verification["mode"], verification["outcome"]) == ("shadow", "failed")
    assert life.pattern()["consecutive_failures"] == 0, "a shadow cannot fail"
    assert faulty_rows(database, life.fault) == 5

    digest = life.fix()["sha256"]
    life.post("enable", pattern_id=life.pattern_id, sha256=digest, reason="it would help")
    assert life.occur(4)["success"] is True
    assert faulty_rows(database, life.fault) == 0


@pytest.fixture
def storm_is_over(database: Sql) -> Iterator[None]:
    """End the pauses that a test causes."""
    yield
    database.run("update ops.fix_pauses set ended_at = now() where ended_at is null")


@pytest.mark.usefixtures("storm_is_over")
def test_a_storm_of_fifty_patterns_stops_every_fix(
    life: Life, database: Sql, administrator: Person, engine: Rest, functions: Functions
) -> None:
    """Where fifty patterns with a fix fire together nobody knows what is going on: nothing runs."""
    # They differ in two places: many words in one place alone are a variable of one pattern.
    pumps = [
        ["".join(chr(97 + int(digit, 16)) for digit in uuid.uuid4().hex)] * 2 for _ in range(50)
    ]
    rows = [
        {
            "message": f"the {name} pump of {town} has stopped",
            "source": "pumps",
            "log_level": "error",
        }
        for name, town in pumps
    ]
    first = engine.insert("system_logs", rows)
    patterns = [pattern_of(engine, row["id"])["pattern_id"] for row in first]
    assert len(set(patterns)) == 50
    for pattern_id in patterns:
        body = {
            "pattern_id": pattern_id,
            "auto_fix_script": life.fault.fix,
            "auto_fix_type": "sql",
            "auto_fix_parameters": {"status": "new"},
            "approved_by": administrator.id,
        }
        assert functions.call("approve", body, token=administrator.token).status_code == 200

    ids = ",".join(str(row["id"]) for row in engine.insert("system_logs", rows))

    def refusals() -> list[dict[str, Any]] | None:
        found = engine.select(
            "pattern_incidents", system_log_id=f"in.({ids})", refusal="not.is.null"
        )
        return found if len(found) == 50 else None

    eventually(refusals)
    assert engine.select("pattern_claims", system_log_id=f"in.({ids})") == []
    assert faulty_rows(database, life.fault) == 5
    pauses = database.rows("select * from ops.fix_pauses where ended_at is null")
    assert [pause["cause"] for pause in pauses] == ["storm"]
    (event,) = engine.select(
        "roman_events",
        event_type="eq.storm_stop",
        **{"metadata->>pause_id": f"eq.{pauses[0]['pause_id']}"},
    )
    assert event["severity"] == "critical"
    life.approve()
    assert "All fixes are paused" in life.refused(), "a fix ran that is no part of the storm"


UNAPPROVED = {
    "another script": {"auto_fix_script": "delete from {table} where id > 0"},
    "another parameter": {"auto_fix_parameters": {"status": "stolen"}},
    "another type": {"auto_fix_type": "bash"},
}


@pytest.mark.parametrize("change", UNAPPROVED.values(), ids=UNAPPROVED.keys())
def test_what_nobody_approved_never_runs(life: Life, database: Sql, change: dict[str, Any]) -> None:
    """Whoever edits the row, even the owner of the database, runs nothing and leaves an event."""
    life.approve()
    edited = {
        name: value.format(table=life.fault.table) if isinstance(value, str) else value
        for name, value in change.items()
    }
    database.change("error_patterns", edited, pattern_id=life.pattern_id)
    assert "differs from the approved fix" in life.refused()
    assert [event["severity"] for event in life.events("fix_refused")] == ["critical"]
    assert faulty_rows(database, life.fault) == 5


def test_an_older_version_never_runs_again(life: Life, database: Sql) -> None:
    """Its bytes were approved once, and disabled since."""
    old = life.approve()
    life.post("disable", pattern_id=life.pattern_id, reason="a better one")
    life.post(
        "approve",
        pattern_id=life.pattern_id,
        auto_fix_script=HELPS_NOTHING.format(table=life.fault.table),
        auto_fix_type="sql",
        approved_by=life.administrator.id,
    )
    back = {"auto_fix_script": old["script"], "auto_fix_parameters": old["parameters"]}
    database.change("error_patterns", back, pattern_id=life.pattern_id)
    assert "differs from the approved fix" in life.refused()
    assert len(life.events("fix_refused")) == 1
    assert faulty_rows(database, life.fault) == 5


def test_an_alias_added_after_the_approval_fires_nothing(
    life: Life, database: Sql, operator: Person
) -> None:
    """Only what the approver could see fires the fix; a merge adds nothing to that."""
    life.approve()
    other = f"warehouse {life.fault.word} is closed for today"
    row = {"message": other, "source": "shop", "log_level": "error"}
    alias = pattern_of(life.engine, life.engine.insert("system_logs", row)[0]["id"])
    merged = life.functions.call(
        "merge", {"pattern_ids": [life.pattern_id, alias["pattern_id"]]}, token=operator.token
    )
    assert merged.status_code == 200, merged.text
    log_id = life.engine.insert("system_logs", row)[0]["id"]
    eventually(lambda: life.events("fix_refused"))
    assert applications(life.engine, log_id) == []
    assert faulty_rows(database, life.fault) == 5
    assert life.occur(7)["success"] is True


HOSTILE = [
    "order 7'; delete from {table}; -- of {word} has no status",
    "order $$ || (select 1) || $$ of {word} has no status",
    'order 7" or "1"="1 of {word} has no status',
    "order \\'; drop table {table}; select \\' of {word} has no status",
]


@pytest.mark.parametrize("trusts_users", [False, True])
@pytest.mark.parametrize("message", HOSTILE)
def test_hostile_values_change_nothing_but_what_the_fix_says(
    life: Life, user: Person, database: Sql, *, message: str, trusts_users: bool
) -> None:
    """A signed-up user fires nothing by default; where users are trusted, his words are data."""
    text = message.format(table=life.fault.table, word=life.fault.word)
    row = {"message": text, "source": "shop", "log_level": "error"}
    first = pattern_of(life.engine, life.engine.insert("system_logs", row)[0]["id"])
    life.post(
        "approve",
        pattern_id=first["pattern_id"],
        auto_fix_script=f"update {life.fault.table} set status = $2 ->> 'message' where id = 1",
        auto_fix_type="sql",
        auto_fix_parameters={
            "trusted_writers": ["service_role", *["authenticated"] * trusts_users]
        },
        approved_by=life.administrator.id,
    )
    log_id = user.rest.insert("system_logs", row | {"user_id": user.id})[0]["id"]
    if trusts_users:
        (application,) = eventually(lambda: applications(life.engine, log_id))
        assert application["success"] is True, application["error_after"]
        assert application["system_state_after"]["rows_touched"] == 1
        assert faulty_rows(database, life.fault) == 4
    else:
        refused = {"system_log_id": f"eq.{log_id}", "refusal": "not.is.null"}
        eventually(lambda: life.engine.select("pattern_incidents", **refused))
        assert faulty_rows(database, life.fault) == 5


def test_the_record_shows_some_rows_before_and_after(life: Life) -> None:
    """Five at most, by which an operator sees what a fix did."""
    life.approve()
    application = life.occur()

    def noted() -> dict[str, Any] | None:
        (found,) = applications(life.engine, application["system_log_id"])
        return found if "rows" in found["system_state_after"] else None

    recorded = eventually(noted) or {}
    assert [row["status"] for row in recorded["system_state_before"]["rows"]] == [None] * 5
    assert [row["status"] for row in recorded["system_state_after"]["rows"]] == ["new"] * 5
