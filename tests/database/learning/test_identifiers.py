"""Learning keeps what errors name: each set of identifiers once, with how often and when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.database.steering.test_merging import merge, undo

from pattern_engine.learning import recording
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from tests.conftest import Person, Sql
    from tests.database.conftest import Patterns

ORDERS = {"constraint": "orders_currency_check", "table": "orders"}
REFUNDS = {"constraint": "refunds_amount_check", "table": "refunds"}


ORDERS_SET = tuple(sorted(ORDERS.values()))
REFUNDS_SET = tuple(sorted(REFUNDS.values()))


def seen(database: Sql, pattern_id: str) -> dict[tuple[str, ...], int]:
    """The sets of a pattern, each as its values with the frame, and how often it was counted."""
    rows = database.rows(
        "select identifiers, frame, occurrences from ops_internal.seen_identifiers(%s)", pattern_id
    )
    return {
        (*sorted(row["identifiers"].values()), *filter(None, [row["frame"]])): row["occurrences"]
        for row in rows
    }


def test_each_set_of_identifiers_is_counted_once(database: Sql, patterns: Patterns) -> None:
    """Errors that name the same are one row, in any order of names; others are another row."""
    error = patterns.error()
    (first, *_) = patterns.learn(
        error | {"identifiers": ORDERS},
        error | {"identifiers": dict(reversed(ORDERS.items()))},
        error | {"identifiers": REFUNDS},
        error,
    )
    patterns.learn(error | {"identifiers": ORDERS})
    expected = {ORDERS_SET: 3, REFUNDS_SET: 1}
    assert seen(database, first["pattern_id"]) == expected


def test_an_incident_keeps_what_its_error_named(database: Sql, patterns: Patterns) -> None:
    """Each incident has the identifiers of its own error; one that names nothing has none."""
    error = patterns.error()
    patterns.learn(error | {"identifiers": ORDERS, "frame": "createOrder"}, error)
    rows = database.rows(
        "select identifiers, frame from ops.pattern_incidents where signature = %s order by id",
        error["signature"],
    )
    assert rows == [
        {"identifiers": ORDERS, "frame": "createOrder"},
        {"identifiers": {}, "frame": None},
    ]


def test_the_throwing_place_tells_sets_apart(database: Sql, patterns: Patterns) -> None:
    """The same constraint from two places is two rows with the same identifiers."""
    error = patterns.error() | {"identifiers": {"table": "orders"}}
    learned = patterns.learn(error | {"frame": "createOrder"}, error | {"frame": "importOrders"})
    expected = {("orders", "createOrder"): 1, ("orders", "importOrders"): 1}
    assert seen(database, learned[0]["pattern_id"]) == expected


def test_a_row_that_is_delivered_again_counts_no_identifiers(
    database: Sql, patterns: Patterns
) -> None:
    """A log row counts once, whatever its second delivery names."""
    error = patterns.error(system_log_id=patterns.log_row())
    (learned,) = patterns.learn(error | {"identifiers": ORDERS})
    patterns.learn(error | {"identifiers": ORDERS})
    patterns.learn(error | {"identifiers": REFUNDS})
    assert seen(database, learned["pattern_id"]) == {ORDERS_SET: 1}


def test_many_workers_count_the_same_sets_together(database: Sql, patterns: Patterns) -> None:
    """No count is lost and nothing deadlocks when workers learn the same new sets at once."""
    error = patterns.error()
    named: list[dict[str, Any]] = [error | {"identifiers": {"table": f"t{n}"}} for n in range(4)]
    with ThreadPoolExecutor(16) as pool:
        orders = [named if n % 2 else named[::-1] for n in range(32)]
        learned = list(pool.map(lambda errors: patterns.learn(*errors), orders))
    assert seen(database, learned[0][0]["pattern_id"]) == {(f"t{n}",): 32 for n in range(4)}


def test_the_sets_of_a_signature_are_bounded(database: Sql, patterns: Patterns) -> None:
    """The first 500 sets stay and go on counting; the others are counted together."""
    error = patterns.error()
    named = [error | {"identifiers": {"table": f"t{n:03}"}} for n in range(600)]
    pattern_id = patterns.learn(*named[:499])[0]["pattern_id"]
    patterns.learn(*named[499:])
    patterns.learn(*named)
    counted = seen(database, pattern_id)
    other = counted.pop(())
    assert set(counted.values()) == {2}
    assert {"t000", "t498"} <= {values[0] for values in counted}
    assert (len(counted), other) == (500, 200)


def test_sets_go_with_their_signatures(database: Sql, patterns: Patterns, operator: Person) -> None:
    """A merge brings the sets to the kept pattern, undoing it brings them back."""
    kept, gone = patterns.error(), patterns.error()
    (one, other) = patterns.learn(kept | {"identifiers": ORDERS}, gone | {"identifiers": REFUNDS})
    merged = merge(operator, one["pattern_id"], other["pattern_id"])
    patterns.learn(gone | {"identifiers": ORDERS})
    both = {ORDERS_SET: 2, REFUNDS_SET: 1}
    assert seen(database, one["pattern_id"]) == both
    assert seen(database, other["pattern_id"]) == {}
    undo(operator, merged["merges"][0]["merge_id"])
    assert seen(database, one["pattern_id"]) == {ORDERS_SET: 1}
    assert seen(database, other["pattern_id"]) == dict.fromkeys(both, 1)


def test_sets_go_to_the_part_that_is_split_off(
    database: Sql, patterns: Patterns, operator: Person
) -> None:
    """A split takes the sets of the signatures that it moves, and its undoing returns them."""
    kept, gone = patterns.error(), patterns.error()
    (one, other) = patterns.learn(kept | {"identifiers": ORDERS}, gone | {"identifiers": REFUNDS})
    merge(operator, one["pattern_id"], other["pattern_id"])
    split = operator.rest.call(
        "split_pattern_v1", p_pattern_id=one["pattern_id"], p_signatures=[gone["signature"]]
    )
    made = split["other_pattern"]["pattern_id"]
    assert seen(database, one["pattern_id"]) == {ORDERS_SET: 1}
    assert seen(database, made) == {REFUNDS_SET: 1}
    operator.rest.call("undo_split_v1", p_split_id=split["split_id"])
    assert len(seen(database, one["pattern_id"])) == 2


def test_the_engine_sends_what_an_error_names(database: Sql, patterns: Patterns) -> None:
    """One error through its own reading: the table is a facet, with and without the template."""
    table = patterns.word("orders")
    error = sighted(f"permission denied for table {table}")
    (learned,) = patterns.learn(dict(recording.complete(error)))
    patterns.learn(dict(recording.keys(error)))
    assert seen(database, learned["pattern_id"])[(table,)] == 2
