"""What a terminal would obey or hide gets a visible mark; all other text stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine.text.visible import visible

# What was logged → what is shown.
MARKED = {
    "\x1b[2J\x1b[1;1Hall is well": r"\x1b[2J\x1b[1;1Hall is well",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x9b31m": r"\x9b31m",
    "refused\rgranted": r"refused\rgranted",
    "a\x08b\x7f": r"a\x08b\x7f",
    "nul\0": r"nul\x00",
    "abc\u202egpj.exe\u202c": r"abc\u202egpj.exe\u202c",
    "\u2066left\u2069": r"\u2066left\u2069",
    "pass\u200bword\ufeff\u2060": r"pass\u200bword\ufeff\u2060",
    "soft\xadhyphen": r"soft\xadhyphen",
    "a\u2028b\u2029": r"a\u2028b\u2029",
    "tag\U000e0041": r"tag\U000e0041",
    "filler\u3164\u2800\ufe01": r"filler\u3164\u2800\ufe01",
    "private\ue000": r"private\ue000",
    "half\ud83d": r"half\ud83d",
}
LEFT_ALONE = (
    'duplicate key value violates unique constraint "x"',
    "two\nlines\tand a tab",
    "la colonne «\xa0x\xa0» n'existe pas; 値\u3000がない; отношение не существует; العلاقة غير موجودة",
    "⚠\ufe0f 😀 é e\u0301",
)


@pytest.mark.parametrize(("logged", "shown"), MARKED.items())
def test_what_is_obeyed_or_hidden_is_marked(logged: str, shown: str) -> None:
    """Each such character is shown by its number, as Python writes it."""
    assert visible(logged) == shown


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_other_text_stays(text: str) -> None:
    """Text of every language, its spaces, and line ends stay."""
    assert visible(text) == text


def test_line_ends_of_other_systems_are_line_ends() -> None:
    """A log with carriage returns at its line ends stays readable."""
    assert visible("one\r\ntwo") == "one\ntwo"


@given(st.text(st.characters()))
def test_nothing_else_is_left(text: str) -> None:
    """Whatever is logged, nothing remains that a terminal obeys, and all can be written as UTF-8."""
    shown = visible(text).replace("\n", "").replace("\t", "")
    kinds = {unicodedata.category(char) for char in shown}
    assert kinds.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    assert visible(shown) == shown
    shown.encode()
