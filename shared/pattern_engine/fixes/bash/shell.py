"""What commands of bash itself may do with their arguments."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.paths import Where, shown, where
from pattern_engine.fixes.bash.programs import HOLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_engine.fixes.bash.commands import Checker
    from pattern_engine.fixes.bash.words import Value

__all__ = ["BUILTINS", "FILE_TEST"]

#: Tests that ask about a file.
FILE_TEST: Final = re.compile(r"-(?:[a-hkprstuwxGLNOS]|nt|ot|ef)")

#: What `set` may be given: the options that make a script stop at its first error.
_SET: Final = re.compile(
    r"[-+][euxfCEo]+|pipefail|errexit|nounset|noglob|errtrace|noclobber|xtrace"
)
_WIDTH: Final = re.compile(r"%[^%a-zA-Z]*?(\d+)")


def _texts(values: list[Value]) -> list[str]:
    return ["".join(part if isinstance(part, str) else HOLE for part in value) for value in values]


def _plain(_check: Checker, _values: list[Value]) -> None:
    """Let pass what is but text to a command."""


def _set(check: Checker, values: list[Value]) -> None:
    if not values:
        check.refuse("environment", "set lists every variable")
    for one in _texts(values):
        if one == "--":
            return
        if not _SET.fullmatch(one):
            check.refuse("option", f"set {one}: a fix sets errexit, nounset and pipefail alone")


def _directory(check: Checker, values: list[Value]) -> None:
    operands = [value for value in values if value not in (("--",), ("-P",), ("-L",))]
    if operands == [("-",)]:
        return
    if not operands:
        check.refuse("path", "cd without a directory leaves the working directory")
    for value in operands:
        if where(value) is not Where.INSIDE:
            check.refuse("path", f"cd {shown(value)}: this leads {where(value).value}")


def _command(check: Checker, values: list[Value]) -> None:
    if values[:1] not in ([("-v",)], [("-V",)]):
        check.refuse("command", "command hides which command runs; only command -v is allowed")


def _test(check: Checker, values: list[Value]) -> None:
    for before, value in itertools.pairwise(values):
        if FILE_TEST.fullmatch(shown(before)):
            check.reads(value)


def _printf(check: Checker, values: list[Value]) -> None:
    texts = _texts(values)
    if any(len(width) > 4 for form in texts[:3] for width in _WIDTH.findall(form)):
        check.refuse("unbounded", "printf pads beyond 9999 characters")
    if texts[:1] == ["-v"]:
        check.assigns(*texts[1:2])


def _reading(name: str) -> Callable[[Checker, list[Value]], None]:
    def check_reading(check: Checker, values: list[Value]) -> None:
        given = check.options(name, values)
        check.assigns(*map(shown, given.operands), *map(shown, given.words_of("a")))

    return check_reading


def _hostname(check: Checker, values: list[Value]) -> None:
    if check.options("hostname", values).operands:
        check.refuse("privilege", "hostname sets the name of the machine")


def _getopts(check: Checker, values: list[Value]) -> None:
    check.assigns(*_texts(values)[1:2])


def _let(check: Checker, values: list[Value]) -> None:
    for one in _texts(values):
        if re.search(rf"[\[$`{HOLE}]", one):
            check.refuse("arithmetic", "let evaluates text that is not known")
        check.assigns(*re.findall(r"([A-Za-z_]\w*)\s*[-+*/%]?=", one))


BUILTINS: Final[dict[str, Callable[[Checker, list[Value]], None]]] = {
    **dict.fromkeys(
        """
        echo true false : basename dirname tr bc uname nproc type which wait exit
        return break continue shift expr tput pwd popd
        """.split(),  # noqa: SIM905  words in rows are read more easily than in quotes
        _plain,
    ),
    "set": _set, "cd": _directory, "pushd": _directory, "command": _command, "test": _test,
    "[": _test, "printf": _printf, "getopts": _getopts, "let": _let,
    "hostname": _hostname,
    **{name: _reading(name) for name in ("read", "mapfile", "readarray")},
}  # fmt: skip
"""Command → its check."""
