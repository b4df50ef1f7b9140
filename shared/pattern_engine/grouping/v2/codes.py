"""Protected codes: they decide which fix is right, so they are never masked into each other.

HTTP statuses of failures, SQLSTATEs, PGRST and errno numbers, and the codes of other tools. What
stands in a message as 404 may be a status or a count: the words beside it tell. `decide` says so
once for a sequence of words; `fill` then puts the codes of each message into the template that
they share.
"""

import re
from typing import Final, NamedTuple

from pattern_engine.grouping.v2.marks import CODE, DIGITS, VARIABLE
from pattern_engine.grouping.v2.vocabulary import COUNTED

__all__ = ["Slot", "decide", "fill", "parted"]

#: Words before a code, lower case, without punctuation. "error" alone tells a status at most.
_CODE_CUES: Final = frozenset({"code", "sqlstate", "errno", "errcode", "error_code", "err_code"})
_STATUS_CUES: Final = frozenset({
    "status", "returned", "responded", "replied", "received", "response", "error", "failed", "with",
    "got", "http", "err!", "statuscode", "status_code",
})  # fmt: skip
_ARTICLES: Final = frozenset({"a", "an", "-"})
#: A code after these is how a process ended, which is a number like any other.
_EXITS: Final = frozenset({"exit", "return", "process"})
_REASONS: Final = frozenset({
    "Bad Request", "Unauthorized", "Payment Required", "Forbidden", "Not Found", "Method Not",
    "Not Acceptable", "Conflict", "Gone", "Unprocessable Entity", "Unprocessable Content",
    "Too Many", "Internal Server", "Not Implemented", "Bad Gateway", "Service Unavailable",
    "Gateway Timeout", "Gateway Time-out",
})  # fmt: skip
#: "returned 404 rows" tells no status.
_COUNTED: Final = frozenset(
    f"{noun}{end}" for noun in (*COUNTED.split("|"), "result", "byte") for end in ("", "s")
) | {"ms"}
#: Codes that need no word beside them: 42P01, XX000, PGRST116, TS2322, ERR_INVALID_URL.
_CLEAR: Final = re.compile(
    r"[0-9]{2}P[0-9]{2}|0[A-Z][0-9P][0-9]{2}|XX00[0-9]|HV00[0-9A-Z]|P000[0-9]|2[BDF][0-9]{3}|"
    r"3[BDF][0-9]{3}|22[0-9]{2}[A-Z]|PGRST[0-9]{3}|ORA-[0-9]{5}|TS[0-9]{4}|(?:UND_)?ERR_\w+"
)
_IN_WORD: Final = re.compile(r"-?[0-9A-Z][0-9A-Z_-]*(?=[^0-9A-Za-z]*\Z)")
_MARKS: Final = f"{DIGITS}{CODE}"
_MARKS_OR_VARIABLE: Final = f"{VARIABLE}{_MARKS}"
_MARK: Final = re.compile(f"[{_MARKS}]")
_PUNCTUATION: Final = " :=(#[\"'<,.;)]}`"


class Slot(NamedTuple):
    """Where a template takes a code: which of the message's words, and what it may be."""

    place: int
    #: `any`; `status`: only a failure's (4xx, 5xx); `clear`: one that needs no word beside it.
    accepts: str


def decide(words: list[str]) -> tuple[Slot, ...]:
    """Mark the candidates that cannot be codes as variables, in place; return the slots left."""
    slots: list[Slot] = []
    for place, word in enumerate(words):
        if DIGITS not in word and CODE not in word:
            continue
        accepts = _accepts(words, place)
        if accepts is None:
            words[place] = word.replace(DIGITS, VARIABLE)
        else:
            slots.append(Slot(place, accepts))
    return tuple(slots)


def _accepts(words: list[str], place: int) -> str | None:
    word = words[place]
    cue = _cue(words, place)
    if CODE in word:
        return "any" if cue else "clear"
    if cue:
        counted = place + 1 < len(words) and _bare(words[place + 1]) in _COUNTED
        return None if cue == "status" and counted else cue
    reason = " ".join(words[place + 1 : place + 3]).rstrip(_PUNCTUATION)
    return "status" if reason in _REASONS or reason.partition(" ")[0] in _REASONS else None


def _cue(words: list[str], place: int) -> str | None:
    """Return what the words before a candidate, or its own beginning, say that it is."""
    if words[place][0] in _MARKS and words[place - 1][-1:] in _MARKS_OR_VARIABLE:
        return None  # one of a list
    before = [_bare(word) for word in words[max(0, place - 5) : place]]
    own = _bare(words[place].partition(DIGITS if DIGITS in words[place] else CODE)[0])
    if own:
        before.append(own)
    while before and before[-1] in _ARTICLES:
        before.pop()
    if not before:
        return None
    last, previous = before[-1], before[-2] if len(before) > 1 else ""
    if last in _CODE_CUES or (last.endswith("code") and not last.startswith("exit")):
        return None if previous in _EXITS else "status" if previous == "status" else "any"
    if last == "error" and previous == "os":
        return "any"
    if last in _STATUS_CUES or last.startswith("http/"):
        return None if previous in _EXITS else "status"
    return "status" if "status" in before and words[place - 1].endswith(":") else None


def _bare(word: str) -> str:
    return word.strip(_PUNCTUATION).lower()


def parted(template: str) -> list[str]:
    """Return what stands before, between and after the marks of codes in a template."""
    return _MARK.split(template)


def fill(literals: list[str], slots: tuple[Slot, ...], words: list[str]) -> str:
    """Return a template in parts with the codes among the words of a message between them."""
    filled = literals[0]
    for slot, literal in zip(slots, literals[1:], strict=True):
        filled += _code(words[slot.place], slot.accepts) + literal
    return filled


def _code(word: str, accepts: str) -> str:
    found = _IN_WORD.search(word)
    code = found[0] if found else word
    if accepts == "status" and not (len(code) == 3 and code[0] in "45"):
        return VARIABLE
    if accepts == "clear" and not _CLEAR.fullmatch(code):
        return VARIABLE
    return code
