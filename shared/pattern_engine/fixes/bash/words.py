"""How the words of a script may begin, and marks for what is not known of them.

Nothing is computed and no order is followed: a variable may be whatever it is given anywhere in the
script. It is enough to tell a person early that `rm -r "$dir"` leads where data say; the box holds
the script whatever its words become.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.language import ENVIRONMENT
from pattern_engine.fixes.bash.syntax import arguments, around, descendants, name_of, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tree_sitter import Node

__all__ = ["DATA", "INSIDE", "LOOSE", "MARKS", "NAME", "Words", "assigned_by"]

DATA, INSIDE, NAME, LOOSE = MARKS = "\1\2\3\4"
"""Marks: text that is not known; a path that a command found or made; a word without a slash; a
variable without quotes that may become several words."""

_MOST: Final = 24
_MOST_CHARACTERS: Final = 1_000
_LOOSE: Final = ("simple_expansion", "expansion", "command_substitution")
_PARTS: Final = (*_LOOSE, "arithmetic_expansion", "process_substitution")
#: Commands by what they print: paths, or words without a slash.
_PATHS: Final = re.compile(r"(?:\$|<)\(\s*(?:mktemp|find|ls|dirname|pwd)\b|\s*(?:find|ls)\b")
_NAMES: Final = re.compile(r"\$\(\s*(?:TZ=\w+ )?(?:basename|date|wc|stat|du|seq|nproc|\w+sum)\b")
_CLEANED: Final = re.compile(r"\$\{#|.*(?:##\*/|//\[\^[^/.\]]*\]/\w?)\}$")


def assigned_by(command: Node) -> list[str]:
    """Return the variables to which a command of bash writes."""
    name, words = name_of(command), [text(one).strip("'\"") for one in arguments(command)]
    if name == "getopts":
        return words[1:2]
    if name == "printf":
        return words[1:2] if words[:1] == ["-v"] else []
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
        self._sources: dict[str, list[Node]] = {}
        self._calls: dict[str, list[Node]] = {}
        self._open: list[str] = []
        self._found: dict[str, frozenset[str]] = {}
        for node in descendants(root):
            if node.type in ("variable_assignment", "for_statement"):
                self._sources.setdefault(name_of(node).partition("[")[0], []).append(node)
            elif node.type == "function_definition":
                self.functions[name_of(node)] = node
            elif node.type == "command":
                self._calls.setdefault(name_of(node), []).append(node)
                for target in assigned_by(node):
                    self._sources.setdefault(target, []).append(node)

    def is_given(self, name: str) -> bool:
        """Tell whether a variable has a value: from the script, from the box, or from bash."""
        return name in self._sources or name in ENVIRONMENT or name in self._known

    def texts(self, node: Node, *, quoted: bool = False) -> frozenset[str]:
        """Return what a word may be; after its beginning, what is not written out is data."""
        found = frozenset({""})
        for piece, part in _pieces(node):
            values = frozenset({piece}) if part is None else self._values(part)
            around_it = part.parent if part is not None else None
            if part is not None and part.type in _LOOSE and not quoted and (
                part == node or around_it == node and node.type == "concatenation"
            ):  # fmt: skip
                spread = re.compile(rf"[\s*?\[{DATA}]")
                values = frozenset(LOOSE if spread.search(one) else one for one in values)
            elif part is not None and found != {""}:
                values = frozenset({DATA})
            found = _capped(one + value for one in found for value in values)
        braced = node.type in ("word", "concatenation") and "{" in text(node)
        return _capped(itertools.chain(*map(_braced, found))) if braced else found

    def _values(self, node: Node) -> frozenset[str]:
        """Return what an expansion may be."""
        source = text(node)
        if _PATHS.match(source):
            return frozenset({INSIDE})
        if node.type == "arithmetic_expansion" or _NAMES.match(source) or _CLEANED.match(source):
            return frozenset({NAME})
        found = re.match(r"\$\{?(\w+|[@*])(?:\[[^\]]*\])?(:?[-=+?]|%|\}?$)?", source)
        if found is None or found[2] is None:
            return frozenset({NAME if re.match(r"\$\{?[#?$!]", source) else DATA})
        values = self._variable(found[1], node)
        if re.match(":?[-=+]", found[2]):
            given = [self.texts(one, quoted=True) for one in node.named_children[1:]]
            return (values - {""}).union(*(given or [frozenset({""})]))
        return values

    def _variable(self, name: str, at: Node) -> frozenset[str]:
        if name in self._sources:
            return self._union(name, map(self._assigned, self._sources[name][:100]))
        if not re.fullmatch(r"[1-9@*]", name):
            return frozenset({self._known.get(name, NAME if name in ENVIRONMENT else "")})
        function = around(at, "function_definition")
        if "set" in self._calls or "shift" in self._calls:
            return frozenset({DATA})
        called = name_of(function) if function is not None else ""
        place = slice(int(name) - 1, int(name)) if name.isdigit() else slice(None)
        given = [arguments(one)[place] for one in self._calls.get(called, [])[:100]]
        words = (self.texts(one) for one in itertools.chain(*given))
        return self._union(f"{called} {name}", words) if any(given) else frozenset({""})

    def _union(self, key: str, values: Iterable[frozenset[str]]) -> frozenset[str]:
        """Return what a variable may be; one that leads to itself adds nothing."""
        if key in self._open:
            return frozenset()
        if len(self._open) > _MOST:
            return frozenset({DATA})
        if key not in self._found:
            self._open.append(key)
            self._found[key] = _capped(itertools.chain(*values)) or frozenset({DATA})
            self._open.pop()
        return self._found[key]

    def _assigned(self, node: Node) -> frozenset[str]:
        """Return what one assignment, loop or command gives a variable."""
        if node.type == "command":
            return frozenset({given_to(node) if name_of(node) != "printf" else DATA})
        value = node.child_by_field_name("value")
        if value is None:
            return frozenset({""})
        given = value.named_children if value.type == "array" else [value]
        if node.type == "for_statement":
            given = node.children_by_field_name("value")
        found = frozenset[str]().union(*(self.texts(one, quoted=True) for one in given))
        # A variable without quotes in a list is as many words as it has.
        is_split = any(one.type in _LOOSE for one in given)
        return frozenset(itertools.chain(found, *map(str.split, found if is_split else ())))


def given_to(command: Node) -> str:
    """Return what the lines are that a command reads: paths that find or ls print, or data."""
    node: Node | None = command
    while node is not None and node.type != "function_definition":
        parent = node.parent
        if parent is not None and parent.type == "pipeline" and node != parent.children[0]:
            return INSIDE if _PATHS.match(text(parent)) else DATA
        for redirect in node.children_by_field_name("redirect"):
            if re.match(r"<\s*<\(", text(redirect)):
                return INSIDE if _PATHS.match(text(redirect)[1:].lstrip()) else DATA
        node = parent
    return DATA


def _pieces(node: Node) -> list[tuple[str, Node | None]]:
    """Return the literal parts and the expansions of a word, in order."""
    if node.type in _PARTS:
        return [("", node)]
    if node.children and node.type != "string_content":
        return [piece for child in node.children for piece in _pieces(child)]
    source = text(node)
    if node.type == "ansi_c_string":
        source = source[2:-1].encode("latin-1", "replace").decode("unicode_escape", "replace")
    elif node.type == "raw_string":
        source = source[1:-1]
    elif node.type != '"':
        source = re.sub(r"\\(.)", r"\1", source, flags=re.DOTALL)
    return [(source, None)] if node.type != '"' else []


def _braced(word: str) -> list[str]:
    """Return the words that braces make of one."""
    waiting, done = [word], list[str]()
    while waiting and len(waiting) + len(done) <= _MOST:
        one = waiting.pop()
        found = re.search(r"\{([^{}\s]*(?:,|\.\.)[^{}\s]*)\}", one)
        if found is None:
            done.append(one)
            continue
        choices = found[1].split(",") if "," in found[1] else [NAME]
        waiting += [one[: found.start()] + each + one[found.end() :] for each in choices]
    return [*done, *([LOOSE] if waiting else [])]


def _capped(found: Iterable[str]) -> frozenset[str]:
    """Return texts, or that they are not known where there are too many to look at."""
    some = frozenset(found)
    is_much = len(some) > _MOST or any(len(one) > _MOST_CHARACTERS for one in some)
    return frozenset({DATA}) if is_much else some
