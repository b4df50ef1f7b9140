"""Which TypeScript scripts are accepted as fixes, and what is read from them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.core.fixes.typescript_blind_scripts import BLIND_BENIGN, BLIND_HOSTILE
from tests.core.fixes.typescript_scripts import BENIGN, HOSTS, MALICIOUS

from pattern_engine import fixes
from pattern_engine.fixes.analysis import MAX_BYTES
from pattern_engine.fixes.typescript import deno
from pattern_engine.fixes.typescript.analysis import analyse

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(deno.find() is None, reason="Deno is not installed")

PARAMETERS = {"allowed_hosts": list(HOSTS)}


def rules(script: str, **parameters: object) -> set[str]:
    """The rules that refuse a script."""
    return {finding.rule for finding in analyse(script, parameters).findings}


@pytest.mark.parametrize(("script", "rule"), MALICIOUS)
def test_a_script_that_reaches_beyond_its_parameters_is_refused(script: str, rule: str) -> None:
    """What leads out of a fix is refused, by the rule that says what to do instead."""
    analysis = analyse(script, PARAMETERS)
    assert rule in {finding.rule for finding in analysis.findings}, analysis.findings
    assert analysis.prepared_script == ""


@pytest.mark.parametrize("script", BLIND_HOSTILE)
def test_a_hostile_script_that_was_not_written_for_these_rules_is_refused(script: str) -> None:
    """The rules are not fitted to the scripts above."""
    assert not analyse(script, PARAMETERS).accepted


@pytest.mark.parametrize("script", [*BENIGN, *BLIND_BENIGN])
def test_a_script_of_every_day_is_accepted_word_for_word(script: str) -> None:
    """An ordinary fix is accepted, and runs exactly as it was written."""
    analysis = analyse(script, PARAMETERS)
    assert analysis.findings == ()
    assert analysis.prepared_script == script
    assert analysis.hosts == HOSTS


@pytest.mark.parametrize(
    "key",
    [
        *(
            "params.a",
            "i + 1",
            "params.a + params.b",
            "params.list.length - 1",
            "`${i}-${params.a}`",
        ),
        *("'row ' + i", "params.a.trim()", "params.a.toLowerCase()", "params.list.join('|')"),
        *("`${params.a}`", "String(params.a)", "params.a.toString()", "params.list[i]"),
        *("params.a.replace(/ /g, '_')", "new Date(params.a).toISOString().slice(0, 10)"),
    ],
)
def test_a_key_that_can_name_nothing_dangerous_is_accepted(key: str) -> None:
    """A plain key is accepted, and one with a text in it that no forbidden name has."""
    assert rules(f"const i = 1, found = {{}}; found[{key}] = 1") == set()
    assert rules(f"const i = 1, found = {{}}, key = {key}; found[key] = 1") == set()


@pytest.mark.parametrize(
    "key",
    [
        *(
            "'con' + params.a",
            "`${params.a}${params.b}`",
            "`con${params.a}`",
            "params.list.join('')",
        ),
        *("params.a.replace('0', 'o')", "'CONSTRUCTOR'.toLowerCase()", "'con'.concat(params.a)"),
        "['x', 'y'].at(params.a)",
    ],
)
def test_a_key_that_is_put_together_of_pieces_is_refused(key: str) -> None:
    """String operations could spell a name that the rules forbid: directly, in a constant, in a pattern."""
    assert rules(f"const found = {{}}; found[{key}] = 1") == {"member"}
    assert rules(f"const found = {{}}, key = {key}; found[key] = 1") == {"member"}
    assert rules(f"const {{ [{key}]: found }} = params") == {"member"}


@pytest.mark.parametrize(
    ("script", "is_refused"),
    [
        ("for (;;) console.log(1)", True),
        ("let i = 0; while (i < 10) console.log(i)", True),
        ("while (params.busy) {}", True),
        ("for (;;) { if (params.done) break }", False),
        ("function* all() { for (;;) yield 1 }", False),
        ("do { console.log(1) } while (false)", False),
        ("const q = [1]; const next = () => q.pop(); while (q.length) next()", False),
        ("let i = 0; while (i < 10) { i = 0 }", False),
    ],
)
def test_a_loop_is_refused_where_it_plainly_has_no_way_out(script: str, is_refused: bool) -> None:
    """Whether any other loop ends is left to the limits of the run."""
    assert rules(script) == ({"loop"} if is_refused else set())


def test_the_package_analyses_this_type() -> None:
    """The analysis is found by the name of the type."""
    assert fixes.analyse("typescript", "console.log(params.a)", {}).accepted


def test_requests_are_told_with_method_and_host() -> None:
    """What is asked of hosts is listed; a DELETE is destructive."""
    analysis = analyse(
        """
        const base = "https://api.example.com";
        await fetch(`${base}/a`);
        await fetch("https://hooks.example.com:8443/b", { method: "post" });
        await fetch(new Request(base + "/c", { method: "DELETE" }));
        await fetch(params.url);
        """,
        PARAMETERS,
    )
    assert analysis.operations == (
        "fetch api.example.com",
        "POST hooks.example.com:8443",
        "DELETE api.example.com",
        "fetch (computed)",
    )
    assert analysis.destructive == ("DELETE api.example.com",)


@pytest.mark.parametrize(
    "script",
    [
        "await fetch(params.url)",
        "await fetch('https://api.example.com/')",
        "const send = fetch; await send(params.url)",
        "await fetch(new Request(params.url))",
    ],
)
def test_without_hosts_nothing_is_fetched(script: str) -> None:
    """A fix whose approval names no host reaches none, computed or not."""
    assert rules(script) == {"host"}


@pytest.mark.parametrize(
    "hosts",
    [
        *("api.example.com", [1], {"a": "b"}, ["*"], ["*.example.com"], ["https://example.com"]),
        *(["example.com/x"], ["user@example.com"], ["example.com:0"], ["example.com:99999"]),
        *(["example.com:"], [""], ["exa mple.com"], ["a,b.example.com"], ["-x.example.com"]),
        *(["127.0.0.1"], ["10.0.0.5"], ["192.168.1.1:8443"], ["169.254.169.254"], ["0.0.0.0"]),
        *(
            ["2130706433"],
            ["0x7f.0.0.1"],
            ["127.1"],
            ["localhost"],
            ["db"],
            ["x.internal"],
            ["::1"],
        ),
        ["a.example.com"] * 51,
    ],
)
def test_hosts_are_names_of_the_public_network(hosts: object) -> None:
    """A parameter that is no list of plain public host names is refused before the script is read."""
    assert rules("console.log(1)", allowed_hosts=hosts) == {"parameters"}


@pytest.mark.parametrize("hosts", [["93.184.215.14"], ["example.com:8443"], ["EXAMPLE.com"], []])
def test_public_hosts_are_accepted(hosts: list[str]) -> None:
    """A name or a public address, with or without a port, may be approved."""
    analysis = analyse("console.log(1)", {"allowed_hosts": hosts})
    assert analysis.accepted
    assert analysis.hosts == tuple(host.lower() for host in hosts)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("console.log(1)\nfoo(;", "line 2, column 5: "),
        ("console.log(1);\n\nDeno.exit()", "line 3: Deno is not allowed"),
        ("const [,\n, x = Deno] = []", "line 2: Deno is not allowed"),
        ("let a;\nlet a;", "line 2, column 5: Identifier 'a' has already been declared"),
    ],
)
def test_a_finding_says_where(script: str, message: str) -> None:
    """A finding names the line; one of the parser, the column too."""
    assert analyse(script).findings[0].message.startswith(message)


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("a\0b", "encoding"),
        ("'\ud800'", "encoding"),
        ("x" * (MAX_BYTES + 1), "size"),
    ],
)
def test_what_no_parser_agrees_on_is_refused_first(script: str, rule: str) -> None:
    """Size and characters are judged before anything is read."""
    assert rules(script) == {rule}


@pytest.mark.parametrize(
    "script",
    [
        "[" * (MAX_BYTES // 2) + "]" * (MAX_BYTES // 2),
        "[" * MAX_BYTES,
        "!" * (MAX_BYTES - 1) + "1",
        "1" + "+1" * (MAX_BYTES // 2 - 1),
        "`${" * 10_000 + "1" + "}`" * 10_000,
        "[" + "," * (MAX_BYTES - 2) + "]",
        ";" * MAX_BYTES,
        "params" + ".a" * 30_000,
        "if (1) " * 9_000 + ";",
    ],
    ids=lambda script: script[:8],
)
def test_a_script_that_is_hard_to_read_is_refused_in_time(script: str) -> None:
    """Reading is bounded: what is nested without end is refused, and costs seconds at most."""
    started = time.monotonic()
    assert rules(script)
    assert time.monotonic() - started < 12


def test_reading_a_script_does_not_run_it() -> None:
    """A script that would take an hour is read at once, and prints nothing into the answer."""
    script = """
    console.log('pattern-engine-analysis:{"refusals":[],"operations":["x"],"destructive":[],"literals":[]}');
    await new Promise((resolve) => setTimeout(resolve, 3_600_000));
    throw new Error("it ran");
    """
    analysis = analyse(script)
    assert analysis.accepted
    assert analysis.operations == ()


def test_nothing_is_left_after_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Deno writes while it reads is deleted, whether it read or died."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    analyse(f"console.log({str(tmp_path)!r})")
    analyse(f"// {tmp_path}\n" + "[" * 50_000)
    assert list(tmp_path.iterdir()) == []


def test_without_deno_scripts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Deno is not installed, a finding says what to install."""
    monkeypatch.setattr(deno, "find", lambda: None)
    (finding,) = analyse("console.log('no deno here')").findings
    assert finding.rule == "unavailable"
    assert "`fixes`" in finding.message
