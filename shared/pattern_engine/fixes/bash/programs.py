"""The programs that stand in arguments: of sed, awk and jq.

Each has ways to run commands, to write files or to read the environment. They are looked for with
the strings, expressions and comments of the language told apart; what is not understood is refused.
A program comes with `HOLE` wherever the script puts in what it does not know.
"""

from __future__ import annotations

import re
import string
from typing import Final

__all__ = ["HOLE", "awk_problem", "jq_problem", "sed_problem"]

HOLE: Final = "\1"
"""Stands for text that is not known."""

_SED_PLAIN: Final = frozenset("dDgGhHnNpPxz=lqQ{}") | {""}
_SED_REFUSED: Final = frozenset("erRwWF")
_SED_LABEL: Final = f" \t_{string.ascii_letters}{string.digits}"
_SED_ADDRESS: Final = re.compile(r"\d+(?:~\d+)?|\$|[+~]\d+")


def sed_problem(program: str) -> str | None:
    """Return what a sed program does that it may not, or None."""
    at = 0
    while at < len(program):
        at, problem = _sed_command(program, at)
        if problem:
            return problem
    return None


def _sed_command(program: str, at: int) -> tuple[int, str | None]:
    """Read one command with its addresses; return where the next begins."""
    at = _sed_addresses(program, at)
    command, at = program[at : at + 1], at + 1
    if command == "s":
        return _sed_substitute(program, at)
    if command in _SED_REFUSED:
        return at, f"its command {command} runs a program, or reads or writes another file"
    end = _sed_end(program, command, at)
    return (at, "it is not understood") if end is None else (end, None)


def _sed_end(program: str, command: str, at: int) -> int | None:
    """Return where a command that may run is over; None if it is none."""
    if command == "y":
        return _sed_delimited(program, at, 2)
    if command in ("#", "a", "i", "c"):
        return _line_end(program, at, escapes=command != "#")
    if command in (":", "b", "t", "T"):
        return _skip(program, at, _SED_LABEL)
    return _skip(program, at, " \t0123456789") if command in _SED_PLAIN else None


def _sed_addresses(program: str, at: int) -> int:
    while at < len(program):
        if program[at] in " \t\n;,!":
            at += 1
        elif match := _SED_ADDRESS.match(program, at):
            at = match.end()
        elif program[at] == "/":
            at = _sed_delimited(program, at, 1)
            at = _skip(program, at, "IM")
        elif program[at] == "\\" and at + 1 < len(program):
            at = _sed_delimited(program, at + 1, 1)
            at = _skip(program, at, "IM")
        else:
            break
    return at


def _skip(program: str, at: int, letters: str) -> int:
    while at < len(program) and program[at] in letters:
        at += 1
    return at


def _sed_delimited(program: str, at: int, parts: int) -> int:
    """Return where a text between delimiters, as many parts as told, is over."""
    if at >= len(program):
        return at
    delimiter, at = program[at], at + 1
    while at < len(program) and parts:
        if program[at] == "\\":
            at += 1
        elif program[at] == delimiter:
            parts -= 1
        at += 1
    return at


def _sed_substitute(program: str, at: int) -> tuple[int, str | None]:
    if at < len(program) and (program[at].isalnum() or program[at] in f"{HOLE}\n\\ "):
        return at, "it is not understood"
    at = _sed_delimited(program, at, 2)
    end = _skip(program, at, "gpiImM0123456789")
    following = program[end : end + 1]
    if following in ("e", "w"):
        return end, f"the flag {following} of s runs a program, or writes another file"
    if following and following not in " \t\n;}#":
        return end, "it is not understood"
    return end, None


def _line_end(program: str, at: int, *, escapes: bool = False) -> int:
    while at < len(program) and program[at] != "\n":
        at += 2 if escapes and program[at] == "\\" else 1
    return at


_AWK_TOKEN: Final = re.compile(
    r'(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<comment>#[^\n]*)|(?P<word>[A-Za-z_]\w*)|(?P<number>[\d.]+)'
    r"|(?P<blank>[ \t]+|\\\n)|(?P<sign>\|\||&&|\|&|>>|[-+*%^!=<>]=|.|\n)",
    re.DOTALL,
)
_AWK_EXPRESSION: Final = re.compile(r"/(?:[^/\\\[\n]|\\.|\[\^?\]?[^\]\n]*\])+/")
#: After these a slash begins an expression, after those it divides; else a reader cannot tell.
_AWK_BEFORE_EXPRESSION: Final = frozenset("(,{}[;\n!~&|=") | frozenset(
    {"&&", "||", "==", "!=", "", "return", "print", "printf", "else", "do", "in"}
)
_AWK_DIVIDED: Final = re.compile(r'[\w."\]]+')
_AWK_WORDS: Final = {
    "@": "it is not understood",
    "`": "it is not understood",
    HOLE: "a part of its code is not known",
    "system": "system() runs a program",
    "getline": "getline reads another file, or runs a program",
    "ENVIRON": "ENVIRON is the environment",
    "PROCINFO": "PROCINFO tells of the host",
    "ARGV": "ARGV changes which files are read",
    "ARGIND": "ARGIND changes which files are read",
}


def awk_problem(program: str) -> str | None:
    """Return what an awk program does that it may not, or None."""
    # Looked for wherever they stand: a slash that was misread could hide the rest of a line.
    if found := re.search(r"\b(?:system|getline)\b", program):
        return _AWK_WORDS[found[0]]
    if re.search(r"\b(?:while|for)\s*\(\s*(?:;\s*;|[1-9]\d*\s*\))", program):
        return "a loop in it has no end"
    at, before, prints = 0, "", _Printing()
    while at < len(program):
        match = _awk_token(program, at, before)
        if match is None:
            return "it is not understood"
        sign, at = match.group(), match.end()
        if match.lastgroup in ("blank", "comment", "string"):
            before = '"' if match.lastgroup == "string" else before
            continue
        if problem := _AWK_WORDS.get(sign) or prints.problem(sign, program[at:]):
            return problem
        before = sign
    return None


def _awk_token(program: str, at: int, before: str) -> re.Match[str] | None:
    """Return the token at a place; None if it cannot be told where it ends."""
    if program[at] != "/":
        return _AWK_TOKEN.match(program, at)
    if before in _AWK_BEFORE_EXPRESSION:
        return _AWK_EXPRESSION.match(program, at)
    line = program[at + 1 :].partition("\n")[0]
    return (
        _AWK_TOKEN.match(program, at) if _AWK_DIVIDED.fullmatch(before) or "/" not in line else None
    )


class _Printing:
    """Follows the statements of an awk program, to tell `print > file` from a comparison."""

    def __init__(self) -> None:
        self.prints = False
        self.depth = 0

    def problem(self, sign: str, rest: str) -> str | None:
        """Return what a sign does that it may not, given what follows it."""
        if sign in ("|", "|&") or (self.prints and self.depth == 0 and sign in (">", ">>")):
            if sign.startswith("|") or not rest.lstrip(" \t").startswith('"/dev/stderr"'):
                return "it prints to a program, or to another file"
        elif sign in ("print", "printf"):
            self.prints, self.depth = True, 0
        elif sign in (";", "\n", "}", "{"):
            self.prints = False
        else:
            self.depth += (sign in ("(", "[")) - (sign in (")", "]"))
        return None


_JQ_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_JQ_REFUSED: Final = re.compile(
    r"(?<![.\w$])(?:env|input_filename|get_search_list|import|include|modulemeta|\$ENV)\b|\$ENV\b|\$__prog"
)


def jq_problem(program: str) -> str | None:
    """Return what a jq program does that it may not, or None."""
    # What is put into a string, \(…), is code too.
    code = _JQ_STRING.sub(lambda found: " ".join(re.findall(r"\\\(.*", found[0])), program)
    if HOLE in code:
        return "a part of its code is not known"
    if match := _JQ_REFUSED.search(code):
        return f"{match[0]} reads the environment, or another program"
    return None
