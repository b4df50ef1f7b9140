"""The signature of a template, by which the database finds the pattern of an error."""

import hashlib
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
#: Pairs of digits; writing two digits at a time halves the steps.
_PAIRS: Final = [tens + ones for tens in _DIGITS for ones in _DIGITS]


def signature_of(template: str, algorithm: str) -> str:
    """Return `pattern_` and the first 64 bits of a SHA-256 over algorithm and template, in base 36.

    The specification's own 32-bit hash collides after tens of thousands of patterns, so the
    specification recommends a digest for production.
    """
    digest = hashlib.sha256(f"{algorithm}\n{template}".encode(errors="surrogatepass")).digest()
    number = int.from_bytes(digest[:8], "big")
    digits = ""
    while number:
        number, pair = divmod(number, len(_PAIRS))
        digits = _PAIRS[pair] + digits
    return "pattern_" + (digits.lstrip("0") or "0")
