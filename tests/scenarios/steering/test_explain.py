"""Explaining an error of the running stack: who may ask, and what a logged error answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.waiting import eventually

if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Person, Rest
    from tests.scenarios.conftest import Functions


def _refused(table: str) -> str:
    """An insert that row-level security refuses, as a Node client prints it."""
    return (
        "{\n  code: '42501',\n  details: null,\n  hint: null,\n"
        f"  message: 'new row violates row-level security policy for table \"{table}\"'\n}}"
    )


def test_who_may_ask(functions: Functions, viewer: Person, operator: Person, user: Person) -> None:
    """Operators of any role and the secret key; nobody else."""
    address = f"explain?text={quote(_refused('orders'))}"
    for token in (viewer.token, operator.token, None):
        answer = functions.call(address, token=token)
        assert answer.json()["cause"]["name"] == "row-level-security"
    assert functions.call(address, token=user.token).status_code == 403
    anonymous = functions.call(address, headers={"apikey": functions.addresses["publishable_key"]})
    assert anonymous.status_code == 401


def test_a_pattern_is_explained(
    functions: Functions,
    viewer: Person,
    engine: Rest,
) -> None:
    """By its latest error."""
    table = f"orders_{uuid.uuid4().hex[:8]}"
    (row,) = engine.insert("system_logs", {"message": _refused(table), "source": "tests"})

    def learned() -> list[dict[str, Any]]:
        return engine.select("pattern_incidents", system_log_id=f"eq.{row['id']}")

    pattern_id = eventually(learned)[0]["pattern_id"]
    found = functions.call(f"explain?pattern_id={pattern_id}", token=viewer.token).json()
    assert f"tablename = '{table}'" in found["cause"]["seeing"][0]["sql"]
