"""Which headers an api_call may set, and with what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.api_call.references import is_error, is_secret
from pattern_engine.fixes.credentials import credential_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SECRET_NAME", "header_findings", "header_text", "is_form", "names_credential"]

SECRET_NAME: Final = re.compile(r"(?!pattern_engine_)[a-z0-9_]{1,64}")
"""Of a secret in the Vault; those of the engine itself are nobody's to send."""
_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}(?: [A-Za-z][A-Za-z0-9-]{0,15}=)?[ =:]?")
"""What may stand before a secret, as in `Bearer ` and `Token token=`; not half a key."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_TEXT: Final = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
_UNSENDABLE: Final = re.compile(r"[^!-~]+")
MAX_TEXT: Final = 4096

#: Set by us, or by whoever carries the request: a second one smuggles another request.
_OURS: Final = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"),
        *("te", "trailer", "expect", "accept-encoding", "content-encoding", "http2-settings"),
        *("via", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip"),
        *("client-ip", "cf-connecting-ip", "x-cluster-client-ip", "x-originating-ip"),
        *("x-remote-ip", "x-remote-addr", "x-host"),
        # They say that the method or the path is another than the one that was approved.
        *("x-http-method", "x-http-method-override", "x-method-override"),
        *("x-original-url", "x-rewrite-url", "x-original-host"),
        # Metadata services of clouds want them, and nobody else.
        *("metadata", "metadata-flavor", "x-google-metadata-request"),
    }
)
_OUR_PREFIXES: Final = ("proxy-", "x-forwarded-", "sec-", "x-aws-ec2-metadata-", ":")

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
    """Whether a header of this name carries what proves who is calling."""
    name = header.lower()
    return name not in _NO_CREDENTIALS and not _CREDENTIAL_WORDS.isdisjoint(re.split(r"[-_]", name))


def header_findings(headers: dict[str, object]) -> Iterator[Finding]:
    """Say what stands against headers."""
    names = [name.lower() for name in headers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding("headers", f"the header {name!r} is given more than once")
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            yield Finding("headers", f"{name!r} is no name of a header")
        elif lower in _OURS or lower.startswith(_OUR_PREFIXES):
            yield Finding("headers", f"the header {name} is not for a script to set")
        else:
            yield from _value_findings(name, value)


def _value_findings(name: str, value: object) -> Iterator[Finding]:
    if is_secret(value):
        yield from _secret_findings(name, value)
    elif names_credential(name):
        yield Finding("credential", f'the header {name} takes a secret: {{"secret": "vault_name"}}')
    elif is_error(value):
        pass
    elif name.lower() == "idempotency-key":
        yield Finding(
            "headers",
            f"the header {name} is set to the application's id; with one key for every run, the "
            'server does nothing after the first: leave it out, or take it from {"error": …}',
        )
    elif not isinstance(value, str | int) or isinstance(value, bool):
        yield Finding("headers", f"the header {name} is neither a text nor a reference")
    elif len(str(value)) > MAX_TEXT or not _TEXT.fullmatch(str(value)):
        yield Finding("headers", f"the header {name} is empty, too long, or not of printable ASCII")
    elif kind := credential_by_name(name, str(value)):
        yield Finding("credential", f"the header {name} holds a {kind}; name a secret instead")


def _secret_findings(name: str, value: object) -> Iterator[Finding]:
    secret, prefix = (value.get(key) for key in ("secret", "prefix"))  # type: ignore[attr-defined]
    if not isinstance(secret, str) or not SECRET_NAME.fullmatch(secret):
        yield Finding(
            "secret",
            f"the header {name} names the secret {secret!r}; a name has up to 64 small letters, "
            "digits and underscores, and is not one of the engine's own (pattern_engine_…)",
        )
    if prefix is not None and not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
        yield Finding(
            "secret", f"the header {name} has a prefix that is no word such as Bearer with a space"
        )


def content_type(headers: Mapping[str, object]) -> str | None:
    """Return the media type that the headers give the body, in small letters; None for none."""
    for name, value in headers.items():
        if name.lower() == "content-type" and isinstance(value, str):
            return value.partition(";")[0].strip().lower()
    return None


def is_form(headers: Mapping[str, object]) -> bool:
    """Whether the body is a form and no JSON."""
    return content_type(headers) == "application/x-www-form-urlencoded"


def header_text(value: object) -> str:
    """Return what an error says as one line that a header may carry."""
    return _UNSENDABLE.sub(" ", str(value)).strip()[:MAX_TEXT].rstrip()
