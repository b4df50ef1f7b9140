"""The console as a function of its own, at an address of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import jwt
import pytest
from tests.http.conftest import JWT_SECRET, USER_ID

from pattern_engine.console import assets
from pattern_engine.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient
    from tests.http.conftest import Load, Wire

FRAME = {"role": "ops_viewer", "email": "a@b.example", "mark": "1-1", "pauses": []}
SITE = "https://console.example.com"


def _access_token(seconds: int = 3600) -> str:
    claims = {
        "sub": USER_ID,
        "aud": "authenticated",
        "role": "authenticated",
        "session_id": "s",
        "exp": int(time.time()) + seconds,
    }
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


@pytest.fixture
def console(environment: pytest.MonkeyPatch, load: Load) -> FlaskClient:
    """The console at the root of a host that is not this machine."""
    environment.setenv("PATTERN_ENGINE_CONSOLE_URL", SITE)
    return load("console")


def _sign_in(console: FlaskClient, wire: Wire) -> list[str]:
    """Return the cookies of a person who signs in."""
    wire.replies["token"] = {"access_token": _access_token(), "refresh_token": "r"}
    form = {"email": "a@b.example", "password": "p"}
    answer = console.post("/sign-in", data=form, base_url=SITE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    return answer.headers.getlist("Set-Cookie")


def test_off_this_machine_cookies_go_by_https_alone(console: FlaskClient, wire: Wire) -> None:
    """They are for the whole of a host of its own, for its server, and for no other site."""
    cookies = _sign_in(console, wire)
    assert len(cookies) == 2
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


def test_every_answer_forbids_what_pages_do_not_need(console: FlaskClient, wire: Wire) -> None:
    """No inline script or style, no other host, no frame, and nothing is kept by a cache."""
    _sign_in(console, wire)
    wire.replies["console_frame_v1"] = FRAME
    for path in ("/sign-in", "/no-such-page"):
        headers = console.get(path, base_url=SITE).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers


def test_a_file_of_the_pages_may_be_kept_for_good(console: FlaskClient) -> None:
    """Its address changes with its content."""
    version = assets.all_assets()["style.css"].version
    answer = console.get(f"/assets/style.css?v={version}", headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert console.get("/assets/../server.py").status_code == 404


def test_a_token_is_renewed_once_for_all_requests_of_a_page(
    console: FlaskClient, wire: Wire
) -> None:
    """Auth accepts a refresh token once, and a page asks for several things at the same time."""
    console.set_cookie("pattern_engine_access", _access_token(-60), domain="console.example.com")
    console.set_cookie("pattern_engine_refresh", "r", domain="console.example.com")
    wire.replies["token"] = {"access_token": _access_token(), "refresh_token": "next"}
    wire.replies["console_mark_v1"] = "1-2"
    for _ in range(2):
        # The second request was sent with the cookies of the first.
        console.set_cookie("pattern_engine_refresh", "r", domain="console.example.com")
        console.set_cookie(
            "pattern_engine_access", _access_token(-60), domain="console.example.com"
        )
        assert console.get("/mark?since=1-1", base_url=SITE).status_code == 200
    assert wire.names.count("token") == 1


def test_while_auth_is_down_the_page_says_so(console: FlaskClient, wire: Wire) -> None:
    """Signing in is refused with a reason that is not the person's."""
    wire.replies["token"] = httpx.ConnectError("refused")
    answer = console.post("/sign-in", data={"email": "a@b.example", "password": "p"}, base_url=SITE)
    assert answer.status_code == 503
    assert "does not answer" in answer.text


def test_without_its_libraries_the_console_does_not_start(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which command brings them."""
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    assets.all_assets.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="make setup"):
            load("console")
    finally:
        assets.all_assets.cache_clear()
