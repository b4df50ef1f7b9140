"""Finding short expressions with an endless or very large result.

The time limit would stop them too, but only after they have kept the database busy.
"""

import re
from fractions import Fraction
from typing import Any, Final

from pattern_engine.fixes.sql.allowed import MAX_LENGTH
from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums
from pattern_engine.fixes.sql.where.constants import (
    Moment,
    constant,
    interval,
    moment,
    named,
    text_of,
)

_PLAIN_FORMAT: Final = re.compile(r"(?:[^%]|%(?:\d{1,2}\$)?[sIL]|%%)*")


def is_short_wait(statement: Node) -> bool:
    """Tell whether a statement is `select pg_sleep(1)`: alone, and a literal up to one second.

    In any other place it could wait once for each row.
    """
    if not is_a(statement, ast.SelectStmt) or _filled(statement) != {"targetList"}:
        return False
    call = statement.targetList[0].val
    if len(statement.targetList) > 1 or not is_a(call, ast.FuncCall):
        return False
    names = [name.sval for name in call.funcname]
    seconds = [constant(argument) for argument in call.args or ()]
    return (
        names in (["pg_sleep"], ["pg_catalog", "pg_sleep"])
        and _filled(call) == {"funcname", "args"}
        and len(seconds) == 1
        and isinstance(seconds[0], Fraction)
        and 0 <= seconds[0] <= 1
    )


def _filled(node: Node) -> set[str]:
    """The parts that a statement or a call has, beside how it was written."""
    ways = {"limitOption", "op", "funcformat", "location"}
    return {slot for slot in node if slot not in ways and getattr(node, slot)}


def is_small(call: Node, index: int) -> bool:
    """Tell whether the size of a function's result is a literal up to `MAX_LENGTH`.

    `index`, from 0, is that of the argument with the size. For `generate_series` all arguments
    count. The text of `format` may not contain any width.
    """
    arguments = call.args or ()
    if named(call) == "generate_series":
        return _is_short_series([constant(argument) for argument in arguments])
    if named(call) == "format":
        text = text_of(arguments[0]) if arguments else None
        return text is not None and _PLAIN_FORMAT.fullmatch(text) is not None
    size = constant(arguments[index]) if len(arguments) > index else None
    return isinstance(size, Fraction) and size <= MAX_LENGTH


def _is_short_series(bounds: list[Any]) -> bool:
    if all(isinstance(bound, Fraction) for bound in bounds):
        return all(abs(bound) <= MAX_LENGTH for bound in bounds)
    ends = [moment(bound) if isinstance(bound, str) else bound for bound in bounds[:2]]
    days = [end.days for end in ends if isinstance(end, Moment)]
    step = interval(bounds[2]) if len(bounds) == 3 else None
    if len(days) != 2 or step is None:
        return False
    return abs(days[1] - days[0]) <= MAX_LENGTH * abs(step.days)


def is_endless(query: Node) -> bool:
    """Tell whether the second part of a recursive WITH query reads only itself, without an end."""
    union: Node = query.ctequery
    if not is_a(union, ast.SelectStmt) or union.op != enums.SetOperation.SETOP_UNION:
        return False
    again: Node = union.rarg
    items = again.fromClause or ()
    itself = [getattr(item, "relname", None) for item in items] == [query.ctename]
    stops = again.whereClause is not None and constant(again.whereClause) is not True
    return bool(itself and union.all and not stops and not again.limitCount)
