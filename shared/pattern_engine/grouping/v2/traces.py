"""Stack traces: grouped by the kinds of exception and the frames of the application itself.

A frame is a module and a function. Line numbers, addresses and where the application is installed
say nothing about the cause; frames of libraries and of the runtime are folded away. The message
counts where no frame of the application is left, and where the exception is of a kind that says
nothing (`Error`).
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Trace", "read_trace"]


class Trace(NamedTuple):
    """What identifies a trace."""

    #: Kinds of exception, outermost first where causes are chained.
    types: tuple[str, ...]
    #: `module.function` of the application's own frames, as the trace lists them.
    frames: tuple[str, ...]
    #: The text that has to be masked and counts, or the empty string.
    message: str


#: Parts of a path that tell a library's or the runtime's file.
_VENDORED_PARTS: Final = (
    "node_modules", "site-packages", "dist-packages", "lib/python", "deno.land", "/go/pkg/mod/",
    "/usr/local/go/", "/go/src/", "/vendor/",
)  # fmt: skip
#: Beginnings of paths, and of Java and Go packages, that are not the application's.
_VENDORED_STARTS: Final = (
    "node:", "internal/", "<", "npm:", "jsr:", "ext:", "https://esm.", "https://cdn.",
    "https://jsr.", "java.", "javax.", "jakarta.", "jdk.", "sun.", "com.sun.", "kotlin.", "scala.",
    "groovy.", "org.springframework.", "org.apache.", "org.hibernate.", "io.netty.", "reactor.",
    "com.zaxxer.", "org.postgresql.", "org.junit.", "runtime.", "net/http.", "reflect.", "testing.",
)  # fmt: skip
#: Kinds of exception that say nothing about the cause.
_GENERIC: Final = frozenset(
    {
        "Error",
        "error",
        "Exception",
        "RuntimeError",
        "java.lang.Exception",
        "java.lang.RuntimeException",
        "panic",
    }
)

_PYTHON_FRAME: Final = re.compile(
    r'^ +File "([^"\n]*)", line [0-9]+(?:, in ([^\n]*))?$', re.MULTILINE
)
_PYTHON_TYPE: Final = re.compile(
    r"^(?!Traceback|During handling|The above|[A-Z]+:)([A-Za-z_][\w.]*)(?=:|$)", re.MULTILINE
)
_PLACES: Final = ("file://", "http://", "https://", "node:", "<anonymous>")
#: Firefox and Safari: function@https://host/file.js:1:2
_BROWSER_FRAME: Final = re.compile(
    r"^([\w$.<>/]*)@((?:https?|file|webpack(?:-internal)?)://[^\n]*?)(?::[0-9]+){1,2}$",
    re.MULTILINE,
)
#: At the start of an error's text: Uncaught (in promise) TypeError: …
_SCRIPT_TYPE: Final = re.compile(
    r"(?:[\w ]{0,40}: )?(?:Uncaught )?(?:\(in promise\) )?"
    r"([A-Za-z_$][\w.$]{0,100}(?:Error|Exception)|Error|error)(?: \[\w+\])?(?=:|\s*\Z)"
)
_JAVA_FRAME: Final = re.compile(r"^\s+at ([\w.$/<>]+)\(([^()\n]*)\)$", re.MULTILINE)
_JAVA_TYPE: Final = re.compile(
    r"(?:^|Caused by: |Exception in thread \"[^\"\n]*\" )((?:[\w$]+\.)+[\w$]+)(?=: |$)",
    re.MULTILINE,
)
_GO_FRAME: Final = re.compile(r"^([\w./*()-]+)\([^\n]*\)\n\t(\S+\.go):[0-9]+", re.MULTILINE)
_PLPGSQL_FRAME: Final = re.compile(
    r"PL/pgSQL function (inline_code_block|[\w.\"]+)(?:\([^()\n]*\))?(?: line [0-9]+)?"
    r" at ([\w /-]+)"
)
_BUILD_HASH: Final = re.compile(r"[.-](?=[A-Za-z]*[0-9])[0-9A-Za-z_]{6,}")
_RUNS_OF_ANONYMOUS: Final = re.compile(r"<anonymous>|\$\$?Lambda.*|\$[0-9]+")


def read_trace(text: str) -> Trace | None:
    """Return the trace that a text of several lines holds, or None where it holds none."""
    if "Traceback (most recent" in text:
        return _python(text)
    if "\tat " in text or "\n  at " in text:
        java = _java(text)
        if java:
            return java
    if "\n    at " in text or "\n  at " in text:
        return _script(text)
    if "goroutine " in text:
        return _go(text)
    if "PL/pgSQL function " in text:
        return _plpgsql(text)
    return _browser(text) if "@http" in text or "@webpack" in text else None


def _python(text: str) -> Trace | None:
    types = _PYTHON_TYPE.findall(text)
    if not types:
        return None
    frames = _own_frames((function, path) for path, function in _PYTHON_FRAME.findall(text))
    message = text[text.rfind(f"\n{types[-1]}") + 1 :]
    return _trace(types, frames, message, types[-1])


def _script(text: str) -> Trace | None:
    lines = text.split("\n")
    found = [frame for frame in map(_script_frame, lines) if frame is not None]
    if not found:
        return None
    frames = _own_frames(found)
    head = text[: text.index("\n    at ")] if "\n    at " in text else lines[0]
    causes = [cause.partition("\n")[0] for cause in text.split("[cause]: ")[1:4]]
    types = [found[1] for found in map(_SCRIPT_TYPE.match, [head, *causes]) if found is not None]
    return _trace(types, frames, head, types[0] if types else "")


def _script_frame(line: str) -> tuple[str, str] | None:
    """Return function and place of a line such as `    at async load (/app/src/page.tsx:12:5)`."""
    frame = line.lstrip(" ")
    if not frame.startswith("at ") or frame is line:
        return None
    function, bracket, place = frame[3:].rpartition(" (")
    if not bracket:
        function, place = "", frame[3:].removeprefix("async ")
    if "/" not in place and "\\" not in place and not place.startswith(_PLACES):
        return None
    function = function.removeprefix("async ").removeprefix("new ").partition(" [as ")[0]
    # :12:5), and Node's " {" before the error's own fields
    return function, place.rstrip("){ ").rstrip("0123456789:")


def _browser(text: str) -> Trace | None:
    found = _BROWSER_FRAME.findall(text)
    if not found:
        return None
    frames = _own_frames(found)
    head = text.partition("\n")[0]
    types = [found[1] for found in map(_SCRIPT_TYPE.match, [head]) if found is not None]
    return _trace(types, frames, head, types[0] if types else "")


def _java(text: str) -> Trace | None:
    found = [name for name, place in _JAVA_FRAME.findall(text) if "." in name and "/" not in place]
    types = _JAVA_TYPE.findall(text)
    if not found or not types:
        return None
    frames = [_RUNS_OF_ANONYMOUS.sub("", name) for name in found if not _vendored(name)]
    return _trace(types, frames, text.partition("\n")[0], types[-1])


def _go(text: str) -> Trace | None:
    found = _GO_FRAME.findall(text)
    if not found:
        return None
    frames = [
        name.rpartition("/")[2]
        for name, path in found
        if not _vendored(path) and not _vendored(name)
    ]
    head = text.partition("\n")[0]
    return _trace([head.partition(":")[0]], frames, head, "panic")


def _plpgsql(text: str) -> Trace:
    """The message counts: PL/pgSQL names no kind of exception."""
    frames = [f"{name}: {statement.strip()}" for name, statement in _PLPGSQL_FRAME.findall(text)]
    head = text.partition("\nCONTEXT:")[0].partition("\n")[0]
    return _trace([], frames, head, "")


def _own_frames(found: Iterable[tuple[str, str]]) -> list[str]:
    """Return `module.function` of the application's own frames; nameless ones tell nothing."""
    own = ((_own_module(path), function) for function, path in found if function)
    return [f"{module}.{function}" for module, function in own if module]


def _trace(types: list[str], frames: list[str], message: str, deciding: str) -> Trace:
    told = bool(frames) and bool(deciding) and deciding not in _GENERIC
    return Trace(tuple(dict.fromkeys(types)), tuple(frames), "" if told else message)


def _vendored(path: str) -> bool:
    return path.startswith(_VENDORED_STARTS) or any(map(path.__contains__, _VENDORED_PARTS))


@lru_cache(maxsize=4096)
def _own_module(path: str) -> str:
    """Return the file's name without directories and extension; empty for one of a library."""
    if _vendored(path):
        return ""
    name = path.replace("\\", "/").rpartition("/")[2].partition("?")[0]
    return _BUILD_HASH.sub("", name.rpartition(".")[0] or name)
