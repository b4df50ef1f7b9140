"""Scrubbing secrets that follow a word: `password=…`, `"token": "…"`, `Bearer …`."""

from __future__ import annotations

import re
from typing import Final

#: Lower-case texts, one of which is in every name of a secret.
HINTS: Final = (
    *("passwor", "passwd", "passphrase", "pwd", "secret", "token", "api_key", "api-key", "apikey"),
    *("access_key", "access-key", "accesskey", "private_key", "privatekey", "account_key"),
    *("accountkey", "credential", "session_id", "sessionid", "session-id", "otp", "cvv", "cvc"),
)

# What comes before the word is not read, so db_password and PGPASSWORD match. After the word, a new
# part of the name may follow, but no other letter: tokenizer and secretary do not match.
_NAME: Final = (
    r"(?P<name>(?i:password|passwort|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|account[_-]?key|credentials?|session[_-]?id"
    r"|(?<![A-Za-z])(?:otp|cvv|cvc)(?![A-Za-z]))"
    r"(?:[_-][A-Za-z0-9_-]{1,20}|[A-Z][A-Za-z0-9]{0,20})?)"
)
_SECRET: Final = re.compile(
    rf"{_NAME}(?P<separator>\\?[\"']?\]?[ \t]{{0,4}}(?:=>|:=|[:=])[ \t]{{0,4}}"
    r"|[ \t]{1,4}(?=['\"]))"
    r"(?P<value>\\\"[^\"\\]{0,1024}(?:\\\")?"  # JSON within JSON
    r"|\"(?:[^\"\\\n]|\\.){0,1024}+\"?|'(?:[^'\\\n]|\\.){0,1024}+'?"
    r"|[^\s\"'&;<>]{1,1024})"
)
_CREDENTIAL: Final = re.compile(
    r"\b(?P<scheme>(?i:bearer|basic|token|digest|apikey))(?P<space>[ \t]{1,8})"
    r"(?P<value>[A-Za-z0-9._~+/=-]{8,1024}+)"
)
_SCRUBBED: Final = re.compile(r"\[[a-z_]{1,40}\][,.:)\]}]*")
_CLOSING: Final = ",.:)]}"
_NO_SECRETS: Final = frozenset(
    {
        *("null", "none", "nil", "undefined", "true", "false"),
        *("missing", "required", "invalid", "expired"),
    }
)
_MIN_LENGTH: Final = 6
# token_type=bearer, token_count=4096, secret_name=stripe: names that only mention a secret.
_ABOUT: Final = re.compile(
    r"(?i)[_-]?(?:type|count|length|len|size|limit|name|ttl|expiry|expires(?:_(?:in|at))?"
    r"|usage|budget|policy)$"
)


def without_secrets(text: str) -> str:
    """Replace the values of names such as password and api_key, also those in the next line."""
    text = _SECRET.sub(_replaced, text)
    return _BELOW.sub(_replaced_below, text) if "\n" in text else text


def _replaced(found: re.Match[str]) -> str:
    name, separator, value = found["name"], found["separator"], found["value"]
    bare = value.strip("\\\"'")
    if not bare or _is_label(found) or _is_harmless(name, separator, bare, found):
        return found[0]
    if value[0] in "\"'\\":
        opening = '\\"' if value.startswith("\\") else value[0]
        closing = opening if len(value) > len(opening) and value.endswith(opening) else ""
        return f"{name}{separator}{opening}[secret]{closing}"
    end = value[len(value.rstrip(_CLOSING)) :]
    return f"{name}{separator}[secret]{end}"


def _is_label(found: re.Match[str]) -> bool:
    """Tell whether the name is the result of scrubbing, `[password]`, and not user[password]=x."""
    before = found.string[max(0, found.start() - 2) : found.start()]
    return (
        found["separator"].startswith("]")
        and before.endswith("[")
        and not before.removesuffix("[").isalnum()
    )


def _is_harmless(name: str, separator: str, value: str, found: re.Match[str]) -> bool:
    """Tell whether the value is no secret: empty, a count, or the words of a sentence."""
    word = value.rstrip(_CLOSING).lower()
    if word in _NO_SECRETS or not word.strip("*•[]|>+-"):
        return True
    if _SCRUBBED.fullmatch(value) or _ABOUT.search(name):
        return True
    if _is_prose(separator, value, found):
        return True
    if name.lower().startswith(("token", "session", "credential", "secret")):
        # A short number or word is no secret: token: 42, secret: expired.
        return len(word) < _MIN_LENGTH or (word.isalpha() and value.islower() and ":" in separator)
    return False


def _is_prose(separator: str, value: str, found: re.Match[str]) -> bool:
    """Tell whether a sentence follows the colon: `password: must be longer`."""
    if not separator.endswith((" ", "\t")) or ":" not in separator or not value.isalpha():
        return False
    rest = found.string[found.end() : found.end() + 2]
    return value[1:].islower() and len(rest) == 2 and rest[0] == " " and rest[1].isalpha()


def without_credentials(text: str) -> str:
    """Replace what follows Bearer, Basic and similar words, if it looks like a key."""
    return _CREDENTIAL.sub(_without_credential, text)


def _without_credential(found: re.Match[str]) -> str:
    value = found["value"]
    letters = value.strip(".=-")
    # Not a key but a word: basic authentication, bearer token.
    if letters.isalpha() and (letters.islower() or letters.istitle() or letters.isupper()):
        return found[0]
    if not any(character.isdigit() or character.isupper() for character in letters):
        return found[0]
    return f"{found['scheme']}{found['space']}[credential]"


_CURL: Final = re.compile(
    r"(?P<kept>(?<!\S)(?:-u|-U|--user|--proxy-user)(?:[ \t]{1,4}|=)?+[\"']?[^\s:\"'/]{1,128}+:)"
    r"(?P<value>(?!\[password\])[^\s\"']{1,256})"
)
_BELOW: Final = re.compile(
    r"(?P<name>(?i:password|passwort|passwd|passphrase|pwd|secret|api[_-]?key)[\"']?"
    r"[ \t]{0,4}[:=][ \t]{0,4}(?:[|>][+-]?[ \t]{0,4})?\r?\n[ \t]{0,16})"
    r"(?P<value>[^\s\[{(<][^\s]{3,511})(?=[ \t]{0,16}(?:[\r\n]|\Z))"
)
_INSERTED: Final = re.compile(
    r"\([^()]{0,512}?(?i:password|passwd|pwd|passphrase|secret|token|api_?key)[^()]{0,512}"
    r"\)\s{0,8}(?i:values)\s{0,8}(?=\()"
)
_IN_ROWS: Final = re.compile(r"'(?:[^']|'')*+'?|[()]")
_NEXT_ROW: Final = re.compile(r"\s{0,8},\s{0,8}(?=\()")
# Not the $1 of a statement with parameters.
_VALUE: Final = re.compile(r"'|(?<![\w$])[0-9]")


def without_curl_passwords(text: str) -> str:
    """Replace the password in `curl -u user:password`; user and group ids of others stay."""
    return _CURL.sub(_without_password, text) if "curl" in text.lower() else text


def _without_password(found: re.Match[str]) -> str:
    return found[0] if found["value"].isdigit() else f"{found['kept']}[password]"


def without_inserted_secrets(text: str) -> str:
    """Replace the rows of an INSERT that has a column such as password."""
    parts: list[str] = []
    kept = read = 0
    for found in _INSERTED.finditer(text):
        if found.start() < read:
            continue
        start, read = found.end(), _end_of_rows(text, found.end())
        if _VALUE.search(text, start, read):
            parts += [text[kept:start], "([values])"]
            kept = read
    return "".join([*parts, text[kept:]]) if parts else text


def _end_of_rows(text: str, start: int) -> int:
    """Return where the rows that start here end; the end of the text if they are cut off."""
    depth = 0
    for found in _IN_ROWS.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0 and found[0] == ")" and not _NEXT_ROW.match(text, found.end()):
            return found.end()
    return len(text)


def _replaced_below(found: re.Match[str]) -> str:
    value = found["value"]
    # A name with values of its own, a path or a trace, and no secret.
    is_text = value.endswith((":", ")", ",")) or not any(map(str.isalnum, value))
    return found[0] if is_text else f"{found['name']}[secret]"
