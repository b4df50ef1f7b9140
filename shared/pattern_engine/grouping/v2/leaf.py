"""Joining by evidence: a word is a variable where a variable has been seen in the same place.

Masking takes each message by itself, so "tenant acme" may keep its name while "tenant eu_3" does
not. Two templates are alike if they have equally many words and differ in one, which is a variable
in one of them and a free word in the other. Where no variable was seen, five free words in one
place are one: all templates that have the same wider template are alike. Templates alike, and those
alike to them, are one pattern: which ones are one does not depend on the order in which they came,
since being alike does not.

Only templates of one leaf can be alike, so a database finds the candidates by one indexed column.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from pattern_engine.grouping.v2.marks import WILDCARD
from pattern_engine.grouping.v2.vocabulary import NOT_A_NAME, NOUNS

__all__ = ["MIN_VALUES", "joined", "leaf_of", "wider_templates"]

#: Different free words in one place that are evidence of a variable; `ops_internal.min_values` has
#: the same number.
MIN_VALUES: Final = 5

#: Literal words that two templates must share.
MIN_LITERALS: Final = 3
#: Finds a word that is nothing but a variable, in its punctuation.
_VARIABLE_WORD: Final = re.compile(r"(?<![^ ])[^\w$ ]*<\*>[^\w$ ]*(?![^ ])").search
#: A host's name with a port, or a key with a number: what a bare variable stood for tells.
_HOST_AND_PORT: Final = re.compile(r"[A-Za-z][\w-]*:<\*>\Z").match
_WORD: Final = re.compile(r"([^\w$]*)([A-Za-z][\w$-]*)([^\w$]*)\Z")
#: Constants, classes of exceptions, and what happened to a thing: created, expired.
_NOT_FREE: Final = re.compile(
    r"[A-Z0-9_-]+\Z|.*(?:Error|Exception|Failure|Timeout|Violation)\Z|[a-z]{3,}ed\Z"
)
#: Behind these words stands what was tried: failed to create, could not create, cannot create.
_TRIED: Final = re.compile(
    r"(?i)(?:fail(?:ed|s|ure)?|unable|able|allowed|tried|trying|attempt(?:ed|ing)?|refused) to\Z"
    r"|(?:\S+ )?(?:cannot|can't)\Z|(?:could|can|did|does|do|will|would|should|must|may) not\Z"
).match


def leaf_of(template: str) -> str:
    """Return what templates that are alike have in common: their number of words and the first."""
    if "\n" in template:
        return ""
    first = template.partition(" ")[0]
    if _HOST_AND_PORT(first):
        first = WILDCARD
    return f"{template.count(' ') + 1} {first[:60]}"


def joined(templates: Iterable[str]) -> dict[str, str]:
    """Return template → its pattern's template: of those joined, that with the most variables."""
    leaves: defaultdict[str, list[str]] = defaultdict(list)
    for template in dict.fromkeys(templates):
        leaves[leaf_of(template)].append(template)
    root: dict[str, str] = {}
    for leaf in leaves.values():
        root |= _components(leaf)
    return root


def _components(templates: list[str]) -> dict[str, str]:
    """Return what is alike together, each named by its template with the most variables."""
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

    wider_of = {template: list(wider_templates(template)) for template in _narrower(templates)}
    values = Counter(wider for all_wider in wider_of.values() for wider in all_wider)
    root |= {wider: wider for wider, seen in values.items() if seen >= MIN_VALUES}
    for template, all_wider in wider_of.items():
        for wider in all_wider:
            if wider in root:
                join(template, wider)
    return {template: find(template) for template in templates}


def _narrower(templates: list[str]) -> list[str]:
    """Return those that another one may be wider than: the others need no closer look."""
    if len(templates) >= MIN_VALUES:
        return templates
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
    if not place or _TRIED(" ".join(words[max(0, place - 2) : place])):
        return None
    return _widened(words[place])


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
