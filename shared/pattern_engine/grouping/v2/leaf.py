"""Joining by evidence: a word is a variable where a variable has been seen in the same place.

Masking takes each message by itself, so "tenant acme" may keep its name while "tenant eu_3" does
not. Two templates are alike if they have equally many words and differ in one, which is a variable
in one of them and a free word in the other. Templates alike, and those alike to them, are one
pattern: which ones are one does not depend on the order in which they came, since being alike does
not.

Only templates of one leaf can be alike, so a database finds the candidates by one indexed column.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from pattern_engine.grouping.v2.marks import WILDCARD
from pattern_engine.grouping.v2.vocabulary import NOT_A_NAME, NOUNS

__all__ = ["Index", "alike", "joined", "leaf_of", "wider_templates"]

#: Literal words that two templates must share.
MIN_LITERALS: Final = 3
#: Finds a word that is nothing but a variable, in its punctuation.
_VARIABLE_WORD: Final = re.compile(r"(?<![^ ])[^\w$ ]*<\*>[^\w$ ]*(?![^ ])").search
#: A host's name with a port, or a key with a number: what a bare variable stood for tells.
_HOST_AND_PORT: Final = re.compile(r"[A-Za-z][\w-]*:<\*>\Z").match
_WORD: Final = re.compile(r"([^\w$]*)([A-Za-z][\w$-]*)([^\w$]*)\Z")
_NOT_FREE: Final = re.compile(r"[A-Z0-9_-]+\Z|.*(?:Error|Exception|Failure|Timeout|Violation)\Z")


def leaf_of(template: str) -> str:
    """Return what templates that are alike have in common: their number of words and the first."""
    if "\n" in template:
        return ""
    first = template.partition(" ")[0]
    if _HOST_AND_PORT(first):
        first = WILDCARD
    return f"{template.count(' ') + 1} {first[:60]}"


def alike(one: str, other: str) -> bool:
    """Tell whether two templates differ in one word, variable in one and free in the other."""
    left, right = one.split(" "), other.split(" ")
    if len(left) != len(right):
        return False
    pairs = enumerate(zip(left, right, strict=True))
    differing = [place for place, (one_word, other_word) in pairs if one_word != other_word]
    if len(differing) != 1:
        return False
    place = differing[0]
    return any(
        _literals(words) > MIN_LITERALS and _wide(words, place) == others[place]
        for words, others in ((left, right), (right, left))
    )


def joined(templates: Iterable[str]) -> dict[str, str]:
    """Return template → its pattern's template: of those joined, that with the most variables."""
    leaves: defaultdict[str, list[str]] = defaultdict(list)
    for template in dict.fromkeys(templates):
        leaves[leaf_of(template)].append(template)
    root: dict[str, str] = {}
    for leaf in leaves.values():
        root |= _components(leaf)
    return root


class Index:
    """The templates that are known, by leaf: what the database keeps, in memory."""

    def __init__(self) -> None:
        self._leaves: defaultdict[str, list[str]] = defaultdict(list)

    def find(self, leaf: str) -> list[str]:
        """Return the templates of a leaf: the candidates to be alike."""
        return list(self._leaves.get(leaf, ()))

    def add(self, template: str) -> list[str]:
        """Add a template and return those it is alike to, which it makes one pattern with."""
        leaf = leaf_of(template)
        near = [known for known in self._leaves.get(leaf, ()) if alike(known, template)]
        if template not in self._leaves[leaf]:
            self._leaves[leaf].append(template)
        return near

    def patterns(self) -> dict[str, str]:
        """Return template → the template of its pattern (see `joined`)."""
        root: dict[str, str] = {}
        for templates in self._leaves.values():
            root |= _components(templates)
        return root


def _components(templates: list[str]) -> dict[str, str]:
    """Return the components of `alike`, each named by its template with the most variables."""
    root = {template: template for template in templates}
    if len(templates) < 2 or "\n" in templates[0]:
        return root

    def find(template: str) -> str:
        while root[template] != template:
            root[template] = root[root[template]]
            template = root[template]
        return template

    def join(template: str, wider: str) -> None:
        one, other = find(template), find(wider)
        if one != other:
            root[min(one, other, key=_rank)] = max(one, other, key=_rank)

    for template in _narrower(templates):
        for wider in wider_templates(template):
            if wider in root:
                join(template, wider)
    return {template: find(template) for template in templates}


def _narrower(templates: list[str]) -> list[str]:
    """Return those that another one may be wider than: the others need no closer look."""
    by_variables: defaultdict[int, list[str]] = defaultdict(list)
    for template in templates:
        by_variables[template.count(WILDCARD)].append(template)
    # the wider one has one variable more, or as many where the other's is a port
    narrower: list[str] = []
    for variables, those in by_variables.items():
        if any(map(_VARIABLE_WORD, by_variables.get(variables + 1, ()))):
            narrower += those
        elif any(map(_VARIABLE_WORD, those)):
            narrower += (template for template in those if ":<" in template)
    return narrower


def _rank(template: str) -> tuple[int, str]:
    return template.count(WILDCARD), template


def wider_templates(template: str) -> Iterable[str]:
    """Yield the template with one of its free words widened to a variable, for each of them."""
    words = template.split(" ")
    if _literals(words) <= MIN_LITERALS:
        return
    for place in range(len(words)):
        widened = _wide(words, place)
        if widened:
            yield " ".join([*words[:place], widened, *words[place + 1 :]])


def _wide(words: list[str], place: int) -> str | None:
    """Return the variable that a word may be; the first of a template only with a port."""
    if _HOST_AND_PORT(words[place]):
        return WILDCARD
    return _widened(words[place]) if place else None


@lru_cache(maxsize=4096)
def _widened(word: str) -> str | None:
    """Return a free word as the variable it may be, its punctuation kept; None for any other."""
    found = _WORD.match(word)
    if found is None or _is_literal(found[2]):
        return None
    return f"{found[1]}{WILDCARD}{found[3]}"


def _is_literal(word: str) -> bool:
    """Tell whether a word is the program's own, as far as one can know."""
    return (
        word in NOUNS
        or word in NOT_A_NAME
        or word[:-1] in NOUNS
        or _NOT_FREE.match(word) is not None
    )


def _literals(words: list[str]) -> int:
    return sum(word[0].isalpha() for word in words if word and WILDCARD not in word)
