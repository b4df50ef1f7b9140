"""Which of PostgreSQL's messages are kept: the first lines of errors that say enough.

The compiled catalogues do not say where a message is used, but the style guide for error messages
(PostgreSQL's documentation, appendix "Error Message Style Guide") tells them apart: a primary
message is one line without a period at the end, while details, hints, descriptions of settings and
the help of commands are sentences or have line breaks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pattern_engine.catalogue.template import Template

__all__ = ["is_primary", "is_tight", "is_tight_translation"]

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_LETTER: Final = re.compile(r"[^\W\d_]")
_WIDE: Final = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
MIN_WORDS: Final = 3
"""Words of literal text that a message must have at least."""
MIN_WORDS_OPEN: Final = 4
"""The same if it starts or ends with a value without quotes, which could be half a sentence."""
MIN_LETTERS: Final = 10
"""Letters of literal text that a translation must have at least."""
MIN_WIDE_LETTERS: Final = 4
"""The same in scripts whose letters are syllables or words."""


def is_primary(message: str) -> bool:
    """Return whether a message can be the first line of an error."""
    return not (
        message.endswith((".", ".)", ":", " ", "!", ",", "("))
        or message[:1].isspace()
        or "\n" in message
        or "\t" in message
        or " / " in message  # a group of settings
    )


def is_tight(template: Template) -> bool:
    """Return whether an English template has enough text of its own to match no other sentence."""
    words = sum(len(_WORD.findall(literal)) for literal in template.literals)
    return words >= (MIN_WORDS_OPEN if _is_open(template) else MIN_WORDS)


def is_tight_translation(template: Template) -> bool:
    """Return whether the translation of a tight template has enough text of its own, too."""
    text = "".join(template.literals)
    least = MIN_WIDE_LETTERS if _WIDE.search(text) else MIN_LETTERS
    return len(_LETTER.findall(text)) >= least


def _is_open(template: Template) -> bool:
    return bool(template.variables) and not all((template.literals[0], template.literals[-1]))
