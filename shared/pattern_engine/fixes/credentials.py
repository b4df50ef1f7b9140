"""Finding credentials that are written into a script as literals.

A script is stored, shown to operators and kept in the history, so everybody who may read it would
read the credential. The rules are those that scrub messages (`pattern_engine.text.scrubbing`),
without those for personal data. A reference to a value, `$TOKEN` or `${token}`, is no credential.
These rules find mistakes; they do not find a key that someone hides on purpose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.references import is_secret
from pattern_engine.text.scrubbing import RULES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

#: What each rule finds, in the words of a finding, in the order of the rules.
_KINDS: Final = {
    "private_key": "private key",
    "token": "JSON Web Token",
    "api_key": "API key",
    "credential": "Authorization value",
    "password": "password in a URL",
    "secret": "password or secret",
}
#: Credentials that are recognised by their own form; the others need a word beside them.
_KNOWN: Final = frozenset({"private_key", "token", "api_key", "password"})
_REFERENCE: Final = re.compile(
    r"\$\{[^{}]{0,256}\}|\$\([^()]{0,256}\)|\$[A-Za-z_][A-Za-z0-9_]{0,64}"
)
#: URLs that contain a token, so that knowing them suffices to post; a row of X stands for none.
_CAPABILITY: Final = re.compile(
    r"hooks\.slack\.com/(?:services|workflows|triggers)/(?:\w{1,32}/){2,3}(?!X+\b)\w{16}"
    r"|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{15,20}/[\w-]{60}"
    r"|api\.telegram\.org/(?:file/)?bot\d{8,10}:[\w-]{30}"
)
_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "x-authorization"})
_AUTHORIZATION: Final = re.compile(
    r"(?i)authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:[a-z]{1,16}\s{1,4})?(?P<value>[^\s\"',;]{8,})"
)
#: Names that mention a secret without holding one: tokenUrl, password_field.
_ABOUT: Final = re.compile(
    r"(?i)(?:ur[li]|endpoint|path|header|field|column|param(?:eter)?|table|error|message|event"
    r"|status|state|pattern|regexp?|prefix|env|variable|label|reason|kind)s?$"
)
#: Placeholders of a secret: [redacted], <your token>, ***, the name of a type.
_PLACEHOLDER: Final = re.compile(
    r"(?i)[\[<({*].*[\]>)}*]|redacted|hidden|masked|string|text|varchar"
)
#: The values of the option `credentials` of JavaScript's fetch.
_FETCH_MODES: Final = frozenset({"include", "omit", "same-origin"})


def known_credential(text: str) -> str | None:
    """Return which kind of credential a script or another long text contains, or None.

    Only credentials that are recognised by their own form are found.
    """
    return _found(text, _KNOWN)


def literal_credential(text: str) -> str | None:
    """Return which kind of credential a literal contains, as in "API key", or None.

    `text` is the content of a string, a header line or a word of a command. It is not source code,
    where `password = read()` contains no password.
    """
    if kind := _found(text, _KINDS):
        return kind
    header = _AUTHORIZATION.search(_without_references(text))
    return _KINDS["credential"] if header and _looks_like_key(header["value"]) else None


def credential_by_name(name: str, value: str) -> str | None:
    """Return which kind of credential a literal is under its name, or None.

    The name is that of a variable, a header or a key: "hunter2" is a password under `password`, and
    "$PASSWORD" is not.
    """
    if name.lower() in _HEADERS:
        return literal_credential(f"authorization: {value}")
    if name.lower() == "credentials" and value in _FETCH_MODES:
        return None
    is_sentence = len(value.split()) > 2
    if is_sentence or _ABOUT.search(name) or _PLACEHOLDER.fullmatch(value):
        return literal_credential(value)
    bare = value.translate({ord(quote): None for quote in "\"'\\\n"})
    name = "password" if name.lower() == "pass" else name
    return literal_credential(value) or literal_credential(f"{name}: '{bare}'")


def in_parameters(parameters: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield where the parameters of an approval contain a literal credential, and its kind.

    `{"secret": "NAME"}`, with or without a prefix, refers to a secret of Vault. It contains one
    only if somebody has written the secret itself in place of its name.
    """
    open_: list[tuple[str, str, object]] = [(name, name, each) for name, each in parameters.items()]
    while open_:
        where, name, value = open_.pop()
        if isinstance(value, str):
            if kind := credential_by_name(name, value):
                yield where, kind
        elif isinstance(value, list):
            open_ += [(f"{where}[{place}]", name, each) for place, each in enumerate(value)]
        elif is_secret(value):
            if kind := known_credential("\n".join(map(str, value.values()))):
                yield where, kind
        elif isinstance(value, dict):
            open_ += [(f"{where}.{key}", str(key), each) for key, each in value.items()]


def _found(text: str, names: Collection[str]) -> str | None:
    text = _without_references(text)
    folded = text.lower()
    for rule in RULES:
        if rule.name in names and rule.is_needed(folded) and rule.replace(text) != text:
            return _KINDS[rule.name]
    return "webhook URL with a token" if _CAPABILITY.search(text) else None


def _without_references(text: str) -> str:
    return _REFERENCE.sub("", text)


def _looks_like_key(value: str) -> bool:
    """Tell whether a text looks like a key and not like a word of a language."""
    return any(c.isdigit() or c.isupper() for c in value[1:]) or not value.isalpha()
