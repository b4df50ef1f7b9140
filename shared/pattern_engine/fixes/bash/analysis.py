"""Static analysis of a bash fix: a tree, lists of what is allowed, and the values of variables.

Nothing is run, and nothing is searched for in the text: the script becomes a tree (`syntax`), words
become the values that they may have (`words`, `values`), and every command is checked with every
value that its arguments may have (`commands`). What is not listed or not understood is refused.

The check is one of several brakes: the fix runs in a box without network that holds nothing of the
host (`box`). So what data put behind a path of the script's own, as in `./$name`, is let pass.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Analysis, Finding
from pattern_engine.fixes.bash import allowed
from pattern_engine.fixes.bash.commands import Checker, is_known
from pattern_engine.fixes.bash.expansions import indirect
from pattern_engine.fixes.bash.loops import endless_loop, recursion
from pattern_engine.fixes.bash.outputs import incoming
from pattern_engine.fixes.bash.passing import calls_functions, passed_from, passes_on
from pattern_engine.fixes.bash.shell import FILE_TEST
from pattern_engine.fixes.bash.shellcheck import shellcheck
from pattern_engine.fixes.bash.syntax import (
    arguments,
    command_name,
    descendants,
    parse,
    place,
    text,
)
from pattern_engine.fixes.bash.values import Variables
from pattern_engine.fixes.bash.words import (
    ANYTHING,
    BraceError,
    Kind,
    Text,
    Word,
    joined,
    literal,
    literals,
)
from pattern_engine.fixes.credentials import known_credential, literal_credential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tree_sitter import Node

__all__ = ["analyse"]

_REMEMBERED: Final = 64
"""Analyses kept: a script is analysed again before each of its runs."""


def analyse(script: str, parameters: Mapping[str, object] | None = None) -> Analysis:
    """Analyse a script under an approval's parameters, of which none changes what is allowed."""
    return _analysed(script, json.dumps(parameters or {}, sort_keys=True, default=str))


@functools.lru_cache(maxsize=_REMEMBERED)
def _analysed(script: str, _parameters: str) -> Analysis:
    root, problems = parse(script)
    if root is None:
        return Analysis(prepared_script="", findings=problems)
    try:
        reader = _Reader(root)
        reader.read()
    except BraceError:
        return Analysis("", (Finding("unbounded", "braces make more words than are allowed"),))
    except RecursionError:
        return Analysis("", (Finding("depth", "the script is nested too deep"),))
    findings = [*dict.fromkeys(reader.checker.findings)]
    if kind := known_credential(script):
        findings.append(
            Finding("credential", f"the script holds a {kind}: name it in the Vault instead")
        )
    findings = findings or shellcheck(script)
    return Analysis(
        prepared_script="" if findings else script,
        findings=tuple(findings),
        operations=tuple(dict.fromkeys(reader.checker.operations)),
        destructive=tuple(dict.fromkeys(reader.checker.destructive)),
    )


class _Reader:
    """Walks the tree of a script, and of what its traps run."""

    variables: Variables
    checker: Checker

    def __init__(self, root: Node, above: _Reader | None = None) -> None:
        self.root = root
        self.variables = above.variables if above else Variables(root)
        self.checker = above.checker if above else Checker(frozenset(self.variables.functions))
        self.nested = above is not None
        self.commands = 0

    def read(self) -> None:
        for node in descendants(self.root):
            self.checker.at = place(node)
            check = _CHECKS.get(node.type)
            if check is not None:
                check(self, node)
            elif node.type == "&" and node.parent is not None and node.parent.type in _STATEMENTS:
                self.checker.refuse("background", "a fix starts nothing in the background")
        if self.nested:
            return
        if not self.commands:
            self.checker.refuse("empty", "the script holds no command")
        if found := recursion(self.variables.functions):
            self.checker.findings.append(found)

    def command(self, node: Node) -> None:
        self.commands += 1
        name_node = command_name(node)
        if name_node is None:
            return
        words = self.variables.word(name_node)
        name = literal(words[0]) if len(words) == 1 else None
        if name is None and (
            self.is_flag(words, node) or passes_on(node, self.variables.functions)
        ):
            return
        if name is None:
            self.checker.refuse(
                "command", f"{text(name_node)}: the name of a command must be certain"
            )
            return
        nodes = arguments(node)
        if name == "trap":
            self.trap(nodes)
            return
        function = self.variables.functions.get(name)
        if function is not None and (skipped := passed_from(function)) is not None:
            self.passed(nodes[:skipped], nodes[skipped:])
        given = incoming(self.variables, node) if name == "xargs" else frozenset()
        self.checker_arguments(nodes)
        for values in self.variables.runs(nodes):
            self.checker.command(name, values, given)

    def is_flag(self, words: list[Word], node: Node) -> bool:
        """Tell whether a command is but the name of true or false: `if $changed`.

        Were it empty, its first argument would be what runs: so it may have none.
        """
        values = literals(joined(words[0])) if len(words) == 1 else None
        return bool(values) and set(values or ()) <= {"true", "false"} and not arguments(node)

    def passed(self, skipped: list[Node], nodes: list[Node]) -> None:
        """Check the command that a call hands on to a function that runs its arguments."""
        certain = [
            literal(words[0]) if len(words := self.variables.word(node)) == 1 else None
            for node in (*skipped, *nodes[:1])
        ]
        name = certain[-1] if nodes and certain else None
        if name is None or None in certain:
            self.checker.refuse("command", "the command that a function runs must be certain")
        elif name in self.variables.functions:
            if calls_functions(self.variables.functions[name], self.variables.functions):
                self.checker.refuse("recursion", f"{name}, which a function runs, calls another")
        else:
            for values in self.variables.runs(nodes[1:]):
                self.checker.command(name, values, ANYTHING)

    def checker_arguments(self, nodes: list[Node]) -> None:
        for node in nodes:
            for one in (
                certain for word in self.variables.word(node) if (certain := literal(word))
            ):
                self.certain_text(one)

    def certain_text(self, one: str) -> None:
        """Check text that stands in the script as it is."""
        if re.search(r"\[\s*(?:\$\(|`)", one):
            self.checker.refuse("arithmetic", "holds a command that an index of an array would run")
        if kind := literal_credential(one):
            self.checker.refuse("credential", f"holds a {kind}: name it in the Vault instead")

    def trap(self, nodes: list[Node]) -> None:
        """Check what a trap runs, as a script of its own."""
        if not nodes or text(nodes[0]) in ("-", "''", '""'):
            return
        body = self.trap_body(nodes[0])
        if body is None or body.startswith("-"):
            self.checker.refuse("trap", "a trap runs text that is not certain")
            return
        root, findings = parse(body)
        if root is None:
            self.checker.findings += findings
            return
        at = self.checker.at
        _Reader(root, self).read()
        self.checker.at = at

    def trap_body(self, node: Node) -> str | None:
        """Return what a trap runs; None if that is not certain.

        A variable that holds a number, or what mktemp made, has nothing in it that means anything
        to a shell, so it may be written out when the trap is set.
        """
        words = self.variables.word(node)
        if len(words) != 1:
            return None
        body = ""
        for piece in words[0]:
            if isinstance(piece, Text):
                body += piece.text
            elif piece.name and piece.values <= {(Kind.PRIVATE,), (Kind.NAME,)}:
                body += f"${{{piece.name}}}"
            else:
                return None
        return body

    def assignment(self, node: Node) -> None:
        target = command_name(node)
        name = text(target).partition("[")[0] if target is not None else ""
        value = node.child_by_field_name("value")
        texts = (
            literals(self.variables.joined(value))
            if value is not None and value.type != "array"
            else None
        )
        if name == "IFS":
            if value is not None and (
                not texts or not all(re.fullmatch(r"[\s,:;|=.-]*", one) for one in texts)
            ):
                self.checker.refuse("variable", "IFS may be blanks and punctuation alone")
        else:
            self.checker.assigns(name)
        if target is not None and target.type == "subscript" and "`" in text(target):
            self.checker.refuse("arithmetic", "an index of an array runs a command")
        for one in texts or ():
            self.certain_text(one)
            if literal_credential(f"{name}={one}"):
                self.checker.refuse(
                    "credential", f"{name} holds a secret: name it in the Vault instead"
                )
        if not self.commands:
            self.commands = 1

    def declaration(self, node: Node) -> None:
        words = node.children[1:]
        options = [
            text(child) for child in words if child.type == "word" and text(child)[0] in "-+"
        ]
        names = [child for child in words if child.is_named and text(child) not in options]
        for option in options:
            if not re.fullmatch(r"[-+][aAgilrux]+", option):
                self.checker.refuse("option", f"{text(node.children[0])} {option} is not allowed")
        if not names:
            self.checker.refuse("environment", f"{text(node.children[0])} lists variables")
        for child in names:
            if child.type == "variable_name":
                self.checker.assigns(text(child))
            elif child.type != "variable_assignment":
                self.checker.refuse("variable", f"declares {text(child)}, which is no plain name")

    def unset(self, node: Node) -> None:
        for child in node.children[1:]:
            word = text(child).strip("'\"")
            if word in ("-v", "--"):
                continue
            self.checker.assigns(re.sub(r"\[(?:[\w@*]+|\"?\$\w+\"?|\"?\$\{\w+\}\"?)\]$", "", word))

    def expansion(self, node: Node) -> None:
        source = text(node)
        if node.type == "expansion":
            if indirect(node):
                self.checker.refuse(
                    "environment", f"{source} reads a variable that another one names"
                )
                return
            if re.search(r"@[^\]}]*\}$", source) and not re.search(
                r"(?:\[@\]|\{[#!]?@|@[QULuKk]\})", source
            ):
                self.checker.refuse("expansion", f"{source} runs or shows what is in a variable")
        name = next((text(part) for part in descendants(node) if part.type == "variable_name"), "")
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*|.*(?i:pass|secret|token).*", name):
            return
        if name in self.variables.assigned or name in allowed.ENVIRONMENT:
            return
        given = any(child.type in (":-", "-", ":=", "=", ":+", "+") for child in node.children)
        if not given or allowed.SECRET_NAME.fullmatch(name):
            self.checker.refuse(
                "environment", f"${name} is not the script's own; the environment is empty"
            )

    def redirect(self, node: Node) -> None:
        destinations = node.children_by_field_name("destination")
        signs = {child.type for child in node.children if not child.is_named}
        if len(destinations) != 1:
            if not signs & {"<&-", ">&-"}:
                self.checker.refuse("syntax", "a redirection takes one file")
            return
        target = destinations[0]
        if signs & {">&", "<&"} and re.fullmatch(r"\d|-", text(target)):
            return
        if target.type == "process_substitution":
            return
        for values in self.variables.runs([target]):
            for value in values:
                if signs & {"<", "<&"}:
                    self.checker.reads(value)
                else:
                    empties = _does_nothing(node) and not signs & {">>", "&>>"}
                    self.checker.writes(value, "empty" if empties else "write", destroys=empties)

    def function(self, node: Node) -> None:
        name_node = command_name(node)
        name = text(name_node) if name_node is not None else ""
        if is_known(name) or name in _WORDS or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            self.checker.refuse("shadow", f"a function may not be called {name}")

    def loop(self, node: Node) -> None:
        if node.children and node.children[0].type == "select":
            self.checker.refuse("construct", "select waits for somebody to answer")
        variable = node.child_by_field_name("variable")
        if variable is not None:
            self.checker.assigns(text(variable))
        if found := endless_loop(node):
            self.checker.findings.append(found)

    def test(self, node: Node) -> None:
        parts = [part for part in descendants(node) if part.type == "test_operator"]
        for operator in parts:
            around = operator.parent
            if around is None or not re.fullmatch(FILE_TEST, text(operator)):
                continue
            operand = operator.next_sibling
            while operand is not None and operand.type == "binary_expression":
                operand = operand.children[0]
            if operand is not None and operand.is_named:
                for values in self.variables.runs([operand]):
                    for value in values:
                        self.checker.reads(value)

    def sign(self, node: Node) -> None:
        after = node.next_sibling
        if (
            after is not None
            and after.type == "string"
            and after.start_byte == node.end_byte
            and node.parent is not None
            and node.parent.type != "string"
        ):
            self.checker.refuse("construct", 'text in $"…" is translated')


#: Words of bash that stand in no list of commands.
_WORDS: Final = frozenset(
    """
    export local declare readonly typeset unset trap egrep fgrep gawk mawk if then else elif fi for
    while until do done case esac in select function time
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)
#: What a sign of its own means a command in the background in.
_STATEMENTS: Final = frozenset(
    """
    program list do_group if_statement elif_clause else_clause case_item compound_statement
    subshell command_substitution process_substitution while_statement for_statement pipeline
    c_style_for_statement redirected_statement
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)

_CHECKS: Final[dict[str, Callable[[_Reader, Node], None]]] = {
    "command": _Reader.command,
    "variable_assignment": _Reader.assignment,
    "declaration_command": _Reader.declaration,
    "unset_command": _Reader.unset,
    "simple_expansion": _Reader.expansion,
    "expansion": _Reader.expansion,
    "file_redirect": _Reader.redirect,
    "function_definition": _Reader.function,
    "for_statement": _Reader.loop,
    "while_statement": _Reader.loop,
    "c_style_for_statement": _Reader.loop,
    "test_command": _Reader.test,
    "$": _Reader.sign,
}


def _does_nothing(redirect: Node) -> bool:
    """Tell whether a redirection only empties its file: `: > file`."""
    around = redirect.parent
    if around is None:
        return False
    body = around.child_by_field_name("body") if around.type == "redirected_statement" else around
    if body is None:
        return True
    name = command_name(body) if body.type == "command" else None
    return body.type == "command" and (name is None or text(name) in (":", "true"))
