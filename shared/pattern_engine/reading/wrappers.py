"""What drivers, libraries and programmers write around the message of an error, in one text.

What has a form of its own is an entry of the tables in `forms`; what depends on more is told here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.reading import objects
from pattern_engine.reading.forms import KIND, trailers, wrappers
from pattern_engine.reading.sqlstates import is_driver

if TYPE_CHECKING:
    from pattern_engine.reading.error import ReadError

__all__ = ["field", "unwrapped", "without_context"]

#: " at character 31" in PostgreSQL's log, in its languages.
_POSITION: Final = re.compile(
    r"(?: at character [0-9]+| bei Zeichen [0-9]+| au caractère [0-9]+| en carácter [0-9]+"
    r"| al carattere [0-9]+| no caracter[eo]? [0-9]+| vid tecken [0-9]+| символ [0-9]+| \(символ [0-9]+\)"
    r"| ?\([0-9]+文字目\)| [0-9]+ 번째 문자 부근| 第 [0-9]+ 个字符处| 在第 [0-9]+ 個字元處| სიმბოლოსთან [0-9]+)\s*\Z"
)
_AFTER_POSITION: Final = "0123456789)근处處"
_KIND_BEFORE: Final = re.compile(
    rf"(?P<kind>{KIND}|[Ee]rror|[Ee]xception|panic|err)(?P<number> ?\([^)\n]{{0,60}}\)| ?\[[\w.:-]{{1,60}}\])?: ?(?P<rest>\S.*)",
    re.DOTALL,
)
_SAYS_ERROR: Final = re.compile(
    r"(?:Error|Exception|Failure|Violation|Fault|Timeout|Invalid\w*|Failed|Refused|NotFound|Denied|Interrupt|Exit|"
    r"Warning|Overflow|Conflict|Unavailable|Exceeded|Rejected|Duplicate\w*|Undefined\w*|Unique\w*|Bad\w*)\Z"
)
_CALL: Final = re.compile(
    rf"(?:[^(\n]{{0,200}}?: (?=[A-Z]\w*Error\())?(?P<kind>{KIND}|[a-z_]+(?:\.\w+)+)\((?P<rest>.*)\)\s*\Z",
    re.DOTALL,
)
_NAMED: Final = re.compile(r"[a-z_]\w{0,40} ?[=:] ?\S", re.IGNORECASE).match
_STRUCT: Final = re.compile(r"[A-Z]\w* \{").match
_STRING: Final = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'")
_INNER_CALL: Final = re.compile(rf"(?<![\w.])({KIND})\((?=[\"'\[(]|[0-9]|\w+=|[A-Z])")
#: An object that stands at the end of a text.
_OBJECT: Final = re.compile(r"(?:^|[\s:(,&>%])(?=(?:[&%]?[A-Za-z_][\w.:]*\s?)?\{)", re.DOTALL)
_MEMBER: Final = re.compile(r"\{\s*(?:[\"':]?\w[\w.]*[\"']?\s*(?::|=>|=)|:\w+ =>)|\{:?[\w\"]")
_METHOD: Final = r"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)"
#: What a program was doing: `Failed to create order`, `job sync failed`, `POST /orders`.
_CONTEXT: Final = re.compile(
    r"(?:(?:[Ff]ail(?:ed|ure|s)?|[Cc]ould ?n(?:ot|'t)|[Cc]an(?:not|'t)|[Uu]nable|[Ee]rror|[Ee]xception|[Uu]nhandled|[Pp]roblem"
    r"|[Ww]hile|[Dd]uring|[Ww]hen|[Cc]aught|[Ss]omething)\b(?:[ '][^\s:\"{}]{1,40}){0,8}"
    rf"|{_METHOD} \S{{1,120}}(?: [a-z]+){{0,3}}"
    r"|(?:[A-Za-z][^\s:\"{}()]{0,60} ){0,6}(?:failed|unexpected|crashed|rejected|aborted|raised|threw|thrown)"
    r"(?: with| unexpectedly)?)"
    r"(?P<mark>: |:\n| - | – | — |\n|\|)(?P<rest>\S.*)",
    re.DOTALL,
)
#: Where the origin of the rest is known: `Supabase error: …`.
_SAYS: Final = re.compile(
    r"(?:[A-Za-z][^\s:\"{}()]{0,60} ){0,6}(?:error|exception|failure)(?P<mark>: )(?P<rest>\S.*)",
    re.DOTALL | re.IGNORECASE,
)
_MARKS: Final = (": ", " - ", ":\n", " – ", " — ", "|", "\n")
#: Of every such phrase one of these is a part.
_DOING: Final = (
    *("ail", "ould", "annot", "an't", "nable", "rror", "xception", "nhandled", "roblem", "hile"),
    *(
        "uring",
        "When",
        "when",
        "aught",
        "omething",
        "unexpected",
        "crash",
        "reject",
        "abort",
        "rais",
    ),
    *("thr", "GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD ", "OPTIONS "),
)
_WORDS: Final = re.compile(r"[^\W\d_]{2,}").findall


def unwrapped(text: str, error: ReadError) -> str | None:
    """Return a text without one wrapper around its message; None where there is none."""
    for needs, expression, origin, _ in wrappers(text):
        found = expression.match(text) if needs in text else None
        if found and found["rest"].strip() and found["rest"] != text:
            _note(found.groupdict(), error, origin)
            is_quoted = text[found.start("rest") - 1] in "\"'`"
            return _plain(found["rest"]) if is_quoted else found["rest"]
    return _kind(text, error) or _call(text, error) or _object(text, error) or _trailer(text, error)


def _plain(text: str) -> str:
    """Return a text without the escapes of the string that it was quoted in."""
    return objects.unescape(text) if '\\"' in text or "\\n" in text else text


def _note(told: dict[str, str | None], error: ReadError, origin: str | None = None) -> None:
    error.code = told.get("code") or error.code
    error.kind = told.get("kind") or error.kind
    error.status = told.get("status") or error.status
    error.statement = error.statement or told.get("statement")
    if origin or objects.is_sqlstate(told.get("code")):
        error.origin = origin or "postgres"


def _kind(text: str, error: ReadError) -> str | None:
    found = _KIND_BEFORE.match(text) if ":" in text[:200] else None
    if found is None:
        return None
    kind = found["kind"]
    if kind in {"error", "Error", "panic", "err", "exception", "Exception"}:
        return found["rest"]
    if not (
        "." in kind or "::" in kind or "\\" in kind or _SAYS_ERROR.search(kind) or _is_camel(kind)
    ):
        return None
    error.kind = kind
    if is_driver(kind):
        error.origin = error.origin or "postgres"
    number = (found["number"] or "").strip(" ()[]")
    if number.startswith("ERR_"):
        error.code = error.code or number
    return found["rest"]


def _is_camel(word: str) -> bool:
    """Tell a class such as JWSInvalid or DuplicateSchema from a word that begins a sentence."""
    return (
        not word.islower()
        and sum(map(str.isupper, word)) > 1
        and not word.isupper()
        and len(word) > 5
    )


def _call(text: str, error: ReadError) -> str | None:
    """`UniqueViolation('duplicate key …')`, also where calls are nested: the innermost counts."""
    if text[-1] not in ")\n":
        return None
    if text[0] == "(":
        inner = _INNER_CALL.search(text)
        return text[inner.start() : -1] if inner and text.rstrip()[-1] == ")" else None
    found = _CALL.match(text)
    rest = found["rest"].strip().rstrip(",") if found else ""
    if found is None or not rest:
        return None
    error.kind = found["kind"]
    inner = _INNER_CALL.search(rest)
    if inner and rest.endswith(")"):
        return rest[inner.start() :].rstrip()
    return _argument(rest, error)


def _argument(arguments: str, error: ReadError) -> str | None:
    """Return the message among the arguments of an exception: by name, or the longest string."""
    message = _object(arguments, error) if _STRUCT(arguments) else None
    if message:
        return message
    fields = objects.fields_of(f"{{{arguments}") if _NAMED(arguments) else {}
    if "message" in fields:
        return objects.from_fields(fields, error)
    longest = max(("".join(pair) for pair in _STRING.findall(arguments)), key=len, default="")
    is_string = bool(longest) and not arguments.startswith("{")
    return objects.unescape(longest) if is_string else arguments


def _object(text: str, error: ReadError) -> str | None:
    """An object at the end of a text, or around it: `Failed to save: {'message': …}`."""
    if "{" not in text:
        return None
    for found in _OBJECT.finditer(text):
        start = text.index("{", found.end())
        if not _MEMBER.match(text, start):
            continue
        message = objects.from_text(text[start:], error)
        if message and message.strip() and message != text:
            error.note(text[:start].strip(" :,({&"))
            return message
        return None
    return None


def _trailer(text: str, error: ReadError) -> str | None:
    if text[-1] in "):" and text.count(")") > text.count("("):
        closed = text.rstrip(":").removesuffix(")")
        return closed[:-1] if closed[-1:] in {"'", '"'} and closed.count(closed[-1]) % 2 else closed
    may_have_position = error.origin == "postgres" and text[-1] in _AFTER_POSITION
    position = _POSITION.search(text[-60:]) if may_have_position else None
    if position:
        return text[: len(text) - len(position[0])]
    for needs, expression, _, most in trailers(text):
        start = max(0, len(text) - most) if most else 0
        found = expression.search(text, start) if needs in text else None
        if found and found.start() > 0:
            _note(found.groupdict(), error)
            return text[: found.start()]
    return None


#: A quoted field, up to a quote with another field or nothing behind it.
_FIELD: Final = re.compile(
    r"[^{}\n]{0,300}?\b(?:error|err|exception)=(?:(?P<quote>[\"'])(?P<rest>.*?)(?P=quote)|(?P<bare>[^\s\"'=][^\n]*?))"
    r"(?=\s+[\w.]+=|\s*\Z)",
    re.DOTALL,
)


#: slog for Rust: `request failed, err: …, module: club::device`.
_SLOGGED: Final = re.compile(
    r"[^:\n]{1,120}, (?:err|error): (?P<rest>[^\n]+?)(?:, \w+: \S+)*(?:\n.*)?\Z", re.DOTALL
)


def field(text: str, _error: ReadError) -> str | None:
    """Return the quoted field of a line that holds its error: `Reconciler error err="…" name="x"`."""
    slogged = _SLOGGED.match(text) if ", err" in text else None
    if slogged:
        return slogged["rest"]
    found = _FIELD.match(text) if "=" in text else None
    rest = (found["rest"] or found["bare"] or "") if found else ""
    return _plain(rest) if " " in rest.strip() else None


def without_context(text: str, error: ReadError) -> str | None:
    """Return a text without what the program was doing; None where that is all it says.

    A rest of fewer than three words says too little alone.
    """
    start = text[:160]
    if not any(map(start.__contains__, _MARKS)):
        return None
    found = _CONTEXT.match(text) if any(map(start.__contains__, _DOING)) else None
    found = found or (_SAYS.match(text) if error.origin else None)
    if found is None or len(_WORDS(found["rest"])) < 3:
        return None
    error.note(text[: found.start("mark")])
    return found["rest"]
