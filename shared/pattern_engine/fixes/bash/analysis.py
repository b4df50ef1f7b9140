"""Static analysis of a bash fix: a small language, in which what is not listed is refused.

Nothing is run. The script becomes a tree (`script`); every kind of node, command and option has to
be listed (`language`), and every path has to lead to where the box lets a script write
(`commands`). The analysis tells a person early what a script does and what is wrong with it; what
holds the script is the box (`executor`).
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Analysis, Finding
from pattern_engine.fixes.bash import script as tree
from pattern_engine.fixes.bash.commands import GRANTED, Commands
from pattern_engine.fixes.bash.language import COMMANDS, HINTS, RESERVED
from pattern_engine.fixes.bash.script import DATA, around, name_of, text
from pattern_engine.fixes.credentials import credential_by_name, known_credential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tree_sitter import Node

__all__ = ["analyse"]

#: Kind of node → what its text must not be, the rule, and what to write instead.
_REFUSED: Final = {
    "expansion": (
        (r"\$\{!(?!\w+\[[@*]\]\})", "environment", "name the variable itself in place of ${!…}"),
        (r".*@[A-Za-z]\}$", "expansion", "write ${name} without a transformation"),
    ),
    "declaration_command": (
        (r"\w+(?:\s+-\w+)*$", "environment", "name the variable: without one, all are listed"),
        (r"\w+\s+[-+]\w*[^aAgilrux\s]", "option", "use -a, -A, -g, -i, -l, -r, -u, -x"),
    ),
    "brace_expression": ((r".*\d{7}", "unbounded", "count to 999999 at most"),),
    "&": ((r"", "background", "leave it out: a fix ends when its script ends"),),
    "for_statement": ((r"select\b", "construct", "write for: nobody is there to select"),),
}
#: One of these makes a script do something.
_ACTIONS: Final = {"command", "variable_assignment", "test_command", "file_redirect"}


def analyse(
    script: str,
    parameters: Mapping[str, object] | None = None,
    granted: frozenset[str] | None = None,
) -> Analysis:
    """Analyse a script under an approval's parameters, of which `directories` grants paths.

    `granted` names the directories of this deployment; None where that is not known.
    """
    named = (parameters or {}).get("directories")
    modes = named.items() if isinstance(named, dict) else ()
    return _analysed(script, frozenset((str(name), str(mode)) for name, mode in modes), granted)


@functools.lru_cache(maxsize=64)  # a script is analysed again before each of its runs
def _analysed(
    script: str, modes: frozenset[tuple[str, str]], granted: frozenset[str] | None
) -> Analysis:
    reader = _Reader(dict(modes))
    checked = reader.checked
    try:
        reader.read(script)
    except RecursionError:
        checked.refuse("depth", "the script is nested too deep: split it up")
    for name in sorted(dict(modes).keys() - (dict(modes) if granted is None else granted)):
        reason = "is not granted here: the operator names it in PATTERN_ENGINE_BASH_DIRECTORIES"
        checked.refuse("directory", f"the directory {name} {reason}")
    if kind := known_credential(script):
        checked.refuse("credential", f"the script holds a {kind}: name it in the Vault instead")
    return Analysis(
        prepared_script="" if checked.findings else script,
        findings=tuple(dict.fromkeys(checked.findings)),
        operations=tuple(dict.fromkeys(checked.operations)),
        destructive=tuple(dict.fromkeys(checked.destructive)),
    )


class _Reader:
    """Reads the nodes of a script, and of what its traps run, each by the method for its kind."""

    def __init__(self, modes: dict[str, str]) -> None:
        self.words = tree.Words({f"GRANTED_{one.upper()}": f"{GRANTED}/{one}" for one in modes})
        self.checked = Commands(modes)

    def read(self, script: str) -> None:
        nodes = tree.parse(script)
        if isinstance(nodes, Finding):
            self.checked.findings.append(nodes)
            return
        self.words.learn(nodes)
        if not {one.type for one in nodes} & _ACTIONS:
            self.checked.refuse("empty", "the script holds no command: write what it does")
        for node in nodes:
            self.checked.at = tree.place(node)
            for pattern, rule, hint in _REFUSED.get(node.type, ()):
                if re.match(pattern, text(node), re.DOTALL):
                    self.checked.refuse(rule, f"{text(node)[:40]}: {hint}")
            if check := getattr(self, f"read_{node.type}", None):
                check(node)

    def read_command(self, node: Node) -> None:
        name_node = node.child_by_field_name("name")
        if name_node is None:
            return
        given, source = node.children_by_field_name("argument"), text(name_node)
        names = self.words.texts(name_node)
        name = min(names, default="")
        function = around(node, "function_definition")
        if names and names <= {"true", "false"}:
            return
        if len(names) > 1 or "$" in source or "`" in source:
            self.checked.refuse("command", f"{source}: write the name of the command out")
        elif name == "trap":
            self.trap(text(given[0]) if given else "-")
        elif name not in self.words.functions:
            for target in tree.assigned_by(node):
                self.assigns(target)
            values = [sorted(self.words.texts(one)) or [DATA] for one in given]
            self.checked.check(name, values, tree.given_to(node))
        elif function is not None and name_of(function) == name:
            self.checked.refuse("recursion", f"{name} calls itself: write a for loop")

    def trap(self, given: str) -> None:
        """Check what a trap runs, with the variables of the script around it."""
        body = re.sub(r'\\(["$`\\])', r"\1", given[1:-1] if given[:1] in "'\"" else given)
        if body.startswith("$"):
            self.checked.refuse("trap", "write the commands of a trap out, or name a function")
        elif body not in ("", "-"):
            self.read(body)

    def assigns(self, name: str) -> None:
        if not name.isidentifier() or RESERVED.fullmatch(name):
            reason = "is no plain name, or changes what commands do: choose another name"
            self.checked.refuse("variable", f"{name!r} {reason}")

    def read_variable_assignment(self, node: Node) -> None:
        name = name_of(node).partition("[")[0]
        self.assigns(name)
        values = node.children_by_field_name("value")
        found = (one for value in values for one in self.words.texts(value, quoted=True))
        if any(credential_by_name(name, one) for one in found):
            self.checked.refuse("credential", f"{name} holds a secret: name it in the Vault")

    def read_expansion(self, node: Node) -> None:
        found = re.match(r"\$\{?[!#]?([A-Za-z_]\w*)(?:\[[@*]\])?(:?[-=+])?", text(node))
        if found and found[2] is None and found[1] not in self.words.given:
            reason = "is never given a value: assign it, or read it from params.json"
            self.checked.refuse("environment", f"${found[1]} {reason}")

    read_simple_expansion = read_expansion

    def read_for_statement(self, node: Node) -> None:
        self.assigns(name_of(node))

    def read_file_redirect(self, node: Node) -> None:
        sign = next(one.type for one in node.children if not one.is_named)
        body = node.parent.child_by_field_name("body") if node.parent is not None else None
        empties = sign in (">", ">|") and (body is None or text(body) in (":", "true"))
        verb = "" if sign[0] == "<" else "empty" if empties else "write"
        for target in node.children_by_field_name("destination"):
            if target.type != "process_substitution" and not re.fullmatch(r"\d|-", text(target)):
                for path in sorted(self.words.texts(target)):
                    self.checked.path(path, verb, destroys=empties)

    def read_function_definition(self, node: Node) -> None:
        name = name_of(node)
        if name in COMMANDS or name in HINTS or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            self.checked.refuse("shadow", f"{name} is taken: give the function another name")

    def read_while_statement(self, node: Node) -> None:
        """Refuse a loop that neither reads lines nor looks at a variable; the box ends the rest."""
        condition = node.child_by_field_name("condition")
        looks_at = text(condition) if condition is not None else ""
        if re.match(r"(?:IFS=\S* )?read\b", looks_at):
            ends = around(node.children[1], "pipeline", "redirected_statement") is not None
        elif node.type == "c_style_for_statement" or re.match(r"[\[(]", looks_at):
            ends = bool(re.search(r"\$|\b[a-z]\w*(?:\+\+|--|\s*[<>=!])", looks_at))
            ends = ends and not re.search(r"\d{7}", looks_at)
        else:
            ends = looks_at.startswith("getopts")
        if not ends:
            reason = "write for i in 1 2 3; do … break; done, or while read -r line"
            self.checked.refuse("loop", f"nobody can tell that this loop ends: {reason}")

    read_c_style_for_statement = read_while_statement
