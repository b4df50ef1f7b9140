"""What scrubbing removed from an error is removed from whatever a fix says of it."""

from __future__ import annotations

import json

import pytest

from pattern_engine.text import scrubbing
from pattern_engine.text.withholding import NOTHING, Withheld, removed

MESSAGE = "cannot sign in anna@example.com: password=hunter2-éa"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("password=hunter2-horse, retry", ["hunter2-horse"]),
        ("anna@example.com and bob@example.com", ["anna@example.com", "bob@example.com"]),
        ("cookie: a=b; c=d\nnext line", ["a=b; c=d"]),
        ("nothing to see", []),
        ("a list [0] of [email] for anna@example.com", ["anna@example.com"]),
    ],
)
def test_the_removed_parts_are_told(text: str, parts: list[str]) -> None:
    """They are found by what stands around them; too much is better than too little."""
    found = removed(text, scrubbing.scrub(text))
    assert set(parts) <= set(found)


@pytest.mark.parametrize(
    "said",
    [
        "could not do it: hunter2-éa",
        "anna@example.com/hunter2-éa",
        json.dumps({"a": "hunter2-éa"}),
        "said xhunter2-éax",
        "4711 is wrong",
    ],
)
def test_a_removed_part_is_hidden_in_any_text(said: str) -> None:
    """Also without the words around it, within a word, and as JSON escapes it."""
    hidden = Withheld({"message": MESSAGE, "captured": {"password": "4711"}}).hide(said)
    assert not any(
        part in hidden for part in ("hunter2", "anna@example.com", r"hunter2-\u00e9a", "4711")
    )


def test_keys_and_values_of_json_are_hidden() -> None:
    """Structure and numbers stay."""
    hidden = Withheld({"message": MESSAGE}).hide_json({"hunter2-éa": ["hunter2-éa", 1, None]})
    assert hidden == {"[removed]": ["[removed]", 1, None]}


def test_a_short_part_is_hidden_as_a_word_alone() -> None:
    """Otherwise a PIN would shred numbers and identifiers."""
    withheld = Withheld({"message": "denied", "captured": {"password": "471"}})
    assert withheld.hide("row 34710 of 471") == "row 34710 of [removed]"


def test_a_captured_password_is_hidden_although_its_text_looks_harmless() -> None:
    """Its name tells what it is."""
    withheld = Withheld({"message": "denied", "captured": {"password": "sunflower"}})
    assert withheld.hide("sunflower?") == "[removed]?"


def test_without_an_error_a_text_is_scrubbed_alone() -> None:
    """A rollback whose log row is gone knows no error."""
    assert NOTHING.hide("told bob@example.com") == "told [email]"
