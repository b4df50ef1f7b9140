"""The hand-written tables name one cause under one key, in every runtime that words it."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine.catalogue import find
from pattern_engine.catalogue.build import TABLES
from pattern_engine.catalogue.template import parse, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: PostgreSQL's have forms of their own, and tests beside its catalogue.
PATHS = sorted(
    set(TABLES.glob("*.toml"))
    - set(TABLES.glob("postgres.toml"))
    - set(TABLES.glob("postgres_*.toml"))
)
TYPES = {"rls", "stripe", "deployment", "database", "api"}
SEVERITIES = {"debug", "info", "warning", "error", "critical"}
ENTRY = {"template", "also", "code", "type", "severity", "symptom", "identity", "documentation"}


def _messages(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield a table and each of its messages."""
    table = tomllib.loads(path.read_text())
    for message in table.get("message", ()):
        yield table, message


def _wordings(message: dict[str, Any]) -> list[str]:
    return [message["template"], *message.get("also", ())]


def _shape(wording: str) -> str:
    """Return the literal text of a wording, which decides what it matches."""
    return "\0".join(map(plain, parse(wording)[0]))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_table_says_of_each_message_what_it_is(path: Path) -> None:
    """Type and severity are the specification's, a link leads to a page, a symptom is a sentence."""
    for table, message in _messages(path):
        told = table | message
        assert told["type"] in TYPES, message
        assert told.get("severity", "error") in SEVERITIES, message
        assert told["documentation"].startswith("https://"), message
        assert message.get("symptom", "A.").endswith("."), message
        assert set(message) <= ENTRY, message


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_belongs_to_the_identity_stands_in_every_wording(path: Path) -> None:
    """A wording without the HTTP status would join causes that the status tells apart."""
    for _, message in _messages(path):
        for wording in _wordings(message):
            names = {variable.name for variable in parse(wording)[1]}
            assert names >= set(message.get("identity", ())), wording


def test_no_wording_stands_twice() -> None:
    """A wording of two causes would name neither."""
    counts = Counter(
        _shape(wording)
        for path in PATHS
        for _, message in _messages(path)
        for wording in _wordings(message)
    )
    assert [shape for shape, count in counts.items() if count > 1] == []


def test_a_wording_says_enough_to_be_recognised() -> None:
    """Five letters at least stand outside the variables, but for symptoms, which carry no fix."""
    short = [
        wording
        for path in PATHS
        for _, message in _messages(path)
        if "symptom" not in message
        for wording in _wordings(message)
        if len(re.findall(r"[A-Za-z]", "".join(parse(wording)[0]))) < 5
    ]
    assert short == []


def _key(message: str) -> str:
    known = find(message)
    assert known is not None, message
    return known.key


ONE_CAUSE = {
    "a connection is refused": (
        "connect ECONNREFUSED 127.0.0.1:5432",
        "[Errno 111] Connection refused",
        "dial tcp 127.0.0.1:8080: connect: connection refused",
        'Get "http://localhost:8080/a": dial tcp 127.0.0.1:8080: connect: connection refused',
        (
            "error sending request for url (http://localhost/a): client error (Connect): "
            "tcp connect error: Connection refused (os error 111)"
        ),
        (
            "Failed to open TCP connection to localhost:80 (Connection refused - connect(2) for "
            '"localhost" port 80)'
        ),
        "No connection could be made because the target machine actively refused it.",
    ),
    "a connection is reset": (
        "read ECONNRESET",
        "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
        "read tcp 10.0.0.2:4242->10.0.0.3:443: read: connection reset by peer",
        "Connection reset",
    ),
    "a connection is closed before the answer": (
        "socket hang up",
        "Remote end closed connection without response",
        "Server disconnected without sending a response.",
        'Post "http://localhost/a": EOF',
        "cURL error 52: Empty reply from server (see https://curl.se) for http://localhost/",
    ),
    "a name does not resolve": (
        "getaddrinfo ENOTFOUND db.example",
        "[Errno -2] Name or service not known",
        "dial tcp: lookup db.example on 10.0.0.2:53: no such host",
        "cURL error 6: Could not resolve host: db.example (see https://curl.se) for https://db.example/",
        'could not translate host name "db.example" to address: Name or service not known',
    ),
    "a certificate is for another host": (
        (
            "Hostname/IP does not match certificate's altnames: Host: localhost. is not in the cert's "
            "altnames: DNS:other.example"
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate "
            "is not valid for 'localhost'. (_ssl.c:1006)"
        ),
        "tls: failed to verify certificate: x509: certificate is valid for other.example, not localhost",
        "No subject alternative DNS name matching localhost found.",
    ),
    "a token's signature does not match": (
        "invalid signature",
        "signature verification failed",
        "Signature verification failed.",
        "token signature is invalid: signature is invalid",
    ),
    "a token has expired": (
        "jwt expired",
        '"exp" claim timestamp check failed',
        "Signature has expired",
        "token has invalid claims: token is expired",
    ),
    "JSON ends too early": (
        "Unexpected end of JSON input",
        "JSON.parse: unexpected end of data at line 1 column 1 of the JSON data",
        "Expecting value: line 1 column 6 (char 5)",
        "EOF while parsing a value at line 1 column 0",
    ),
    "a property of undefined is read": (
        "Cannot read properties of undefined (reading 'id')",
        "Cannot read property 'id' of undefined",
        'can\'t access property "id", order is undefined',
        "undefined is not an object (evaluating 'order.id')",
    ),
    "a file is not there": (
        "ENOENT: no such file or directory, open 'a.json'",
        "[Errno 2] No such file or directory: 'a.json'",
        "open a.json: no such file or directory",
        "No such file or directory @ rb_sysopen - a.json",
    ),
    "a port is in use": (
        "listen EADDRINUSE: address already in use :::3000",
        "[Errno 98] Address already in use",
        "listen tcp :8080: bind: address already in use",
        "Web server failed to start. Port 8080 was already in use.",
    ),
    "a server answers 503": (
        "Request failed with status code 503",
        "Response code 503 (Service Unavailable)",
        "HTTP Error 503: Service Unavailable",
        "Server error '503 Service Unavailable' for url 'http://localhost/a'",
        "Response status code does not indicate success: 503 (Service Unavailable).",
    ),
    "Stripe's webhook has another signature": (
        "No signatures found matching the expected signature for payload",
        "webhook had no valid signature",
    ),
}


@pytest.mark.parametrize("cause", ONE_CAUSE)
def test_one_cause_has_one_key_in_every_runtime(cause: str) -> None:
    """Whichever language or client words it."""
    assert len(set(map(_key, ONE_CAUSE[cause]))) == 1


def test_different_causes_have_different_keys() -> None:
    """Above all those that are alike: what heals one of them does not heal the other."""
    further = (
        "getaddrinfo EAI_AGAIN db.example",
        "connect ETIMEDOUT 10.0.0.1:443",
        "Request failed with status code 404",
        "self-signed certificate",
        "self-signed certificate in certificate chain",
        "unable to get local issuer certificate",
        "certificate has expired",
        "jwt malformed",
        "JWT expired",
        "Cannot read properties of null (reading 'id')",
        "Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
        "No such customer: 'cus_1'",
        "No such price: 'price_1'",
        "Your card was declined.",
        "Your card has insufficient funds.",
        "fetch failed",
        "EACCES: permission denied, open 'a.json'",
    )
    messages = [*(wordings[0] for wordings in ONE_CAUSE.values()), *further]
    assert len(set(map(_key, messages))) == len(messages)


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("Could not find the function public.divide(a) in the schema cache", {"function": "divide"}),
        ("No such customer: 'cus_A1x'", {"id": "cus_A1x"}),
        ("No such customer: cus_A1x", {"id": "cus_A1x"}),
        ("discountRate is not defined", {"variable": "discountRate"}),
        ("Cannot assign to read only property 'a' of object '#<Object>'", {"property": "a"}),
        ("Cannot find module './routes/orders'\nRequire stack:\n- /srv/main.js", {"module": "./routes/orders"}),
        ("listen EADDRINUSE: address already in use :::3000", {"address": "::", "port": "3000"}),
        ("'Cart' object has no attribute 'total'", {"type": "Cart", "attribute": "total"}),
        ("Missing required param: product.", {"param": "product"}),
        (
            ("{'x@shop.example': (550, b'5.1.1 <x@shop.example>: Recipient address rejected: "
            "User unknown in virtual mailbox table')}"),
            {"address": "x@shop.example"},
        ),
        (
            ("HTTPSConnectionPool(host='localhost', port=25932): Max retries exceeded with url: /a "
            '(Caused by SSLError(SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] '
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'localhost'. "
            '(_ssl.c:1006)")))'),
            {"host": "localhost", "port": "25932"},
        ),
    ],
)  # fmt: skip
def test_variables_have_the_names_of_the_objects_that_a_message_names(
    message: str, values: dict[str, str]
) -> None:
    """Facets and rules see the object under its own name."""
    known = find(message)
    assert known is not None
    assert known.values.items() >= values.items()


@pytest.mark.parametrize(
    "message",
    [
        "fetch failed",
        "Failed to fetch",
        "Load failed",
        "terminated",
        "Internal Server Error",
        "Something went wrong",
        "Script error.",
        "[object Object]",
        "Query failed",
        "Edge Function returned a non-2xx status code",
        "Database error saving new user",
    ],
)
def test_a_symptom_says_what_to_look_for(message: str) -> None:
    """A message that hides its cause carries no fix, and says where the cause stands."""
    known = find(message)
    assert known is not None
    assert known.symptom


@pytest.mark.parametrize(
    "message",
    [
        "Environment variable STRIPE_KEY is not defined in the deployment",
        "order 17 could not be created",
        "user not found",
        "Invalid token",
        "Cannot find user",
        "HTTP 404 from GET /rest/v1/products: the table is gone",
    ],
)
def test_what_an_application_words_itself_is_not_known(message: str) -> None:
    """A loose template would put the application's own errors under a service's name."""
    assert find(message) is None
