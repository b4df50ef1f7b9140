"""Stack traces of many languages: the text of the root error, and its frames.

In each language the chain of causes is followed to its root. The text of the root may be wrapped
itself and is read on; a frame is a function and its place.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from pattern_engine.reading import panics
from pattern_engine.reading.error import MAX_HEADS, Frame
from pattern_engine.reading.frames import MAX_FRAMES, matched
from pattern_engine.reading.objects import fields_of, from_fields
from pattern_engine.reading.places import is_vendored

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_engine.reading.error import ReadError

__all__ = ["DIRECT", "root_of"]


def root_of(text: str, error: ReadError) -> str | None:
    """Return the root error's text of a stack trace, and note its frames; None without a trace."""
    for sign, read in _READERS if "\n" in text else _OF_ONE_LINE:
        if sign in text:
            root = read(text, error)
            if root is not None and root != text:
                return root
    return None


# --- Python ---
_TRACEBACK: Final = "Traceback (most recent call last)"
#: Python writes it between an error and what it caused.
DIRECT: Final = "The above exception was the direct cause of the following exception:"
_DURING: Final = "During handling of the above exception, another exception occurred:"
_PYTHON_FRAME: Final = re.compile(r'\n[ >]+File "([^"\n]*)", line [0-9]+(?:, in ([^\n]*))?')
_GROUP_MARGIN: Final = re.compile(r"^ *(?:\+-[+-]*(?: [0-9]+ )?-*|[|+] ?)", re.MULTILINE)
#: A library that handles one of these and raises an error of its own means the latter.
_BUILT_IN: Final = (
    *("KeyError", "IndexError", "AttributeError", "StopIteration", "LookupError", "ValueError"),
    *("TypeError", "NameError", "AssertionError", "UnicodeDecodeError", "StopAsyncIteration"),
)
_AT_MARGIN: Final = re.compile(r"\n(?=[^\s|])")


def _python(text: str, error: ReadError) -> str | None:
    if "Exception Group Traceback" in text:
        text = _GROUP_MARGIN.sub("", text)
        first = text.find(_TRACEBACK, text.find(_TRACEBACK) + 10)
        text = text[first:] if first > 0 else text
    start = text.find(_TRACEBACK)
    error.note(text[:start].strip())
    blocks = re.split(f"({DIRECT}|{_DURING})", text[start:])
    root = 0
    for place in range(len(blocks) - 1, 1, -2):
        root = place
        if _is_translated(blocks[place - 2], blocks[place]):
            break
        root = place - 2
    for outer in blocks[:root:-2]:
        error.note(_raised(outer).strip())
        error.kind = None
    block = blocks[root]
    frames = [Frame(function or "", path) for path, function in _PYTHON_FRAME.findall(block)]
    error.frames = error.frames or frames[: -MAX_FRAMES - 1 : -1]
    return _raised(block).strip() or None


def _is_translated(first: str, then: str) -> bool:
    """Return whether a library raised an error of its own while it handled a built-in one."""
    frames = _PYTHON_FRAME.findall(then)
    return _raised(first).startswith(_BUILT_IN) and bool(frames) and is_vendored("", frames[-1][0])


def _raised(block: str) -> str:
    """Return what stands after the frames of a traceback: the exception and its message."""
    frames = max(block.rfind('\n  File "'), block.rfind('\n> File "'), block.rfind('\n    File "'))
    if frames < 0 and _TRACEBACK not in block:
        return block
    found = _AT_MARGIN.search(block, max(frames, block.find(_TRACEBACK)) + 1)
    return block[found.end() :] if found else ""


# --- JavaScript ---
_AT: Final = re.compile(r"\n\s+at (?=\S)")
_SCRIPT_FRAME: Final = re.compile(
    r"\n\s+at (?:async )?(?:(?P<function>[^\n()]*?) \()?(?P<place>[^\n()]*?)(?::[0-9]+){0,2}\)?(?=[\n {]|\Z)"
)
#: A logger may write a line of its own before the error.
_ERROR_LINE: Final = re.compile(r"(?<=\n)(?:Uncaught )?(?=\w*[Ee](?:rror|xception)(?: \[\w+\])?: )")
_UNCAUGHT: Final = re.compile(r"\S+:[0-9]+\n[^\n]*\n\s*\^+[^\n]*\n\n?")
#: Deno prints the line of the source behind the message.
_SOURCE: Final = re.compile(r"\n[^\n]*\n\s*[\^~]+\s*\Z")
#: A cause within the object of an outer error. The last one is the innermost.
_CAUSE: Final = re.compile(
    r"\n(?:caused by: |\s+(?:\[?(?:cause|originalError|original|parent|driverError|reason|previous|inner)\]?: (?:\[(?=\w*[Ee]rror))?"
    r"|\[?errors\]?: \[\n\s+))(?=[^\s{}\[\]'\"`][^\n]*(?:\n|\Z))(?!null|undefined|false|true|[0-9])"
)


def _script(text: str, error: ReadError) -> str | None:
    first = _AT.search(text)
    if first is None:
        return None
    if _DOTNET_FRAME.search(text):
        return _dotnet(text, error)
    head = text[: first.start()]
    causes = list(_CAUSE.finditer(text))
    if causes:
        error.note(head)
        error.kind = None
    part = text[causes[-1].end() :] if causes else text
    at = _AT.search(part)
    frames = [Frame(*_named(m["function"], m["place"])) for m in _SCRIPT_FRAME.finditer(part)]
    error.frames = error.frames or frames[:MAX_FRAMES]
    brace = part.find("{\n", at.start() if at else 0)
    if brace > 0:
        from_fields(fields_of(part[brace:]), error)
    message = part[: at.start()] if at else part.partition("\n")[0].rstrip(" {")
    message = _SOURCE.sub("", message)
    found = _UNCAUGHT.match(message)
    message = message[found.end() :] if found else message
    heads = list(_ERROR_LINE.finditer(message))
    return message[heads[-1].start() :] if heads else message


def _named(function: str | None, place: str) -> tuple[str, str]:
    name = (function or "").removeprefix("async ").removeprefix("new ").partition(" [as ")[0]
    return name, place.removeprefix("async ")


_BROWSER_FRAME: Final = re.compile(
    r"\n\s*(?P<function>[\w$.<>/*]*)(?:@|(?<=\w) )"
    r"(?P<place>(?:https?|file|webpack(?:-internal)?|app|capacitor)://[^\s]*?)(?::[0-9]+){1,2}(?=\n|\Z)"
)


def _browser(text: str, error: ReadError) -> str | None:
    """Firefox and Safari print `function@https://host/file.js:1:2`, their consoles a space."""
    first = _BROWSER_FRAME.search(text)
    if first is None:
        return None
    frames = [Frame(m["function"].strip("/<"), m["place"]) for m in _BROWSER_FRAME.finditer(text)]
    error.frames = error.frames or frames[:MAX_FRAMES]
    return text[: first.start()] or None


# --- Java and its kin, C# ---
_JVM_FRAME: Final = re.compile(r"\n\s+at (?P<function>[\w.$/<>-]+)\((?P<place>[^()\n:]*)[^()\n]*\)")
_JVM_END: Final = re.compile(
    r"\n\s+(?:at [\w.$/<>-]+\(|\.\.\. [0-9]+ (?:more|common)|Suppressed: )"
)
_JVM_HEAD: Final = re.compile(
    r"(?:^|\n)(?:Exception in thread \"[^\"\n]*\" )?(?=(?:[a-zA-Z_$][\w$]*\.)+[A-Z][\w$]*(?::|\n|\Z))"
)


def _jvm(text: str, error: ReadError) -> str | None:
    place = text.rfind("Caused by: ")
    if place >= 0:
        error.note(text[: min(400, place)].partition("\n")[0])
        error.kind = None
        part = text[place + len("Caused by: ") :]
    else:
        heads = list(_JVM_HEAD.finditer(text[: text.find("\n\tat ") + 1 or None]))
        part = text[heads[-1].end() :] if heads else text
    frames = [
        Frame(m["function"].rpartition("/")[2], m["place"]) for m in _JVM_FRAME.finditer(part)
    ]
    error.frames = error.frames or frames[:MAX_FRAMES]
    end = _JVM_END.search(part)
    return part[: end.start()] if end else part.partition("\n\t")[0]


_DOTNET_FRAME: Final = re.compile(
    r"\n {3,20}at (?P<function>[\w.`<>\[\],+|-]+)\([^\n]*\)(?: in (?P<place>[^\n]*?):line [0-9]+)?"
)
_DOTNET_END: Final = re.compile(
    r"\n {3,20}at [\w.`<>\[\],+|-]+\(|\n {2}Exception data:|\n {3}--- End of|\n--- End of"
)


_DOTNET_HEAD: Final = re.compile(r"(?<=\n) *(?=[A-Z]\w+(?:\.\w+)+(?: \(0x\w+\))?: )")


def _dotnet(text: str, error: ReadError) -> str | None:
    place = text.rfind("---> ")
    if place >= 0:
        error.note(text[:place].partition("\n")[0])
        error.kind = None
    part = text[place + 5 :] if place >= 0 else text
    error.frames = error.frames or matched(_DOTNET_FRAME, part)
    if "Exception data:" in part:
        from_fields(fields_of(part[part.index("Exception data:") + 15 :]), error)
    end = _DOTNET_END.search(part)
    head = part[: end.start()] if end else part
    kinds = list(_DOTNET_HEAD.finditer(head))
    return head[kinds[-1].end() :] if kinds else head if end else None


# --- Ruby, PHP, Elixir, Dart, Perl ---
_RUBY_FRAME: Final = re.compile(
    r"(?:^|\n)\s*(?:from )?(?P<place>[^\s:]+\.rb|\(\w+\)|bin/\w+):[0-9]+:in [`'](?P<function>[^'\n]*)'"
)
_RUBY_HEAD: Final = re.compile(r"(?:^|\n)(?:\S+:[0-9]+:in [`'][^'\n]*': )(?=\S)")
_RUBY_END: Final = re.compile(r"\n\s*(?:from )?(?:[^\s:]+\.rb|bin/\w+):[0-9]+:in [`']")
_CLASS_AT_END: Final = re.compile(r" \((?P<kind>[A-Z]\w*(?:::\w+)*)\)(?=\n|\Z)")


def _ruby(text: str, error: ReadError) -> str | None:
    heads = [m for m in _RUBY_HEAD.finditer(text) if not text[m.end() :].startswith("from ")]
    part = text[heads[-1].end() :] if heads else text
    if len(heads) > 1:
        error.note(text[heads[0].end() :].partition("\n")[0])
    last = text[heads[-1].start() :] if heads else text
    error.frames = error.frames or matched(_RUBY_FRAME, last)
    end = _RUBY_END.search(part)
    part = part[: end.start()] if end else part
    kind = _CLASS_AT_END.search(part)
    if kind and part[: kind.start()].strip():
        error.kind = error.kind or kind["kind"]
        part = part[: kind.start()] + part[kind.end() :]
    return part


_PHP_FRAME: Final = re.compile(
    r"#[0-9]+ (?P<place>[^\s(]+)\([0-9]+\): (?P<function>[\w\\>:{}-]+)\("
)
_PHP_UNCAUGHT: Final = re.compile(
    r"(?:PHP )?(?:Fatal error|Warning|Notice|Parse error):\s+(?:Uncaught )?"
)
#: Monolog prints an exception in its context; of several the last is the cause.
_PHP_OBJECT: Final = re.compile(
    r"(?>.*\[object\] \()(?P<kind>[\w\\]+)\(code: \w+\): (?P<rest>.*)", re.DOTALL
)
_PHP_PLACE: Final = re.compile(
    r" (?:in|at) (?P<place>/?[\w./\\-]+\.php)(?::| on line |\()[0-9]+\)?"
)


def _php(text: str, error: ReadError) -> str | None:
    head, _, stack = text.partition("\nStack trace:\n")
    if not stack:
        head, _, stack = text.partition("\n[stacktrace]\n")
    if not stack:
        found = re.search(r"\n#0 /", text)
        if found is None:
            return None
        head, stack = text[: found.start()], text[found.start() :]
    frames = [Frame(m["function"], m["place"]) for m in _PHP_FRAME.finditer(stack)]
    logged = _PHP_OBJECT.search(head)
    if logged:
        error.kind, head = logged["kind"], logged["rest"]
    place = _PHP_PLACE.search(head)
    own = [Frame(frames[0].function if frames else "", place["place"])] if place else []
    error.frames = error.frames or (own + frames)[:MAX_FRAMES]
    return _PHP_UNCAUGHT.sub("", head[: place.start()] if place else head)


_ELIXIR: Final = re.compile(r"\*\* \((?P<kind>[\w.]+)\) ")
_ELIXIR_END: Final = re.compile(
    r"\n(?:\s*\n|\s+(?:\*\* \(|\([\w.]+ [\w.-]+\) |\S+\.exs?:[0-9]+: )|Last message)"
)
_ELIXIR_FRAME: Final = re.compile(
    r"\n\s+(?:\([\w.]+ [\w.-]+\) )?(?P<place>[\w./-]+\.exs?):[0-9]+: (?P<function>[^\n]+)"
)


def _elixir(text: str, error: ReadError) -> str | None:
    heads = list(islice(_ELIXIR.finditer(text), MAX_HEADS))
    own = [head for head in heads if not text.startswith("an exception was raised", head.end())]
    if not heads:
        return None
    found = own[0] if own else heads[-1]
    error.note(text[: found.start()].strip())
    error.frames = error.frames or matched(_ELIXIR_FRAME, text)
    error.kind = error.kind or found["kind"]
    end = _ELIXIR_END.search(text, found.end())
    return text[found.end() : end.start() if end else None]


_DART_FRAME: Final = re.compile(
    r"\n#[0-9]+\s+(?P<function>[^\n(]+?) \((?P<place>[^\n)]*?)(?::[0-9]+){0,2}\)"
)


def _dart(text: str, error: ReadError) -> str | None:
    first = _DART_FRAME.search(text)
    if first is None:
        return None
    error.frames = error.frames or matched(_DART_FRAME, text)
    return _DART_HEAD.sub("", text[: first.start()])


#: Dart's own, and Flutter's in the log of a phone.
_DART_HEAD: Final = re.compile(r"\A(?:\[ERROR:[^\]\n]*\] )?Unhandled [Ee]xception:\s+")


_PERL: Final = re.compile(
    r" at (?P<place>\S+) line [0-9]+(?:, <[^>\n]*> (?:line|chunk) [0-9]+)?\.?(?=\n|\Z)"
)


def _perl(text: str, error: ReadError) -> str | None:
    found = _PERL.search(text)
    if found is None or found.start() == 0:
        return None
    called = re.search(r"\n\s+([\w:]+)\(", text)
    error.frames = error.frames or [Frame(called[1] if called else "", found["place"])]
    return text[: found.start()]


#: What a trace of the language always has, and its reader. Several are tried in this order.
_READERS: Final[tuple[tuple[str, Callable[[str, ReadError], str | None]], ...]] = (
    (_TRACEBACK, _python),
    ("goroutine ", panics.go),
    (".go:", panics.go_stack),
    (" panicked at ", panics.rust),
    ("** (", _elixir),
    ("\n\tat ", _jvm),
    ("Caused by:\n", panics.caused_by),
    ("Caused by: ", _jvm),
    ("\n   at ", _script),
    ("    at ", _script),
    ("  at ", _script),
    ("@http", _browser),
    ("@file", _browser),
    ("@webpack", _browser),
    (" http", _browser),
    (":in `", _ruby),
    (":in '", _ruby),
    ("\n#0 /", _php),
    ("Stack trace:\n#", _php),
    ("[stacktrace]", _php),
    ("\n#0 ", _dart),
    ("---> ", _dotnet),
    (" line ", _perl),
)
#: The traces that a text of one line may be.
_OF_ONE_LINE: Final = tuple(
    (sign, read) for sign, read in _READERS if sign in {" panicked at ", "** (", "---> ", " line "}
)
