"""Masking secrets that a server reflects, in what a script or the record gets of its answer.

A secret is found as it is, in other letter case, with any of its characters escaped as servers do
in JSON, URLs and HTML, in UTF-16 and UTF-32, in hexadecimal, and in base64, also inside of a longer
text. A server that was sent a secret can always tell it in a form of its own; that is why a secret
is granted for a host.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK: Final = "[secret]"
_ENTITIES: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_MIN_INSIDE: Final = 8
"""The fewest characters of base64 that are looked for inside of a longer text."""


class Reflections:
    """Masks some secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret.strip() for secret in secrets} - {""}
        forms = [form for secret in sorted(found, key=len, reverse=True) for form in _forms(secret)]
        self._secrets = re.compile("|".join(forms), re.IGNORECASE) if forms else None

    def masked(self, text: str) -> str:
        """Return a text without the secrets, and without what Postgres cannot store."""
        return self._masked(text).encode(errors="replace").decode().replace("\0", "�")

    def masked_bytes(self, data: bytes) -> bytes:
        """Return bytes without the secrets."""
        return self._masked(data.decode("latin-1")).encode("latin-1")

    def _masked(self, text: str) -> str:
        return self._secrets.sub(MASK, text) if self._secrets else text


def _forms(secret: str) -> Iterator[str]:
    """Yield expressions that find a secret."""
    yield r"\0{0,3}".join(map(_character, secret))
    data = secret.encode(errors="replace")
    yield data.hex()
    yield _base64(b64encode(data).decode().rstrip("="))
    for offset in range(3):
        # Of the first and the last character only some bits belong to the secret.
        whole = b64encode(bytes(offset) + data).decode()
        inside = whole[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        if len(inside) >= _MIN_INSIDE:
            yield _base64(inside)


def _character(character: str) -> str:
    """Return an expression for a character as it is and as servers escape it."""
    code = ord(character)
    encoded = "".join(f"%(?:25)?{byte:02x}" for byte in character.encode(errors="replace"))
    forms = [rf"\\?{re.escape(character)}", encoded, rf"\\u\{{?{code:04x}\}}?", rf"\\x{code:02x}"]
    forms += [f"&#0*{code};", f"&#x0*{code:x};"]
    if character in _ENTITIES:
        forms.append(f"&{_ENTITIES[character]};")
    return f"(?:{'|'.join(forms)})"


def _base64(text: str) -> str:
    """Return an expression for base64 with either alphabet."""
    return re.escape(text).replace(r"\+", "[+-]").replace("/", "[/_]")
