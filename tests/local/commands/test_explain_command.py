"""`pattern-engine explain`: an error is explained without settings, database or network."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from pattern_engine.cli import main

if TYPE_CHECKING:
    import pytest

LAGS = 'ERROR:  duplicate key value violates unique constraint "orders_pkey"'


def test_a_text_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """What was read, the page, and the draft with its guard and its probe."""
    assert main(["explain", LAGS]) == 0
    printed = capsys.readouterr().out
    assert "code: 23505" in printed
    assert "  constraint: orders_pkey" in printed
    assert "# The sequence of an id column lags behind the rows" in printed
    assert "'when': {'constraint': ['orders_pkey']}" in printed
    assert "as mended" in printed


def test_standard_input_is_explained_for_machines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` reads it; `--json` answers what the endpoint answers."""
    monkeypatch.setattr("sys.stdin", io.StringIO("{'message': 'JWT expired', 'code': 'PGRST303'}"))
    assert main(["explain", "-", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["code"], found["cause"]["name"]) == ("PGRST303", "jwt-expired")


def test_an_error_without_a_page_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """And is read all the same."""
    assert main(["explain", "order 17 has no status"]) == 1
    printed = capsys.readouterr().out
    assert "message: order 17 has no status" in printed
    assert "There is no page" in printed
