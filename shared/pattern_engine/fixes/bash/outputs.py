"""What commands print, as far as their text tells: the values of `$(…)` and of `read`.

Only what people use to make names and paths is known; the rest prints data. Text that is decoded or
turned around is hidden, and no path is made of it.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.paths import Where, where
from pattern_engine.fixes.bash.syntax import arguments, command_name, text
from pattern_engine.fixes.bash.words import (
    ANYTHING,
    Kind,
    Value,
    Values,
    literal,
    literals,
    merged,
    split_texts,
    unescaped,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tree_sitter import Node

    from pattern_engine.fixes.bash.values import Variables

__all__ = ["formatted", "incoming", "printed"]

_NAME: Final[Values] = frozenset({(Kind.NAME,)})
_INSIDE: Final[Values] = frozenset({(Kind.INSIDE,)})
_PRIVATE: Final[Values] = frozenset({(Kind.PRIVATE,)})
_OPAQUE: Final[Values] = frozenset({(Kind.OPAQUE,)})

_NUMBERS: Final = frozenset(
    """
    wc seq nproc id sha1sum sha256sum sha512sum md5sum cksum bc uname hostname
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)
#: What goes in comes out, by lines or by parts of lines.
_PASSING: Final = frozenset(
    """
    sort head tail uniq tac grep tee shuf cut awk column nl cat sed paste xargs
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)
_SELECTING: Final = frozenset({"sort", "head", "tail", "uniq", "tac", "tee", "shuf", "cat", "nl"})
_COUNTING: Final = frozenset({("stat", "-c"), ("grep", "-c"), ("du", "-s"), ("grep", "--count")})
_HARMLESS: Final = re.compile(
    r"""['"]?(?:\[:\w+:\]|[a-zA-Z]-[a-zA-Z]|\\n|\\t|\\r|\\0| |_|-|,|:)+['"]?"""
)
_HIDING: Final = frozenset(
    """
    base64 base32 xxd od rev hexdump gunzip zcat uudecode gzip fold
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)


def printed(variables: Variables, node: Node, given: Values | None = None) -> Values:
    """Return what a statement prints, given what it reads from its standard input."""
    match node.type:
        case "pipeline":
            for part in node.children:
                if part.is_named:
                    given = printed(variables, part, given)
            return given or frozenset()
        case "redirected_statement":
            body = node.child_by_field_name("body")
            given = _redirected(variables, node.children_by_field_name("redirect")) or given
            return printed(variables, body, given) if body is not None else ANYTHING
        case "list" | "subshell" | "compound_statement" | "negated_command":
            parts = [child for child in node.children if child.is_named]
            # Of what a list prints before its end, most is nothing: `cd x && pwd`.
            return frozenset().union(*(printed(variables, part, given) for part in parts))
        case "command":
            return _command(variables, node, given)
        case "test_command" | "variable_assignment" | "comment" | "declaration_command":
            return frozenset()
        case _:
            return ANYTHING


def incoming(variables: Variables, node: Node) -> Values:
    """Return what a command like read finds in its standard input, line by line."""
    return split_texts(_incoming(variables, node), r"\n")


def _incoming(variables: Variables, node: Node) -> Values:
    current: Node | None = node
    while current is not None and current.type not in ("function_definition", "program"):
        found = _redirected(variables, current.children_by_field_name("redirect"))
        if found is not None:
            return found
        parent = current.parent
        if parent is not None and parent.type == "pipeline":
            before = [
                part
                for part in parent.children
                if part.is_named and part.end_byte <= current.start_byte
            ]
            given: Values | None = None
            for part in before:
                given = printed(variables, part, given)
            if before:
                return given if given is not None else ANYTHING
        current = parent
    return ANYTHING


def formatted(variables: Variables, nodes: list[Node]) -> Values:
    """Return what printf makes of a format and its arguments."""
    words = [word for node in nodes for word in variables.word(node)]
    form = literal(words[0]) if words else None
    if form is None:
        return ANYTHING
    others = variables.fields(nodes[1:])
    if "%" not in form:
        return frozenset({(unescaped(form).rstrip("\n"),)})
    if re.fullmatch(r"%s(?:\\n|\\0)?", form):
        return frozenset(others)
    if "\\x" in form or re.search(r"\\[0-7]{2}|%b", form):
        return _OPAQUE
    certain = [one for value in others for one in literals([value]) or [None]]
    if (
        re.fullmatch(r"(?:[^%]|%s|%%)*", form)
        and None not in certain
        and form.count("%s") == len(certain)
    ):
        for one in certain:
            form = form.replace("%s", one or "", 1)
        return frozenset({(unescaped(form.replace("%%", "%")).rstrip("\n"),)})
    pieces = re.sub(r"%[-+ 0#]*\d*(?:\.\d+)?[sdixXufeg]", "name", form)
    tame = all(_is_tame(value) for value in others) and where((pieces,)) is Where.INSIDE
    return _INSIDE if tame else ANYTHING


def _redirected(variables: Variables, redirects: list[Node]) -> Values | None:
    """Return what redirections bring to standard input; None if they bring nothing."""
    for redirect in redirects:
        if redirect.type == "herestring_redirect":
            return variables.joined(redirect.children[-1])
        if redirect.type == "heredoc_redirect":
            bodies = [part for part in redirect.children if part.type == "heredoc_body"]
            certain = bodies and not any(part.is_named for part in bodies[0].children)
            return frozenset({(text(bodies[0]).rstrip("\n"),)}) if certain else ANYTHING
        if redirect.type == "file_redirect" and any(
            child.type == "<" for child in redirect.children
        ):
            source = redirect.child_by_field_name("destination")
            if source is not None and source.type == "process_substitution":
                parts = [child for child in source.children if child.is_named]
                return frozenset().union(*(printed(variables, part) for part in parts))
            return ANYTHING
    return None


def _command(variables: Variables, node: Node, given: Values | None) -> Values:
    name_node = command_name(node)
    words = variables.word(name_node) if name_node is not None else []
    name = literal(words[0]) if len(words) == 1 else None
    nodes = arguments(node)
    own = _redirected(variables, node.children_by_field_name("redirect"))
    given = own if own is not None else given
    if name is None or name in variables.functions:
        return ANYTHING
    if name in _HIDING:
        return _OPAQUE
    if name in _NUMBERS or (name, *map(text, nodes[:1])) in _COUNTING:
        return _NAME
    if name in _MAKING:
        return _MAKING[name](variables, nodes)
    if name == "tr" and given is not None:
        return _translated([text(one) for one in nodes], given)
    return _passed(name, given) if name in _PASSING and given is not None else ANYTHING


def _passed(name: str, given: Values) -> Values:
    """Return what a filter lets through of lines: all of a line, or a part of it."""
    tame = all(map(_is_tame, given))
    if name in _SELECTING or (tame and literals(given) is None):
        return given
    # Text of the script that is taken apart and put together is hidden by that.
    return _OPAQUE if literals(given) is not None or (Kind.OPAQUE,) in given else ANYTHING


def _is_option(value: Value) -> bool:
    return bool(value) and isinstance(value[0], str) and value[0].startswith("-")


def _is_tame(value: Value) -> bool:
    return where(value) is Where.INSIDE and Kind.DATA not in value


def _echoed(variables: Variables, nodes: list[Node]) -> Values:
    choices: list[list[Value]] = [
        list(variables.joined(node)) for node in nodes if not re.fullmatch(r"-[neE]+", text(node))
    ]
    if any(re.fullmatch(r"-\w*e\w*", text(node)) for node in nodes):
        certain = [literals(choice) for choice in choices]
        if not all(certain):
            return _OPAQUE
        choices = [[(unescaped(one),) for one in choice or ()] for choice in certain]
    size = 1
    for choice in choices:
        size *= len(choice)
    if size > 16:
        return ANYTHING
    return frozenset(
        merged(
            itertools.chain(*((" ", *part) if index else part for index, part in enumerate(row)))
        )
        for row in itertools.product(*choices)
    )


def _dated(variables: Variables, nodes: list[Node]) -> Values:
    forms = [one for one in variables.fields(nodes) if one and str(one[0]).startswith("+")]
    certain = literals(forms)
    if certain is None:
        return ANYTHING
    shape = re.sub(r"%-?\w", "name", "".join(certain)[1:])
    if re.fullmatch(r"[\w:+\- ]*", shape):
        return _NAME
    return _INSIDE if where((shape,)) is Where.INSIDE else ANYTHING


def _operands(variables: Variables, nodes: list[Node]) -> list[Value]:
    return [value for value in variables.fields(nodes) if not _is_option(value)]


def _based(variables: Variables, nodes: list[Node]) -> Values:
    return _named(posixpath.basename, _operands(variables, nodes), _INSIDE)


def _directory(variables: Variables, nodes: list[Node]) -> Values:
    return _named(
        lambda path: posixpath.dirname(path) or ".", _operands(variables, nodes), _PRIVATE
    )


def _named(part: Callable[[str], str], operands: list[Value], private: Values) -> Values:
    if not operands:
        return ANYTHING
    value = operands[0]
    if certain := literals([value]):
        return frozenset({merged([part(certain.pop())])})
    if not _is_tame(value):
        return ANYTHING
    return private if value[0] is Kind.PRIVATE else _INSIDE


def _listed(variables: Variables, nodes: list[Node]) -> Values:
    return _INSIDE if all(map(_is_tame, _operands(variables, nodes))) else ANYTHING


def _made(variables: Variables, nodes: list[Node]) -> Values:
    unknown: Value = (Kind.DATA,)
    return ANYTHING if unknown in _operands(variables, nodes) else _PRIVATE


def _resolved(variables: Variables, nodes: list[Node]) -> Values:
    operands = _operands(variables, nodes)
    return _PRIVATE if operands and all(map(_is_tame, operands)) else ANYTHING


def _here(variables: Variables, _nodes: list[Node]) -> Values:
    return variables.of("PWD")


def _found(variables: Variables, nodes: list[Node]) -> Values:
    starts = list(
        itertools.takewhile(
            lambda value: not (value and str(value[0]).startswith(("-", "(", "!"))),
            variables.fields(nodes),
        )
    )
    if starts and all(value and value[0] is Kind.PRIVATE for value in starts):
        return _PRIVATE
    return _INSIDE if all(map(_is_tame, starts)) else ANYTHING


_CASES: Final[dict[tuple[str, ...], Callable[[str], str]]] = {
    ("[:upper:]", "[:lower:]"): str.lower, ("A-Z", "a-z"): str.lower,
    ("[:lower:]", "[:upper:]"): str.upper, ("a-z", "A-Z"): str.upper,
}  # fmt: skip


def _translated(options: list[str], given: Values) -> Values:
    """Return what tr makes: it may only change letters, or take blanks and line ends away."""
    if all(one.startswith("-") or _HARMLESS.fullmatch(one) for one in options):
        certain = literals(given)
        if certain is None:
            return given
        case = _CASES.get(tuple(one.strip("'\"") for one in options))
        return frozenset({(case(one),) for one in certain}) if case else _OPAQUE
    if options[:1] in (["-dc"], ["-cd"]) and len(options) > 1:
        return ANYTHING if re.search(r"[./\\]|\[:(?:punct|print|graph):\]", options[1]) else _NAME
    return _OPAQUE


_MAKING: Final[dict[str, Callable[[Variables, list[Node]], Values]]] = {
    "echo": _echoed, "printf": formatted, "pwd": _here, "mktemp": _made, "date": _dated,
    "basename": _based, "dirname": _directory, "realpath": _resolved, "readlink": _resolved,
    "ls": _listed, "find": _found,
}  # fmt: skip
"""Command → what it prints of its arguments."""
