r"""The regular expression of a pattern that grouping/v2 made.

It matches the root message of every error of the pattern's first signature, as English has it and
without envelopes, and whatever else may stand in the place of a variable: a description for people,
who search by it, and no reason to run a fix. One text serves Python's `re`, RE2, Postgres and
JavaScript, without flags (see `v1.expression`). A rule's or a fingerprint's expression matches
nothing, because the words of the message play no part there.
"""

import re
from functools import lru_cache
from typing import Final

from pattern_engine.grouping.grouping import Group
from pattern_engine.grouping.v2.marks import PLURAL, WILDCARD

__all__ = ["MAX_LENGTH", "NOTHING", "expression"]

#: Characters of an expression, so that Postgres compiles it in milliseconds; a longer one is cut to
#: a prefix match.
MAX_LENGTH: Final = 27_000
#: No text has an x before its start.
NOTHING: Final = "x^"

# All that `str.split` takes for white space, and the control characters that `bound` replaces.
_SPACES: Final = "[\\x01- \\x7F\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_ANYTHING: Final = r"[^\x00]*"
_PLURAL: Final = r"(?:s|\(s\)|<s>)?"
_HOLES: Final = re.compile(f"({re.escape(WILDCARD)}|{re.escape(PLURAL)}|<[a-z_0-9]+>| )")
_ESCAPED: Final = re.compile(r"[\\^$.|?*+()\[\]{}/]")
_EXPRESSIONS: Final = {WILDCARD: _ANYTHING, PLURAL: _PLURAL, " ": f"{_SPACES}+"}


def expression(group: Group) -> str:
    """Return the expression of a pattern, from the group of its first error."""
    if group.basis in {"rule", "fingerprint"}:
        return NOTHING
    message = group.template.partition("\n  at ")[0]
    if group.known:
        message = message.partition(": ")[2]
    elif group.basis != "message":
        kind, colon, rest = message.partition(": ")
        message = rest if colon and " " not in kind and not group.text.startswith(kind) else message
    return _body(message)


# Many errors of one pattern are learned, and each comes with the expression that it would have.
@lru_cache(maxsize=4096)
def _body(template: str) -> str:
    parts: list[str] = []
    length = 0
    for place, part in enumerate(_HOLES.split(template)):
        is_hole = place % 2 == 1
        parts.append(_EXPRESSIONS.get(part, _ANYTHING) if is_hole else _literal(part))
        length += len(parts[-1])
        if length > MAX_LENGTH:
            return "".join(parts[:-1])
    return "".join(parts)


def _literal(text: str) -> str:
    # U+FFFD stands for a NUL or a lone surrogate of the message, too.
    return _ESCAPED.sub(r"\\\g<0>", text).replace("\ufffd", r"[^\x01-\x7F]")
