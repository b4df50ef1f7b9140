"""Which bash scripts are accepted as fixes, and what is told of them."""

import random
import shutil
import subprocess
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.core.fixes import bash_directory_scripts, bash_scripts

from pattern_engine.fixes import analyse as analyse_any
from pattern_engine.fixes.analysis import MAX_BYTES
from pattern_engine.fixes.bash.analysis import analyse
from pattern_engine.fixes.bash.commands import does_more
from pattern_engine.fixes.bash.script import DATA as HOLE

pytest.importorskip("tree_sitter_bash", reason="the extra `fixes` is not installed")


ACCEPTED = bash_scripts.ACCEPTED
HARMFUL = [script for scripts in bash_scripts.REFUSED.values() for script in scripts]
GRANTED = {"directories": bash_directory_scripts.DIRECTORIES}

#: Of the accepted ones, what the language does not have: links, the arguments of a function as a
#: command, a loop whose condition is true.
NOT_IN_THE_LANGUAGE = [
    script
    for script in ACCEPTED
    if script.startswith("ln ") or '"$@"' in script or "while true" in script
]
#: How many of a hundred harmful ones only the box holds; `test_bash_contained` runs them.
HELD_BY_THE_BOX = 5


def rules(script: str) -> set[str]:
    """Return the rules that refuse a script."""
    return {finding.rule for finding in analyse(script, {}).findings}


def test_nearly_all_that_does_harm_is_refused_before_it_runs() -> None:
    """A refused script is not prepared to run, and each finding says what and what instead."""
    accepted = []
    for script in HARMFUL:
        analysis = analyse(script, {})
        if analysis.accepted:
            accepted.append(script)
            continue
        assert analysis.prepared_script == ""
        assert all(rule and len(message) > 15 for rule, message in analysis.findings)
    assert len(accepted) <= len(HARMFUL) * HELD_BY_THE_BOX // 100, accepted


@pytest.mark.parametrize("script", bash_directory_scripts.REFUSED)
def test_a_grant_opens_its_directories_and_nothing_else(script: str) -> None:
    """Neither the directory itself nor what is beside it, nor another mode than the granted one."""
    assert not analyse(script, GRANTED).accepted


@pytest.mark.parametrize("script", [one for one in ACCEPTED if one not in NOT_IN_THE_LANGUAGE])
def test_what_operators_write_is_accepted_word_for_word(script: str) -> None:
    """What was approved is what runs: not a byte is changed."""
    analysis = analyse(script, {})
    assert analysis.findings == ()
    assert analysis.prepared_script == script


def test_what_is_not_in_the_language_is_one_script_in_twenty_at_most() -> None:
    """Each of them is refused, with what to write instead."""
    assert len(NOT_IN_THE_LANGUAGE) <= len(ACCEPTED) / 20
    for script in NOT_IN_THE_LANGUAGE:
        assert any("write" in found.message or "use" in found.message
                   for found in analyse(script, {}).findings)  # fmt: skip


@pytest.mark.parametrize("script", bash_directory_scripts.OPERATORS)
def test_what_operators_write_for_directories_is_accepted(script: str) -> None:
    """Where their directories are granted, and only there."""
    assert analyse(script, GRANTED).findings == ()


def test_a_directory_has_to_be_granted_by_approval_and_deployment() -> None:
    """The approval names it, the operator of the deployment has named it before."""
    script = "rm -f /granted/spool/a.lock"
    parameters = {"directories": {"spool": "write"}}
    assert "name that in `directories`" in analyse(script, {}).findings[0].message
    assert analyse(script, parameters, frozenset({"spool"})).accepted
    (finding,) = analyse(script, parameters, frozenset({"logs"})).findings
    assert finding.rule == "directory"
    assert "PATTERN_ENGINE_BASH_DIRECTORIES" in finding.message
    assert not analyse(script, {"directories": {"spool": "read"}}).accepted
    assert analyse('cat "$GRANTED_SPOOL/x"', {"directories": {"spool": "read"}}).accepted


@pytest.mark.parametrize("script", [one for one in ACCEPTED if one not in NOT_IN_THE_LANGUAGE])
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
        "find -delete cache",
        "empty app.log",
        "truncate big.log",
    )
    assert analysis.destructive == (
        "rm old.log", "find -delete cache", "empty app.log", "truncate big.log",
    )  # fmt: skip
    assert (analysis.tables, analysis.hosts, dict(analysis.secrets)) == ((), (), {})
    assert not analysis.writes


def test_it_is_found_by_the_name_of_its_type() -> None:
    """The package's own entry leads here."""
    assert analyse_any("bash", "echo hi", {}).accepted


def test_a_finding_tells_where() -> None:
    """Line and column are those of the script."""
    (finding,) = analyse("echo a\n  curl x", {}).findings
    assert finding.message.startswith("line 2, column 3: ")


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
@example(["echo", "$'", "\\", "esac", "'"], " ")
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
        assert rules(f"{word} x") & {"network", "command"}


SED = [
    ("s/a/b/g", False),
    ("/x/,/y/{s/a/b/;p}", False),
    ("$!N;P;D", False),
    (r"s/\//\\/", False),
    (f"s/a/{HOLE}/", False),
    ("1,5p;10q", False),
    (r"\,a,d", False),
    ("/a/a some text; e not a command", False),
    ("y/abc/xyz/", False),
    ("e", True),
    ("s/a/b/e", True),
    ("s/a/b/;e", True),
    ("/a/e ls", True),
    ("a text\ne ls", True),
    ("s/a/b/w f", True),
    (HOLE, True),
    (f"s{HOLE}a", True),
    ("b x;e", True),
    ("{e", True),
    ("}e", True),
    ("y/a/b/e", True),
    ("=e", True),
]


@pytest.mark.parametrize(("program", "refused"), SED)
def test_a_sed_program_may_edit_and_nothing_else(program: str, refused: bool) -> None:
    """Commands that run programs or open files are found behind any address and command."""
    assert does_more("sed", program) == refused


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
    assert does_more("awk", program) == refused


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
    assert does_more("jq", program) == refused
