r"""The regular expression of a pattern, made from its template.

Source: specification, "Error Regex Generation", with one difference: it is made from the normalised
template and not from the first message, so that every message with the same signature matches.

One text serves Python's `re`, RE2, Postgres and JavaScript, without flags. They agree because it
uses what all of them read alike: ASCII classes written out (`[Aa]` for a letter, since folding
differs from engine to engine), `(?:…)`, `{n}` below Postgres' limit of 255, no look-around, no
back-reference, no `\d`, `\s` or `.`. It matches more than its own messages: a placeholder also
allows the word itself.
"""

from typing import Final

from pattern_engine.grouping.v1 import normalizing
from pattern_engine.text.compiled import compiled

__all__ = ["MAX_LENGTH", "expression"]

#: Characters of an expression, so that Postgres compiles it in milliseconds; a longer one is cut to
#: a prefix match. Every template of 4 KiB without placeholders fits.
MAX_LENGTH: Final = 27_000

_SPACES: Final = r"[\t-\r ]"
_ESCAPED: Final = frozenset(r"\^$.|?*+()[]{}/")


def expression(template: str) -> str:
    """Return the expression that matches every message with this template.

    Anchored at both ends, white space around allowed; at the start only where the template was cut
    (see `normalizing.TRUNCATED`) or the expression would exceed `MAX_LENGTH`.
    """
    cut = template.endswith(normalizing.TRUNCATED)
    body, complete = _body(template.removesuffix(normalizing.TRUNCATED))
    start = f"^{_SPACES}*"
    return f"{start}{body}" if cut or not complete else f"{start}{body}{_SPACES}*$"


def _body(template: str) -> tuple[str, bool]:
    """Return the expression's middle, and whether it covers the whole template."""
    parts: list[str] = []
    length = 0
    for part in _parts(template):
        length += len(part)
        if length > MAX_LENGTH:
            return "".join(parts), False
        parts.append(part)
    return "".join(parts), True


def _parts(template: str) -> list[str]:
    """Return the expression of each placeholder and of each character between them."""
    parts: list[str] = []
    position = 0
    for found in compiled(normalizing.PLACEHOLDER).finditer(template):
        parts += map(_literal, template[position : found.start()])
        word = "".join(map(_literal, found[0]))
        parts.append(f"(?:{word}|{normalizing.EXPRESSIONS[str(found.lastgroup)]})")
        position = found.end()
    return parts + [_literal(character) for character in template[position:]]


def _literal(character: str) -> str:
    if character == " ":
        return f"{_SPACES}+"
    if "a" <= character <= "z":
        return f"[{character.upper()}{character}]"
    if character == "\ufffd":
        return r"[^\x01-\x7F]"  # stands for a NUL or a lone surrogate of the message, too
    return f"\\{character}" if character in _ESCAPED else character
