"""How the words of a script may begin, and marks for what is not known of them.

Nothing is computed and no order is followed: a variable may be whatever it is given anywhere in the
script. It is enough to tell a person early that `rm -r "$dir"` leads where data say; the box holds
the script whatever its words become.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.language import ENVIRONMENT
from pattern_engine.fixes.bash.syntax import arguments, around, descendants, name_of, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tree_sitter import Node

__all__ = ["DATA", "INSIDE", "LOOSE", "MARKS", "NAME", "Words", "assigned_by", "given_to"]

DATA, INSIDE, NAME, LOOSE = MARKS = "\1\2\3\4"
"""Marks: text that is not known; a path that a command found or made; a word without a slash; a
variable without quotes that may become several words."""

_MOST: Final = 24
_MOST_CHARACTERS: Final = 1_000
_LOOSE: Final = ("simple_expansion", "expansion", "command_substitution")
#: Commands by what they print, and expansions by what is left: paths, or words without a slash.
_PATHS: Final = re.compile(r"(?:\$|<)\(\s*(?:mktemp|find|ls|dirname|pwd)\b|\s*(?:find|ls)\b")
_NAMES: Final = re.compile(
    r"\$\(\(|\$\(\s*(?:TZ=\w+ )?(?:basename|date|wc|stat|du|seq|nproc|\w+sum)\b|\$\{#|\$\{?[#?$!]"
    r"|.*(?:##\*/|//\[\^[^/.\]]*\]/\w?)\}$"
)


def assigned_by(command: Node) -> list[str]:
    """Return the variables to which a command of bash writes."""
    name, words = name_of(command), [text(one).strip("'\"") for one in arguments(command)]
    if name == "getopts" or (name == "printf" and words[:1] == ["-v"]):
        return words[1:2]
    if name not in ("read", "mapfile", "readarray"):
        return []
    with_word = re.compile(r"-\w*[dinNptu]" if name == "read" else r"-\w*[dnuOs]")
    pairs = itertools.pairwise(["", *words])
    return [one for before, one in pairs if one[:1] != "-" and not with_word.fullmatch(before)]


class Words:
    """Tells how the words of one script may begin."""

    def __init__(self, root: Node, known: Mapping[str, str]) -> None:
        self.functions: dict[str, Node] = {}
        self._known = {"HOME": "~", "PATH": "~", "PWD": ".", "OLDPWD": ".", "REPLY": DATA, **known}
        self._sources: defaultdict[str, list[Node]] = defaultdict(list)
        self._calls: defaultdict[str, list[Node]] = defaultdict(list)
        self._found: dict[str, frozenset[str]] = {}
        for node in descendants(root):
            if node.type in ("variable_assignment", "for_statement"):
                self._sources[name_of(node).partition("[")[0]].append(node)
            elif node.type == "function_definition":
                self.functions[name_of(node)] = node
            elif node.type == "command":
                self._calls[name_of(node)].append(node)
                for target in assigned_by(node):
                    self._sources[target].append(node)

    def is_given(self, name: str) -> bool:
        """Tell whether a variable has a value: from the script, from the box, or from bash."""
        return name in self._sources or name in ENVIRONMENT or name in self._known

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
        return _capped(itertools.chain(*map(_braced, found))) if "{" in text(node) else found

    def _values(self, node: Node) -> frozenset[str]:
        """Return what an expansion may be."""
        source = text(node)
        if _PATHS.match(source) or _NAMES.match(source):
            return frozenset({INSIDE if _PATHS.match(source) else NAME})
        found = re.match(r"\$\{?(\w+|[@*])(?:\[[^\]]*\])?(:?[-=+?]|%|\}?$)", source)
        if found is None:
            return frozenset({DATA})
        values = self._variable(found[1], node)
        if not re.match(":?[-=+]", found[2]):
            return values
        given = [self.texts(one, quoted=True) for one in node.named_children[1:]]
        return (values - {""}).union(*(given or [frozenset({""})]))

    def _variable(self, name: str, at: Node) -> frozenset[str]:
        if name in self._sources:
            return self._union(name, map(self._assigned, self._sources[name][:100]))
        if not re.fullmatch(r"[1-9@*]", name):
            return frozenset({self._known.get(name, NAME if name in ENVIRONMENT else "")})
        if "set" in self._calls or "shift" in self._calls:
            return frozenset({DATA})
        function = around(at, "function_definition")
        called = name_of(function) if function is not None else ""
        place = slice(int(name) - 1, int(name)) if name.isdigit() else slice(None)
        given = [
            one for call in self._calls.get(called, ())[:100] for one in arguments(call)[place]
        ]
        return self._union(f"{called} {name}", map(self.texts, given)) or frozenset({""})

    def _union(self, key: str, values: Iterable[frozenset[str]]) -> frozenset[str]:
        if key not in self._found:
            self._found[key] = frozenset()  # a variable that leads to itself adds nothing
            self._found[key] = _capped(itertools.chain(*values))
        return self._found[key]

    def _assigned(self, node: Node) -> frozenset[str]:
        """Return what one assignment, loop or command gives a variable."""
        if node.type == "command":
            return frozenset({given_to(node) if name_of(node) != "printf" else DATA})
        given = node.children_by_field_name("value")
        if given and given[0].type == "array":
            given = given[0].named_children
        found = frozenset[str]().union(*(self.texts(one, quoted=True) for one in given))
        # A variable without quotes in a list is as many words as it has.
        is_split = any(one.type in _LOOSE for one in given)
        words = itertools.chain(found, *map(str.split, found if is_split else ()))
        return frozenset(words) if given else frozenset({""})


def given_to(command: Node) -> str:
    """Return what the lines are that a command reads: paths that find or ls print, or data."""
    node: Node | None = command
    while node is not None and node.type != "function_definition":
        parent = node.parent
        if parent is not None and parent.type == "pipeline" and node != parent.children[0]:
            return INSIDE if _PATHS.match(text(parent)) else DATA
        for redirect in node.children_by_field_name("redirect"):
            if found := re.match(r"<\s*(<\(.*)", text(redirect), re.DOTALL):
                return INSIDE if _PATHS.match(found[1]) else DATA
        node = parent
    return DATA


def _pieces(node: Node, *, is_loose: bool) -> Iterator[tuple[str | Node, bool]]:
    """Yield the literal parts and the expansions of a word, and whether these may be split."""
    source = text(node)
    if node.type in (*_LOOSE, "arithmetic_expansion", "process_substitution"):
        yield node, is_loose
    elif node.children and node.type != "string_content":
        for child in node.children:
            yield from _pieces(child, is_loose=is_loose and node.type != "string")
    elif node.type == "ansi_c_string":
        yield source[2:-1].encode("latin-1", "replace").decode("unicode_escape", "replace"), False
    elif node.type == "raw_string":
        yield source[1:-1], False
    elif node.type != '"':
        yield re.sub(r"\\(.)", r"\1", source, flags=re.DOTALL), False


def _braced(word: str) -> list[str]:
    """Return the words that the first braces make of one; others stay, and are no path."""
    found = re.match(r"([^{]*)\{([^{}\s]*)(,|\.\.)([^{}]*)\}(.*)", word, re.DOTALL)
    if found is None:
        return [word]
    choices = f"{found[2]},{found[4]}".split(",") if found[3] == "," else [NAME]
    return [found[1] + each + found[5] for each in choices]


def _capped(found: Iterable[str]) -> frozenset[str]:
    """Return texts, or that they are not known where there are too many to look at."""
    some = frozenset(found)
    is_much = len(some) > _MOST or any(len(one) > _MOST_CHARACTERS for one in some)
    return frozenset({DATA}) if is_much else some
