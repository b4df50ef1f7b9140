"""Sample values that represent all values which a term of a row may have.

Between two neighbouring constants no comparison changes its result. So it is enough to try the
constants, one value between each two, one below and one above.
"""

import re
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast
from pattern_engine.fixes.sql.where.constants import (
    BOOLEANS,
    EPOCH,
    INFINITY,
    KEYS,
    NOW,
    NULL,
    Constant,
    Moment,
    Span,
    bare,
    column_of,
    constant,
    moment,
    named,
    number,
    span,
    text_of,
)

#: No row has a number outside `integer`, or a time outside the life of an application.
_LARGEST: Final = Fraction(2**31 - 1)
_FIRST_RECORDED: Final = Moment(date(2000, 1, 1).toordinal())
_LAST: Final = Moment(date(9000, 1, 1).toordinal())
_RECORDED: Final = frozenset({"created_at", "inserted_at", "updated_at"})
_LENGTHS: Final = frozenset({"length", "char_length", "character_length", "octet_length"})
_NOT_NEGATIVE: Final = frozenset(
    """abs ascii length char_length character_length octet_length bit_length cardinality strpos
    position jsonb_array_length json_array_length num_nulls num_nonnulls array_length count random
    sqrt row_number rank dense_rank""".split()  # noqa: SIM905  words in rows are read more easily
)
_NEVER_EMPTY: Final = frozenset({"to_char", "to_hex", "md5", "quote_literal", "quote_nullable"})
_CASES: Final = frozenset({"lower", "upper", "initcap", "reverse"})
_JOINING: Final = frozenset({"concat", "concat_ws", "format"})
_PLACE: Final = re.compile(r"%(?:\d{1,2}\$)?[sIL]")
_LONGEST_KEY: Final = Fraction(36)
"""The characters of a UUID."""
#: The values of parts of a time that have few; seconds are absent, because they have fractions.
_PARTS: Final = {
    "month": range(1, 13), "day": range(1, 32), "hour": range(24), "minute": range(60),
    "dow": range(7), "isodow": range(1, 8), "quarter": range(1, 5),
}  # fmt: skip
_SMALLEST_PART: Final = {"year": Fraction(1970), "epoch": Fraction(1)}
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
_LAST_UUID: Final = _NO_UUID.replace("0", "f")


def samples(term: Node, constants: Iterable[Constant]) -> list[tuple[Any, dict[Constant, Any]]]:
    """Return values that represent all values of a term, the least usual first.

    Each comes with the constants, converted to the sample's type (number, days, text or boolean),
    so that constants of different types can be compared with it.
    """
    given = list(constants)
    for measure, values in _MEASURES:
        measured = {value: measure(value) for value in given}
        if given and all(value is not None for value in measured.values()):
            return [(sample, measured) for sample in values(term, set(measured.values()))]
    measured = {value: str(value) for value in given}
    return [(sample, measured) for sample in _texts(term, set(measured.values()))]


def _as_numbers(value: Constant) -> Fraction | None:
    if isinstance(value, str):
        return number(value)
    return value if isinstance(value, Fraction) else None


def _as_days(value: Constant) -> float | None:
    if isinstance(value, str):
        value = moment(value) or value
    return value.days if isinstance(value, Moment) else None


def _as_spans(value: Constant) -> float | None:
    if isinstance(value, str):
        value = span(value) or value
    return value.days if isinstance(value, Span) else None


def _as_booleans(value: Constant) -> bool | None:
    if isinstance(value, str):
        return BOOLEANS.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _around(values: set[Any], step: Fraction | float) -> list[Any]:
    """Return numbers above, below, between and equal to the given ones."""
    finite = sorted(value for value in values if abs(value) != INFINITY)
    if not finite:
        return [step]
    between = [(low + high) / 2 for low, high in pairwise(finite) if high - low > step]
    return [finite[-1] + step, finite[0] - step, *between, *finite]


def _numbers(term: Node, values: set[Fraction]) -> list[Fraction]:
    whole = all(value.denominator == 1 for value in values)
    limited = _limited_numbers(term) or _parts_of_time(term)
    if limited is not None:
        return limited
    smallest = _smallest(term)
    candidates = [*_around(values, Fraction(1) if whole else Fraction(1, 1000)), smallest]
    if whole:
        candidates = [Fraction(value.__floor__()) for value in candidates]
    is_length = named(term) in _LENGTHS and column_of((term.args or (None,))[0]) in KEYS
    largest = _LONGEST_KEY if is_length else _LARGEST
    return [value for value in candidates if smallest <= value <= largest]


def _parts_of_time(term: Node) -> list[Fraction] | None:
    """Return the possible values of `extract(month from …)`, if they are few."""
    asked = term.args[0] if named(term) in ("extract", "date_part") and term.args else None
    part = text_of(asked)
    return [Fraction(number) for number in _PARTS[part]] if part in _PARTS else None


def _limited_numbers(term: Node) -> list[Fraction] | None:
    """Return the possible values of a remainder, a sign or a masked number, if they are few."""
    if named(term) == "sign":
        return [Fraction(1), Fraction(0), Fraction(-1)]
    if is_a(term, ast.A_Expr) and term.name[-1].sval == "&":
        mask = constant(term.rexpr)
        if isinstance(mask, Fraction) and 0 <= mask <= 64:
            return [Fraction(bits) for bits in range(int(mask) + 1)]
        return None
    if is_a(term, ast.A_Expr) and term.name[-1].sval == "%":
        divisor = constant(term.rexpr)
    elif named(term) == "mod" and len(term.args or ()) == 2:
        divisor = constant(term.args[1])
    else:
        return None
    if isinstance(divisor, Fraction) and 1 <= abs(divisor) <= 64:
        return [Fraction(rest) for rest in range(int(abs(divisor)))]
    return None


def _smallest(term: Node) -> Fraction:
    """Return the smallest value of a term: keys begin at 1, lengths at 0."""
    column = column_of(term)
    if is_a(term, ast.CoalesceExpr):
        return min(_smallest_value(argument) for argument in term.args)
    if _is_square(term):
        return Fraction(0)
    if column in KEYS or (column or "").endswith("_id"):
        return Fraction(1)
    argument = term.args[0] if named(term) and term.args else None
    if named(term) in _LENGTHS and _is_never_empty(argument):
        return Fraction(1)
    if named(term) in ("extract", "date_part"):
        return _SMALLEST_PART.get(text_of(argument) or "", Fraction(0))
    return Fraction(0) if named(term) in _NOT_NEGATIVE else -_LARGEST - 1


def _smallest_value(node: Node) -> Fraction:
    value = constant(node)
    return value if isinstance(value, Fraction) else _smallest(node)


def _is_square(term: Node) -> bool:
    """Tell whether a term is `x * x`, `x ^ 2` or `@ x`."""
    if not is_a(term, ast.A_Expr):
        return False
    name = term.name[-1].sval
    if name == "^":
        power = constant(term.rexpr)
        return isinstance(power, Fraction) and power % 2 == 0
    return bool(name == "@" if term.lexpr is None else name == "*" and term.lexpr == term.rexpr)


def _days(term: Node, values: set[float]) -> list[float]:
    if named(term) in ("date_trunc", "timezone") and len(term.args or ()) > 1:
        term = term.args[1]
    recorded = column_of(term) in _RECORDED
    first, last = (_FIRST_RECORDED, NOW) if recorded else (EPOCH, _LAST)
    candidates = [*_around(values, 1 / 86400), first.days + 1, last.days - 1]
    return [value for value in candidates if first.days < value < last.days]


def _spans(_term: Node, values: set[float]) -> list[float]:
    return _around(values, 1 / 86400)


def _booleans(_term: Node, _values: set[bool]) -> list[bool]:
    return [True, False]


def _texts(term: Node, values: set[str]) -> list[str]:
    candidates = ["\U0010ffff", *(f"{value}\0" for value in sorted(values)), *values, ""]
    if any(_UUID.fullmatch(value) for value in values):
        candidates = [value for value in candidates if _NO_UUID <= value.lower() <= _LAST_UUID]
    if column_of(term) in KEYS | _RECORDED:
        candidates = [value for value in candidates if value not in ("", _NO_UUID)]
    if _is_never_empty(term):
        candidates = [value for value in candidates if value]
    return candidates or ["\U0010ffff"]


def _is_never_empty(term: Node) -> bool:
    """Tell whether a text is not empty in any row."""
    inner = bare(term)
    if constant(inner) is not None:
        return constant(inner) not in ("", NULL)
    if named(inner) in _CASES and inner.args:
        return _is_never_empty(inner.args[0])
    joined: tuple[Node, ...] = ()
    if is_a(inner, ast.A_Expr) and inner.name[-1].sval == "||":
        joined = (inner.lexpr, inner.rexpr)
    elif named(inner) in _JOINING:
        # The first argument of concat_ws and format is not joined like the others.
        joined = (inner.args or ())[named(inner) != "concat" :]
        if named(inner) == "format" and _PLACE.sub("", text_of((inner.args or ("",))[0]) or ""):
            return True
    if any(map(_is_never_empty, joined)):
        return True
    return column_of(inner) in KEYS | _RECORDED or named(inner) in _NEVER_EMPTY


_MEASURES: Final[tuple[tuple[Any, Any], ...]] = (
    (_as_numbers, _numbers),
    (_as_days, _days),
    (_as_booleans, _booleans),
    (_as_spans, _spans),
)
