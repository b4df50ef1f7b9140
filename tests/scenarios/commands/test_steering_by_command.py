"""Merging, splitting, ignoring, and what others logged, at a terminal."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.scenarios.commands.conftest import environment
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import People, Person, Rest, Sql
    from tests.scenarios.commands.conftest import Terminal

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202eevil\u200b [red]bold[/red] <script>alert(1)</script>"


def word() -> str:
    """Return a word that nobody else logs."""
    return "".join(chr(97 + int(digit, 16)) for digit in uuid.uuid4().hex)


@pytest.fixture
def learned(terminal: Terminal, engine: Rest) -> Callable[..., str]:
    """Logs an error, and returns its pattern."""

    def learned(message: str, find: str) -> str:
        engine.insert("system_logs", {"message": message, "source": "tests"})
        found = eventually(lambda: terminal.json("patterns", find))
        return str(found[0]["pattern_id"])

    return learned


def test_patterns_are_merged_split_and_separated_again(
    terminal: Terminal, operator: Person, learned: Callable[..., str]
) -> None:
    """Each change names the id by which `undo` takes it back."""
    terminal.sign_in(operator)
    one, other = word(), word()
    kept, gone = learned(f"the {one} broke", one), learned(f"no {other} was left over", other)
    terminal.run("merge", kept, gone, code=2)
    merged = terminal.json("merge", kept, gone, "--reason", "the same", "--yes")
    assert "merged into" in terminal.run("show", gone)
    terminal.json("undo", merged["merges"][0]["merge_id"][:8])
    assert terminal.json("show", gone)["pattern"]["status"] == "open"
    terminal.json("merge", kept, gone, "--yes")
    signatures = terminal.json("split", kept)
    moved = next(each["signature"] for each in signatures if other in each["template"])
    split = terminal.json("split", kept, "--signature", moved, "--reason", "not so", "--yes")
    assert split["other_pattern"]["occurrence_count"] == 1
    terminal.json("undo", split["split_id"])
    terminal.run("undo", "00000000", code=1)
    terminal.run("undo", "zzzz", code=1)


def test_the_inbox_has_what_waits(
    terminal: Terminal, operator: Person, learned: Callable[..., str]
) -> None:
    """A pause above all, then each part, with the note of its kind."""
    terminal.sign_in(operator)
    unique = word()
    pattern = learned(f"the {unique} broke", unique)
    entries = terminal.json("inbox", "--section", "changed", "--limit", "200")["changed"]["entries"]
    assert ("new", pattern) in [(each["kind"], each["pattern_id"]) for each in entries]
    terminal.run("pause", "--reason", f"{unique} [red]", "--for", "1m")
    shown = terminal.run("inbox", "--limit", "200")
    assert f"paused by a person: {unique} [red]" in shown.splitlines()[0]
    assert f"{pattern[:8]}  1       " in shown
    assert terminal.json("inbox", "--source", unique)["changed"] is None
    terminal.run("resume")
    terminal.run("inbox", "--section", "other", code=2)


def test_the_figures_have_a_chart(terminal: Terminal, viewer: Person, database: Sql) -> None:
    """A line for each day, with what a job has counted, the longest bar for the most errors."""
    terminal.sign_in(viewer)
    database.run(
        "insert into ops_internal.daily_figures (figure, day, number)"
        " values ('errors', (now() at time zone 'UTC')::date - 2, 7654321)"
        " on conflict (figure, day) do update set number = excluded.number"
    )
    days = terminal.json("stats", "--days", "3")["by_day"]
    assert [each["errors"] == 7654321 for each in days] == [True, False, False]
    shown = terminal.run("stats", "--days", "3").splitlines()
    lines = [next(line for line in shown if line.startswith(each["day"])) for each in days]
    assert "7654321" in lines[0]
    assert lines[0].count("█") == 24
    assert lines[1].count("█") == 0
    database.run("delete from ops_internal.daily_figures where number = 7654321")
    terminal.run("stats", "--days", "91", code=2)


def test_a_pattern_is_explained(
    terminal: Terminal, viewer: Person, learned: Callable[..., str]
) -> None:
    """By its latest error, with the names of that error in the queries."""
    terminal.sign_in(viewer)
    relation = f"orders_{word()[:8]}"
    refused = f'new row violates row-level security policy for table "{relation}"'
    pattern = learned(refused, "row-level security policy for table")
    assert f"tablename = '{relation}'" in terminal.run("explain", "--pattern", pattern)


def test_a_pattern_is_ignored_resolved_and_opened(
    terminal: Terminal, operator: Person, learned: Callable[..., str]
) -> None:
    """Until a time, a count, or for good."""
    terminal.sign_in(operator)
    unique = word()
    pattern = learned(f"the {unique} broke", unique)
    (ignored,) = terminal.json("ignore", pattern, "--for", "8h", "--occurrences", "3")
    assert (ignored["status"], ignored["ignored_until_count"]) == ("ignored", 4)
    assert ignored["ignored_until"] is not None
    assert terminal.json("patterns", unique) == []
    assert len(terminal.json("patterns", unique, "--status", "any")) == 1
    terminal.json("reopen", pattern)
    (resolved,) = terminal.json("resolve", pattern, "--release", "1.2")
    assert resolved["resolved_release"] == "1.2"
    for wrong in (["--for", "soon"], ["--for", "1h", "--until", "2030-01-01"], ["--until", "x"]):
        terminal.run("ignore", pattern, *wrong, code=2)


def test_rules_are_tried_and_saved(
    terminal: Terminal, administrator: Person, learned: Callable[..., str]
) -> None:
    """What a rule would move is shown before it is saved."""
    terminal.sign_in(administrator)
    unique = word()
    learned(f"the {unique} broke", unique)
    rule = (f"rule {unique}", f"the {unique} .*", "--fingerprint", unique)
    assert terminal.json("rules", "preview", *rule)["matched"] == 1
    saved = terminal.json("rules", "save", *rule, "--yes")
    assert saved["rule_id"][:8] in terminal.run("rules", "list")
    assert terminal.json("rules", "disable", saved["rule_id"][:8])["enabled"] is False


def test_what_others_logged_is_text(
    terminal: Terminal, operator: Person, learned: Callable[..., str], engine: Rest
) -> None:
    """Nothing of it is obeyed, hidden or read as markup, and a long line is cut; JSON has it all."""
    terminal.sign_in(operator)
    unique = word()
    pattern = learned(f"{unique} {HOSTILE}", unique)
    long = word()
    of_long = learned(f"{long} {'x' * 60_000}", long)
    engine.insert("system_logs", {"message": f"{unique} {HOSTILE}", "source": "\x1b[31mtests"})
    for words in (("patterns", unique), ("show", pattern), ("explain", "--pattern", pattern)):
        code = 1 if words[0] == "explain" else 0
        shown = terminal.run(*words, code=code)
        assert all(char.isprintable() or char == "\n" for char in shown), words
        assert r"\u202e" in shown
        assert "[red]" in shown
    assert len(terminal.run("show", of_long)) < 20_000
    machine = terminal.run("show", pattern, "--json")
    assert machine.isascii()
    assert "\x1b[2J" in json.loads(machine)["pattern"]["sample"]


def test_new_errors_are_followed(terminal: Terminal, viewer: Person, engine: Rest) -> None:
    """Each once, as text, until Ctrl-C, which is no failure."""
    terminal.sign_in(viewer)
    words = ["tail", "--lines", "0", "--every", "0.2", "--json"]
    place = ["--data-dir", str(terminal.stack.data_dir)]
    # A program that is started in the background ignores Ctrl-C, and with it all that it starts.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pattern_engine.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    following = subprocess.Popen(
        [sys.executable, "-c", program, *words, *place],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment(terminal),
    )
    found: list[dict[str, Any]] = []
    try:
        assert following.stdout
        # It begins with what comes after its first look, and each of these errors is a new one.
        for _ in range(20):
            if {each["table"] for each in found} == {"system_logs", "roman_events"}:
                break
            engine.insert("system_logs", {"message": f"{word()} {HOSTILE}", "source": "tests"})
            found += _lines(following, seconds=1.0)
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=20)
    finally:
        following.kill()
    assert (following.returncode, err) == (0, b"")
    found += [json.loads(line) for line in out.decode().splitlines()]
    assert {each["table"] for each in found} == {"system_logs", "roman_events"}
    ids = [(each["table"], each["id"]) for each in found]
    assert len(ids) == len(set(ids))


def test_a_file_is_learned_once(
    terminal: Terminal, people: People, tmp_path: Path, database: Sql
) -> None:
    """Lines of text and of JSON; a repeated command, or a longer file, repeats none of them."""
    person = people.new("ops_viewer")
    terminal.sign_in(person)
    unique = word()
    row = {"msg": f"json of {unique}", "level": "FATAL", "service": "shop", "user": 7}
    lines = [f"text of {unique} {HOSTILE}", "", json.dumps(row), "{no json", f"{unique} again"]
    file = tmp_path / "app.log"
    file.write_text("\n".join(lines))
    assert terminal.json("learn", str(file), "--source", "file") == {
        "written": 4,
        "repeated": 0,
        "blank": 1,
        "refused": [],
    }
    file.write_text("\n".join([*lines, f"{unique} new"]))
    answer = terminal.json("learn", str(file), "--source", "file")
    assert (answer["written"], answer["repeated"]) == (1, 4)
    stored = database.rows(
        "select * from ops.system_logs where user_id = %s::uuid order by id", person.id
    )
    assert len(stored) == 5
    assert stored[1]["log_level"] == "critical"
    assert (stored[1]["source"], stored[1]["metadata"]) == ("shop", {"user": 7})
    assert {each["written_by"] for each in stored} == {"authenticated"}
    again = terminal.json("learn", "-", "--as-application", stdin=f"{unique} by itself\n")
    assert again["written"] == 1
    found = eventually(lambda: terminal.json("patterns", f"{unique} by"))
    assert found[0]["occurrence_count"] == 1
    terminal.run("learn", str(tmp_path / "none.log"), code=2)


def _lines(process: subprocess.Popen[bytes], seconds: float) -> list[dict[str, Any]]:
    """Return the lines that a process writes until it is silent for so long; 100 at most."""
    assert process.stdout
    found: list[dict[str, Any]] = []
    while len(found) < 100 and select.select([process.stdout], [], [], seconds)[0]:
        line = process.stdout.readline()
        if not line:
            break
        found.append(json.loads(line))
    return found
