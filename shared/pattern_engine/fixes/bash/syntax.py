"""Parsing a bash script twice, by tree-sitter and by bash itself, and refusing where they differ.

tree-sitter gives the tree that is analysed, but reads a little more than bash does, and some things
otherwise. So bash, where it is installed, parses the script too and prints it as it understood it
(`--pretty-print`, which runs nothing); the same commands must stand in both.
"""

from __future__ import annotations

import functools
import itertools
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding, unreadable
from pattern_engine.fixes.bash import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Parser

__all__ = [
    "MAX_DEPTH",
    "MAX_NODES",
    "arguments",
    "command_name",
    "descendants",
    "parse",
    "place",
    "redirects",
    "text",
]

#: Levels of nodes, within Python's recursion limit; bash itself is recursive too.
MAX_DEPTH: Final = 60
MAX_NODES: Final = 30_000
_BASH_SECONDS: Final = 5
_BASH_VERSION: Final = (5, 1)


@functools.lru_cache(maxsize=64)
def parse(script: str) -> tuple[Node | None, tuple[Finding, ...]]:
    """Return the tree of a script, or why there is none that could be trusted."""
    if problem := unreadable(script) or _odd_character(script):
        return None, (problem,)
    if _brackets(script) > MAX_DEPTH * 4:
        return None, (Finding("depth", "the script has too many brackets within each other"),)
    root = _parser().parse(script.encode()).root_node
    problem = _too_much(root) or _not_understood(root) or _read_otherwise(script, root)
    return (None, (problem,)) if problem else (root, ())


def text(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode()


def place(node: Node) -> str:
    """Tell where a node begins, for people."""
    return f"line {node.start_point[0] + 1}, column {node.start_point[1] + 1}"


def descendants(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += reversed(current.children)


def command_name(node: Node) -> Node | None:
    """Return the node of a command's name."""
    return node.child_by_field_name("name")


def arguments(node: Node) -> list[Node]:
    """Return the nodes of a command's arguments, redirections left out."""
    return [*node.children_by_field_name("argument")]


def redirects(node: Node) -> list[Node]:
    """Return the redirections of a command, whether they stand in it or around it."""
    found = list(node.children_by_field_name("redirect"))
    parent = node.parent
    if parent is not None and parent.type == "redirected_statement":
        found += parent.children_by_field_name("redirect")
    return found


@functools.cache
def _parser() -> Parser:
    from tree_sitter import Language, Parser  # noqa: PLC0415  loaded when a script is met
    from tree_sitter_bash import language  # noqa: PLC0415  as above

    return Parser(Language(language()))


def _odd_character(script: str) -> Finding | None:
    for line, content in enumerate(script.split("\n"), 1):
        for character in content:
            # Letters of any language may stand in messages; what is not seen may not.
            if (
                character != "\t"
                and unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")
            ) or (character != " " and unicodedata.category(character) == "Zs"):
                return Finding("character", f"line {line} holds {character!a}, which nobody sees")
    return None


def _brackets(script: str) -> int:
    """Return how deep opening brackets may stand in each other, whatever they mean."""
    depth = deepest = 0
    for character in script:
        if character in "({[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")}]" and depth:
            depth -= 1
    return deepest


def _too_much(root: Node) -> Finding | None:
    waiting = [(root, 1)]
    seen = 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            return Finding("depth", f"{place(node)}: nested deeper than {MAX_DEPTH} levels")
        if seen > MAX_NODES:
            return Finding("size", f"the script has more than {MAX_NODES} words and signs")
        waiting += [(child, depth + 1) for child in node.children]
    return None


def _not_understood(root: Node) -> Finding | None:
    """Find what tree-sitter could not read, did not read, or what is not listed."""
    for node in descendants(root):
        if node.is_error or node.is_missing:
            return Finding("syntax", f"{place(node)}: not understood")
        if node.is_named and node.type not in allowed.NODES:
            return Finding("construct", f"{place(node)}: {node.type} is not allowed")
        if node.type not in ("string", "heredoc_body") and (gap := _gap(node)):
            return Finding("syntax", f"{place(node)}: {gap!r} was not read")
        if node.type == "heredoc_redirect" and _runs_unread(node):
            return Finding("syntax", f"{place(node)}: write $(…) in the text, or quote its end")
        if node.type in _ROWS and (word := _touching(node)):
            return Finding("syntax", f"{place(word)}: a word begins where another one ends")
    return None


#: Nodes that hold words side by side, and kinds of words.
_ROWS: Final = frozenset(
    {"command", "declaration_command", "unset_command", "for_statement", "array", "file_redirect"}
)
_WORDS: Final = frozenset(
    """
    command_name word number string raw_string ansi_c_string concatenation simple_expansion
    expansion command_substitution arithmetic_expansion brace_expression variable_assignment
    variable_name extglob_pattern
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)


def _touching(node: Node) -> Node | None:
    """Return a word of a row that is none to bash: nothing parts it from the one before."""
    for before, after in itertools.pairwise(node.children):
        together = before.end_byte == after.start_byte and not text(after)[:1].isspace()
        if together and before.type in _WORDS and after.type in _WORDS:
            return after
    return None


def _runs_unread(heredoc: Node) -> bool:
    """Tell whether bash runs something in a text in which tree-sitter read nothing, as `…`."""
    start = next((text(part) for part in heredoc.children if part.type == "heredoc_start"), "")
    if re.search(r"['\"\\]", start):
        return False
    for body in (part for part in heredoc.children if part.type == "heredoc_body"):
        source, at, left = body.text or b"", 0, b""
        for child in (part for part in body.children if part.type != "heredoc_content"):
            left += source[at : child.start_byte - body.start_byte] + b" "
            at = child.end_byte - body.start_byte
        plain = re.sub(
            rb"\\(\n|.)", lambda one: b"" if one[1] == b"\n" else b" ", left + source[at:]
        )
        if re.search(rb"`|\$[\w({\[@*#?!$-]", plain):
            return True
    return False


def _gap(node: Node) -> str:
    """Return what stands in a node besides blanks and is in none of its parts."""
    if not node.children or node.text is None:
        return ""
    source, at = node.text, 0
    left = b""
    for child in node.children:
        left += source[at : child.start_byte - node.start_byte] + b" "
        at = max(at, child.end_byte - node.start_byte)
    left += source[at:]
    return left.replace(b"\\\n", b"").decode(errors="replace").strip()


def _read_otherwise(script: str, root: Node) -> Finding | None:
    """Find whether bash reads other commands than tree-sitter, or cannot read the script."""
    bash = _bash()
    if bash is None:
        return None
    try:
        done = subprocess.run(
            [bash, "--norc", "--noprofile", "--pretty-print"],
            input=script.encode(),
            capture_output=True,
            timeout=_BASH_SECONDS,
            env={"LC_ALL": "C.UTF-8"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding("syntax", f"bash did not read it within {_BASH_SECONDS} s")
    if done.returncode != 0 or done.stderr:
        return Finding("syntax", _complaint(done.stderr))
    again = _parser().parse(done.stdout).root_node
    difference = (Counter(_commands(root)) - Counter(_commands(again))) + (
        Counter(_commands(again)) - Counter(_commands(root))
    )
    if difference:
        names = ", ".join(sorted(difference))
        return Finding("syntax", f"can be read in two ways: as to {names}")
    return None


def _complaint(stderr: bytes) -> str:
    first = stderr.decode(errors="replace").partition("\n")[0]
    return f"bash cannot read it: {first.partition(': ')[2] or first}"


def _commands(root: Node) -> Iterator[str]:
    """Yield the names of the commands as they are written."""
    for node in descendants(root):
        if node.type in ("command_name", "declaration_command", "unset_command", "test_command"):
            words = text(node).split(maxsplit=1)
            yield words[0] if words else ""


@functools.cache
def _bash() -> str | None:
    """Return a bash that can print what it has read; None if there is none, or an old one."""
    found = shutil.which("bash")
    if found is None:
        return None
    asked = "echo ${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"
    done = subprocess.run(
        [found, "--norc", "--noprofile", "-c", asked],
        capture_output=True, text=True, env={}, check=False,
    )  # fmt: skip
    numbers = tuple(map(int, done.stdout.split())) if done.returncode == 0 else ()
    return found if numbers >= _BASH_VERSION else None
