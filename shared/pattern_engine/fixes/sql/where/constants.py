"""The values of constant expressions: numbers, texts, booleans, moments and intervals."""

import re
from datetime import date
from fractions import Fraction
from typing import Final, NamedTuple

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums


class _Null:
    """The type of SQL's NULL; None means that a node is not constant."""


class Moment(NamedTuple):
    """A point in time, in days since the first day of the year 1."""

    days: float


class Span(NamedTuple):
    """An interval, in days."""

    days: float


Constant = bool | Fraction | str | Moment | Span | _Null
NULL: Final = _Null()

EPOCH: Final = Moment(date(1970, 1, 1).toordinal())
#: The value of `now()`: later than any row, earlier than `infinity`. The analysis does not read the
#: clock, so that its result is the same every day.
NOW: Final = Moment(date(2050, 1, 1).toordinal())
INFINITY: Final = float("inf")

#: Columns that are taken for the key of a row.
KEYS: Final = frozenset({"id", "uuid", "guid", "pk", "ctid"})
#: Columns that are taken to be not null.
NEVER_NULL: Final = KEYS | {"oid"} | {"created_at", "inserted_at"}

_TEXT_CALLS: Final = frozenset(
    {"concat", "strpos", "position", "left", "substr", "substring", "repeat"}
)
_CLOCKS: Final = frozenset(
    {"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp"}
)
_CLOCK_VALUES: Final = frozenset(
    {
        enums.SQLValueFunctionOp.SVFOP_CURRENT_DATE,
        enums.SQLValueFunctionOp.SVFOP_CURRENT_TIMESTAMP,
        enums.SQLValueFunctionOp.SVFOP_CURRENT_TIMESTAMP_N,
        enums.SQLValueFunctionOp.SVFOP_LOCALTIMESTAMP,
        enums.SQLValueFunctionOp.SVFOP_LOCALTIMESTAMP_N,
    }
)
_NAMED_MOMENTS: Final = {
    "epoch": EPOCH, "now": NOW, "today": Moment(NOW.days - 0.5),
    "yesterday": Moment(NOW.days - 1), "tomorrow": Moment(NOW.days + 1),
    "infinity": Moment(INFINITY), "-infinity": Moment(-INFINITY),
}  # fmt: skip
_UNITS: Final = {
    "us": 1e-6 / 86400, "mic": 1e-6 / 86400, "ms": 1e-3 / 86400, "millis": 1e-3 / 86400,
    "mille": 365250.0, "cen": 36525.0, "dec": 3652.5, "y": 365.25, "mon": 30.0, "w": 7.0, "d": 1.0,
    "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86400,
}  # fmt: skip
_SPAN_PART: Final = re.compile(
    r"([+-]?\d+(?:\.\d+)?)\s*(us|mic|ms|millis|mille|cen|dec|y|mon|w|d|h|m|s)[a-z]*", re.IGNORECASE
)
_CLOCK_PART: Final = re.compile(r"(\d+):(\d+)(?::(\d+)(?:\.\d+)?)?")
_DATE: Final = re.compile(r"(\d{4,6})-(\d{1,2})-(\d{1,2})(?![\d-])")
_NUMBER: Final = re.compile(r"\s*[+-]?\d{1,40}(?:\.\d{0,40})?(?:[eE][+-]?\d{1,3})?\s*")
BOOLEANS: Final = {"t": True, "true": True, "f": False, "false": False}
_WRAPPING: Final = (ast.TypeCast, ast.CollateClause)


def bare(node: Node) -> Node:
    """Return an expression without the casts and collations around it; `date(x)` is a cast."""
    while is_a(node, *_WRAPPING) or (named(node) == "date" and len(node.args or ()) == 1):
        node = node.args[0] if is_a(node, ast.FuncCall) else node.arg
    return node


def named(node: Node) -> str:
    """Return the name of the called function, without schema; '' if a node is not a call."""
    return str(node.funcname[-1].sval) if is_a(node, ast.FuncCall) else ""


def constant(node: Node) -> Constant | None:
    """Return the value of an expression that is the same for every row, or else None."""
    if is_a(node, ast.TypeCast):
        return _cast(constant(node.arg), str(node.typeName.names[-1].sval))
    read = _READERS.get(type(node))
    return read(node) if read else None


def _literal(node: Node) -> Constant:
    if node.isnull:
        return NULL
    if is_a(node.val, ast.Integer):
        return Fraction(node.val.ival or 0)
    if is_a(node.val, ast.Float):
        value = number(node.val.fval)
        return str(node.val.fval) if value is None else value
    if is_a(node.val, ast.Boolean):
        return bool(node.val.boolval)
    return str(node.val.sval if is_a(node.val, ast.String) else node.val.bsval)


def _cast(value: Constant | None, type_name: str) -> Constant | None:
    if not isinstance(value, str):
        return value
    if type_name == "interval":
        return span(value)
    return BOOLEANS.get(value.strip().lower(), value) if type_name == "bool" else value


def _call(node: Node) -> Constant | None:
    name, values = named(node), [constant(argument) for argument in node.args or ()]
    return _text_call(name, values) if name in _TEXT_CALLS else _time_call(name, values)


def _text_call(name: str, values: list[Constant | None]) -> Constant | None:
    """Evaluate calls that return the same for every text: `left(name, 0)`, `strpos(name, '')`."""
    if name == "concat":
        texts = [value for value in values if isinstance(value, str)]
        return "".join(texts) if len(texts) == len(values) else None
    if name in ("strpos", "position"):
        return Fraction(1) if values[1:] == [""] else None
    return "" if len(values) > 1 and values[-1] == 0 else None


def _time_call(name: str, values: list[Constant | None]) -> Constant | None:
    if name in _CLOCKS:
        return NOW
    if name in ("timezone", "date") and values and isinstance(values[-1], Moment):
        return values[-1]
    if name == "date_trunc" and len(values) > 1 and isinstance(values[1], Moment):
        return Moment(values[1].days - 0.5)
    if name == "to_timestamp" and len(values) == 1 and isinstance(values[0], Fraction):
        return Moment(EPOCH.days + float(values[0]) / 86400)
    return None


def _arithmetic(node: Node) -> Constant | None:
    if node.kind != enums.A_Expr_Kind.AEXPR_OP or node.lexpr is None:
        return None
    left, right = constant(node.lexpr), constant(node.rexpr)
    operator = str(node.name[-1].sval)
    if isinstance(left, str) and isinstance(right, Span):
        left = moment(left)
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return {"+": left + right, "-": left - right, "*": left * right}.get(operator)
    if operator == "||" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, Span) and isinstance(right, Fraction) and operator == "*":
        return Span(left.days * float(right))
    if isinstance(left, Moment) and isinstance(right, Span | Fraction) and operator in ("+", "-"):
        days = right.days if isinstance(right, Span) else float(right)
        return Moment(left.days + (days if operator == "+" else -days))
    return None


def _clock_value(node: Node) -> Constant | None:
    return NOW if node.op in _CLOCK_VALUES else None


_READERS: Final = {
    ast.A_Const: _literal,
    ast.FuncCall: _call,
    ast.A_Expr: _arithmetic,
    ast.SQLValueFunction: _clock_value,
}


def shifted(value: Constant, offset: Constant, sign: int) -> Constant | None:
    """Return `value + sign * offset`; None if their types cannot be added."""
    if isinstance(offset, str) and isinstance(value, Moment):
        offset = span(offset) or offset
    if isinstance(value, str):
        measured = number(value) if isinstance(offset, Fraction) else moment(value)
        value = value if measured is None else measured
    if isinstance(value, Fraction) and isinstance(offset, Fraction):
        return value + sign * offset
    if isinstance(value, Moment) and isinstance(offset, Span | Fraction):
        days = offset.days if isinstance(offset, Span) else float(offset)
        return Moment(value.days + sign * days)
    return None


def interval(value: Constant | None) -> Span | None:
    """Return a constant as an interval, or None."""
    value = span(value) if isinstance(value, str) else value
    return value if isinstance(value, Span) else None


def clock() -> Node:
    """Return the tree of `now()`."""
    return ast.FuncCall(funcname=(ast.String(sval="now"),))


def number(text: str) -> Fraction | None:
    """Read a number."""
    return Fraction(text.strip()) if _NUMBER.fullmatch(text) else None


def moment(text: str) -> Moment | None:
    """Read a date, with or without a time, or a name such as `infinity`."""
    words = text.strip().lower()
    if words in _NAMED_MOMENTS:
        return _NAMED_MOMENTS[words]
    found = _DATE.match(words)
    if not found:
        return None
    year, month, day = map(int, found.groups())
    if words.endswith("bc") or not 1 <= year <= 9999:
        return Moment(-INFINITY if words.endswith("bc") else INFINITY)
    try:
        return Moment(date(year, month, day).toordinal())
    except ValueError:
        return None


def span(text: str) -> Span | None:
    """Read an interval."""
    parts = _SPAN_PART.findall(text)
    time = _CLOCK_PART.search(text)
    if not parts and not time:
        alone = number(text)
        return None if alone is None else Span(float(alone) / 86400)
    days = sum(float(amount) * _UNITS[unit.lower()] for amount, unit in parts)
    if time:
        hours, minutes, seconds = (int(part or 0) for part in time.groups())
        days += hours / 24 + minutes / 1440 + seconds / 86400
    return Span(days)


def column_of(term: Node) -> str | None:
    """Return the name of the column that a term consists of, ignoring casts, or None."""
    inner = bare(term)
    if is_a(inner, ast.ColumnRef) and is_a(inner.fields[-1], ast.String):
        return str(inner.fields[-1].sval)
    return None


def text_of(node: object) -> str | None:
    """Return the text of a literal or a concatenation of literals, or None."""
    value = constant(bare(node))
    return value if isinstance(value, str) else None
