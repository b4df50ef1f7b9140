"""What `captured` holds of an error: its values by name, whatever the error is grouped by."""

from __future__ import annotations

import pytest

from pattern_engine import grouping

TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/srv/app/orders.py", line 5, in place\n    raise OutOfStock(7)\n'
    "shop.OutOfStock: order 8412 needs 3 more"
)
OUTER = {
    "before a known message": ("worker 12: deadlock detected", {"worker": "12"}),
    "a sentence before it": (
        'order 8412 failed: duplicate key value violates unique constraint "carts_pkey"',
        {"order": "8412", "constraint": "carts_pkey"},
    ),
    "behind a class": ("RuntimeError: cannot pay order 12: fetch failed", {"order": "12"}),
    "an outer error": (
        (
            "Error: could not load cart 12\n    at load (/srv/app/cart.js:1:1) {\n"
            "  [cause]: Error: connect ECONNREFUSED 127.0.0.1:5432\n"
            "      at open (/srv/app/db.js:1:1)\n}"
        ),
        {"cart": "12", "port": "5432"},
    ),
}


@pytest.mark.parametrize(
    "named",
    [
        grouping.group("order 8412 needs 3 more"),
        grouping.group("order 8412 needs 3 more", rule="stock"),
        grouping.group("order 8412 needs 3 more", fingerprint="stock"),
        grouping.group("order 8412 needs 3 more", exception="OutOfStock"),
        grouping.group(TRACE),
    ],
    ids=["message", "rule", "fingerprint", "exception", "trace"],
)
def test_the_values_of_a_message_are_captured_whatever_groups_it(named: grouping.Group) -> None:
    """A script finds the case that failed under the same name."""
    assert named.captured["order"] == "8412"


@pytest.mark.parametrize(("text", "expected"), OUTER.values(), ids=OUTER)
def test_what_an_application_writes_around_an_error_is_captured(
    text: str, expected: dict[str, str]
) -> None:
    """The root error is the pattern, and the text around it tells which case failed."""
    named = grouping.group(text)
    assert named.known
    assert expected.items() <= named.captured.items()


@pytest.mark.parametrize(
    "text",
    [
        "user 77 has no address",
        "sync of user 3f2a1b9c-1111-4222-8333-944445555666 failed",
        "index 5 out of range for table 3",
        "table 4: deadlock detected",
    ],
)
def test_a_number_of_the_application_is_no_object_of_the_database(text: str) -> None:
    """Otherwise a fix would be guarded by the user or the position that it was approved with."""
    named = grouping.group(text)
    assert not named.identifiers


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("assets/index-DiwrgTda.js", "assets/index-BX3k9aZq.js"),
        ("assets/index-A7GXNPHU.js", "assets/index-QWERTYUI.js"),
        ("static/js/main.4f3a2b1c.chunk.js", "static/js/main.0d1e2f3a.chunk.js"),
        ("_nuxt/DiwrgTda.js", "_nuxt/BX3k9aZq.js"),
    ],
)
def test_a_new_build_of_a_bundle_is_the_same_place(one: str, other: str) -> None:
    """A bundler names a file by its content."""

    def named(bundle: str) -> grouping.Group:
        return grouping.group(
            f"CartError: no items\n    at total (https://shop.example/{bundle}:1:2)"
        )

    assert named(one).basis == "trace"
    assert named(one).signature == named(other).signature


def test_two_bundles_are_two_places() -> None:
    """Their names before the hash tell them apart."""
    text = "CartError: no items\n    at total (https://shop.example/assets/{}-DiwrgTda.js:1:2)"
    assert grouping.group(text.format("cart")).signature != (
        grouping.group(text.format("checkout")).signature
    )


def test_the_depth_of_a_recursion_is_no_other_place() -> None:
    """A stack overflows in whichever of the functions is called last."""

    def overflown(*functions: str) -> grouping.Group:
        frames = "".join(f"\n    at {name} (/srv/app/tree.js:1:2)" for name in functions)
        return grouping.group(f"RangeError: Maximum call stack size exceeded{frames}")

    one = overflown("walk", "visit", "walk", "visit", "main")
    other = overflown("visit", "walk", "visit", "walk", "visit", "main")
    assert one.signature == other.signature
    assert overflown("sort", "sort", "main").signature != one.signature


def test_the_class_of_an_exception_is_named_without_its_namespace() -> None:
    """PHP separates them by one backslash."""
    text = (
        "PHP Fatal error:  Uncaught App\\Exceptions\\PaymentFailed: refused in /srv/app/Pay.php:12\n"
        "Stack trace:\n#0 {main}\n  thrown in /srv/app/Pay.php on line 12"
    )
    assert grouping.group(text).template.startswith("PaymentFailed: refused")
