"""Ids may be given by their beginning, as long as only one row has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from pattern_engine.cli.remote import RemoteError

if TYPE_CHECKING:
    from pattern_engine.cli.remote import Remote

Found = TypeVar("Found")
_LEAST: Final = "00000000-0000-0000-0000-000000000000"
_MOST: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_PREFIX: Final = re.compile(r"[0-9a-f]{4}[0-9a-f-]{0,32}")
_SIGNATURE: Final = re.compile(r"pattern_[0-9a-z]{1,32}")


def pattern_id(remote: Remote, given: str) -> str:
    """Return the id of a pattern by its beginning, or by a signature of the pattern."""
    if _SIGNATURE.fullmatch(given):
        found = remote.rows("pattern_signatures", select="pattern_id", signature=f"eq.{given}")
        if found:
            return str(found[0]["pattern_id"])
    return _by_prefix(remote, "pattern", "error_patterns", "pattern_id", given)


def proposal_id(remote: Remote, given: str) -> str:
    """Return the id of a proposal by its beginning."""
    return _by_prefix(remote, "proposal", "fix_proposals", "proposal_id", given)


def application_id(remote: Remote, given: str) -> str:
    """Return the id of an application of a fix by its beginning."""
    return _by_prefix(remote, "application", "pattern_applications", "application_id", given)


def change_id(remote: Remote, given: str) -> tuple[str, str]:
    """Return which of the two an id is, merge_id or split_id, and the whole id."""
    found = [
        (column, str(row[column]))
        for table, column in (("pattern_merges", "merge_id"), ("pattern_splits", "split_id"))
        for row in _rows(remote, table, column, given)
    ]
    return _only("merge or split", given, found)


def _by_prefix(remote: Remote, what: str, table: str, column: str, given: str) -> str:
    rows = _rows(remote, table, column, given)
    return _only(what, given, [str(row[column]) for row in rows])


def _rows(remote: Remote, table: str, column: str, given: str) -> list[dict[str, object]]:
    """Find by the range of ids that begin like this, for which there is an index."""
    wanted = given.strip().lower()
    if not _PREFIX.fullmatch(wanted) or len(wanted) > len(_LEAST):
        raise RemoteError(f"{given!r} is no id; it has at least four digits of 0 to 9 and a to f")
    first, last = (wanted + end[len(wanted) :] for end in (_LEAST, _MOST))
    between = f"({column}.gte.{first},{column}.lte.{last})"
    return remote.rows(table, **{"select": column, "and": between, "order": column, "limit": 2})


def _only(what: str, given: str, found: list[Found]) -> Found:
    if not found:
        raise RemoteError(f"there is no {what} {given}, or your role does not show it")
    if len(found) > 1:
        raise RemoteError(f"more than one {what} begins with {given}; give more of the id")
    return found[0]
