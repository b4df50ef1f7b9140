"""The variables of a condition's formula, and the search for a row that refutes it."""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any, Final

from pattern_engine.fixes.sql.where import terms
from pattern_engine.fixes.sql.where.constants import Constant
from pattern_engine.fixes.sql.where.formulas import ORDER, Formula, Key, Truth, Values
from pattern_engine.fixes.sql.where.samples import samples
from pattern_engine.fixes.sql.where.sources import Row

__all__ = ["Variables"]

# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any

#: Rows tried before a condition is taken to hold for all: the first few refute what people write.
_MOST_ROWS: Final = 2_048
#: Values from outside the row that may be true or false; more than these are taken to be the worst.
_MOST_OUTSIDE: Final = 6


class Variables:
    """What a row may hold, as far as a condition asks, and what else the condition hangs on."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.terms: dict[Key, tuple[Node, list[Constant]]] = {}
        """Terms of the row, with the constants that each is compared with."""
        self.nullable: set[Key] = set()
        """Those of them that are asked whether they are null; others are taken to hold a value."""
        self.choices: dict[Key, tuple[Any, ...]] = {}
        """What the row decides in some other way, with all possible answers."""
        self.outside: set[Key] = set()
        """What the row does not decide."""

    def always(self, formula: Formula) -> bool:
        """Tell whether a formula holds for every row, or could by what is outside the row."""
        if len(self.outside) > _MOST_OUTSIDE:
            return True
        outside = sorted(self.outside, key=repr)
        return any(
            not self._refuted(formula, dict(zip(outside, answers, strict=True)))
            for answers in product((True, False), repeat=len(outside))
        )

    def _refuted(self, formula: Formula, outside: Values) -> bool:
        if not self.terms and not self.choices:
            return formula(outside) is False
        rows = islice(self._rows(), _MOST_ROWS)
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
        """Take a condition to be true or false as the row, or something outside it, decides."""
        if not self.row.decides(node):
            return self.outer(node)
        key = ("unknown", terms.key(node, self.row))
        self.choices[key] = (False, True)
        return lambda values: values[key]

    def outer(self, node: Node) -> Formula:
        """Take a condition to be whatever lets the most rows through."""
        key = ("outside", terms.key(node, self.row))
        self.outside.add(key)
        return lambda values: values[key]

    def null(self, node: Node) -> Formula:
        """Ask whether a term of the row is null."""
        key = self._term(node)
        self.nullable.add(key)
        return lambda values: values[key][0] is None

    def ordered(self, operator: str, node: Node, value: Constant) -> Formula:
        """Compare a term of the row with a constant."""
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
        """Compare two terms: one is the greater, or they are equal."""
        keys = terms.key(left, self.row), terms.key(right, self.row)
        first, second = sorted(keys, key=repr)
        key = ("sign", first, second)
        self.choices[key] = (1, -1, 0)
        sign = 1 if (first, second) == keys else -1
        return lambda values: ORDER[operator](sign * values[key], 0)
