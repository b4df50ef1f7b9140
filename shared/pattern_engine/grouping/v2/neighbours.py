"""What only the neighbours of a word tell: the second half of masking, as a table of rules.

A rule is a name, a text without which it cannot apply (so that most cost one look or none), an
expression, which is compiled when a message first has that text, and what replaces a match. They
run in this order, once for each sequence of marked words. A rule must never join two messages that
differ in a word of the program's own: where in doubt, a word stays.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from pattern_engine.grouping.v2.marks import PLURAL
from pattern_engine.grouping.v2.marks import VARIABLE as V
from pattern_engine.grouping.v2.names import mark_names
from pattern_engine.grouping.v2.vocabulary import (
    CAPITALS,
    COUNTED,
    CURRENCIES,
    NAME,
    SQL_TYPE,
    UNITS,
)
from pattern_engine.text.compiled import compiled

__all__ = ["apply_rules"]


Replacement = str | Callable[[re.Match[str]], str]


class Rule(NamedTuple):
    """One row of the table."""

    name: str
    needs: str
    pattern: str
    replacement: Replacement


class Section(NamedTuple):
    """Rules in a row that share what they cannot do without, so that one look spares them all."""

    #: One character is found at a third of what several cost.
    needs: str
    rules: tuple[Rule, ...]
    #: Matches where any of them applies, where that is cheaper than each by itself.
    any_of_them: str | None


def _section(needs: str, *rules: Rule, together: bool = False) -> Section:
    any_of_them = "|".join(f"(?:{rule.pattern})" for rule in rules)
    return Section(needs, rules, any_of_them if together else None)


def _rule(name: str, needs: str, pattern: str, replacement: str) -> Rule:
    return Rule(name, needs, pattern, _function(replacement))


def _function(replacement: str) -> Replacement:
    """Return a replacement with groups as a function: `re` parses the text anew for every match."""
    if "\\" not in replacement:
        return replacement
    parts = re.split(r"\\([0-9])", replacement)
    literals, groups = parts[::2], [int(group) for group in parts[1::2]]

    def replace(found: re.Match[str]) -> str:
        text = literals[0]
        for group, literal in zip(groups, literals[1:], strict=True):
            text += (found[group] or "") + literal
        return text

    return replace


_TYPE: Final = rf"{SQL_TYPE}(?:\({V}\))?(?:\[\])*(?![\w(])"
_MONTHS: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_WEEKDAY: Final = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )"
#: "table orders", "trigger t on table orders", "function f(…)": PostgreSQL's description of an
#: object.
_OBJECT: Final = rf"(?:[\w-]+ ){{1,8}}{V}(?:\({V}\))?"
_OBJECTS: Final = rf"{_OBJECT}(?: (?:on|of|for|in) {_OBJECT}){{0,3}}"

_SECTIONS: Final[tuple[Section, ...]] = (
    # --- fields ---
    _section(
        "=",
        # The value may be missing: ruser= rhost=10.0.0.1
        _rule(
            "key=value",
            "=",
            r"(?<![=<>!])([\w.\-\])\x01\"]"
            r"(?<!level)(?<!severity)(?<!code)(?<!error)(?<!err)(?<!reason) ?=)(?![=>])"
            rf"(?:(?= [\w.-]+=)|( ?)(?:\"{V}\"|'{V}'|[^\s,;()\[\]{{}}<>|\"'\x02\x03]+)"
            r"|(?=[\s,;)\]}]|$))",
            rf"\1\2{V}",
        ),
        # ws=WorkSource{10113}, bounds=Rect(0, 0 - 720, 1280)
        _rule("object's fields", f"={V}", rf"={V}(?:\{{[^{{}}]*\}}|\([^()]*\))", f"={V}"),
    ),
    _section(
        ":",
        _rule("flag", ":", r":(?:true|false|null|none|nil|None|True|False)\b", f":{V}"),
    ),
    _section(
        "=",
        _rule("key (columns)=(values)", ")=(", r"\([^()]*\)=\([^()]*\)", f"({V})=({V})"),
        _rule("media type's parameter", "=", rf"{V}; ?(?:charset|boundary|q|version)={V}", V),
    ),
    # --- SQL ---
    _section(
        "type",
        _rule("type", "type ", rf"\b(?<!for )((?:pseudo-)?type) {_TYPE}", rf"\1 {V}"),
        # "for type character(4)" and "for type character varying(4)" are two messages of PostgreSQL
        _rule(
            "for type", "for type ", rf"\bfor type {SQL_TYPE}(?:\[\])*(?![\w(])", f"for type {V}"
        ),
        _rule("types", "types ", rf"\btypes {_TYPE} and {_TYPE}", f"types {V}"),
    ),
    _section(
        "o ",
        _rule("from type", "o ", rf"\b(from|to|into) {_TYPE}(?= to |[:,.]|$)", rf"\1 {V}"),
        _rule("to type", f" {V} to ", rf"\b((?:type|from) {V} to) {_TYPE}", rf"\1 {V}"),
    ),
    _section(
        "x",
        _rule(
            "command",
            "execute ",
            rf"\b(execute) (?:{CAPITALS}|\w+\(\))(?= (?:in|within|during|on)\b)",
            rf"\1 {V}",
        ),
    ),
    _section(
        "can",
        _rule(
            "leading command",
            "can",
            rf"^{CAPITALS}(?= (?:can only be|cannot run|cannot be executed|command cannot)\b)",
            V,
        ),
    ),
    _section(
        "not allowed in ",
        _rule("clause", "not allowed in ", rf"\bnot allowed in {CAPITALS}$", f"not allowed in {V}"),
    ),
    _section(
        "R",
        *(
            _rule(
                "definition",
                f"{verb} ",
                rf"\b({verb}) "
                r"(TABLE|TYPE|VIEW|INDEX|POLICY|FUNCTION|SCHEMA|TRIGGER|EXTENSION|ROLE|DATABASE|SEQUENCE)"
                r"((?: IF (?:NOT )?EXISTS)?) "
                rf"(?!(?:is|are|cannot|can|must|command|requires|at|on|not)\b){NAME}",
                rf"\1 \2\3 {V}",
            )
            for verb in ("CREATE", "ALTER", "DROP")
        ),
    ),
    _section(
        " COLUMN ",
        _rule(
            "column definition",
            " COLUMN ",
            rf"\b(ADD|DROP|ALTER|RENAME) COLUMN (?:{NAME}|{V})(?: (?:{_TYPE}|{V}))?",
            rf"\1 COLUMN {V}",
        ),
    ),
    _section(
        " is not ",
        # A ReferenceError says: stripe is not defined
        _rule(
            "undefined name",
            " is not ",
            rf"(?:(?<=^)|(?<=: )){NAME}(?= is not (?:defined|configured|set|installed)\b)",
            V,
        ),
    ),
    _section(
        "x",
        _rule(
            "unexpected token",
            "nexpected ",
            r"\b([Uu]nexpected (?:token|character)) [^\s\x01]+(?= (?:in|at)\b)",
            rf"\1 {V}",
        ),
    ),
    _section(
        "E",
        _rule(
            "resolved host",
            " E",
            rf"\b((?:getaddrinfo|connect) E[A-Z_]+ )[a-z][\w-]*(?=$| |:)(?::{V})?",
            rf"\1{V}",
        ),
    ),
    _section(
        ":",
        _rule(
            "host and port",
            f":{V}",
            r"\b(address:?|host:?|server:?|endpoint:?|proxy|upstream:?|peer|to|at|from) "
            rf"{NAME}:{V}",
            rf"\1 {V}",
        ),
        _rule(
            "image",
            f":{V}",
            rf"\b(for|image|from|of|tag) [a-z][\w./-]*:(?:{V}|latest|stable|main|edge)",
            rf"\1 {V}",
        ),
        _rule("image's tag", f"{V}:", rf"{V}:(?:latest|stable|main|edge)\b", V),
    ),
    _section(
        "(",
        *(
            _rule(
                "call",
                f"{noun} ",
                rf"\b({noun}) [\w.\x01]+\((?:[^()]|\([^()]*\))*\)",
                rf"\1 {V}({V})",
            )
            for noun in ("function", "procedure", "routine", "aggregate")
        ),
    ),
    _section(
        "cannot drop ",
        _rule(
            "object",
            "cannot drop ",
            r"\bcannot drop [^,;:]{1,200}?(?= because )",
            f"cannot drop {V}",
        ),
    ),
    _section(
        "because ",
        _rule(
            "dependent",
            "because ",
            rf"\bbecause {_OBJECTS}(?= (?:requires|depends on))",
            f"because {V}",
        ),
    ),
    # --- lists and brackets ---
    _section(
        "{",
        _rule("set", "{", rf"\{{(?:\"?{V}\"?|\w+)(?:, ?(?:\"?{V}\"?|\w+))*\}}", f"{{{V}}}"),
    ),
    _section(
        "(",
        _rule(
            "arguments", "(", r"\((?:[\w.\x01]+(?:\[\])*)(?:, ?[\w.\x01]+(?:\[\])*)+\)", f"({V})"
        ),
    ),
    _section(
        "[",
        _rule(
            "list in brackets",
            ", ",
            rf"\[[\"']?(?:{NAME}|{V})[\"']?(?:, [\"']?(?:{NAME}|{V})[\"']?)+\]",
            f"[{V}]",
        ),
        _rule("element", "[", r"(?<![\w\x01])[\w\x01]++(?:\[[\w\x01]+\])+", V),
        _rule("placeholder object", "[object ", r"\[object [A-Z]\w+\]", V),
    ),
    _section(
        f">{V}",
        _rule("root", f">{V}", rf"<\w+>{V}", V),
    ),
    _section(
        "(",
        _rule("file name with brackets", f"({V})", rf"{V}\({V}\)\.\w+", V),
        # 850 bytes (0.8 KB), 10.0.0.1 (host.example.org), 10.0.0.1 ()
        _rule("restatement", f"{V} (", rf"{V} \((?:{V}(?: [A-Za-z]{{1,3}})?)?\)", V),
    ),
    _section(
        "**",
        # card **** 4242, ****4242
        _rule("stars", "**", rf"(?<![^ ])\*{{2,}}(?:{V})?(?![^ .,:;)])", V),
    ),
    # --- numbers ---
    _section(
        V,
        _rule("unit", V, rf"{V} ?(?:{UNITS}|{CURRENCIES}|UTC|GMT|AM|PM|%)(?![\w%])", V),
        _rule("comparison", V, rf"[<>~](?<= .)=?{V}", V),
        _rule("count", V, rf"({V} (?:{COUNTED}))(?:s|\(s\))?(?![\w(])", rf"\1{PLURAL}"),
        _rule("restated size", f"{V} (", rf"{V} \((?:{V})?\)", V),
        together=True,
    ),
    # --- runs ---
    _section(
        V,
        _rule("quoted list", f'"{V}"', rf"\"{V}\"(?:,? (?:and |or )?\"{V}\")+", f'"{V}"'),
        _rule("list in quotes", f"'{V}'", rf"'{V}'(?:,? (?:and |or )?'{V}')+", f"'{V}'"),
        _rule("run", V, rf"{V}(?:[ ,|/#+~:*-]*{V})+", V),
        # 0x1f <ok> 0x2f <ok>: a list of pairs, however long
        _rule("pairs", V, rf"(?P<pair>{V} [^{V} ]{{1,40}})(?: (?P=pair))+(?![^ ])", r"\1"),
        together=True,
    ),
)


_DATE: Final = rf"\b{_WEEKDAY}?(?:{V} )?{_MONTHS},? {V}(?:,? {V})*(?: [A-Z]{{3,4}}\b)?(?: {V})?"
#: [event: UPDATE, table: orders], { syscall: connect, port: 5432 }
_MEMBERS: Final = r"[\[{][^\[\]{}]*: [^\[\]{}]*[\]}]"
_MEMBER: Final = (
    r"(?<=[\[{ ])(?!(?:code|errno|status|type|name|level|error|message)\b)"
    rf"([a-z]\w*): (?:{NAME}|{V})(?=, \w+: |[\]}}])"
)


def apply_rules(words: list[str]) -> str:
    """Return the words as a text, with the variables marked that their neighbours give away."""
    months = mark_names(words)
    text = " ".join(filter(None, words) if "" in words else words)
    if months:
        text = compiled(_DATE).sub(V, text)
    if ": " in text and ("[" in text or "{" in text):
        text = compiled(_MEMBERS).sub(_mark_members, text)
    for shared, rules, any_of_them in _SECTIONS:
        if shared in text and (any_of_them is None or compiled(any_of_them).search(text)):
            for _, needs, pattern, replacement in rules:
                if needs in text:
                    text = compiled(pattern).sub(replacement, text)
    return text


def _mark_members(found: re.Match[str]) -> str:
    return compiled(_MEMBER).sub(_mark_member, found[0])


def _mark_member(found: re.Match[str]) -> str:
    return f"{found[1]}: {V}"
