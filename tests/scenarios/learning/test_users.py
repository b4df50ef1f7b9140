"""What a signed-up user sends steers no healing, and has a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scenarios.learning.test_loop import (
    Approve,
    applications,
    approved,
    faulty_rows,
    log_error,
    pattern_of,
)
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import People, Rest, Sql
    from tests.scenarios.conftest import Fault, Functions

TOO_MANY = 429


def test_a_flood_of_users_rows_does_not_stop_a_fix(
    engine: Rest, people: People, approve: Approve, fault: Fault, database: Sql
) -> None:
    """120 errors that people write are learned, and the service's error heals meanwhile."""
    pattern = approved(engine, approve, fault)
    flood = [{"message": f"flood {number} of {fault.word}"} for number in range(60)]
    for _ in range(2):
        rows = people.new().rest.insert("system_logs", flood)
        assert pattern_of(engine, rows[-1]["id"])["occurrence_count"] == 0
    people.new().rest.insert("system_logs", [{"message": fault.message(9)}] * 60)
    log_id = log_error(engine, fault, 2)
    (application,) = eventually(lambda: applications(engine, log_id))
    assert application["success"] is True
    assert faulty_rows(database, fault) == 0
    (counted,) = eventually(
        lambda: engine.select(
            "error_patterns",
            pattern_id=f"eq.{pattern['pattern_id']}",
            untrusted_occurrences="eq.60",
        )
    )
    assert counted["occurrence_count"] == 2


def test_reports_without_a_row_are_limited_and_heal_nothing(
    engine: Rest,
    people: People,
    functions: Functions,
    approve: Approve,
    fault: Fault,
    database: Sql,
) -> None:
    """A person who reports one error again and again is told to wait, and no fix runs for it."""
    pattern = approved(engine, approve, fault)
    token = people.new().token
    answers = [
        functions.call("learn", {"error_message": fault.message(number)}, token=token)
        for number in range(45)
    ]
    refused = [answer for answer in answers if answer.status_code == TOO_MANY]
    assert 5 <= len(refused) <= 25, "20 a minute, and there may be two of them"
    assert {answer.status_code for answer in answers} == {200, TOO_MANY}
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60
    assert refused[0].json()["error"]["code"] == "too_many_requests"
    (counted,) = engine.select("error_patterns", pattern_id=f"eq.{pattern['pattern_id']}")
    assert counted["occurrence_count"] == 1
    assert counted["untrusted_occurrences"] == len(answers) - len(refused)
    assert engine.select("pattern_applications", pattern_id=f"eq.{pattern['pattern_id']}") == []
    assert faulty_rows(database, fault) == 5
