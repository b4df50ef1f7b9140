r"""Grouping algorithm "grouping/v1": the specification's normalisation, made exact.

Source: specification, "Pattern Signature Generation". A released algorithm is never edited, since
signatures stored under its name would change their meaning: a better one is a new module.

The steps, in this order:

1. bound: white space around goes, then the first 4 KiB of UTF-8, cut between code points; the rest
   plays no part;
2. fold: ASCII letters to lower case, runs of ASCII white space to one space, none at the ends.
   Other letters stay: engines disagree on how they fold (the dotted I, the long s, the Kelvin
   sign);
3. mask quoted strings, then whatever else varies, by `MASKS`, leftmost first. The specification
   names strings last; read first, a number within a string costs nothing and the result is equal;
4. mark: what was cut ends in `[truncated]`.

Placeholders are plain lower-case words, as in the specification's example. A message that says
"uuid" itself therefore shares the template of one with a UUID in that place; `expression` allows
for it.

What makes normalising idempotent: a mask replaces word characters by word characters, so what
stands beside them is judged alike in the message and in its template, and no mask leaves a quote
behind.

Three things go beyond the specification's four rules:

- its own examples ask for two of them: `postgres://db-prod-1:5432` becomes `postgres://string`, and
  `ch_3abc123` becomes `uuid`. Its third, a bare host as `[a-z0-9\-]+`, follows from no rule; a
  host without a scheme stays as it is;
- codes that decide which fix is right are not numbers: `returned 404` and `returned 500` are two
  patterns, and so are two SQLSTATEs, exit codes, or values of a field named `code`.
"""

import re
from collections.abc import Iterator
from typing import Final

from pattern_engine.text.compiled import compiled

NAME: Final = "grouping/v1"
MAX_BYTES: Final = 4096
TRUNCATED: Final = " [truncated]"

_BEFORE: Final = r"(?<![0-9a-z_])"
_AFTER: Final = r"(?![0-9a-z_])"
# After an underscore a minus alone: a plus there would touch a URL's authority (`://a_+1`).
_SIGN: Final = r"(?:(?<![^ (\[{=,:_])-|(?<![^ (\[{=,:])\+)"

_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_ZONE: Final = r"(?:z|utc|gmt|[-+][0-9]{2}(?::?[0-9]{2})?)"
# Statuses that are registered or in wide use. Three digits alone prove nothing.
_STATUS: Final = (
    r"(?:10[0-3]|20[0-8]|226|30[0-8]"
    r"|40[0-9]|41[0-8]|42[1-689]|431|451|499|50[0-8]|51[01]|52[0-7]|530)"
)
# A SQLSTATE with all its digits, good only beside a word such as "code": 23505 may be a count.
_SQLSTATE: Final = (
    r"(?:0[0-389abflpz]|2[0-8bdf]|3[489bdf]|4[0246]|5[34578]|f0|hv|p0|xx)[0-9p][0-9][0-9a-z]"
)
# A SQLSTATE that starts with a digit and has a letter stands for itself: 42p01, 0a000, 2203g.
_CLEAR_SQLSTATE: Final = (
    r"(?:(?:0[abflpz]|2[bdf]|3[bdf])[0-9p][0-9]{2}|[0-9]{2}p[0-9]{2}|22[0-3][0-9][a-z])"
)
# A number goes on: 404.5, 404,000, 50%.
_ENDS: Final = r"(?![0-9a-z_%]|[.,][0-9])"
_CODE_KEY: Final = r"(?:(?:error|err|exit|response|http|status)?[ _-]?code|sqlstate|errno)"
_STATUS_KEY: Final = r"(?:(?:exit|response|http)?[ _-]?status|signal|http(?:/[0-9](?:\.[0-9])?)?)"
_CODE: Final = rf"(?:[0-9]{{1,3}}|{_SQLSTATE})"
_NAMED_CODE: Final = rf"(?:[a-z][0-9a-z_]{{0,39}}|{_CODE})"
_VERB: Final = r"(?:returned|re(?:sponded|plied)(?: with)?|received|response|error|failed with|got)"
_COUNTED: Final = r"(?! (?:rows?|records?|results?|bytes?|items?|times|ms|errors?)(?![0-9a-z_]))"
_REASON: Final = (
    r"(?:bad request|unauthorized|payment required|forbidden|not found|method not allowed"
    r"|not acceptable|conflict|gone|unprocessable|too many requests|internal server"
    r"|not implemented|bad gateway|service unavailable|gateway time)"
)
_STRIPE_PREFIX: Final = (
    r"(?:ch|py|pi|cus|sub|in|ii|req|evt|pm|card|src|seti|si|price|prod|plan|txn|re|acct|tok|cs"
    r"|po|dp|tr|we)"
)

#: kind → (what it looks like in folded text, what replaces it; None: it is protected and stays).
#: None but the last two starts within a word.
MASKS: Final[dict[str, tuple[str, str | None]]] = {
    "uuid": (rf"[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}{_AFTER}", "uuid"),
    # ISO 8601 and Postgres' own form; a time of day alone is numbers. A form with spaces must not
    # follow what may belong to a URL's authority: without its space, that would reach further.
    "timestamp": (
        (
            rf"(?:(?<![.~%+:@-]){_DATE}(?:[t ]{_TIME}(?: ?{_ZONE})?)?{_AFTER}"
            rf"|{_DATE}(?:t{_TIME}{_ZONE}?)?{_AFTER})"
        ),
        "timestamp",
    ),
    # code 42501, "code": "42501", exit status 1, HTTP/1.1 404, SQLSTATE[23000]
    "code": (rf"(?:{_CODE_KEY}|{_STATUS_KEY})[ :=(\[#\"'`]{{0,5}}{_CODE}{_ENDS}", None),
    # returned 404, error: 500, failed with a 502; but not "returned 200 rows"
    "status": (rf"{_VERB}[ :(]{{1,2}}(?:an? )?{_STATUS}{_ENDS}{_COUNTED}", None),
    "reason": (rf"{_STATUS} {_REASON}", None),
    "sqlstate": (rf"{_CLEAR_SQLSTATE}{_AFTER}", None),
    # ERR_404, the specification's own example of an error code
    "constant": (rf"(?:err|error|http|code|status|exit)_[0-9]{{1,5}}{_AFTER}", None),
    # The prefix alone is not enough: sub_total is a column. What touches it may be a masked string.
    "stripe": (rf"{_STRIPE_PREFIX}_(?=[a-z]*[0-9])(?:(?!string)[0-9a-z]){{6,}}{_AFTER}", "uuid"),
    # Who and where in a URL. A dot or colon after it ends a sentence and stays.
    "authority": (
        (
            r"://(?:[0-9a-z._~%+:-]+@)*[0-9a-z_](?:[0-9a-z_.-]*[0-9a-z_])?"
            r"(?::[0-9]+(?![0-9a-z_.-]|:[0-9]))?"
        ),
        "://string",
    ),
    # Digits that follow a letter name something (PGRST116, int4, utf8), those after an underscore
    # count or identify (blk_-3544583377289625738); a unit may follow them (5000ms).
    "number": (
        rf"(?<![0-9a-z]){_SIGN}?(?:0x[0-9a-f]+|[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)",
        "num",
    ),
}

_SPACES: Final = "\t\n\v\f\r "
_WHITE_SPACE: Final = re.compile(f"[{_SPACES}]+")
_FOLD: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_NAMED: Final = {kind: f"(?P<{kind}>{pattern})" for kind, (pattern, _) in MASKS.items()}
_WITHIN_WORDS: Final = f"{_NAMED.pop('authority')}|{_NAMED.pop('number')}"
_MASK: Final = f"{_BEFORE}(?:{'|'.join(_NAMED.values())})|{_WITHIN_WORDS}"
_REPLACEMENT: Final = {kind: replacement for kind, (_, replacement) in MASKS.items()}
_MAY_VARY: Final = re.compile("[0-9]|://")

# A backslash outside a string takes the next character with it, as inside: that leaves at most one
# opening quote of each kind without its end, which is what keeps the search linear. An apostrophe
# after a word character (can't, users') opens nothing.
_VALUE_ENDS: Final = r"(?![0-9a-z_%\"'`]|[.,][0-9])"
_QUOTED: Final = (
    r"\\."
    rf"|(?P<kept>([\"'`]){_CODE_KEY}\2 ?[:=] ?(?:([\"'`]){_NAMED_CODE}\3|{_CODE}{_VALUE_ENDS})"
    rf"|([\"'`]){_STATUS_KEY}\4 ?[:=] ?(?:([\"'`])[0-9]{{1,3}}\5|[0-9]{{1,3}}{_VALUE_ENDS}))"
    r'|"(?:[^"\\]|\\.)*"'
    rf"|{_BEFORE}'(?:[^'\\]|\\.)*'"
    r"|`(?:[^`\\]|\\.)*`"
)
_CODE_QUOTED: Final = rf"[\"'`](?:(?P<status>[0-9]{{1,3}})|{_NAMED_CODE})[\"'`]"
# Unquoted, and nothing before it that a mask could swallow together with it (`://code: "x"`).
_KEY_BEFORE: Final = rf"(?<![^ (\[{{,;|])(?:(?P<status>{_STATUS_KEY})|{_CODE_KEY}) ?[:=] ?\Z"

#: Where a template may stand for something else, by what stood there (see `expression`).
PLACEHOLDER: Final = (
    rf"(?P<authority>(?<=://)string)|(?P<string>string)"
    rf"|{_BEFORE}(?:(?P<uuid>uuid)|(?P<timestamp>timestamp))|(?<![0-9a-z])(?P<number>num)"
)

_SPACE: Final = r"[\t-\r ]"
_QUOTED_RAW: Final = (
    r""""(?:[^"\\]|\\"|\\[^"])*"|'(?:[^'\\]|\\'|\\[^'])*'|`(?:[^`\\]|\\`|\\[^`])*`"""
)
#: kind of placeholder → what a message may have there beside the word itself, in the dialect that
#: Python, RE2, Postgres and JavaScript share (no look-around, no flags, no \d or \s).
EXPRESSIONS: Final[dict[str, str]] = {
    "uuid": ("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[A-Za-z]{2,5}_[0-9A-Za-z]+"),
    "timestamp": (
        "[0-9]{4}-[0-9]{2}-[0-9]{2}"
        rf"(?:(?:[Tt]|{_SPACE}+)[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]+)?)?"
        rf"(?:{_SPACE}*(?:[Zz]|[Uu][Tt][Cc]|[Gg][Mm][Tt]|[-+][0-9]{{2}}(?::?[0-9]{{2}})?))?)?"
    ),
    "number": r"[-+]?(?:0[Xx][0-9A-Fa-f]+|[0-9]+(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?)",
    "string": _QUOTED_RAW,
    "authority": rf"(?:[0-9A-Za-z_.~%@:+-]|{_QUOTED_RAW})+",
}


def clean(message: str) -> str:
    """Replace what Postgres cannot store, NUL and lone surrogates, by U+FFFD."""
    return (
        message if message.isascii() and "\0" not in message else _UNSTORABLE.sub("\ufffd", message)
    )


def normalize(message: str) -> str:
    """Return the template of a message: at most 4 KiB of UTF-8, in time linear in the message."""
    text, cut = _bound(message)
    template = _mask(_fold(text))
    if cut or _too_long(template):
        return _mark(template)
    return template


def _bound(message: str) -> tuple[str, bool]:
    """Return the storable start of a message, and whether something was left out."""
    text = clean(message.strip(_SPACES)[: MAX_BYTES + 1])
    if not _too_long(text):
        return text, False
    return text.encode()[:MAX_BYTES].decode(errors="ignore"), True


def _too_long(text: str) -> bool:
    return len(text) > MAX_BYTES or (not text.isascii() and len(text.encode()) > MAX_BYTES)


def _fold(text: str) -> str:
    """Lower ASCII letters, collapse and trim ASCII white space."""
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())
    return _WHITE_SPACE.sub(" ", text.translate(_FOLD)).strip(" ")


def _mask(folded: str) -> str:
    text = folded
    if '"' in text or "'" in text or "`" in text:
        text = compiled(_QUOTED, re.DOTALL).sub(_replace_quoted, text)
    return compiled(_MASK).sub(_replace, text) if _MAY_VARY.search(text) else text


def _replace(found: re.Match[str]) -> str:
    replacement = _REPLACEMENT[str(found.lastgroup)]
    return found[0] if replacement is None else replacement


def _replace_quoted(found: re.Match[str]) -> str:
    quoted = found[0]
    if quoted[0] == "\\" or found["kept"] or _is_named_code(found):
        return quoted
    return "string"


def _is_named_code(found: re.Match[str]) -> bool:
    """Tell whether a quoted string is the value of a code: `code: 'PGRST116'`."""
    if found.end() - found.start() > 42:
        return False
    value = compiled(_CODE_QUOTED).fullmatch(found[0])
    if value is None:
        return False
    start = found.start()
    key = compiled(_KEY_BEFORE).search(found.string, max(0, start - 24), start)
    return key is not None and (not key["status"] or bool(value["status"]))


def _mark(template: str) -> str:
    """Shorten a template until it has room for the mark and is its own template."""
    for end in _ends(template):
        candidate = template[:end].rstrip(" ") + TRUNCATED
        if _mask(candidate) == candidate:
            return candidate
    raise AssertionError(f"no place to cut {template!r}")  # pragma: no cover


def _ends(template: str) -> Iterator[int]:
    """Yield where a template may be cut, best first: never inside a placeholder."""
    room = MAX_BYTES - len(TRUNCATED)
    last = len(template.encode()[:room].decode(errors="ignore"))
    if last == len(template):
        yield last
    spaces = (end for end in range(last, max(0, last - 256), -1) if template[end : end + 1] == " ")
    yield from spaces
    inside = {
        position
        for found in compiled(PLACEHOLDER).finditer(template)
        for position in range(found.start() + 1, found.end())
    }
    yield from (end for end in range(last, -1, -1) if end not in inside)
