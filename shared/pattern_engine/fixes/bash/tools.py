"""What programs with a meaning of their own may do with their arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash import allowed
from pattern_engine.fixes.bash.paths import Where, shown, where
from pattern_engine.fixes.bash.programs import HOLE, awk_problem, jq_problem, sed_problem
from pattern_engine.fixes.bash.words import Kind, merged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pattern_engine.fixes.bash.commands import Checker
    from pattern_engine.fixes.bash.options import Given
    from pattern_engine.fixes.bash.words import Value

__all__ = ["TOOLS"]

_MODE_OPTION: Final = re.compile(r"-[cfRv]+|--(?:recursive|verbose|changes)")
#: Modes without the bits that lend a program its owner's rights.
_MODE: Final = re.compile(r"0?[0-7]{3}|[ugoa]*[-+=][rwxX]*(?:,[ugoa]*[-+=][rwxX]*)*")


def _is_option(value: Value) -> bool:
    return bool(value) and isinstance(value[0], str) and value[0].startswith("-")


def _remove(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    recursive = given.has("r", "R", "recursive")
    for value in given.operands:
        if recursive and re.fullmatch(r"(?:\./*)*\*?", shown(value)) and value:
            check.refuse("path", f"rm -r {shown(value)} would remove all that the fix was given")
        check.writes(value, name, destroys=True)


def _sort(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    for value in given.operands:
        check.reads(value)
    for value in given.words_of("o", "output"):
        check.writes(value)


def _uniq(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    for value in given.operands[:1]:
        check.reads(value)
    for value in given.operands[1:]:
        check.writes(value)


def _make(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    for mode in given.words_of("m", "mode"):
        _right(check, name, shown(mode))
    for value in given.operands:
        check.writes(value, name)


def _touch(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    for value in given.words_of("r", "reference"):
        check.reads(value)
    for value in given.operands:
        check.writes(value, name)


def _truncate(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    for size in given.words_of("s", "size"):
        if not re.fullmatch(r"[-+<>]?\d{1,7}|[-+]?\d{1,4}[kK]|[-+]?\d{1,2}[mM]", shown(size)):
            check.refuse("unbounded", f"truncate to {shown(size)}: up to 99M are allowed")
    for value in given.operands:
        check.writes(value, name, destroys=True)


def _copy(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    _suffix(check, given)
    for mode in given.words_of("m", "mode"):
        _right(check, name, shown(mode))
    targets = given.words_of("t", "target-directory")
    sources = list(given.operands)
    if not targets and sources and not (name == "install" and given.has("d", "directory")):
        targets = [sources.pop()]
    for value in sources:
        if name == "mv":
            check.writes(value, name)
        else:
            check.reads(value)
    for value in targets or sources:
        check.writes(value, name)


def _link(check: Checker, name: str, values: list[Value]) -> None:
    for value in check.options(name, values).operands:
        check.writes(value, name)


def _right(check: Checker, name: str, mode: str) -> None:
    if not _MODE.fullmatch(mode):
        check.refuse("privilege", f"{name} {mode}: only rights to read, write and run may change")


def _suffix(check: Checker, given: Given) -> None:
    for suffix in given.words_of("S", "suffix", "additional-suffix"):
        if "/" in shown(suffix) or Kind.OPAQUE in suffix:
            check.refuse("path", f"the suffix {shown(suffix)} makes another path")


def _mode(check: Checker, name: str, values: list[Value]) -> None:
    operands = [value for value in values if not _MODE_OPTION.fullmatch(shown(value))]
    _right(check, name, shown(operands[0]) if operands else "")
    for value in operands[1:]:
        check.writes(value, name)


def _split(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    _suffix(check, given)
    for value in given.operands[:1]:
        check.reads(value)
    for value in (*given.operands[1:], *given.words_of("f", "prefix")):
        if name == "split" or value in given.words_of("f", "prefix"):
            check.writes(value, name)


def _date(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    for value in given.words_of("r", "reference"):
        check.reads(value)
    for value in given.operands:
        if not (value and isinstance(value[0], str) and value[0].startswith("+")):
            check.refuse("privilege", f"date {shown(value)} sets the clock")


def _sleep(check: Checker, _name: str, values: list[Value]) -> None:
    for value in values:
        length = re.fullmatch(r"(\d{0,6}(?:\.\d*)?)([smhd]?)", shown(value))
        unit = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
        if Kind.NAME in value:
            continue
        if not length or float(length[1] or 0) * unit[length[2]] > allowed.MAX_SLEEP_SECONDS:
            check.refuse(
                "unbounded",
                f"sleep {shown(value)}: up to {allowed.MAX_SLEEP_SECONDS} s are allowed",
            )


def _sequence(check: Checker, name: str, values: list[Value]) -> None:
    for value in values:
        if re.fullmatch(r"-\d+", shown(value)):
            continue
        if re.fullmatch(r"\d+", shown(value)) and int(shown(value)) <= allowed.MAX_COUNT:
            continue
        if re.fullmatch(r"inf.*|nan|[-+\d.]*e\+?\d+|[-+]?\d{7,}.*", shown(value), re.IGNORECASE):
            check.refuse("unbounded", f"seq {shown(value)}: up to {allowed.MAX_COUNT} are allowed")
    check.options(name, [value for value in values if not re.fullmatch(r"-\d+", shown(value))])


def _temporary(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    for value in (*given.operands, *given.words_of("p", "tmpdir")):
        plain = re.fullmatch(r"/tmp(?:/[\w.…-]*)?", shown(value)) and "/.." not in shown(value)  # noqa: S108
        if not plain and where(value) is not Where.INSIDE:
            check.refuse("path", f"mktemp {shown(value)}: this leads {where(value).value}")


def _grep(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options(name, values)
    files = given.operands if given.has("e", "regexp") else given.operands[1:]
    for value in files:
        check.reads(value)


def _sed(check: Checker, name: str, values: list[Value]) -> None:
    in_place = [v for v in values if re.match(r"-[nErsuz]*i|--in-place", shown(v))]
    values = [v for v in values if v not in in_place]
    for value in in_place:
        option = re.fullmatch(r"(-[nErsuz]*i|--in-place=?)([\w.~-]*)", shown(value))
        if not option or ".." in option[2]:
            check.refuse("option", f"sed {shown(value)} is not among the allowed options")
    given = check.options(name, values)
    programs = given.words_of("e", "expression")
    files = given.operands
    if not programs:
        programs, files = list(given.operands[:1]), given.operands[1:]
    _programs(check, name, programs, sed_problem)
    for value in files:
        if in_place:
            check.writes(value)
        else:
            check.reads(value)


def _awk(check: Checker, name: str, values: list[Value]) -> None:
    given = check.options("awk", values, permuted=False)
    _programs(check, name, list(given.operands[:1]), awk_problem)
    for value in given.operands[1:]:
        if not re.match(r"[A-Za-z_]\w*=", shown(value)):
            check.reads(value)


def _jq(check: Checker, name: str, values: list[Value]) -> None:
    rest: list[Value] = []
    waiting = iter(values)
    for value in waiting:
        if shown(value) in ("--arg", "--argjson"):
            next(waiting, None)
            next(waiting, None)
        elif shown(value) in ("--slurpfile", "--rawfile"):
            next(waiting, None)
            check.reads(next(waiting, ()))
        elif shown(value) == "--indent":
            next(waiting, None)
        elif shown(value) in ("--args", "--jsonargs"):
            rest += [one for one in waiting if _is_option(one)]
        else:
            rest.append(value)
    given = check.options(name, rest)
    _programs(check, name, list(given.operands[:1]), jq_problem)
    for value in given.operands[1:]:
        check.reads(value)


def _programs(
    check: Checker, name: str, programs: list[Value], problem: Callable[[str], str | None]
) -> None:
    for program in programs:
        known = "".join(
            part if isinstance(part, str) else "1" if part is Kind.NAME else HOLE
            for part in program
        )
        if Kind.OPAQUE in program:
            check.refuse(name, "the program is hidden text")
        elif found := problem(known):
            check.refuse(name, f"the program of {name}: {found}")


def _dd(check: Checker, _name: str, values: list[Value]) -> None:
    for value in values:
        key, _, head = (str(value[0]) if value and isinstance(value[0], str) else "").partition("=")
        path: Value = merged((head, *value[1:]))
        if key == "if":
            check.reads(path)
        elif key == "of":
            check.writes(path, "dd")
        elif key not in (
            "bs",
            "count",
            "skip",
            "seek",
            "status",
            "conv",
            "ibs",
            "obs",
            "iflag",
            "oflag",
        ):
            check.refuse("option", f"dd {shown(value)} is not among the allowed operands")
        elif key in ("bs", "seek", "ibs", "obs") and not re.fullmatch(
            r"\d{1,7}|\d{1,4}[kK]|\d{1,2}M", shown(path)
        ):
            check.refuse("unbounded", f"dd {shown(value)} is too much")


def _tar(check: Checker, _name: str, values: list[Value]) -> None:
    """Check tar: what it unpacks stays below where it is, as tar itself sees to."""
    waiting = iter(values)
    for index, value in enumerate(waiting):
        word = shown(value)
        letters = (
            word.lstrip("-")
            if (index == 0 or word.startswith("-")) and not word.startswith("--")
            else ""
        )
        if word.startswith("--"):
            _tar_long(check, value, waiting)
        elif letters:
            _tar_letters(check, letters, waiting)
        else:
            check.reads(value)
            if where(value) is Where.DATA and not value:
                check.refuse("path", "tar is given an empty path")


def _tar_letters(check: Checker, letters: str, waiting: Iterator[Value]) -> None:
    if not re.fullmatch(r"[cxtrzjJvpkmhaOWfC]+", letters):
        check.refuse("option", f"tar -{letters} is not among the allowed options")
    for letter in letters:
        if letter in "fC":
            value = next(waiting, ())
            if "t" in letters or ("x" in letters and letter == "f"):
                check.reads(value)
            elif value != ("-",):
                check.writes(value, "tar")


def _tar_long(check: Checker, value: Value, waiting: Iterator[Value]) -> None:
    name, equals, head = str(value[0]).partition("=")
    if name in ("--file", "--directory"):
        path = merged((head, *value[1:])) if equals else next(waiting, ())
        check.writes(path, "tar")
    elif name in (
        "--remove-files",
        "--create",
        "--extract",
        "--list",
        "--gzip",
        "--xz",
        "--verbose",
        "--null",
    ):
        if name == "--remove-files":
            check.does("tar --remove-files", destroys=True)
    elif name not in (
        "--exclude",
        "--strip-components",
        "--transform",
        "--sort",
        "--mtime",
        "--owner",
        "--group",
        "--no-recursion",
        "--numeric-owner",
    ):
        check.refuse("option", f"tar {name} is not among the allowed options")
    elif name == "--transform":
        check.refuse("option", "tar --transform renames what it unpacks")
    elif not equals:
        next(waiting, None)


TOOLS: Final[dict[str, Callable[[Checker, str, list[Value]], None]]] = {
    "rm": _remove, "sort": _sort, "uniq": _uniq, "mkdir": _make, "touch": _touch,
    "truncate": _truncate, "cp": _copy, "mv": _copy, "install": _copy, "ln": _link, "chmod": _mode,
    "split": _split, "csplit": _split, "date": _date, "sleep": _sleep, "seq": _sequence,
    "mktemp": _temporary, "grep": _grep, "zgrep": _grep, "sed": _sed, "awk": _awk, "jq": _jq,
    "dd": _dd, "tar": _tar,
}  # fmt: skip
"""Command → its check."""
