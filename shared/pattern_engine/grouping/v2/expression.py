r"""The regular expression of a pattern that grouping/v2 made.

It matches every message of the pattern's first signature, and whatever else may stand in the place
of a variable: a description for people, who search by it, and no reason to run a fix. One text
serves Python's `re`, RE2, Postgres and JavaScript, without flags (see `v1.expression`).

What a message holds is matched as grouping/v2 reads it (`marks.bound`): colours of a terminal
play no part, and of a message longer than 4,096 characters the start alone.

- A message: its words, any white space between them, anything where a variable is.
- A message with the kind of its exception: the same, with the kind before it or not.
- A stack trace: the kinds of exception in the order of the trace. It may match other traces of the
  same kinds; where the trace came beside the message, it need not match the message.
- A rule or a fingerprint: nothing. The words of the message play no part there.
"""

import re
from functools import lru_cache
from typing import Final

from pattern_engine.grouping.grouping import Group
from pattern_engine.grouping.v2 import masking
from pattern_engine.grouping.v2.marks import MAX_LENGTH as MAX_MESSAGE_LENGTH
from pattern_engine.grouping.v2.marks import PLURAL, WILDCARD, bound
from pattern_engine.grouping.v2.traces import read_trace

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
_HOLES: Final = re.compile(f"({re.escape(WILDCARD)}|{re.escape(PLURAL)}| )")
_ESCAPED: Final = re.compile(r"[\\^$.|?*+()\[\]{}/]")
_EXPRESSIONS: Final = {WILDCARD: _ANYTHING, PLURAL: _PLURAL, " ": f"{_SPACES}+"}


def expression(group: Group) -> str:
    """Return the expression of a pattern, from the group of its first error."""
    if group.basis in {"rule", "fingerprint"}:
        return NOTHING
    if group.basis == "trace":
        return _of_trace(group.text)
    is_cut = len(group.text) > MAX_MESSAGE_LENGTH
    if group.basis == "exception":
        kind, _, template = group.template.partition(": ")
        if not masking.mask(group.text).template.startswith(f"{kind}:"):
            prefix = f"(?:{_literal(kind)}:{_SPACES}+)?"
            return _anchored(template, is_cut=is_cut, prefix=prefix)
    return _anchored(group.template, is_cut=is_cut)


# Many errors of one pattern are learned, and each comes with the expression that it would have.
@lru_cache(maxsize=4096)
def _anchored(template: str, *, is_cut: bool, prefix: str = "") -> str:
    body, is_complete = _body(template)
    start = f"^{_SPACES}*{prefix}{body}"
    return start if is_cut or not is_complete else f"{start}{_SPACES}*$"


def _body(template: str) -> tuple[str, bool]:
    """Return the expression's middle, and whether it covers the whole template."""
    parts: list[str] = []
    length = 0
    for part in _HOLES.split(template):
        parts.append(_EXPRESSIONS.get(part) or _literal(part))
        length += len(parts[-1])
        if length > MAX_LENGTH:
            return "".join(parts[:-1]), False
    return "".join(parts), True


def _literal(text: str) -> str:
    # U+FFFD stands for a NUL or a lone surrogate of the message, too.
    return _ESCAPED.sub(r"\\\g<0>", text).replace("\ufffd", r"[^\x01-\x7F]")


def _of_trace(text: str) -> str:
    trace = read_trace(bound(text))
    if trace is not None and trace.types:
        return _ANYTHING.join(map(_literal, trace.types))
    # PL/pgSQL names no kind; its message is the first line.
    line = bound(text).strip().partition("\n")[0] if trace is None else trace.message
    return _anchored(masking.mask(line).template, is_cut=True)
