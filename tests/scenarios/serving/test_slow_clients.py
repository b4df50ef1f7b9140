"""Clients that send half a request hold connections, but no thread: others are answered meanwhile."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.server import image

from pattern_engine.serving.bodies import MAX_BODY_BYTES
from pattern_engine.serving.buffering import REQUEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person

    from pattern_engine.local.stack import Stack

#: More than there are threads, and then as many as are accepted at all.
MANY = 150
TOO_MANY = 700
HONEST_SECONDS = 5.0
LEARN = "POST /functions/v1/pattern-analyzer/learn HTTP/1.1\r\nHost: attacked\r\n"
HALF = "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
HALF_CHUNKED = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"


@pytest.fixture(scope="module")
def served(stack: Stack) -> Iterator[str]:
    """The functions as the image serves them, before the stack of this session."""
    with image(stack.status()) as address:
        yield address


@pytest.fixture(params=["image", "gateway"])
def address(request: pytest.FixtureRequest, stack: Stack) -> str:
    """Where a client reaches the functions: the image itself, or the local stack's gateway."""
    if request.param == "image":
        found: str = request.getfixturevalue("served")
        return found
    return str(stack.status()["api_url"])


@pytest.fixture
def starts(addresses: dict[str, Any], user: Person) -> dict[str, str]:
    """Beginnings of requests whose rest never comes."""
    key = f"apikey: {addresses['publishable_key']}\r\n"
    token = f"{key}Authorization: Bearer {user.token}\r\n"
    return {
        "nothing": "",
        "half a line": "POST /lea",
        "half the headers": f"{LEARN}X-Slow: yes\r\n",
        "half a body, no key": f"{LEARN}{HALF}",
        "half a body, publishable key": f"{LEARN}{key}{HALF}",
        "half a body, wrong token": f"{LEARN}{key}Authorization: Bearer e30.e30.e30\r\n{HALF}",
        "half a body, a user's token": f"{LEARN}{token}{HALF}",
        "half a chunked body, a user's token": f"{LEARN}{token}{HALF_CHUNKED}",
    }


@contextmanager
def attack(address: str, start: str, count: int = MANY) -> Iterator[list[socket.socket]]:
    """Open many connections that send the beginning of a request and no more."""
    target = urlsplit(address)
    opened = []
    try:
        for _ in range(count):
            client = socket.create_connection((str(target.hostname), target.port or 0), timeout=10)
            opened.append(client)
            client.sendall(start.encode())
        yield opened
    finally:
        for client in opened:
            client.close()


def ask(address: str, addresses: dict[str, Any]) -> int:
    """An honest request; a body in one piece, and an answer in time."""
    answer = httpx.post(
        f"{address}/functions/v1/pattern-analyzer/learn",
        headers={"apikey": addresses["secret_key"]},
        json={"error_message": "slow clients are no reason to wait", "error_source": "shop"},
        timeout=HONEST_SECONDS,
    )
    return answer.status_code


ATTACKS = (
    "nothing",
    "half a line",
    "half the headers",
    "half a body, no key",
    "half a body, publishable key",
    "half a body, wrong token",
    "half a body, a user's token",
    "half a chunked body, a user's token",
)


@pytest.mark.parametrize("kind", ATTACKS)
def test_slow_clients_stop_nobody(
    address: str, addresses: dict[str, Any], starts: dict[str, str], kind: str
) -> None:
    """While more clients than there are threads have sent half a request, others are answered."""
    with attack(address, starts[kind]):
        assert [ask(address, addresses) for _ in range(3)] == [200, 200, 200]


def test_more_connections_than_are_accepted_stop_nobody(
    served: str, addresses: dict[str, Any], starts: dict[str, str]
) -> None:
    """At the limit of connections, those that have waited longest are closed."""
    with attack(served, starts["half the headers"], TOO_MANY):
        assert ask(served, addresses) == 200


def test_clients_that_keep_on_after_their_refusal_stop_nobody(
    served: str, addresses: dict[str, Any], starts: dict[str, str]
) -> None:
    """A refused client that does not close its connection is not waited for."""
    with attack(served, starts["half a body, no key"]) as clients:
        assert {read_status(client) for client in clients} == {401}
        assert ask(served, addresses) == 200


def read_status(client: socket.socket) -> int:
    """The status of the answer that a connection gets."""
    return int(client.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("half a body, no key", "not_authenticated"),
        ("half a body, publishable key", "publishable_key_only"),
        ("half a body, wrong token", "invalid_token"),
    ],
)
def test_a_caller_without_a_key_is_refused_before_the_body(
    served: str, starts: dict[str, str], kind: str, code: str
) -> None:
    """The answer comes although the body never does, and the connection ends with it."""
    with attack(served, starts[kind], 1) as (client,):
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["code"] == code


@pytest.mark.slow
def test_half_a_request_is_ended_in_time(served: str, starts: dict[str, str]) -> None:
    """A caller with a key has a time, too, in which the whole body has to come."""
    with attack(served, starts["half a body, a user's token"], 1) as (client,):
        client.settimeout(REQUEST_SECONDS + 5)
        assert read_status(client) == 408


def test_a_body_that_comes_in_pieces_is_taken(address: str, addresses: dict[str, Any]) -> None:
    """An honest client may be slow: its request is answered when it is whole."""
    content = json.dumps({"error_message": "piece by piece", "error_source": "shop"}).encode()
    head = (
        f"{LEARN}apikey: {addresses['secret_key']}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    pieces = [head[:40].encode(), head[40:].encode(), content[:20], content[20:]]
    with attack(address, "", 1) as (client,):
        # Each piece is sent some time after the headers alone were tried.
        client.settimeout(0.2)
        for piece in pieces[:-1]:
            client.sendall(piece)
            with pytest.raises(TimeoutError):
                client.recv(1)
        client.settimeout(HONEST_SECONDS)
        client.sendall(pieces[-1])
        assert read_status(client) == 200


def test_a_chunked_body_and_the_next_request_are_taken(
    served: str, addresses: dict[str, Any]
) -> None:
    """One connection serves requests one after the other, with or without an announced length."""

    def pieces() -> Iterator[bytes]:
        yield b'{"error_message": "in chunks", '
        yield b'"error_source": "shop"}'

    headers = {"apikey": addresses["secret_key"], "Content-Type": "application/json"}
    with httpx.Client(base_url=served, headers=headers, timeout=HONEST_SECONDS) as client:
        answers = [client.post("/learn", content=pieces()), client.get("/health")]
        answers.append(client.post("/learn", content=b"".join(pieces())))
    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_over_the_limit_is_refused(
    address: str, addresses: dict[str, Any], announced: bool
) -> None:
    """The answer is the same 413 behind the gateway and without it, and it arrives."""
    content = b"x" * (MAX_BODY_BYTES + 1)
    answer = httpx.post(
        f"{address}/functions/v1/pattern-analyzer/learn",
        headers={"apikey": addresses["secret_key"], "Content-Type": "application/json"},
        content=content if announced else iter([content]),
        timeout=HONEST_SECONDS,
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"
