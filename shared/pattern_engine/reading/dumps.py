"""What PHP's `print_r`, `var_dump` and `var_export` print of an object: a line for each field."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["STARTS", "fields_of"]

#: How a dump starts.
STARTS: Final = ("Array\n(", "array(", "array (", "object(", "stdClass Object\n(")
#: Nothing is escaped within a value, so it ends where its line ends.
_FIELD: Final = re.compile(
    r"^\s*\[?[\"']?(\w+)[\"']?(?::[^\]\n]*)?\]?\s?=>(?: |\n\s*)"
    r"(?:string\([0-9]+\) \"(.*)\"|int\(([0-9]+)\)|'(.*)',|(?!string\(|NULL)(.+?),?)$",
    re.MULTILINE,
)


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of a dump; the first of each name counts."""
    found = [(name, "".join(values)) for name, *values in _FIELD.findall(text)]
    return dict(reversed(found))
