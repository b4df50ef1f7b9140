"""The variables of a condition's formula, and the search for a row for which it is false."""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any, Final

from pattern_engine.fixes.sql.tree import Node
from pattern_engine.fixes.sql.where import terms
from pattern_engine.fixes.sql.where.constants import Constant
from pattern_engine.fixes.sql.where.formulas import ORDER, Formula, Key, Truth, Values
from pattern_engine.fixes.sql.where.samples import samples
from pattern_engine.fixes.sql.where.sources import Row

#: The most rows that are tried before a condition is taken to hold for all rows.
_MAX_ROWS: Final = 2_048
#: The most values from outside the row; a condition with more is taken to hold for all rows.
_MAX_OUTSIDE: Final = 6


class Variables:
    """The values on which a condition depends: those of the row, and those outside it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.terms: dict[Key, tuple[Node, list[Constant]]] = {}
        """The terms of the row, each with the constants that it is compared with."""
        self.nullable: set[Key] = set()
        """The terms that the condition tests for null; the others are taken to be not null."""
        self.choices: dict[Key, tuple[Any, ...]] = {}
        """Other conditions on the row, each with all possible results."""
        self.outside: set[Key] = set()
        """Conditions that do not depend on the row."""

    def always(self, formula: Formula) -> bool:
        """Tell whether a formula holds for every row, with some choice of the values outside it."""
        if len(self.outside) > _MAX_OUTSIDE:
            return True
        outside = sorted(self.outside, key=repr)
        return any(
            not self._refuted(formula, dict(zip(outside, answers, strict=True)))
            for answers in product((True, False), repeat=len(outside))
        )

    def _refuted(self, formula: Formula, outside: Values) -> bool:
        if not self.terms and not self.choices:
            return formula(outside) is False
        rows = islice(self._rows(), _MAX_ROWS)
        return any(formula({**outside, **row}) is not True for row in rows)

    def _rows(self) -> Iterator[dict[Key, Any]]:
        names = [*self.terms, *self.choices]
        values: list[Any] = []
        for key, (term, constants) in self.terms.items():
            nothing: list[Any] = [(None, {})] if key in self.nullable else []
            values.append([*samples(term, constants), *nothing])
        values += self.choices.values()
        for row in product(*values):
            yield dict(zip(names, row, strict=True))

    def unknown(self, node: Node) -> Formula:
        """Return the formula of a condition of unknown result, which depends on the row or not."""
        if not self.row.decides(node):
            return self.outer(node)
        key = ("unknown", terms.key(node, self.row))
        self.choices[key] = (False, True)
        return lambda values: values[key]

    def outer(self, node: Node) -> Formula:
        """Return the formula of a condition that does not depend on the row."""
        key = ("outside", terms.key(node, self.row))
        self.outside.add(key)
        return lambda values: values[key]

    def null(self, node: Node) -> Formula:
        """Return the formula that tests whether a term of the row is null."""
        key = self._term(node)
        self.nullable.add(key)
        return lambda values: values[key][0] is None

    def ordered(self, operator: str, node: Node, value: Constant) -> Formula:
        """Return the formula that compares a term of the row with a constant."""
        key = self._term(node)
        self.terms[key][1].append(value)
        order = ORDER[operator]

        def compare(values: Values) -> Truth:
            sample, measured = values[key]
            return None if sample is None else order(sample, measured[value])

        return compare

    def _term(self, node: Node) -> Key:
        key = ("term", terms.key(node, self.row))
        self.terms.setdefault(key, (node, []))
        return key

    def signed(self, operator: str, left: Node, right: Node) -> Formula:
        """Return the formula that compares two terms, of which one is greater or both are equal."""
        keys = terms.key(left, self.row), terms.key(right, self.row)
        first, second = sorted(keys, key=repr)
        key = ("sign", first, second)
        self.choices[key] = (1, -1, 0)
        sign = 1 if (first, second) == keys else -1
        return lambda values: ORDER[operator](sign * values[key], 0)
