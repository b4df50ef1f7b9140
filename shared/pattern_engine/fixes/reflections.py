"""Masking secrets that a server reflects, in what a script or the record gets of its answer.

A secret is found as it is, in other letter case, escaped as servers do in JSON, URLs and HTML, in
UTF-16 and UTF-32, in hexadecimal, and in base64, also inside of a longer text. A server that was
sent a secret can always tell it in a form of its own; that is why a secret is granted for a host.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import re2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK: Final = "[secret]"
_ENTITIES: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_MAX_FOUND: Final = 1_000
_MAX_MEMORY: Final = 256 * 1024 * 1024
_MIN_INSIDE: Final = 8
"""The fewest characters of base64 that are looked for inside of a longer text."""


class Reflections:
    """Masks some secrets. RE2 searches in linear time, whatever a host answers."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret.strip() for secret in secrets} - {""}
        forms = [form for secret in sorted(found, key=len, reverse=True) for form in _forms(secret)]
        options = re2.Options()
        options.case_sensitive = False
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        self._secrets = re2.compile("|".join(forms).encode("latin-1"), options) if forms else None

    def masked(self, text: str) -> str:
        """Return a text without the secrets, and without what Postgres cannot store."""
        data = self.masked_bytes(text.encode(errors="replace"))
        return data.decode(errors="replace").replace("\0", "�")

    def masked_bytes(self, data: bytes) -> bytes:
        """Return bytes without the secrets; of those that are little else, only the mask."""
        if self._secrets is None:
            return data
        masked, found = self._secrets.subn(MASK.encode(), data, _MAX_FOUND)
        return bytes(masked) if found < _MAX_FOUND else MASK.encode()


def _forms(secret: str) -> Iterator[str]:
    """Yield expressions that find a secret, of which each character stands for a byte."""
    data = secret.encode(errors="replace")
    codes = [ord(character) for character in secret]
    yield "".join(map(_byte, data))
    yield data.hex()
    yield "".join(f"%(?:25)?{byte:02x}" for byte in data)
    yield "".join(rf"\\u\{{?0{{0,2}}{code:02x}\}}?" for code in codes)
    yield "".join(rf"\\x{code:02x}" for code in codes)
    yield "".join(f"&#0{{0,5}}{code};" for code in codes)
    yield "".join(f"&#x0{{0,5}}{code:x};" for code in codes)
    for zeros in (1, 3):  # UTF-16 and UTF-32, in either order of bytes
        yield (r"\x00" * zeros).join(rf"\x{byte:02x}" for byte in data)
    yield _base64(b64encode(data).decode().rstrip("="))
    for offset in range(3):
        # Of the first and the last character only some bits belong to the secret.
        whole = b64encode(bytes(offset) + data).decode()
        inside = whole[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        if len(inside) >= _MIN_INSIDE:
            yield _base64(inside)


def _byte(code: int) -> str:
    """Return an expression for a byte as it is and, if servers escape its character, as they do."""
    character = chr(code)
    if character.isascii() and character.isalnum():
        return character
    forms = [rf"\\?\x{code:02x}", f"%(?:25)?{code:02x}", rf"\\u{code:04x}", rf"\\x{code:02x}"]
    forms += [f"&#0{{0,5}}{code};", f"&#x0{{0,5}}{code:x};"]
    if character in _ENTITIES:
        forms.append(f"&{_ENTITIES[character]};")
    return f"(?:{'|'.join(forms)})"


def _base64(text: str) -> str:
    """Return an expression for base64 with either alphabet."""
    return re.escape(text).replace(r"\+", "[+-]").replace("/", "[/_]")
