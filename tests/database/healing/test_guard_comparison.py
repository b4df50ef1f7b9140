"""The comparison of guards in SQL agrees with a short model of it in Python."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from tests.conftest import Sql

Tuple = dict[str, str]
Guard = list[Tuple] | None

NAMES = ("constraint", "table", "column", "function", "role")
CASES = 4_000


def admits_by_tuple(wanted: Tuple, error: Tuple) -> bool:
    """Whether a tuple admits an error, as the how-to says it."""
    if any(wanted[name] not in ("*", error[name]) for name in wanted if name in error):
        return False
    if "constraint" in wanted:
        return "constraint" in error
    if "column" in wanted:
        return all(name in error for name in ("column", "table") if name in wanted)
    return any(name in error for name in wanted)


def admits(guard: Guard, error: Tuple) -> bool:
    """Whether a guard admits an error."""
    return guard is None or any(admits_by_tuple(wanted, error) for wanted in guard)


def every_error(*guards: Guard) -> list[Tuple]:
    """Every error that can matter to guards whose values are a, b, c and any."""
    names = sorted({name for guard in guards for wanted in guard or () for name in wanted})
    choices = [(None, "a", "b", "c", "another")] * len(names)
    return [
        {name: value for name, value in zip(names, values, strict=True) if value is not None}
        for values in itertools.product(*choices)
    ]


def overlap(one: Guard, other: Guard) -> bool:
    """Whether there is an error that both guards admit."""
    if one is None or other is None:
        return True
    return any(admits(one, error) and admits(other, error) for error in every_error(one, other))


def _tuple(chance: random.Random, values: str) -> Tuple:
    names = chance.sample(NAMES, chance.randint(1, 3))
    return {name: chance.choice(values) for name in names}


def _guard(chance: random.Random, values: str = "aab*") -> Guard:
    if chance.random() < 0.05:
        return None
    return [_tuple(chance, values) for _ in range(chance.choice((1, 1, 1, 2)))]


@pytest.fixture
def chance() -> random.Random:
    """The same cases in every run."""
    return random.Random(16)


def test_a_guard_admits_what_the_model_admits(database: Sql, chance: random.Random) -> None:
    """Every name that both hold agrees, and the most specific name of the tuple is held."""
    cases = [(_guard(chance), _tuple(chance, "abc*")) for _ in range(CASES)]
    cases += [(_guard(chance), {}) for _ in range(20)]
    rows = database.rows(
        """select place, ops_internal.guard_admits(nullif(pair -> 0, 'null'), pair -> 1) as found
           from jsonb_array_elements(%s) with ordinality as pairs (pair, place) order by place""",
        Jsonb(cases),
    )
    expected = [admits(guard, error) for guard, error in cases]
    assert 0.1 < sum(expected) / len(expected) < 0.9, "the cases are of both kinds"
    assert [row["found"] for row in rows] == expected


def test_guards_overlap_where_one_error_is_in_both(database: Sql, chance: random.Random) -> None:
    """It does not matter which is named first; a fix without a guard overlaps with every other."""
    cases = [(_guard(chance, "aaaac*"), _guard(chance, "bbbbc*")) for _ in range(CASES // 4)]
    query = """select place, ops_internal.guards_overlap(
             nullif(pair -> %s, 'null'), nullif(pair -> %s, 'null')) as found
           from jsonb_array_elements(%s) with ordinality as pairs (pair, place) order by place"""
    expected = [overlap(one, other) for one, other in cases]
    assert 0.1 < sum(expected) / len(expected) < 0.9, "the cases are of both kinds"
    for order in ((0, 1), (1, 0)):
        rows = database.rows(query, *order, Jsonb(cases))
        assert [row["found"] for row in rows] == expected


@pytest.mark.parametrize(
    ("seen", "when", "guard"),
    [
        # What was seen is the guard.
        ([], {}, None),
        ([{"constraint": "a", "table": "t"}], {}, [{"constraint": "a", "table": "t"}]),
        # A list narrows; a value that was not seen stands alone.
        (
            [{"constraint": "a", "table": "t"}, {"constraint": "b", "table": "t"}],
            {"constraint": ["a"]},
            [{"constraint": "a", "table": "t"}],
        ),
        (
            [{"constraint": "a", "table": "t"}],
            {"constraint": ["a", "b"]},
            [{"constraint": "b"}, {"constraint": "a", "table": "t"}],
        ),
        ([], {"constraint": ["a"], "table": "*"}, [{"constraint": "a", "table": "*"}]),
        (
            [{"column": "c", "table": "t"}, {"column": "c", "table": "u"}, {"role": "r"}],
            {"column": ["c"], "table": ["u", "v"]},
            [{"column": "c", "table": "u"}, {"column": "c", "table": "v"}],
        ),
        # Any value widens the names that were seen, and adds none.
        (
            [{"column": "c", "table": "t"}, {"column": "d", "table": "t"}],
            {"table": "*"},
            [{"column": "c", "table": "*"}, {"column": "d", "table": "*"}],
        ),
        ([{"constraint": "a"}], {"table": "*"}, [{"constraint": "a"}]),
        ([], {"table": "*"}, [{"table": "*"}]),
        ([{"table": "t"}, {"table": "u"}], {"table": "*"}, [{"table": "*"}]),
    ],
)
def test_when_narrows_and_widens_what_was_seen(
    database: Sql, seen: list[Tuple], when: dict[str, object], guard: Guard
) -> None:
    """A list keeps tuples or adds them, `*` opens a name, and what is not mentioned stays."""
    made = database.value("select ops_internal.made_guard(%s, %s)", Jsonb(seen), Jsonb(when))
    assert made == guard
