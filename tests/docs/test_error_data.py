"""The reference of error_data names what the engine reads."""

from __future__ import annotations

from pathlib import Path

from pattern_engine.grouping import evidence

PAGE = (Path(__file__).parents[2] / "docs/reference/error-data.md").read_text()


def test_every_key_of_a_driver_is_described() -> None:
    """A key that is read stands in the table, and is read if it stands there."""
    for key in evidence.OF_DRIVERS:
        assert f"`{key}`" in PAGE, key
        assert evidence.read({key: "x"}, "y").fields == {key: "x"}


def test_the_bounds_are_those_of_the_code() -> None:
    """Characters, exceptions and frames."""
    assert f"Of each string {evidence.MAX_CHARACTERS:,} characters" in PAGE
    assert f"the last {evidence.MAX_CAUSES} exceptions" in PAGE
    assert f"the last {evidence.MAX_FRAMES} frames" in PAGE
