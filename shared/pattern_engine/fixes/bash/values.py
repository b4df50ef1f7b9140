"""Which values the variables of a script may have, without running it.

All assignments to a name count together, wherever they stand: the order is not followed. Values
are gathered until no more come; a name that still gets new ones then may hold anything. What a
command prints into `$(…)` and `read` is known for the commands that people use for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash import outputs
from pattern_engine.fixes.bash.expansions import expanded
from pattern_engine.fixes.bash.order import Assignments
from pattern_engine.fixes.bash.paths import Where, where
from pattern_engine.fixes.bash.syntax import arguments, command_name, descendants, text
from pattern_engine.fixes.bash.words import (
    ANYTHING,
    MAX_VALUES,
    Hole,
    Kind,
    Value,
    Values,
    Word,
    alternatives,
    fields,
    joined,
    literal,
    merged,
    read_word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["Variables"]

_ROUNDS: Final = 8
"""Rounds of gathering; twice as many give every chain of a usual script time to settle."""
_NAME: Final[Values] = frozenset({(Kind.NAME,)})
_PRIVATE: Final[Values] = frozenset({(Kind.PRIVATE,)})
_OPAQUE: Final[Values] = frozenset({(Kind.OPAQUE,)})
_EMPTY: Final[Values] = frozenset({()})

#: Variables that bash or the box sets.
_GIVEN: Final[dict[str, Values]] = {
    **dict.fromkeys(
        """
        ? # $ ! - RANDOM SRANDOM SECONDS LINENO EPOCHSECONDS EPOCHREALTIME BASHPID UID EUID PPID
        OPTIND HOSTNAME FUNCNAME PIPESTATUS BASH_VERSION BASH_VERSINFO BASH_LINENO
        """.split(),  # noqa: SIM905  words in rows are read more easily than in quotes
        _NAME,
    ),
    "PWD": frozenset({("./",)}),
    "OLDPWD": _PRIVATE,
    "HOME": frozenset({("/home",)}),
    "PATH": frozenset({("/usr/bin:/bin",)}),
    "BASH_SOURCE": frozenset({("/fix",)}),
    "0": frozenset({("/fix",)}),
    "_": _OPAQUE,
}
_SIMPLE: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass
class Variables:
    """The values of a script's variables, and its functions."""

    root: Node
    functions: dict[str, Node] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)
    """Names that the script gives a value to, anywhere."""
    assignments: Assignments = field(init=False)
    _values: dict[str, Values] = field(default_factory=dict)
    _settled: bool = False

    def __post_init__(self) -> None:
        nodes = list(descendants(self.root))
        for node in nodes:
            if node.type == "function_definition" and (name := command_name(node)):
                self.functions[text(name)] = node
        self.assignments = Assignments(self.root)
        # Of nodes that make no values nothing is looked at again.
        nodes = [node for node in nodes if node.type in _MAKERS]
        for round_ in range(_ROUNDS):
            before = dict(self._values)
            for node in nodes:
                self._gather(node)
            changed = [name for name, now in self._values.items() if before.get(name) != now]
            if not changed:
                break
            if round_ >= _ROUNDS // 2:
                self._values |= {name: _widened(self._values[name]) for name in changed}
        self._settled = True

    def of(self, name: str) -> Values:
        """Return the values that a variable may have."""
        known = self._values.get(name)
        if name in _GIVEN:
            return _GIVEN[name] | (known or frozenset())
        if known is None and (name in self.assigned or not self._settled):
            return ANYTHING if self._settled else frozenset()
        return _EMPTY if known is None else known

    def word(self, node: Node) -> list[Word]:
        """Return the words that a node makes."""
        return read_word(node, self.fill)

    def joined(self, node: Node) -> Values:
        """Return the values of a node where it is one word."""
        return frozenset().union(*(joined(word) for word in self.word(node)))

    def runs(self, nodes: list[Node]) -> list[list[Value]]:
        """Return argument lists that together hold every value that an argument may have."""
        choices = [alternatives(word) for node in nodes for word in self.word(node)]
        # An empty argument among others says nothing: no path is empty.
        choices = [[one for one in choice if one != [()]] or choice for choice in choices]
        choices = [choice or [[(Kind.DATA,)]] for choice in choices]
        count = max(map(len, choices), default=1)
        return [
            [value for choice in choices for value in choice[run % len(choice)]]
            for run in range(count)
        ]

    def fields(self, nodes: list[Node]) -> list[Value]:
        """Return the values of several arguments, each by itself."""
        return [value for node in nodes for word in self.word(node) for value in fields(word)]

    def fill(self, node: Node, quoted: bool) -> Hole:
        """Return what an expansion may put into a word."""
        match node.type:
            case "simple_expansion":
                name = next((text(child) for child in node.children if child.is_named), "")
                return Hole(self.variable(name, node), quoted, name)
            case "expansion":
                return expanded(self, node, quoted=quoted)
            case "command_substitution":
                return Hole(self.substitution(node), quoted)
            case "arithmetic_expansion":
                return Hole(_NAME, quoted)
            case _:
                return Hole(_PRIVATE, quoted)  # <(…) is a file that the script may read

    def variable(self, name: str, at: Node) -> Values:
        """Return the values of a variable, or of a positional parameter where it stands."""
        if name in ("@", "*") or name.isdecimal():
            return _GIVEN["0"] if name == "0" else self.of(_positional(at, name))
        known = self.of(name)
        if name in _GIVEN or not self._settled or self.assignments.surely_before(name, at):
            return known
        return known | _EMPTY

    def substitution(self, node: Node) -> Values:
        """Return what `$(…)` may give."""
        statements = [child for child in node.children if child.is_named]
        if len(statements) == 1 and statements[0].type == "file_redirect":
            return ANYTHING
        return frozenset().union(*(outputs.printed(self, one) for one in statements))

    def _add(self, name: str, values: Values) -> None:
        self.assigned.add(name)
        known = self._values.get(name, frozenset()) | values
        self._values[name] = known if len(known) <= MAX_VALUES else _widened(known)

    def _gather(self, node: Node) -> None:
        match node.type:
            case "variable_assignment":
                self._assignment(node)
            case "for_statement":
                self._loop(node)
            case "c_style_for_statement" | "arithmetic_expansion" | "compound_statement":
                self._arithmetic(node)
            case "expansion" if any(child.type in (":=", "=") for child in node.children):
                name = next(child for child in node.children if child.is_named)
                self._add(text(name), self.fill(node, True).values)
            case "command":
                self._command(node)

    def _assignment(self, node: Node) -> None:
        target = command_name(node)
        if target is None:
            return
        name = text(target).partition("[")[0]
        value = node.child_by_field_name("value")
        if value is None:
            values = _EMPTY
        elif value.type == "array":
            parts = self.fields([part for part in value.children if part.is_named])
            values = frozenset(map(_element, parts))
            self.assigned.add(name)
        else:
            values = self.joined(value)
        parent = node.parent
        if any(child.type == "+=" for child in node.children) and (
            value is None or value.type != "array"
        ):
            head = self.of(name)
            values = frozenset(_appended(a, b) for a in head for b in values)
        if parent is not None and parent.type == "declaration_command" and _declares_number(parent):
            values = _NAME
        self._add(name, values)

    def _loop(self, node: Node) -> None:
        variable = node.child_by_field_name("variable")
        if variable is None:
            return
        nodes = node.children_by_field_name("value")
        values = frozenset(self.fields(nodes)) if nodes else self.of(_positional(node, "@"))
        self._add(text(variable), values)

    def _arithmetic(self, node: Node) -> None:
        for part in descendants(node):
            if part.type == "do_group" or (part.type == "command" and node.type != part.type):
                break
            if part.type == "variable_assignment":
                name = command_name(part)
                if name is not None:
                    self._add(text(name), _NAME)
            elif any(
                child.type in ("++", "--", "=") or child.type in _ARITHMETIC
                for child in part.children
            ):
                for child in part.children:
                    if child.type in ("variable_name", "word") and _SIMPLE.fullmatch(text(child)):
                        self._add(text(child), _NAME)

    def _command(self, node: Node) -> None:
        name_node = command_name(node)
        if name_node is None:
            return
        name = _certain(self, name_node)
        given = arguments(node)
        if name in self.functions:
            self._call(name, given)
        elif name == "set" and given and text(given[0]) == "--":
            self._bind("", self.fields(given[1:]))
        elif name in ("read", "mapfile", "readarray", "getopts", "printf"):
            self._reading(name, node, [_certain(self, one) or "" for one in given])

    def _call(self, name: str, given: list[Node]) -> None:
        words = [word for node in given for word in self.word(node)]
        self._bind(name, [value for word in words for value in fields(word)])
        for number, word in enumerate(words, 1):
            self._add(f"{name}/{number}", frozenset(fields(word)))
        for number in range(len(words) + 1, 10):
            self._add(f"{name}/{number}", _EMPTY)
        if any(_is_list(node) for node in given):
            for number in range(1, 10):
                self._add(f"{name}/{number}", frozenset(self.fields(given)))

    def _bind(self, name: str, values: list[Value]) -> None:
        self._add(f"{name}/@", frozenset(values))
        if not name:
            for number in range(1, 10):
                self._add(f"/{number}", frozenset(values))

    def _reading(self, name: str, node: Node, given: list[str]) -> None:
        if name == "printf":
            if given[:1] == ["-v"] and len(given) > 1:
                values = outputs.formatted(self, arguments(node)[2:])
                self._add(given[1].partition("[")[0], values)
            return
        names = list(_read_names(name, given))
        values = outputs.incoming(self, node)
        if name == "getopts" or len(names) > 1:
            values = ANYTHING if name == "getopts" or (Kind.OPAQUE,) not in values else _OPAQUE
        for target in names or ["MAPFILE" if name != "read" else "REPLY"]:
            self._add(target.partition("[")[0], values)


_ARITHMETIC: Final = frozenset(
    {"+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^=", "**="}
)
_MAKERS: Final = frozenset(
    {
        "variable_assignment", "for_statement", "c_style_for_statement", "arithmetic_expansion",
        "compound_statement", "expansion", "command",
    }
)  # fmt: skip

#: Options of read, mapfile and getopts that take a word of their own.
_TAKES_WORD: Final = {
    "read": "dinNptu",
    "mapfile": "dnOsuCc",
    "readarray": "dnOsuCc",
    "getopts": "",
}


def _read_names(name: str, given: list[str]) -> Iterator[str]:
    """Yield the variables into which a command reads."""
    words = iter(given[1:] if name == "getopts" else given)
    for word in words:
        if word.startswith("-") and len(word) > 1:
            if word[-1] in _TAKES_WORD[name]:
                next(words, None)
            elif name == "read" and word[-1] == "a":
                yield next(words, "")
        elif _SIMPLE.match(word):
            yield word
            if name == "getopts":
                return


def _certain(variables: Variables, node: Node) -> str | None:
    words = variables.word(node)
    return literal(words[0]) if len(words) == 1 else None


def _appended(head: Value, tail: Value) -> Value:
    value = (*head, *tail)
    return merged(value)


def _widened(values: Values) -> Values:
    """Return what stands for values without end: hidden, if one of them leads outside."""
    led_out = any(where(value) in (Where.OUTSIDE, Where.HIDDEN) for value in values)
    return _OPAQUE if led_out else ANYTHING


def _element(value: Value) -> Value:
    """Return a value of an array without the index before it: `([key]=value)`."""
    if value and isinstance(value[0], str):
        return merged([re.sub(r"^\[[^]]*\]=", "", value[0]), *value[1:]])
    return value


def _declares_number(declaration: Node) -> bool:
    return any(
        child.type == "word" and re.fullmatch(r"-[a-z]*i[a-z]*", text(child))
        for child in declaration.children
    )


def _is_list(node: Node) -> bool:
    """Tell whether an argument may become several."""
    return any(
        part.type in ("special_variable_name", "word") and text(part) in ("@", "*")
        for part in descendants(node)
    ) or node.type in ("simple_expansion", "command_substitution", "expansion")


def _positional(at: Node, name: str) -> str:
    """Return the name under which the arguments of the function around a node are kept."""
    node = at.parent
    while node is not None:
        if node.type == "function_definition" and (own := command_name(node)):
            return f"{text(own)}/{name if name != '*' else '@'}"
        node = node.parent
    return f"/{name if name != '*' else '@'}"
