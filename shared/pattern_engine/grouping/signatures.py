"""The signature of a template: what leads from a message to its pattern."""

import hashlib
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
#: Two digits at a time: half the steps.
_PAIRS: Final = [tens + ones for tens in _DIGITS for ones in _DIGITS]


def signature_of(template: str, algorithm: str) -> str:
    """Return `pattern_` and the first 64 bits of a SHA-256 over algorithm and template, in base 36.

    The specification's own 32-bit hash collides after some tens of thousands of patterns, and it
    says itself that production should use a digest.
    """
    digest = hashlib.sha256(f"{algorithm}\n{template}".encode(errors="surrogatepass")).digest()
    number = int.from_bytes(digest[:8], "big")
    digits = ""
    while number:
        number, pair = divmod(number, len(_PAIRS))
        digits = _PAIRS[pair] + digits
    return "pattern_" + (digits.lstrip("0") or "0")
