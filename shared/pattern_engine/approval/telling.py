"""What a fix does, in one sentence, and what its preview cannot show: for whoever decides on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSEEN: Final[Mapping[str, tuple[str, ...]]] = {
    "sql": (
        "The script really ran and was undone, for one error and on the rows of that moment.",
        "At the next error other rows may match.",
        "What others do after a commit was not seen, as webhooks and replication do.",
        "Numbers that a sequence gave out stay given out.",
    ),
    "api_call": (
        "Nothing was sent. The values of headers are left out here.",
        "What the other side answers, changes or charges is not known before it is called.",
    ),
    "typescript": (
        "The program ran without sending anything, so what follows the first answer may differ.",
        "What the other side answers, changes or charges is not known before it is called.",
    ),
    "bash": (
        "With directories the script ran on copies of them; without any it was only read.",
        "Files may have changed until the next error, and so may what the script finds.",
    ),
}
"""Type of fix → what its preview cannot show."""
_MOST_LENGTH: Final = 300
_VERBS: Final = {
    "insert": "inserts rows into {}",
    "update": "updates rows of {}",
    "delete": "deletes rows of {}",
    "merge": "merges rows into {}",
}


def told(fix: Mapping[str, Any], analysis: Mapping[str, Any], max_rows: int) -> str:
    """Return what a stored fix does, by its analysis.

    Args:
        fix: With `type` and `prepared_script`.
        analysis: As `Analysis.as_dict` returns it.
        max_rows: The most rows that a run may touch.
    """
    operations = [str(each) for each in analysis.get("operations", ())]
    if fix["type"] == "sql":
        return _sql(str(fix["prepared_script"]), operations, max_rows)
    if fix["type"] == "api_call":
        return _sentence("sends " + (" and ".join(operations) or "a request"))
    hosts = ", ".join(map(str, analysis.get("hosts", ()))) or "no host"
    what = {"typescript": "runs a TypeScript program", "bash": "runs a shell script"}
    listed = f": {'; '.join(operations)}" if operations else ""
    return _sentence(f"{what[fix['type']]} that may reach {hosts}{listed}")


def _sql(script: str, operations: list[str], max_rows: int) -> str:
    from pattern_engine.fixes.sql.changes import changes  # noqa: PLC0415  loads the parser

    parts = []
    for change in changes(script):
        where = f" where {change.condition}" if change.condition else ""
        parts.append(_VERBS[change.kind].format(change.table) + _cut(where))
    if not parts:
        told_operations = f" ({'; '.join(operations)})" if operations else ""
        return _sentence(f"changes no table by its own statements{told_operations}")
    rows = f"at most {max_rows:,} {'row' if max_rows == 1 else 'rows'} a run"
    return _sentence(f"{'; then '.join(parts)}, {rows}")


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LENGTH else f"{text[:_MOST_LENGTH]}…"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
