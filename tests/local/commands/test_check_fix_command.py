"""`pattern-engine check-fix`: the static analysis alone, without settings, database or network."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine import fixes
from pattern_engine.cli import main

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "update orders set status = 'mended' where status = 'broken'"
BAD = "delete from orders; drop table orders"
REPORT = {
    "accepted",
    "type",
    "findings",
    "operations",
    "destructive",
    "tables",
    "written_tables",
    "hosts",
    "secrets",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the engine is set."""
    monkeypatch.delenv("SUPABASE_URL", raising=False)
    monkeypatch.delenv("PATTERN_ENGINE_DB_URL", raising=False)


def file(folder: Path, content: str | bytes, name: str = "fix.sql") -> str:
    """Write a file; its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def check(*words: str) -> int:
    """Run the command on a script of type sql."""
    return main(["check-fix", "--type", "sql", *words])


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What was printed for machines."""
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(printed) == REPORT
    return printed


def test_an_accepted_script_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And tells what it does."""
    assert check(file(tmp_path, GOOD)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("sql: accepted\n")
    assert "public.orders" in printed


def test_a_refused_script_ends_with_1_and_every_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with the name of its rule, as an approval would answer it."""
    assert check(file(tmp_path, BAD)) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("sql: refused\n")
    assert "  where: " in printed
    assert "  statement: " in printed


@pytest.mark.parametrize(("script", "accepted"), [(GOOD, True), (BAD, False)])
def test_machines_get_the_same_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str, *, accepted: bool
) -> None:
    """The findings are those of the analysis, word for word."""
    assert check(file(tmp_path, script), "--json") == (0 if accepted else 1)
    printed = report(capsys)
    analysis = fixes.analyse("sql", script, {})
    assert (printed["accepted"], printed["type"]) == (accepted, "sql")
    assert printed["findings"] == [
        {"rule": finding.rule, "message": finding.message} for finding in analysis.findings
    ]
    assert printed["tables"] == list(analysis.tables)
    assert printed["written_tables"] == list(analysis.written_tables)


def test_a_script_may_come_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with any tool, - is standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert check("-", "--json") == 0
    assert report(capsys)["written_tables"] == ["public.orders"]


def test_parameters_are_what_the_analysis_goes_by(tmp_path: Path) -> None:
    """What a script may read they say."""
    script = file(
        tmp_path, "update orders set note = 'x' where owner in (select id from auth.users)"
    )
    assert check(script) == 1
    parameters = file(tmp_path, '{"reads": ["auth.users"]}', "params.json")
    assert check(script, "--params", parameters) == 0


LIMITS = {
    "too long": ('{"timeout_ms": 60001}', "timeout_ms"),
    "too long for sql": ('{"timeout_ms": 8001}', "sql allows at most 8000"),
    "a text": ('{"max_rows": "many"}', "max_rows"),
    "nothing": ('{"max_retries": null}', "max_retries is null"),
    "an unknown writer": ('{"trusted_writers": ["anon"]}', "trusted_writers.0"),
}


@pytest.mark.parametrize(("parameters", "told"), LIMITS.values(), ids=LIMITS.keys())
def test_limits_that_no_approval_takes_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], parameters: str, told: str
) -> None:
    """With the parameter that is wrong; the script's own findings are told beside it."""
    words = [file(tmp_path, BAD), "--params", file(tmp_path, parameters, "params.json"), "--json"]
    assert check(*words) == 1
    findings = report(capsys)["findings"]
    assert findings[0]["rule"] == "parameters"
    assert told in findings[0]["message"]
    assert {"where", "statement"} <= {finding["rule"] for finding in findings}


UNREADABLE = {
    "no UTF-8": (b"select '\xff'", ["encoding"], "byte 8"),
    "a NUL": (b"select '\0'", ["encoding", "character"], "NUL"),
    "too large": (b"select 1;\n" * 6554, ["size"], "the limit is 65536"),
    "too large in one line": (b"--" + b"x" * 65536, ["size", "line"], "the limit is 65536"),
    "blank": (b" \n", ["empty"], "blank"),
}


@pytest.mark.parametrize(("raw", "rules", "told"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_as_a_script_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], raw: bytes, rules: list[str], told: str
) -> None:
    """With a finding like any other."""
    assert check(file(tmp_path, raw), "--json") == 1
    findings = report(capsys)["findings"]
    assert [finding["rule"] for finding in findings] == rules
    assert told in findings[0]["message"]


PARAMETERS = {
    "a list": "[]",
    "no JSON": "{max_rows: 1}",
    "a key twice": '{"max_rows": 1, "max_rows": 2}',
    "no number": '{"max_rows": NaN}',
}


@pytest.mark.parametrize("text", PARAMETERS.values(), ids=PARAMETERS.keys())
def test_parameters_that_are_no_object_are_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Nothing was checked: 2, and the file is named."""
    parameters = file(tmp_path, text, "params.json")
    assert check(file(tmp_path, GOOD), "--params", parameters) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "params.json" in printed.err


def test_a_missing_file_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So is a directory, and a missing file of parameters."""
    good = file(tmp_path, GOOD)
    for words in (
        [str(tmp_path / "none.sql")],
        [str(tmp_path)],
        [good, "--params", str(tmp_path / "none.json")],
    ):
        assert check(*words) == 2
        assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--type", "python", "x"], ["x"], ["--type", "sql"]])
def test_wrong_words_are_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """An unknown type, none, or no file."""
    assert main(["check-fix", *words]) == 2
    assert "Usage: pattern-engine check-fix" in capsys.readouterr().err


def test_a_type_whose_parser_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2, since nothing was checked; never a traceback."""
    monkeypatch.setitem(sys.modules, "pattern_engine.fixes.bash.analysis", None)
    assert main(["check-fix", "--type", "bash", file(tmp_path, "ls")]) == 2
    assert "type bash cannot be analysed" in capsys.readouterr().err
