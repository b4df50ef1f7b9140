"""The marks that stand in a text while it is being masked, and the bounds of that text.

Control characters, so that no message has them: `bound` takes them out of what comes in.
"""

from typing import Final

#: A variable; `<*>` in a template.
VARIABLE: Final = "\x01"
#: Digits that may be a code (404, 42501, -3008): the words beside them decide.
DIGITS: Final = "\x02"
#: A code by its looks (42P01, PGRST116, ERR_INVALID_URL).
CODE: Final = "\x03"
WILDCARD: Final = "<*>"
#: After a counted noun in a template: an s, (s), or nothing.
PLURAL: Final = "<s>"

#: Characters of a message that are read. A Python traceback names its exception at the end, so of a
#: longer one the two ends are read instead.
MAX_LENGTH: Final = 4096
_END: Final = MAX_LENGTH // 2
_PYTHON: Final = "Traceback (most recent call last)"
#: How far a cut goes back to the end of a word.
_BACK: Final = 128

# Colours of a terminal go, other control characters become spaces.
_CONTROLS: Final = {code: " " for code in range(32) if chr(code) not in "\t\n\v\f\r"} | {127: " "}


def bound(message: str) -> str:
    """Return the part of a message that is read, without control characters, in constant time."""
    if len(message) > MAX_LENGTH:
        message = _cut(message)
    if message.isprintable() or message.replace("\n", "").replace("\t", "").isprintable():
        return message
    return _printable(message)


def _cut(message: str) -> str:
    head = message[:MAX_LENGTH]
    if _PYTHON in message[:256]:
        tail = message[-_END:]
        return f"{head[:_END].rpartition(chr(10))[0]}\n{tail.partition(chr(10))[2] or tail}"
    space = head.rfind(" ", MAX_LENGTH - _BACK)
    return head if space < 0 else head[:space]


def _printable(message: str) -> str:
    parts = message.split("\x1b[")
    if len(parts) > 1:
        message = parts[0] + "".join(part.lstrip("0123456789;")[1:] for part in parts[1:])
    return message.translate(_CONTROLS)
