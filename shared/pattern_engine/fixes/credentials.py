"""Credentials written into a script as they are.

A script is stored, shown to operators and kept in history, so a secret in it is a secret told. The
rules are those that scrub messages (`pattern_engine.text.scrubbing`), without the ones for personal
data. What only refers to a value, `$TOKEN` or `${token}`, is none. These find carelessness; they
are no fence against one who means to hide a key from them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.text.scrubbing import RULES

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["credential_by_name", "known_credential", "literal_credential"]

#: What people call that which a rule takes out, in the order of the rules.
_KINDS: Final = {
    "private_key": "private key",
    "token": "JSON Web Token",
    "api_key": "API key",
    "credential": "Authorization value",
    "password": "password in a URL",
    "secret": "password or secret",
}
#: Those that tell by their own form; a word beside them gives the others away.
_KNOWN: Final = frozenset({"private_key", "token", "api_key", "password"})
_REFERENCE: Final = re.compile(
    r"\$\{[^{}]{0,256}\}|\$\([^()]{0,256}\)|\$[A-Za-z_][A-Za-z0-9_]{0,64}"
)
#: URLs that whoever knows them may post to. An X in a row is how manuals write the secret part.
_CAPABILITY: Final = re.compile(
    r"hooks\.slack\.com/(?:services|workflows|triggers)/(?:\w{1,32}/){2,3}(?!X+\b)\w{16}"
    r"|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{15,20}/[\w-]{60}"
    r"|api\.telegram\.org/(?:file/)?bot\d{8,10}:[\w-]{30}"
)
_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "x-authorization"})
_AUTHORIZATION: Final = re.compile(
    r"(?i)authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:[a-z]{1,16}\s{1,4})?(?P<value>[^\s\"',;]{8,})"
)
#: Names that tell of a secret and not the secret: tokenUrl, password_field.
_ABOUT: Final = re.compile(
    r"(?i)(?:ur[li]|endpoint|path|header|field|column|param(?:eter)?|table|error|message|event"
    r"|status|state|pattern|regexp?|prefix|env|variable|label|reason|kind)s?$"
)
#: What stands where a secret was, or will be: [redacted], <your token>, ***, the name of a type.
_PLACEHOLDER: Final = re.compile(
    r"(?i)[\[<({*].*[\]>)}*]|redacted|hidden|masked|string|text|varchar"
)
#: The values of fetch's option `credentials`.
_MODES: Final = frozenset({"include", "omit", "same-origin"})


def known_credential(text: str) -> str | None:
    """What kind of credential stands anywhere in a text, by its own form; None if none does.

    For texts that are not one literal: a whole script with its comments.
    """
    return _found(text, _KNOWN)


def literal_credential(text: str) -> str | None:
    """What kind of credential a literal holds, as in "API key"; None if it holds none.

    `text` is the content of a string, a header line, a word of a command: not source code, in
    which `password = read()` tells no password.
    """
    if kind := _found(text, _KINDS):
        return kind
    header = _AUTHORIZATION.search(_without_references(text))
    return _KINDS["credential"] if header and _looks_like_key(header["value"]) else None


def credential_by_name(name: str, value: str) -> str | None:
    """What kind of credential a literal is that has this name: a variable's, a header's, a key's.

    `password` and "hunter2" make one, `password` and "$PASSWORD" do not.
    """
    if name.lower() in _HEADERS:
        return literal_credential(f"authorization: {value}")
    if name.lower() == "credentials" and value in _MODES:
        return None
    is_sentence = len(value.split()) > 2
    if is_sentence or _ABOUT.search(name) or _PLACEHOLDER.fullmatch(value):
        return literal_credential(value)
    bare = value.translate({ord(quote): None for quote in "\"'\\\n"})
    name = "password" if name.lower() == "pass" else name
    return literal_credential(value) or literal_credential(f"{name}: '{bare}'")


def _found(text: str, names: Collection[str]) -> str | None:
    text = _without_references(text)
    folded = text.lower()
    for rule in RULES:
        if rule.name in names and rule.is_needed(folded) and rule.replace(text) != text:
            return _KINDS[rule.name]
    return "webhook's URL, or a token in it" if _CAPABILITY.search(text) else None


def _without_references(text: str) -> str:
    return _REFERENCE.sub("", text)


def _looks_like_key(value: str) -> bool:
    """Whether a word is a key rather than a word."""
    return any(c.isdigit() or c.isupper() for c in value[1:]) or not value.isalpha()
