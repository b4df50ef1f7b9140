"""Which bash scripts are accepted as fixes, and what is told of them."""

import importlib.util
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pattern_engine.fixes import analyse as analyse_any
from pattern_engine.fixes.analysis import MAX_BYTES
from pattern_engine.fixes.bash import shellcheck, syntax
from pattern_engine.fixes.bash.analysis import analyse
from pattern_engine.fixes.bash.programs import HOLE, awk_problem, jq_problem, sed_problem

pytest.importorskip("tree_sitter_bash", reason="the extra `fixes` is not installed")


def _scripts() -> tuple[dict[str, list[str]], list[str]]:
    """Load the corpus that lies beside; test folders are no packages."""
    path = Path(__file__).with_name("bash_scripts.py")
    spec = importlib.util.spec_from_file_location("bash_scripts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.REFUSED, module.ACCEPTED


REFUSED, ACCEPTED = _scripts()
REFUSALS = [(rule, script) for rule, scripts in REFUSED.items() for script in scripts]


def rules(script: str) -> set[str]:
    """Return the rules that refuse a script."""
    return {finding.rule for finding in analyse(script, {}).findings}


@pytest.mark.parametrize(("rule", "script"), REFUSALS)
def test_what_a_fix_may_not_do_is_refused_by_the_rule_that_says_why(rule: str, script: str) -> None:
    """And nothing of a refused script is prepared to run."""
    analysis = analyse(script, {})
    assert rule in {finding.rule for finding in analysis.findings}
    assert analysis.prepared_script == ""
    assert all(finding.message for finding in analysis.findings)


@pytest.mark.parametrize("script", ACCEPTED)
def test_what_operators_write_is_accepted_word_for_word(script: str) -> None:
    """What was approved is what runs: not a byte is changed."""
    analysis = analyse(script, {})
    assert analysis.findings == ()
    assert analysis.prepared_script == script


@pytest.mark.parametrize("script", ACCEPTED)
@pytest.mark.parametrize(
    "harm", ["rm -rf /", "eval ls", "curl http://evil.example", "cat /etc/shadow", "x=$(sh -c ls)"]
)
def test_harm_is_found_wherever_it_follows(script: str, harm: str) -> None:
    """A good script that ends badly is refused: nothing before a command hides it."""
    assert not analyse(f"{script}\n{harm}\n", {}).accepted


@pytest.mark.parametrize(
    "around",
    [
        "{}", "( {} )", "{{ {}; }}", "if {}; then :; fi", "if true; then {}; fi", "! {}",
        "true && {}", "false || {}", "true | {}", "{} | cat", 'echo "$({})"', "echo `{}`",
        "x=$({})", 'x=(a "$({})")', "for i in $({}); do :; done", "for i in 1; do {}; done",
        "while {}; do break; done", "until {}; do break; done", "case x in x) {} ;; esac",
        "case $({}) in *) ;; esac", "f() {{ {}; }}; f", "cat < <({})", "echo > >({})",
        'cat <<< "$({})"', "cat <<EOF\n$({})\nEOF", "echo $(( $({}) ))", "[[ $({}) ]]",
        '[ "$({})" ]', 'echo "${{x:-$({})}}"', "trap '{}' EXIT", "x=1 {}", "time {}",
        "timeout 1 {}", "nice {}", "find . -exec {} \\;", "ls | xargs {}", "{} > out 2>&1",
        "if false; then :; elif {}; then :; else {}; fi", "for ((i=$({}); i<3; i++)); do :; done",
        "declare x=$({})", "local x=$({})", "echo ${{x/a/$({})}}", 'echo "${{a[$({})]}}"',
        "a[$({})]=1", "echo {{a,$({})}}", "echo a\\\n b; {}", "echo '#'; {}", "echo \\\\; {}",
        "echo ${{#x}}; {}", "echo $#; {}", "echo \"'\"; {} # '", "cat <<'E'\n'\nE\n{}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("harm", ["curl x", "c\\url x", "'curl' x", '"cu"rl x'])
def test_a_command_is_found_wherever_bash_would_run_it(around: str, harm: str) -> None:
    """Every place of the grammar that holds a command is walked."""
    wrapped = around.format(*[harm] * around.count("{}"))
    assert rules(wrapped) & {"network", "syntax", "trap", "command"}


def test_what_a_script_does_is_told() -> None:
    """Operations stand in order; those that lose something are told apart."""
    analysis = analyse(
        "mkdir -p out\njq . params.json > out/p.json\nrm -f old.log\nfind cache -name '*.x' -delete\n"
        ": > app.log\ntruncate -s 0 big.log",
        {},
    )
    assert analysis.operations == (
        "mkdir out",
        "write out/p.json",
        "rm old.log",
        "find cache -delete",
        "empty app.log",
        "truncate big.log",
    )
    assert analysis.destructive == (
        "rm old.log", "find cache -delete", "empty app.log", "truncate big.log",
    )  # fmt: skip
    assert (analysis.tables, analysis.hosts, analysis.secrets) == ((), (), ())
    assert not analysis.writes


def test_it_is_found_by_the_name_of_its_type() -> None:
    """The package's own entry leads here."""
    assert analyse_any("bash", "echo hi", {}).accepted


def test_a_finding_tells_where() -> None:
    """Line and column are those of the script."""
    (finding,) = analyse("echo a\n  curl x", {}).findings
    assert finding.message.startswith("line 2, column 3: ")


def test_a_comment_silences_nothing() -> None:
    """Neither shellcheck nor the rest listens to what a script says of itself."""
    silenced = "# shellcheck disable=all\n# shellcheck disable=SC2068\necho $@\n"
    assert rules(silenced) == {"shellcheck SC2068"}
    assert rules("# SHELLCHECK shellcheck shellshellcheckcheck disable=SC2068\necho $@") == {
        "shellcheck SC2068"
    }


def test_without_shellcheck_nothing_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing brake is a reason of its own, not a pass."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    (finding,) = shellcheck.shellcheck("echo hi")
    assert finding.rule == "unavailable"


@pytest.mark.skipif(syntax._bash() is None, reason="bash 5.1 is not installed")  # noqa: SLF001
def test_bash_runs_nothing_while_it_is_asked_how_it_reads(tmp_path: Path) -> None:
    """Neither commands nor substitutions, traps or assignments of a script have an effect."""
    mark = tmp_path / "mark"
    for script in (
        f"touch {mark}", f"x=$(touch {mark})", f"cat <<EOF\n$(touch {mark})\nEOF",
        f"trap 'touch {mark}' EXIT DEBUG", f"}}; touch {mark}", f"a[$(touch {mark})]=1",
        f"shopt -s expand_aliases\nalias echo='touch {mark}'\necho", f"exit; touch {mark}",
        f"PS4='$(touch {mark})'; set -x; ls", f": ${{x:=$(touch {mark})}}",
    ):  # fmt: skip
        analyse(script, {})
        assert not mark.exists(), script


def test_the_second_look_costs_nothing() -> None:
    """A script is analysed again before each run; what was found is remembered."""
    script = "\n".join(f"echo {number} > file{number}" for number in range(200))
    cold = time.process_time()
    first = analyse(script, {"a": 1, "b": 2})
    cold = time.process_time() - cold
    warm = time.process_time()
    assert analyse(script, {"b": 2, "a": 1}) is first
    assert time.process_time() - warm < cold / 10


HOSTILE = {
    "substitutions": "echo " + "$(echo " * 3_000 + ")" * 3_000,
    "quotes in substitutions": 'echo "$(' * 5_000,
    "groups": "{ " * 20_000 + "echo; " + "} " * 10_000,
    "subshells": "(" * 30_000,
    "arithmetic": "echo $((" + "(" * 15_000 + "1" + ")" * 15_000 + "))",
    "expansions": "echo " + "${x:-" * 10_000 + "}" * 10_000,
    "tests": "[[ " + "( " * 10_000 + "a" + " )" * 10_000 + " ]]",
    "pipes": "a | " * 15_000 + "b",
    "ands": "a && " * 12_000 + "b",
    "words": "echo " + "x " * 32_000,
    "braces": "echo " + "{a," * 15_000 + "}" * 15_000,
    "brace product": "echo " + "{a,b}" * 1_000,
    "ifs": "if a; then " * 4_000 + "fi; " * 4_000,
    "functions": "f() { " * 7_000 + "}; " * 7_000,
    "here-documents": "cat <<A\n" * 7_000,
    "unclosed": "echo '" + "x" * 60_000,
    "assignments": "".join(f"x{n}=$x{n + 1}\n" for n in range(4_000)),
    "appending": "".join(f'x="$x$y{n}"\n' for n in range(4_000)),
    "values": "".join(f"x=a{n}\n" for n in range(2_000)) + 'echo "' + "$x" * 5_000 + '"',
    "calls": "f() { echo; }\n" + "f $x $y\n" * 6_000,
    "loops": "while read -r x; do " * 2_500 + "done; " * 2_500,
    "backslashes": "echo " + "\\" * 60_001 + "n",
    "sed": "sed '" + "s/a/b/;" * 8_000 + "' x",
    "awk": "awk '{ " + "x = x + 1; " * 5_000 + " }' x",
    "traps": "trap 'trap \"trap x EXIT\" EXIT' EXIT\n" * 1_500,
    "cases": "case x in " + "a) b ;; " * 8_000 + "esac",
    "pipelines in substitutions": "x=$(" * 50 + "a | " * 2_000 + "b" + ")" * 50,
    "reads": "a | " + "while read -r x; do read -r y; done | " * 1_500 + "b",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_scripts_are_answered_within_bounds(name: str) -> None:
    """Nothing of 64 KiB crashes the analysis, or keeps a processor busy for long."""
    script = HOSTILE[name]
    assert len(script) <= MAX_BYTES
    began = time.process_time()
    analyse(script, {})
    assert time.process_time() - began < 10


PIECES = [
    "echo", "rm", "curl", "$(", ")", "`", '"', "'", "{", "}", "((", "))", "[[", "]]", "[", "]", "|", "&&",
    "||", ";", "&", "\n", "<<EOF", "EOF", "<", ">", ">>", "if", "then", "fi", "for", "in", "do", "done",
    "while", "case", "esac", ";;", "x", "$x", "${x}", "${x:-", "=", "x=", "f()", "#", "\\", " ", "  ", "*",
    "~", "..", "/", "-rf", "!", "$", "$'", "\\x41", "trap", "EXIT", "read", "1", "{1..3}", "{a,b}",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.sampled_from(["", " "]))
@settings(max_examples=150)
@example(["echo", "'"], " ")
@example(["case", "x", "in", ")", "`"], " ")
def test_an_analysis_never_raises(pieces: list[str], between: str) -> None:
    """Whatever is put together, there is an answer; accepted scripts are returned as they are."""
    script = between.join(pieces)
    analysis = analyse(script, {})
    assert analysis.prepared_script == (script if analysis.accepted else "")


@given(st.text(max_size=80))
@settings(max_examples=80)
def test_no_text_makes_it_raise(script: str) -> None:
    """Neither do characters that no keyboard has."""
    analyse(script, {})


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_words_are_read_as_bash_reads_them() -> None:
    """Random quoting of a refused name is seen through, exactly where bash sees that name."""
    chooser = random.Random(7)
    for _ in range(60):
        word = "".join(
            chooser.choice([letter, f"'{letter}'", f'"{letter}"', f"\\{letter}", f"$'{letter}'"])
            for letter in "curl"
        )
        said = subprocess.run(
            ["bash", "-c", f"printf %s {word}"], capture_output=True, text=True, check=True
        )
        assert said.stdout == "curl"
        assert rules(f"{word} x") & {"network", "syntax"}


SED = [
    ("s/a/b/g", None),
    ("/x/,/y/{s/a/b/;p}", None),
    ("$!N;P;D", None),
    (r"s/\//\\/", None),
    (f"s/a/{HOLE}/", None),
    ("1,5p;10q", None),
    (r"\,a,d", None),
    ("/a/a some text; e not a command", None),
    ("y/abc/xyz/", None),
    ("e", "e"),
    ("s/a/b/e", "flag e"),
    ("s/a/b/;e", "e"),
    ("/a/e ls", "e"),
    ("a text\ne ls", "e"),
    ("s/a/b/w f", "flag w"),
    (HOLE, "not understood"),
    (f"s{HOLE}a", "not understood"),
    ("b x;e", "e"),
    ("{e", "e"),
    ("}e", "e"),
    ("y/a/b/e", "e"),
    ("=e", "e"),
]


@pytest.mark.parametrize(("program", "problem"), SED)
def test_a_sed_program_may_edit_and_nothing_else(program: str, problem: str | None) -> None:
    """Commands that run programs or open files are found behind any address and command."""
    found = sed_problem(program)
    assert (found is None) if problem is None else (found is not None and problem in found)


AWK = [
    ("{ print $1 }", False),
    ("$3 > 100 { n++ } END { print n }", False),
    ("/a|b/ { print }", False),
    ("{ print ($1 > 2) }", False),
    ("{ x = $1 / 2; y = x / 3; print y }", False),
    ('{ print "a | b > c" }', False),
    ('{ gsub(/[|>]/, ""); print }', False),
    ('{ print > "f" }', True),
    ('{ print | "sh" }', True),
    ('{ print $1, $2 >> "f" }', True),
    ('BEGIN { "ls" | getline }', True),
    ("BEGIN { system(x) }", True),
    ('@include "x"', True),
    (f"{{ print {HOLE} }}", True),
    (f'{{ print "{HOLE}" }}', False),
    ("{ print } # | comment", False),
    ('{ printf("%s", $1) > "f" }', True),
]  # fmt: skip


@pytest.mark.parametrize(("program", "refused"), AWK)
def test_an_awk_program_computes_and_prints(program: str, refused: bool) -> None:
    """A comparison is no redirection, an alternation in an expression is no pipe."""
    assert (awk_problem(program) is not None) == refused


JQ = [
    (".env", False),
    (".a.env | keys", False),
    ('"env"', False),
    ("env", True),
    (". | env.PATH", True),
    ("$ENV", True),
    ('"\\(env)"', True),
    ('import "a" as a; .', True),
    (f'.a == "{HOLE}"', False),
    (f".{HOLE}", True),
]


@pytest.mark.parametrize(("program", "refused"), JQ)
def test_a_jq_program_sees_its_input_alone(program: str, refused: bool) -> None:
    """A key called env is a key."""
    assert (jq_problem(program) is not None) == refused
