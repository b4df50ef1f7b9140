"""From an error to an approved fix and back, by commands alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.scenarios.commands.conftest import sit
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import People, Person, Sql
    from tests.scenarios.commands.conftest import Terminal
    from tests.scenarios.conftest import Fault


@pytest.fixture
def pattern(
    terminal: Terminal, fault: Fault, occur: Callable[[str], int], administrator: Person
) -> str:
    """The pattern of an error that was learned, as somebody finds it who is signed in."""
    for number in range(5):
        occur(fault.message(number))
    terminal.sign_in(administrator)

    def learned() -> str | None:
        found = terminal.json("patterns", fault.word)
        return found[0]["pattern_id"] if found and found[0]["occurrence_count"] == 5 else None

    return str(eventually(learned))


@pytest.fixture
def propose(terminal: Terminal, pattern: str, fault: Fault, tmp_path: Path) -> Callable[[], Any]:
    """Proposes the fix for the error."""

    def propose(script: str = "", **parameters: object) -> Any:
        (tmp_path / "fix.sql").write_text(script or fault.fix)
        (tmp_path / "undo.sql").write_text(f"update {fault.table} set status = null where id < 4")
        (tmp_path / "params.json").write_text(json.dumps({"status": "new", **parameters}))
        words = [pattern[:8], str(tmp_path / "fix.sql"), "--type", "sql"]
        words += ["--params", str(tmp_path / "params.json"), "--undo", str(tmp_path / "undo.sql")]
        return terminal.json("propose", *words)["proposal"]

    return propose


def test_the_whole_way_from_an_error_to_a_fix_and_back(
    terminal: Terminal,
    pattern: str,
    propose: Callable[[], Any],
    fault: Fault,
    occur: Callable[[str], int],
    database: Sql,
) -> None:
    """Propose, review, approve; the next error heals; then roll back, enable again, disable."""
    proposal = propose()
    proposal_id, digest = proposal["proposal_id"][:8], proposal["sha256"][:12]
    read = terminal.run("review", proposal_id, "--fresh")
    for told in (
        f"1 │ {fault.fix}",
        f"public.{fault.table}: 5 rows TOUCHES EVERY ROW",
        f"digest       {digest}",
        "where id < 4",
        "would run 5",
        "5 errors",
        "law 1  holds   its dry-run touched 5 rows, the fix may touch 1000",
    ):
        assert told in read, told
    decided = terminal.json(
        "approve", proposal_id, "--digest", digest, "--reason", "tried", "--yes"
    )
    assert decided["proposal"]["decision_reason"] == "tried"

    occur(fault.message(9))

    def healed() -> Any:
        found = terminal.json("show", pattern[:8])
        return found if found["applications"] else None

    found = eventually(healed)
    assert "2. Increase Order: 6 errors in five minutes" in terminal.run("review", proposal_id)
    assert sum(each[1] for each in found["occurrences"]["buckets"]) == 6
    (run,) = found["applications"]
    assert run["success"] is True
    assert database.value(f"select count(*) from {fault.table} where status = 'new'") == 5
    assert f"{run['application_id'][:8]}  " in terminal.run("show", pattern[:8])

    words = ("--reason", "wrong status", "--yes")
    undone = terminal.json("rollback", run["application_id"][:8], *words)
    assert undone["rows_touched"] == 3
    assert terminal.json("show", pattern)["fixes"][0]["mode"] == "demoted"
    once = ("--max-heals", "1", "--for", "8h")
    terminal.json("enable", pattern, "--digest", digest, "--reason", "mended", "--yes", *once)
    (fix,) = terminal.json("show", pattern)["fixes"]
    assert (fix["mode"], fix["max_heals"]) == ("live", 1)
    assert fix["ends_at"] is not None
    terminal.json("disable", pattern, "--reason", "not needed any more")
    assert terminal.json("show", pattern)["fixes"][0]["disabled_reason"] == "not needed any more"
    terminal.run("enable", pattern, "--reason", "again", "--yes", code=5)


def test_a_decision_needs_a_reason_and_what_was_read(
    terminal: Terminal, propose: Callable[[], Any]
) -> None:
    """Nobody sits at this terminal, so nothing is asked for and nothing is decided."""
    proposal = propose()
    proposal_id, digest = proposal["proposal_id"], proposal["sha256"]
    for words in (
        ("approve", proposal_id),
        ("approve", proposal_id, "--reason", "x"),
        ("approve", proposal_id, "--reason", "x", "--yes"),
        ("approve", proposal_id, "--digest", digest, "--yes"),
        ("approve", proposal_id, "--digest", digest, "--yes", "--reason", " "),
        ("reject", proposal_id, "--yes"),
    ):
        terminal.run(*words, code=2)
    assert terminal.json("review", proposal_id)["proposal"]["decision"] is None
    terminal.run("reject", proposal_id, "--reason", "too wide", "--yes")
    assert terminal.json("review", proposal_id)["proposal"]["decision_reason"] == "too wide"


def test_a_person_is_asked(terminal: Terminal, propose: Callable[[], Any]) -> None:
    """For the reason, and whether it is meant, after all of it was shown; no is an answer, too."""
    proposal = propose()
    approve = ("approve", proposal["proposal_id"])
    why = ("Why do you approve it?", "read twice")
    refused = sit(terminal, *approve, answers=(why, ("approve exactly this", "n")))
    assert refused.code == 1
    assert "1 │ update" in refused.out
    assert terminal.json("review", proposal["proposal_id"])["proposal"]["decision"] is None
    agreed = sit(terminal, *approve, answers=(why, ("approve exactly this", "y")))
    assert agreed.code == 0, agreed
    decided = terminal.json("review", proposal["proposal_id"])["proposal"]
    assert (decided["decision"], decided["decision_reason"]) == ("approved", "read twice")


def test_what_has_changed_is_not_approved(
    terminal: Terminal, propose: Callable[..., Any], database: Sql
) -> None:
    """Another digest, an expired proposal, and one that somebody decided on end with 5."""
    first, second = propose(), propose(note="other")
    words = ("--reason", "x", "--yes")
    terminal.run("approve", first["proposal_id"], "--digest", second["sha256"], *words, code=5)
    assert first["sha256"][:12] in terminal.err
    expired = {"proposal_id": first["proposal_id"]}
    database.change("fix_proposals", {"expires_at": "2020-01-01T00:00:00Z"}, **expired)
    terminal.run("approve", first["proposal_id"], "--digest", first["sha256"], *words, code=5)
    assert "expired" in terminal.err
    terminal.run("reject", second["proposal_id"], *words)
    terminal.run("approve", second["proposal_id"], "--digest", second["sha256"], *words, code=5)
    assert "rejected" in terminal.err


def test_who_may_not_decide_is_refused(
    terminal: Terminal, propose: Callable[[], Any], pattern: str, people: People
) -> None:
    """A viewer reads all of it and changes nothing; an operator decides on nothing."""
    proposal = propose()
    digest = ("--digest", proposal["sha256"])
    approve = ("approve", proposal["proposal_id"], *digest, "--reason", "x", "--yes")
    for role in ("ops_viewer", "ops_operator"):
        terminal.sign_in(people.new(role))
        terminal.run("review", proposal["proposal_id"])
        terminal.run(*approve, code=4)
    terminal.sign_in(people.new("ops_viewer"))
    for words in (
        ("review", proposal["proposal_id"], "--fresh"),
        ("disable", pattern, "--reason", "x"),
        ("ignore", pattern),
        ("resolve", pattern),
        ("pause", "--reason", "x"),
        ("cluster",),
    ):
        terminal.run(*words, code=4)
    assert terminal.json("review", proposal["proposal_id"])["proposal"]["decision"] is None
