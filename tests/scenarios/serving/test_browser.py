"""A page of another origin uses the stack with supabase-js, as it uses a hosted project."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

PAGE = Path(__file__).parent / "page.html"
SUPABASE_JS = Path(__file__).parents[3] / "node_modules/@supabase/supabase-js/dist/umd/supabase.js"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


@contextmanager
def website(folder: Path) -> Iterator[str]:
    """Serve a folder on a port of its own, so at an origin of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def seen(addresses: dict[str, Any], tmp_path: Path, browser: Browser) -> dict[str, Any]:
    """What the page saw."""
    shutil.copy(PAGE, tmp_path / "index.html")
    shutil.copy(SUPABASE_JS, tmp_path / "supabase.js")
    with website(tmp_path) as origin, browser.new_page() as page:
        page.goto(origin)
        found: dict[str, Any] = page.evaluate(
            "([url, key]) => run(url, key)", [addresses["api_url"], addresses["publishable_key"]]
        )
    assert found["origin"] == origin
    return found


def test_a_page_signs_up_inserts_and_calls_functions(seen: dict[str, Any]) -> None:
    """Every call works from another origin, and every refusal can be read there."""
    assert seen["user"]
    assert seen["inserted"]["error"] is None, seen
    assert seen["inserted"]["data"]["user_id"] == seen["user"]
    assert seen["counted"] == {"data": None, "count": 1, "error": None}
    assert seen["learned"]["error"] is None, seen
    assert seen["learned"]["data"]["pattern"]["pattern_id"]
    assert seen["health"]["data"]["status"] == "ok"
    assert seen["signedOut"] is None

    assert seen["stranger"]["error"]["code"] == "42501"
    assert seen["refused"]["error"] == {
        "code": "publishable_key_only",
        "name": "FunctionsHttpError",
    }
    assert seen["forbidden"]["error"]["name"] == "FunctionsHttpError"
    assert seen["forbidden"]["error"]["code"] == "forbidden"
    assert seen["large"]["error"]["code"] == "body_too_large"
