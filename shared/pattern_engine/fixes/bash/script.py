"""A bash script as a tree, how its words may begin, and marks for what is not known of them.

Nothing is computed and no order is followed: a variable may be whatever it is given anywhere in the
script. It is enough to tell a person early that `rm -r "$dir"` leads where data say; the box holds
the script whatever its words become.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding, unreadable
from pattern_engine.fixes.bash.language import ENVIRONMENT, NODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tree_sitter import Node, Parser

__all__ = ["DATA", "INSIDE", "LOOSE", "MARKS", "Words", "assigned_by", "given_to", "parse"]

DATA, INSIDE, LOOSE = MARKS = "\1\2\3"
"""Marks: text that is not known; text that leads nowhere else, as it is a path that a command found
or made, or a word without a slash; a variable without quotes that may become several words."""

_MAX_TEXTS, _MAX_CHARACTERS = 24, 1_000
#: Commands by what they print, and expansions by what is left.
_INSIDE: Final = re.compile(
    r"(?:\$|<)\(\s*(?:mktemp|find|ls|dirname|pwd)\b|\s*(?:find|ls)\b|\$\(\(|\$\{#|\$\{?[#?$!]"
    r"|\$\(\s*(?:TZ=\w+ )?(?:basename|date|wc|stat|du|seq|nproc|\w+sum)\b"
    r"|\$.*(?:##\*/|//\[\^[^/.\]]*\]/\w?)\}$"
)
_MAX_NODES, _MAX_DEPTH, _MAX_BRACKETS = 30_000, 60, 2_000
_HIDDEN: Final = ("Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Zs")


def parse(script: str) -> list[Node] | Finding:
    """Return the nodes of a script in the order of its text, or why it is not in the language."""
    if problem := unreadable(script):
        return problem
    hidden = {one for one in script if one not in "\t\n " and unicodedata.category(one) in _HIDDEN}
    if hidden:
        return Finding("character", f"delete {min(hidden)!a}: nobody sees it")
    if script.count("(") + script.count("{") > _MAX_BRACKETS:  # the parser does not survive it
        return Finding("depth", f"more than {_MAX_BRACKETS} brackets: split the script up")
    nodes: list[Node] = []
    waiting = [(_parser().parse(script.encode()).root_node, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _MAX_DEPTH or len(nodes) > _MAX_NODES:
            most = f"{_MAX_NODES} words or {_MAX_DEPTH} levels"
            return Finding("size", f"{place(node)}: more than {most}: shorten the script")
        if problem := _not_understood(node):
            return problem
        nodes.append(node)
        waiting += [(child, depth + 1) for child in reversed(node.children)]
    return nodes


def text(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode()


def around(node: Node, *kinds: str) -> Node | None:
    """Return the nearest node of some kinds around another."""
    parent = node.parent
    while parent is not None and parent.type not in kinds:
        parent = parent.parent
    return parent


def name_of(node: Node) -> str:
    """Return the name of a command, a function or a variable as it is written, or nothing."""
    name = node.child_by_field_name("name") or node.child_by_field_name("variable")
    return text(name) if name is not None else ""


@functools.cache
def _parser() -> Parser:
    from tree_sitter import Language, Parser  # noqa: PLC0415  loaded when a script is met
    from tree_sitter_bash import language  # noqa: PLC0415  as above

    return Parser(Language(language()))


def place(node: Node) -> str:
    """Return where a node begins, for people."""
    return f"line {node.start_point[0] + 1}, column {node.start_point[1] + 1}"


def _not_understood(node: Node) -> Finding | None:
    """Return why a node cannot be read, or is not in the language."""
    if node.is_error or node.is_missing:
        return Finding("syntax", f"{place(node)}: not understood; write it more simply")
    if node.is_named and node.type not in NODES:
        reason = f"{node.type} is not in the language of fixes: use if, for, case and commands"
        return Finding("construct", f"{place(node)}: {reason}")
    if node.type == "heredoc_redirect" and re.match(r"<<-?\s*\w+\b(?s:.*)(?<!\\)`", text(node)):
        return Finding("syntax", f"{place(node)}: write $(…) in place of `…`")
    return None


def assigned_by(command: Node) -> list[str]:
    """Return the variables to which a command of bash writes."""
    name, given = name_of(command), command.children_by_field_name("argument")
    words = [text(one).strip("'\"") for one in given]
    if name == "getopts" or (name == "printf" and words[:1] == ["-v"]):
        return words[1:2]
    with_word = {"read": r"-\w*[dinNptu]", "mapfile": (most := r"-\w*[dnuOs]"), "readarray": most}
    pairs = itertools.pairwise(["", *words]) if name in with_word else ()
    return [a for before, a in pairs if a[:1] != "-" and not re.fullmatch(with_word[name], before)]


class Words:
    """Tells how the words of one script may begin."""

    def __init__(self, known: Mapping[str, str]) -> None:
        known = {"HOME": "~", "PATH": "~", "PWD": ".", "OLDPWD": ".", "REPLY": DATA, **known}
        known = dict.fromkeys(ENVIRONMENT, INSIDE) | known
        self.functions = set[str]()
        self.given = {name: frozenset({value}) for name, value in known.items()}
        """What variables may be: by the script, by the box, or by bash."""

    def learn(self, nodes: list[Node]) -> None:
        """Note what variables may be; thrice, as functions stand before what they are given."""
        for node in nodes * 3:
            if node.type == "function_definition":
                self.functions.add(name_of(node))
            elif node.type in ("variable_assignment", "for_statement"):
                self._give(name_of(node).partition("[")[0], self._assigned(node))
            elif node.type == "command":
                for target in assigned_by(node):
                    read = DATA if name_of(node) == "printf" else given_to(node)
                    self._give(target, frozenset({read}))
                for place, one in enumerate(node.children_by_field_name("argument")[:9], 1):
                    for key in (f"{name_of(node)} {place}", f"{name_of(node)} @"):
                        self._give(key, self.texts(one))

    def _give(self, name: str, texts: frozenset[str]) -> None:
        self.given[name] = _capped(self.given.get(name, frozenset()) | texts)

    def texts(self, node: Node, *, quoted: bool = False) -> frozenset[str]:
        """Return what a word may be; after its beginning, what is not written out is data."""
        found = frozenset({""})
        for piece, is_loose in _pieces(node, is_loose=not quoted):
            values = frozenset({piece}) if isinstance(piece, str) else self._values(piece)
            if is_loose and not isinstance(piece, str):
                values = frozenset(LOOSE if re.search(rf"[\s*?\[{DATA}]", v) else v for v in values)
            elif not isinstance(piece, str) and found != {""}:
                values = frozenset({DATA})
            found = _capped(one + value for one in found for value in values)
        return found

    def _values(self, node: Node) -> frozenset[str]:
        """Return what an expansion may be."""
        source = text(node)
        if _INSIDE.match(source):
            return frozenset({INSIDE})
        found = re.match(r"\$\{?(\w+|[@*])(?:\[[^\]]*\])?(:?[-=+?]|%|\}?$)", source)
        if found is None:
            return frozenset({DATA})
        name = found[1]
        if re.fullmatch(r"[1-9@*]", name):
            function = around(node, "function_definition")
            name = f"{name_of(function) if function else ''} {name.replace('*', '@')}"
        values = self.given.get(name, frozenset())
        if re.match(":?[-=+]", found[2]):
            values -= {""}
            for one in node.named_children[1:]:
                values |= self.texts(one, quoted=True)
        return values

    def _assigned(self, node: Node) -> frozenset[str]:
        given = node.children_by_field_name("value")
        if given and given[0].type == "array":
            given = given[0].named_children
        found = frozenset[str]().union(*(self.texts(one, quoted=True) for one in given))
        if node.type == "for_statement":  # a variable without quotes is as many words as it has
            found |= {word for one in found for word in one.split()}
        return found if given else frozenset({""})


def given_to(command: Node) -> str:
    """Return what the lines are that a command reads: paths that find or ls print, or data."""
    node: Node | None = command
    while node is not None and node.type != "function_definition":
        parent = node.parent
        if parent is not None and parent.type == "pipeline" and node != parent.children[0]:
            return INSIDE if _INSIDE.match(text(parent)) else DATA
        for redirect in node.children_by_field_name("redirect"):
            if found := re.match(r"<\s*(<\(.*)", text(redirect), re.DOTALL):
                return INSIDE if _INSIDE.match(found[1]) else DATA
        node = parent
    return DATA


def _pieces(node: Node, *, is_loose: bool) -> Iterator[tuple[str | Node, bool]]:
    """Yield the literal parts and the expansions of a word, and whether these may be split."""
    source = text(node)
    if node.type.endswith(("expansion", "_substitution")):
        yield node, is_loose
    elif node.children and node.type != "string_content":
        for child in node.children:
            yield from _pieces(child, is_loose=is_loose and node.type != "string")
    elif node.type == "ansi_c_string":
        # Escapes that are not known stay as they are, without Python's warning.
        known = re.sub(r"(\\[abfnrtvxuU0-7\\'\"])|\\", lambda one: one[1] or r"\\", source[2:-1])
        yield known.encode("latin-1", "replace").decode("unicode_escape", "replace"), False
    elif node.type == "raw_string":
        yield source[1:-1], False
    elif node.type != '"':
        yield re.sub(r"\\(.)", r"\1", source, flags=re.DOTALL), False


def _capped(found: Iterable[str]) -> frozenset[str]:
    """Return texts, or that they are not known where there are too many to look at."""
    some = frozenset(found)
    is_much = len(some) > _MAX_TEXTS or any(len(one) > _MAX_CHARACTERS for one in some)
    return frozenset({DATA}) if is_much else some
