"""What a variable can be: a table of kinds, each with its odd cases.

A kind serves twice. While a message is masked, the kinds of `TOKENS` recognise a whole word that
has punctuation inside which would otherwise end it. Afterwards `kind_of` names each value that was
taken out, since fixes and people need to know what it is. Digits are matched by `[0-9]`; while
masking they have all become 0 (see `words`), so no expression may depend on which digit it is.
"""

from typing import Final

from pattern_engine.text.compiled import compiled

_DAY: Final = r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4})"
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]+)?"
_ZONE: Final = r"(?:Z|UTC|GMT|[A-Z]{3,4}|[+-][0-9]{2}(?::?[0-9]{2})?)"
_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_WEEKDAY: Final = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )"
_NAME: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST: Final = rf"{_NAME}(?:\.{_NAME})+"
_OPERATOR: Final = (
    "(?:not\\.)?(?:eq|neq|gte?|lte?|i?like|i?match|in|is|cs|cd|ov|fts|plfts|phfts|wfts)"
)

#: kind → expression for the whole value, first match wins.
KINDS: Final[dict[str, str]] = {
    "uuid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    # 2026-03-25 13:07:52.1+00, 20260218T211345Z, Sat Jun 25 19:25:34 2005, 25/Mar/2026:13:07:52
    "timestamp": (
        rf"{_DAY}[T ]{_CLOCK} ?{_ZONE}?"
        rf"|[0-9]{{8}}T[0-9]{{4,6}}Z?"
        rf"|{_WEEKDAY}?(?:[0-9]{{1,2}} )?{_MONTH},? [0-9]{{1,4}}"
        rf"(?:,? (?:{_CLOCK}|{_ZONE}|[0-9]{{4}}))+"
        rf"|[0-9]{{1,2}}/{_MONTH}/[0-9]{{4}}:{_CLOCK}(?: {_ZONE})?"
    ),
    "date": _DAY,
    "time": rf"{_CLOCK} ?(?:{_ZONE}|AM|PM)?",
    "url": r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'`<>]+",
    "email": r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+",
    "mac": r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,}",
    "ip": (
        r"/?[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?(?::[0-9]{1,5})?"
        # ::1, fe80::1, ::ffff:10.0.0.1, and Node's way of writing a port after it
        r"|\[?(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|[0-9]{1,3}(?:\.[0-9]{1,3}){3})?\]?"
        r"(?:/[0-9]{1,3})?(?::[0-9]{1,5})?"
    ),
    # 5000ms, 1.5 s, 4m25s, 2 minutes
    "duration": (
        r"[0-9.]+ ?(?:ns|us|µs|ms|s|secs?|mins?|h|hrs?|d|(?:milli|micro|nano)?seconds?|minutes?|"
        r"hours?|days?)"
        r"|(?:[0-9]+h)?[0-9]+m[0-9.]+s"
    ),
    # 34.3 KB, 35212 bytes (34.3 KB)
    "size": r"[0-9.,]+ ?(?:[KMGT]?i?[Bb]|[Bb]ytes?)(?: \([^)]*\))?",
    "money": r"[€$£¥] ?[0-9][0-9.,]*(?: [A-Za-z]{3})?",
    "percentage": r"[+-]?[0-9.]+ ?%",
    "number": r"[+-]?[0-9][0-9_,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?",
    "hex": r"(?:0[xX]|@0x)[0-9A-Fa-f]+|(?=[A-Fa-f]*[0-9])[0-9A-Fa-f]{6,}|[a-f]{8,}|[A-F]{8,}",
    "version": r"v?[0-9]+(?:\.[0-9]+)+(?:[-+.][0-9A-Za-z.]+)?",
    # react@18.2.0, @stripe/stripe-js@1.0, psycopg2==2.9
    "package": r"@?[A-Za-z][\w./-]*(?:==|@)[\w.+-]*[0-9][\w.+-]*",
    # com.huawei.health.g.c@8a2a501
    "object": r"[A-Za-z_$][\w.$]*@[0-9A-Fa-f]+",
    "media type": (
        r"(?:application|text|image|audio|video|font|multipart|message|model)/[\w.+*-]+"
        r"(?:; ?\w+=[\w.-]+)*"
    ),
    "windows path": r"[A-Za-z]:[\\/][^\s\"'`<>|]*",
    # a path with a query; a plain one is found by its slashes
    "path": r"[\w.~@-]*/[^\s?\"'`<>]*(?:\?[\w=&%.+\[\]-]*)?",
    # PostgREST's way of saying where: status=eq.active
    "filter": rf"[\w.]+={_OPERATOR}\.[^\s,&\]]+",
    "host": rf"{_HOST}(?::[0-9]{{1,5}})?|{_NAME}:[0-9]{{2,5}}",
    "boolean": r"[Tt]rue|[Ff]alse",
    "null": r"null|NULL|nil|None|none|undefined",
    "list": r"[{\[(].*[)\]}]|[^\s,]+(?:, ?[^\s,]+)+",
    "identifier": r"[\w$.-]*[0-9_.$-][\w$.-]*",
    "word": r"\w+",
}

#: Kinds with punctuation inside, recognised as one word; narrower than above where prose is near.
TOKENS: Final[dict[str, str]] = {
    "url": r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'`<>\x01]*[^\s\"'`<>\x01.,:;)\]}]\)?(?=[.,:;)\]}]*\Z)",
    "windows path": KINDS["windows path"],
    "ip": (
        r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|0{1,3}(?:\.0{1,3}){3})?"
        r"(?::0{1,5})?(?:/0{1,3})?"
    ),
    "mac": KINDS["mac"],
    "host": r"[A-Za-z0_-]+(?:\.[A-Za-z0_-]+)+:0{1,5}",
    "path": r"[\w.~@-]*/[^\s?\"'`<>]*\?[\w=&%.+\[\]-]+",
    "package": r"@?[A-Za-z][\w./-]*(?:==|@)[\w.+-]*0[\w.+-]*",
    "filter": KINDS["filter"],
    "email": KINDS["email"],
    "media type": r"(?:application|text|image|audio|video|font|multipart|message|model)/[\w.+*-]+",
}

_KIND: Final = "|".join(f"(?P<k{n}>(?:{KINDS[kind]})\\Z)" for n, kind in enumerate(KINDS))
_NAMES: Final = tuple(KINDS)
_LONGEST: Final = 512


def kind_of(value: str) -> str:
    """Return the kind of a value: a key of `KINDS`, or `text` where none fits."""
    found = compiled(_KIND).match(value) if value and len(value) <= _LONGEST else None
    return "text" if found is None else _NAMES[int(str(found.lastgroup)[1:])]
