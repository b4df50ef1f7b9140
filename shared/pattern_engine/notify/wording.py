"""The text of a message: what happened, what it is about, and where to look at it and decide.

A message is plain text. Whatever comes out of a log or from a person is data in it: it stands in
one line behind a label, is cut, its control and invisible characters are visible marks, and neither
an address nor a mention in it can be followed. Nobody can approve anything by answering a message.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pattern_engine.laws.verdict import against
from pattern_engine.text.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pattern_engine.database.records import DueMessage, Json, ToldNotification

SEVERITIES: Final = ("debug", "info", "warning", "error", "critical")
HEADS: Final = {
    "threshold_reached": "An error needs a review",
    "approval_requested": "A fix waits for approval",
    "approval_expiring": "A fix that waits for approval expires soon",
    "violation": "A fix was blocked",
    "fix_failed": "A fix failed",
    "fix_demoted": "A fix was taken out of use",
    "healed_often": "A fix heals again and again",
    "storm_stop": "All fixes are paused",
    "regression": "A resolved error is back in a later release",
    "recurrence": "A resolved error is back",
    "spike": "An error occurs far more often than usual",
    "delivery_stalled": "Errors are not being learned",
    "test": "Test of a notification target",
}
PAGES: Final = {"storm_stop": "", "delivery_stalled": "delivery", "test": "settings"}
"""Where the console shows what is about no pattern."""
ABOUT_FIX: Final = frozenset(
    {"fix_failed", "fix_demoted", "violation", "healed_often"}
    # The approval of a fix that is in use ends, or has ended.
    | {"approval_requested", "approval_expiring"}
)
MAX_LENGTH: Final = 300
"""Characters of one quoted text."""
MAX_SUBJECT: Final = 80
MAX_TITLE: Final = 200
DIGEST_LENGTH: Final = 12
MOST_IN_FULL: Final = 5
"""Of more notifications in one message, each has two lines and its link."""
_MENTION: Final = re.compile(r"@(?=everyone|here|channel|all\b|[!&\d])|<(?=[!@#])")


@dataclass(frozen=True, slots=True)
class Room:
    """How many characters a service takes; a title of 0 means that it has none."""

    title: int
    body: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is ready to be sent."""

    title: str
    body: str
    severity: str
    included: tuple[int, ...]
    """The notifications that had room in it, at least one."""


def compose(due: DueMessage, console_url: str, room: Room) -> Message:
    """Write the message of one or more notifications; those without room are for the next one."""
    told = due["notifications"]
    foot = f"-- \nDecide in the console; nobody reads answers.\nMessage {due['message_id']}\n"
    # A service may count its own markup, and a title that it puts into the text.
    space = room.body * 3 // 4 - len(foot) - (0 if room.title else MAX_TITLE)
    blocks: list[str] = []
    for notification in told:
        block = "\n".join(_block(notification, console_url, in_full=len(told) <= MOST_IN_FULL))
        space -= len(block) + 2
        if blocks and space < 0:
            break
        blocks.append(_cut(block, max(len(block) + space, 0)) if space < 0 else block)
    included = told[: len(blocks)]
    severity = max((one["severity"] for one in included), key=SEVERITIES.index, default="info")
    title = _cut(_title(included, severity), min(room.title or MAX_TITLE, MAX_TITLE))
    ids = tuple(one["id"] for one in included)
    return Message(title, "\n\n".join([*blocks, foot]), severity, ids)


def reference(message_id: str, console_url: str) -> str:
    """The id of a message in the form of a mail's Message-ID; the same at each try."""
    return f"<{message_id}@{urlsplit(console_url).hostname or 'pattern-engine.invalid'}>"


def link(notification: ToldNotification, console_url: str) -> str:
    """The page of the console that shows what a notification is about."""
    kind, details = notification["kind"], notification["details"]
    if kind in PAGES:
        page = PAGES[kind]
    elif kind.startswith("approval_") and details.get("proposal_id"):
        page = f"proposals/{details['proposal_id']}"
    elif kind == "fix_failed" and details.get("application_id"):
        page = f"applications/{details['application_id']}"
    else:
        page = f"patterns/{notification['pattern_id']}" if notification["pattern_id"] else ""
    return f"{console_url}/{page}"


def quoted(text: str, most: int = MAX_LENGTH) -> str:
    """A text that others wrote, as one line that does nothing wherever it is shown."""
    line = " ".join(visible(text[: 4 * most]).split())
    return _cut(_MENTION.sub(r"\g<0> ", line).replace("://", "[:]//"), most)


def _title(told: Iterable[ToldNotification], severity: str) -> str:
    told = list(told)
    if len(told) == 1:
        (one,) = told
        head = HEADS[one["kind"]]
        about = f": {quoted(one['pattern']['template'], MAX_SUBJECT)}" if one["pattern"] else ""
        return f"[{severity}] {head}{about}"
    kinds = Counter(HEADS[one["kind"]] for one in told)
    counted = ", ".join(f"{head} ({count})" for head, count in kinds.most_common())
    return f"[{severity}] {len(told)} notifications: {counted}"


def _block(one: ToldNotification, console_url: str, *, in_full: bool) -> Iterator[str]:
    """The lines about one notification."""
    yield f"[{one['severity']}] {HEADS[one['kind']]}, {_time(one['created_at'])}"
    yield f"What happened: {quoted(one['description'])}"
    if in_full:
        if one["pattern"]:
            yield from _about_pattern(one["pattern"])
        yield from _about_fix(one)
    yield link(one, console_url)


def _about_pattern(pattern: Json) -> Iterator[str]:
    yield f"Error: {quoted(pattern['template'])}"
    release = f", release {quoted(pattern['last_release'], 60)}" if pattern["last_release"] else ""
    yield (
        f"Seen: {pattern['occurrence_count']} times, last {_time(pattern['last_seen'])}, type"
        f" {pattern['pattern_type']}, source {quoted(pattern['error_source'] or 'unknown', 100)}"
        f"{release}"
    )


def _about_fix(one: ToldNotification) -> Iterator[str]:
    proposal, fix = one["proposal"], one["fix"]
    if proposal:
        operations = "; ".join(proposal["operations"] or ()) or "nothing that its analysis shows"
        yield f"The fix ({proposal['fix_type']}): {quoted(operations)}"
        yield f"Dry-run: {_dry_run(proposal['dry_run'])}"
        yield f"Digest: {proposal['sha256'][:DIGEST_LENGTH]}, until {_time(proposal['expires_at'])}"
        if proposal["closed_because"]:
            yield f"No decision is needed any more: {quoted(proposal['closed_because'])}"
    elif fix and one["kind"] in ABOUT_FIX:
        tables = f", tables {quoted(', '.join(fix['tables']), 200)}" if fix["tables"] else ""
        digest = fix["sha256"][:DIGEST_LENGTH]
        yield f"The fix: {fix['fix_type']}, version {fix['version']}, digest {digest}{tables}"
    validation = one["details"].get("constitutional_validation")
    if validation:
        yield f"Why: {quoted(against(validation))}"
    elif one["details"].get("reason"):
        yield f"Why: {quoted(str(one['details']['reason']))}"


def _dry_run(dry_run: Json | None) -> str:
    """What a dry-run showed, in a line."""
    if not dry_run:
        return "not made yet"
    if not dry_run.get("success"):
        return f"failed: {quoted(str(dry_run.get('error')))}"
    rows: dict[str, Any] = dry_run.get("tables") or {}
    if dry_run.get("rows_touched") is None:
        return "nothing was sent; the console shows what would be"
    shown = quoted(", ".join(f"{table} {count}" for table, count in rows.items()), 200)
    whole = dry_run.get("whole_tables")
    over = "; more than its cap" if dry_run.get("is_over_cap") else ""
    every = f"; EVERY ROW of {quoted(', '.join(whole), 200)}" if whole else ""
    return f"{dry_run['rows_touched']} rows touched ({shown or 'none'}){every}{over}"


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"
