"""From a message to words in which what varies by itself is marked: the fast half of masking.

Three steps, each linear: quoted strings become one mark; all digits become 0, so that the ten
thousandth block id is a word that was seen before; each word is classified once and remembered.
What only its neighbours tell is left to `neighbours`.
"""

import re
from typing import Final

from pattern_engine.grouping.v2.kinds import TOKENS
from pattern_engine.grouping.v2.marks import CODE, DIGITS, VARIABLE
from pattern_engine.grouping.v2.vocabulary import NOUNS
from pattern_engine.text.compiled import compiled

__all__ = ["FOLD", "Words", "keep_codes", "marked_words", "quoted", "restored"]

#: Makes every digit 0: what is left of a text is its shape.
FOLD: Final = bytes.maketrans(b"123456789", b"000000000")

# --- quoted strings ---
# Up to three quotes may stand inside where a letter follows: 'O'Neil'. The bound keeps it linear.
_STRINGS: Final = tuple(
    (quote, re.compile(pattern).sub, f"{quote}{VARIABLE}{quote}")
    for quote, pattern in (
        ('"', r'(?<!\w)"[^"]*(?:"(?=\w)[^"]*){0,3}"(?!\w)'),
        ("'", r"'{3}(?!')|(?<!\w)'[^']*(?:'(?=\w)[^']*){0,3}'(?!\w)"),
        ("`", r"(?<!\w)`[^`]*`(?!\w)"),
    )
)
#: A word of a sentence. Only a letter may follow its apostrophe.
_PROSE: Final = re.compile(r"\w[\w-]*(?:['\u2019]\w+)?[,;:.!?]?\Z").match
_SMALL: Final = re.compile(r"[a-z]{2,}[,;:.!?]?\Z").match
_STATEMENTS: Final = frozenset(
    {"select", "insert", "update", "delete", "with", "create", "alter", "drop"}
)
MIN_SENTENCE: Final = 3
"""Words in small letters that tell a sentence from a value."""
#: Finds a character that makes a quote beside it an apostrophe.
_NEAR: Final = re.compile(r"\w").search
#: "GET /path HTTP/1.1": the method tells what was asked for.
_REQUEST: Final = re.compile(r'"([A-Z]{3,8}) [^"]* HTTP/[0-9.]+"')
# code: "PGRST116" and its like stay, and so does the text of a field that is the message itself.
# A promotion code or an area code is none: what stands before the word tells.
_CODE_FIELD: Final = (
    r"(?:(?<![A-Za-z] )|(?<=rror )|(?<=tatus )|(?<=ponse )|(?<=SQL ))"
    r"[\"']?\b(?:\w*[_-])?(?:code|Code|sqlstate|SQLSTATE|errno|status|Status)"
    r"[\"']? ?[:=] ?[\"'][\w.-]+[\"']"
    r"|[\"'](?:\w+Code|(?:\w*_)?(?:code|status|errno))[\"'] ?: ?[\"']?[\w.-]+[\"']?"
)
_TEXT_FIELD: Final = (
    r"[\"']?\b(?:msg|message|err|error|reason|detail|description|title|error_description|exception)"
    r"[\"']?(?:[:=]| : |: | = |, )\"[^\"\\]*(?:\\.[^\"\\]*)*\""
)
# Within a word none of them starts, and this look ahead is all that such a place costs.
_FIELDS: Final = (
    f"(?=[\"'`-]|\\b\\w)(?:(?P<code>{_CODE_FIELD})|(?P<text>{_TEXT_FIELD})"
    r'|(?P<key>"[\w-]{1,40}"(?= ?:))'
    r'|"[^"]*(?:"(?=\w)[^"]*){0,3}"(?!\w)|(?<!\w)\'[^\']*(?:\'(?=\w)[^\']*){0,3}\'(?!\w)|`[^`]*`)'
)
#: Digits and underscores of a code that is known to be one: they are neither folded nor taken for
#: a name, and come back in `restored`.
_KEPT: Final = {ord("0") + digit: 0xE000 + digit for digit in range(10)} | {ord("_"): 0xE00A}
_RESTORED: Final = {kept: digit for digit, kept in _KEPT.items()}
#: A status of success is a number like any other.
_VALUE_OF_SUCCESS: Final = re.compile(
    r"[Ss]tatus(?:_?[Cc]ode)?[\"']? ?[:=] ?[\"']?[123][0-9][0-9]\b"
).search
_HAS_FIELDS: Final = re.compile(
    r"(?:ode|tatus|errno|sqlstate|SQLSTATE|msg|message|err|error|reason|detail|description|title|"
    r"exception)[\"']?(?: ?[:=] ?|, )[\"']"
).search
# Quoted within a text that is quoted itself, as JSON does.
_INNER: Final = re.compile(r"\\\"[^\"\\]*\\\"|(?<!\w)'[^'\"]*'(?!\w)")
#: code=card_declined, error: invalid_grant
_BARE_CODE: Final = re.compile(
    r"(?<![\w-])(?:error_?|err_?)?(?:code|reason|error|err)[=:] ?[a-z]+(?:_[a-z]+)+(?![\w.(/@-])"
)


def keep_codes(text: str) -> str:
    """Return the text with the underscores of such codes kept from being taken for a name's."""
    return _BARE_CODE.sub(lambda found: found[0].translate(_KEPT), text)


def quoted(text: str) -> str:
    """Return the text with one mark for each quoted string; the quotes themselves stay."""
    if _may_have_fields(text):
        return compiled(_FIELDS).sub(_mark_field, text)
    if text[-1] == '"' and text[-2:-1] in "})]":
        text = _mark_document(text)
    if " HTTP/" in text:
        text = _REQUEST.sub(rf'"\1 {VARIABLE}', text)
    for quote, substitute, replacement in _STRINGS:
        if quote in text:
            parts = text.split(quote)
            if len(parts) == 3 and not _NEAR(parts[0][-1:] + parts[2][:1]):
                text = f"{parts[0]}{_marked(parts[0], quote, parts[1])}{parts[2]}"
            elif _in_pairs(parts):
                pairs = zip(parts[::2], parts[1::2], strict=False)
                marked = (f"{out}{_marked(out, quote, inside)}" for out, inside in pairs)
                text = "".join(marked) + parts[-1]
            else:
                text = substitute(replacement, text)
    return text


def _marked(before: str, quote: str, inside: str) -> str:
    """Return a quoted string as a mark; a sentence in quotes is text and stays."""
    if inside.count(" ") + 1 < MIN_SENTENCE or not _is_text(before, quote, inside):
        inside = VARIABLE
    return f"{quote}{inside}{quote}"


def _is_text(before: str, quote: str, inside: str) -> bool:
    """Tell a sentence from a name: what a noun stands before, as policy "Users read their own"."""
    if quote == "`" or before[-1:] not in {"", " "}:
        return False
    words = inside.split(" ")
    return (
        before.rstrip(" :").rpartition(" ")[2] not in NOUNS
        and all(map(_PROSE, words))
        and words[0].lower() not in _STATEMENTS
        and sum(_SMALL(word) is not None for word in words) >= MIN_SENTENCE
    )


def restored(template: str) -> str:
    """Return a template with the digits of its codes as they were."""
    return template if template.isascii() else template.translate(_RESTORED)


def _may_have_fields(text: str) -> bool:
    """Tell whether a quoted value stands after a key: cheap looks first, since most have none."""
    return (
        (":" in text and (': "' in text or ": '" in text or '":"' in text or "':'" in text))
        or ("=" in text and ('="' in text or "='" in text))
        or ', "' in text
    ) and _HAS_FIELDS(text) is not None


def _in_pairs(parts: list[str]) -> bool:
    """Tell whether the quotes between these parts open and close in turn, none within a word."""
    if len(parts) % 2 == 0:
        return False
    outside = parts[::2]
    ends = [part[-1:] for part in outside[:-1]] + [part[:1] for part in outside[1:]]
    return not _NEAR("".join(ends))


def _mark_document(text: str) -> str:
    """Mark an array, a range or a document at the end of a text, which may hold any quote."""
    start = text.find(': "')
    if start >= 0 and text[start + 3] in "{([":
        return f'{text[: start + 2]}"{VARIABLE}"'
    return text


def _mark_field(found: re.Match[str]) -> str:
    if found["code"]:
        return found[0] if _VALUE_OF_SUCCESS(found[0]) else found[0].translate(_KEPT)
    if found["key"]:
        return found[0]
    if found["text"]:
        return _INNER.sub(_mark_inner, found[0])
    before = found.string[max(0, found.start() - 40) : found.start()]
    return _marked(before, found[0][0], found[0][1:-1])


def _mark_inner(found: re.Match[str]) -> str:
    quote = found[0][0] if found[0][0] == "'" else '\\"'
    return f"{quote}{VARIABLE}{quote}"


# --- words ---
_PLAIN: Final = re.compile(r"[A-Za-z]+(?:['\u2019][a-z]{1,2})?[.,:;!?)]*\Z").match
_CODE_WORD: Final = re.compile(
    r"(?P<lead>[(\[<#\"']*(?:[A-Za-z_]*(?:[Ss]tatus|[Cc]ode|errno|sqlstate|SQLSTATE)[=:\[])?)"
    r"(?:(?P<digits>-?0{1,5})"
    r"|0[0-9A-Z]{4}|[A-Z]{1,2}0{3,5}|HV00[A-Z]|[A-Z]{2,6}-?0{3,5}|(?:UND_)?ERR_[A-Z_0]+)"
    r"(?P<trail>[.,:;)\]>\"'}]*)\Z"
).match
_WHOLE: Final = (
    rf"(?P<lead>[(\[{{<\"'`]*)(?:{'|'.join(f'(?:{token})' for token in TOKENS.values())})"
    r"(?P<trail>[.,:;!?)\]}>\"'`]*)\Z"
)
#: No kind of `TOKENS` does without one of these, but for a MAC with so many hyphens.
_INSIDE: Final = frozenset(":/@\\=")
_HYPHENS_OF_MAC: Final = 5
_RUN: Final = re.compile(r"[^\s()\[\]{}<>,;=|\"'`!?*&^:\x01]+").sub
#: pam_authenticate failed: as the first word, such a name is the program's own.
_SPEAKER: Final = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)+\Z").match
_KEY_ENDS: Final = ("=", ":")
_DOTS: Final = re.compile(r"([A-Za-z]+)(\.{2,})\S*0\S*\Z")
_HEX: Final = re.compile(r"(?:[a-f]{8,}|[A-F]{8,})\Z")
#: java.net.NoRouteToHostException, psycopg2.errors.UniqueViolation
_EXCEPTION: Final = re.compile(
    r"(?:\w+[.$])*[A-Z]\w*(?:Error|Exception|Failure|Fault|Timeout|Violation|Warning|Interrupt)\Z"
)
#: android.intent.action.SCREEN_ON: a constant is a state, and states are not mixed.
_CONSTANT: Final = re.compile(r"\.[A-Z][A-Z_]{2,}\Z")
_ABBREVIATIONS: Final = frozenset({"e.g", "i.e"})


class Words(dict[str, str]):
    """Word with its digits folded → the same word with marks; filled as words are met."""

    #: Words remembered; beyond it the memory starts anew, so that it stays small.
    LIMIT: Final = 50_000

    def __missing__(self, word: str) -> str:
        if len(self) > self.LIMIT:
            self.clear()
        is_plain = (word.isalpha() and word.isascii()) or _PLAIN(word)
        marked = self[word] = word if is_plain else _classify(word)
        return marked


def marked_words(shape: bytes, words: Words) -> str:
    """Return the words of a shape (its quoted strings marked) with marks, one space between."""
    separate = shape.decode("utf-8", "surrogatepass").split()
    marked = " ".join(map(words.__getitem__, separate))
    if marked[:2] == f"{VARIABLE} " and _SPEAKER(separate[0]):
        return separate[0] + marked[1:]
    return marked


def _classify(word: str) -> str:
    if "0" in word or "ERR_" in word:
        code = _CODE_WORD(word)
        if code:
            mark = CODE if code["digits"] is None else DIGITS
            return f"{code['lead']}{mark}{code['trail']}"
    if not _INSIDE.isdisjoint(word) or word.count("-") >= _HYPHENS_OF_MAC:
        whole = compiled(_WHOLE).match(word)
        if whole:
            return f"{whole['lead']}{VARIABLE}{whole['trail']}"
    if word.replace("_", "").replace("-", "").isalnum():
        return _marked_run(word, "")  # most words: no punctuation at all
    return _RUN(_mark_run, word)


def _mark_run(found: re.Match[str]) -> str:
    return _marked_run(found[0], found.string[found.end() : found.end() + 1])


def _marked_run(run: str, following: str) -> str:
    """Return a run of characters with what varies in it marked; `following` is the next, if any."""
    core = run.rstrip(".")
    if not core:
        return run
    if len(run) - len(core) > 3 and "." in core:
        return VARIABLE  # PostgreSQL's name of a dropped column ends in eight dots
    tail = run[len(core) :]
    if "0" in core:
        if core.startswith("HTTP/"):
            return f"HTTP/{VARIABLE}{tail}"
        # a value set off by dots: enable.................0
        leader = _DOTS.match(core) if ".." in core else None
        return f"{leader[1]}{leader[2]}{VARIABLE}" if leader else VARIABLE + tail
    if following in _KEY_ENDS and core.replace("_", "").isalpha():
        return run  # the key of a field, the program or the part of it that speaks
    return (VARIABLE if _varies(core) else core) + tail


def _varies(core: str) -> bool:
    """Tell whether a run of characters without digits names something."""
    if not core.strip("\\"):
        return False  # escapes a quote
    if "/" in core or "\\" in core:
        return _is_path(core)
    if "@" in core:
        return len(core) > 1
    if "." in core:
        return _is_dotted_name(core)
    if "_" in core:
        return not core.isupper() and not core.strip("_").isalpha()
    return len(core) >= 8 and _HEX.match(core) is not None


def _is_path(core: str) -> bool:
    """Tell a path from alternatives such as and/or, read/write, I/O."""
    if core[0] in "/~\\" or core.startswith(("./", "../")):
        return True
    if core.replace("/", "").isupper():
        return False  # UNION/INTERSECT/EXCEPT
    return core.count("/") + core.count("\\") > 1 or any(mark in core for mark in "._@")


def _is_dotted_name(core: str) -> bool:
    if core[0] == "." and core.count(".") == 1:
        return False  # .abs()
    if "..." in core and core.replace(".", "").isalpha():
        return False
    if core in _ABBREVIATIONS:
        return False
    return not _EXCEPTION.match(core) and not _CONSTANT.search(core)
