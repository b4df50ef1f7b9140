"""Batches of errors that say what makes a pattern once for each signature.

The first error of a signature is complete, later ones name their keys alone. Whatever part of a
batch is sent, it has to be complete in itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pattern_engine.database.records import AnyErrorRecord, ErrorRecord

__all__ = ["self_contained"]


def self_contained(part: list[AnyErrorRecord], whole: list[AnyErrorRecord]) -> list[AnyErrorRecord]:
    """Return a part of a batch in which the first error of each signature is complete."""
    complete: dict[str, ErrorRecord] = {}
    for error in whole:
        if "template" in error:
            complete.setdefault(error["signature"], cast("ErrorRecord", error))
    explained: set[str] = set()
    contained: list[AnyErrorRecord] = []
    for error in part:
        is_first = error["signature"] not in explained
        explained.add(error["signature"])
        if is_first and "template" not in error:
            error = cast("ErrorRecord", {**complete[error["signature"]], **error})  # noqa: PLW2901
        contained.append(error)
    return contained
