"""Which headers a request of a fix may set, and which values they may have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.credentials import credential_by_name
from pattern_engine.fixes.references import (
    SECRET_NAME,
    UnsendableError,
    is_error,
    is_secret,
)
from pattern_engine.fixes.urls import AllowedHosts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pattern_engine.fixes.addresses import Network
    from pattern_engine.fixes.execution import Secret
    from pattern_engine.fixes.urls import Place

_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}(?: [A-Za-z][A-Za-z0-9-]{0,15}=)?[ =:]?")
"""What a prefix of a secret may be, as in `Bearer ` and `Token token=`; not part of a key."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_TEXT: Final = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNSENDABLE: Final = re.compile(r"[^!-~]+")
MAX_TEXT: Final = 4096

#: Headers that the engine or a proxy sets; a second value can smuggle in another request.
_RESERVED: Final = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"),
        *("te", "trailer", "expect", "accept-encoding", "content-encoding", "http2-settings"),
        *("via", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip"),
        *("client-ip", "cf-connecting-ip", "x-cluster-client-ip", "x-originating-ip"),
        *("x-remote-ip", "x-remote-addr", "x-host"),
        # These replace the approved method or path by another one.
        *("x-http-method", "x-http-method-override", "x-method-override"),
        *("x-original-url", "x-rewrite-url", "x-original-host"),
        # Only the metadata services of clouds need these.
        *("metadata", "metadata-flavor", "x-google-metadata-request"),
    }
)
_RESERVED_PREFIXES: Final = ("proxy-", "x-forwarded-", "sec-", "x-aws-ec2-metadata-", ":")

_CREDENTIAL_WORDS: Final = frozenset(
    {
        *("auth", "authorization", "authentication", "cookie", "token", "apikey", "key", "secret"),
        *("password", "passwd", "passphrase", "credential", "credentials", "signature", "jwt"),
        *("session", "sessionid", "bearer"),
    }
)
_NO_CREDENTIALS: Final = frozenset(
    {
        *("surrogate-key", "cache-key", "x-cache-key", "routing-key", "x-routing-key"),
        *("partition-key", "idempotency-key"),
    }
)


def names_credential(header: str) -> bool:
    """Tell whether a header of this name carries a credential."""
    name = header.lower()
    return name not in _NO_CREDENTIALS and not _CREDENTIAL_WORDS.isdisjoint(re.split(r"[-_]", name))


def header_findings(headers: dict[str, object], *, case_is_unique: bool) -> Iterator[Finding]:
    """Yield the findings about headers; a literal idempotency key needs an approval of one case."""
    names = [name.lower() for name in headers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding("headers", f"the header {name!r} is repeated; write it once")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            yield Finding("headers", f"{name!r} is not a valid name of a header")
        elif is_reserved(name):
            yield Finding("headers", f"the header {name} may not be set by a script; remove it")
        else:
            yield from _value_findings(name, value, case_is_unique=case_is_unique)


def _value_findings(name: str, value: object, *, case_is_unique: bool) -> Iterator[Finding]:
    if is_secret(value):
        yield from _secret_findings(name, value)
    elif names_credential(name):
        yield Finding("credential", f'the header {name} needs a secret: {{"secret": "vault_name"}}')
    elif is_error(value):
        pass
    elif name.lower() == "idempotency-key" and not case_is_unique:
        yield Finding(
            "headers",
            f"the header {name} may be a literal only where the approval is for one case, by a "
            "target or by when with one value for each name, because the server ignores every run "
            'but the first; remove it (it becomes the application id) or use {"error": …}',
        )
    elif not isinstance(value, str | int) or isinstance(value, bool):
        yield Finding("headers", f"the header {name} must be a string, an integer or a reference")
    elif len(str(value)) > MAX_TEXT or not _TEXT.fullmatch(str(value)):
        yield Finding("headers", f"the header {name} is empty, too long, or not printable ASCII")
    elif kind := credential_by_name(name, str(value)):
        yield Finding("credential", f"the header {name} contains a {kind}; use a secret instead")


def _secret_findings(name: str, value: object) -> Iterator[Finding]:
    secret, prefix = (value.get(key) for key in ("secret", "prefix"))  # type: ignore[attr-defined]
    if not isinstance(secret, str) or not SECRET_NAME.fullmatch(secret):
        yield Finding(
            "secret",
            f"the header {name} names the secret {secret!r}; use up to 64 lower-case letters, "
            "digits and underscores, and no name that begins with pattern_engine_",
        )
    if prefix is not None and not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
        yield Finding(
            "secret", f"the prefix in the header {name} must be a word and a space, as in Bearer"
        )


def is_reserved(name: str) -> bool:
    """Tell whether a script may not set a header."""
    lower = name.lower()
    return lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES)


def is_sendable(name: str, value: str) -> bool:
    """Tell whether a header that a program built is one header, whoever reads it."""
    return bool(_TOKEN.fullmatch(name)) and not _CONTROL.search(value) and _is_latin(value)


def _is_latin(value: str) -> bool:
    return all(ord(character) < 256 for character in value)


def secret_header(
    given: Mapping[str, str],
    secrets: Mapping[str, Secret],
    place: Place,
    networks: Collection[Network],
) -> str:
    """Return the value of a header that refers to a secret, for a request to a place.

    Raises:
        UnsendableError: if the secret is missing, is not granted for the place, or cannot be sent.
    """
    name = given["secret"]
    secret = secrets.get(name)
    # A secret that was copied from a file often ends in a line break.
    value = secret.value.strip() if secret else ""
    if secret is None or not value:
        raise UnsendableError(f"Vault has no secret {name}")
    if not secret.hosts or place not in AllowedHosts(secret.hosts, networks):
        raise UnsendableError(f"the secret {name} is not granted for {place.authority}")
    if not value.isascii() or not value.isprintable():
        raise UnsendableError(f"the secret {name} contains characters that a header cannot contain")
    return given.get("prefix", "") + value


def content_type(headers: Mapping[str, object]) -> str | None:
    """Return the media type of the body according to the headers, in lower case, or None."""
    for name, value in headers.items():
        if name.lower() == "content-type" and isinstance(value, str):
            return value.partition(";")[0].strip().lower()
    return None


def is_form(headers: Mapping[str, object]) -> bool:
    """Tell whether the body is a form and not JSON."""
    return content_type(headers) == "application/x-www-form-urlencoded"


def header_text(value: object) -> str:
    """Return a value of an error as one line that a header may contain."""
    return _UNSENDABLE.sub(" ", str(value)).strip()[:MAX_TEXT].rstrip()
