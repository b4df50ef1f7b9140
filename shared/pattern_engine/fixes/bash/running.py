"""Commands that run other commands: those are checked as if they stood there themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.paths import Where, shown, where
from pattern_engine.fixes.bash.words import Kind, Value, Values, literals, merged, split_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pattern_engine.fixes.bash.commands import Checker

__all__ = ["RUNNERS"]


def _timeout(check: Checker, values: list[Value], given: Values) -> None:
    options = check.options("timeout", values, permuted=False)
    _wrapped(check, list(options.operands[1:]), given)


def _nice(check: Checker, values: list[Value], given: Values) -> None:
    _wrapped(check, list(check.options("nice", values, permuted=False).operands), given)


def _time(check: Checker, values: list[Value], given: Values) -> None:
    _wrapped(check, [value for value in values if value != ("-p",)], given)


def _wrapped(check: Checker, words: list[Value], given: Values) -> None:
    names = literals(words[:1])
    if not words:
        return
    if not names:
        check.refuse("command", "runs a command whose name is not known")
        return
    name = names.pop()
    if name in check.functions or name in _NOT_RUN:
        check.refuse("command", f"{name} cannot be run by another command")
        return
    check.command(name, words[1:], given)


def _xargs(check: Checker, values: list[Value], given: Values) -> None:
    options = check.options("xargs", values, permuted=False)
    for value in options.words_of("P", "max-procs"):
        if not re.fullmatch(r"[1-8]", shown(value)):
            check.refuse("unbounded", f"xargs -P {shown(value)}: up to 8 processes are allowed")
    words = list(options.operands) or [("echo",)]
    mark = next(
        (shown(one) for one in options.words_of("I", "replace", "i")),
        "{}" if options.has("replace") else None,
    )
    for value in sorted(split_texts(given, r"\s+") or {(Kind.DATA,)}, key=repr):
        if mark is None:
            _wrapped(check, [*words, value], frozenset())
        else:
            _wrapped(check, [_put_in(word, mark, value) for word in words], frozenset())


def _find(check: Checker, values: list[Value], _given: Values) -> None:
    """Check find: where it starts, and what it does with what it finds."""
    starts: list[Value] = []
    changes = False
    waiting = iter(values)
    for value in waiting:
        word = shown(value)
        if word in _FIND_FILE:
            check.reads(next(waiting, ()))
        elif word in _FIND_WORD:
            next(waiting, None)
        elif word in ("-exec", "-execdir"):
            changes = True
            _found(check, starts, waiting)
        elif word == "-delete":
            changes = True
            for start in starts or [(".",)]:
                check.does(f"find {shown(start)} -delete", destroys=True)
        elif word.startswith(("-", "(", "!")) and value and word not in _FIND_FLAG:
            check.refuse("option", f"find {word} is not among the allowed options")
        elif word not in _FIND_FLAG:
            starts.append(value)
    _starts(check, starts, strict=changes)


def _found(check: Checker, starts: list[Value], waiting: Iterator[Value]) -> None:
    """Check what runs for each file that is found."""
    inner: list[Value] = []
    for one in waiting:
        if shown(one) in (";", "+"):
            break
        inner.append(one)
    private = starts and all(start and start[0] is Kind.PRIVATE for start in starts)
    found: Value = (Kind.PRIVATE,) if private else (Kind.INSIDE,)
    _wrapped(check, [_put_in(one, "{}", found) for one in inner], frozenset())


def _starts(check: Checker, starts: list[Value], *, strict: bool) -> None:
    for start in starts:
        place = where(start)
        if place in (Where.OUTSIDE, Where.HIDDEN) or (strict and place is not Where.INSIDE):
            check.refuse("path", f"find {shown(start)}: this leads {place.value}")


def _put_in(word: Value, mark: str, value: Value) -> Value:
    """Return a word with the mark replaced by a value."""
    parts: list[str | Kind] = []
    for part in word:
        if isinstance(part, Kind):
            parts.append(part)
            continue
        for index, piece in enumerate(part.split(mark)):
            parts += [*(value if index else ()), *([piece] if piece else [])]
    return merged(parts)


#: Builtins that are no programs.
_NOT_RUN: Final = frozenset({"set", "trap", "cd", "pushd", "command", "read", "export", "local"})

_FIND_FILE: Final = frozenset({"-newer", "-anewer", "-cnewer", "-samefile"})
_FIND_WORD: Final = frozenset(
    """
    -name -iname -path -ipath -wholename -regex -iregex -regextype -type -mtime -mmin -ctime
    -cmin -atime -amin -newermt -size -maxdepth -mindepth -perm -printf -links -user -group
    -inum -xtype -lname
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)
_FIND_FLAG: Final = frozenset(
    """
    -empty -print -print0 -prune -not ! ( ) -a -and -o -or , -readable -writable -executable
    -daystart -depth -xdev -mount -quit -ls -true -false -noleaf -H -P -nouser -nogroup
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)

RUNNERS: Final[dict[str, Callable[[Checker, list[Value], Values], None]]] = {
    "find": _find, "xargs": _xargs, "timeout": _timeout, "nice": _nice, "time": _time,
}  # fmt: skip
"""Command → its check, given what the command reads from its standard input."""
