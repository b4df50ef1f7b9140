"""Which requests the analysis accepts as fixes, and how it normalises them."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine.fixes import analyse as analyse_any
from pattern_engine.fixes.analysis import MAX_BYTES
from pattern_engine.fixes.api_call.analysis import analyse

HOST = "api.example.com"
PARAMETERS: dict[str, Any] = {
    "allowed_hosts": [HOST, "hooks.example.org:8443"],
    "queue": "orders",
    "limit": 25,
    "labels": {"team": "payments", "tiers": [1, 2]},
    "region": "eu-west-1",
    "path": f"https://{HOST}/v2/queue",
}
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJyb2xlIjoic2VydmljZV9yb2xlIiwiaXNzIjoic3VwYWJhc2UifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
)


def post(**parts: Any) -> dict[str, Any]:
    """Return a POST to the allowed host."""
    return {"method": "POST", "url": f"https://{HOST}/v1/jobs", **parts}


def get(url: str, **parts: Any) -> dict[str, Any]:
    """Return a GET of a URL."""
    return {"method": "GET", "url": url, **parts}


BENIGN: list[dict[str, Any]] = [
    get(f"https://{HOST}/health"),
    get(f"https://{HOST}"),
    get(f"https://{HOST}/"),
    get(f"https://{HOST}:443/health"),
    get(f"HTTPS://{HOST.upper()}/health"),
    get("https://hooks.example.org:8443/ping"),
    get(f"https://{HOST}/v1/jobs?status=stuck&limit=10"),
    get(f"https://{HOST}/search?q=a%20b&sort=-created_at"),
    get(f"https://{HOST}/rest/v1/orders?id=eq.5&select=id,status"),
    get(f"https://{HOST}/projects/group%2Fname/pipelines"),
    get(f"https://{HOST}/users/@me"),
    get(f"https://{HOST}/.well-known/health/v1..2/a.b"),
    get(f"https://{HOST}/v1/jobs", query={"status": "stuck", "limit": 10, "deep": True}),
    get(f"https://{HOST}/v1/jobs", query={"source": {"error": "source"}}),
    get(f"https://{HOST}/v1/jobs", query={"limit": {"param": "limit"}}),
    get(f"https://{HOST}/v1/jobs", headers={"Accept": "application/json"}),
    get(f"https://{HOST}/v1/jobs", headers={"User-Agent": "healer/1.0 (+https://example.com)"}),
    get(f"https://{HOST}/v1/jobs", headers={"authorization": {"secret": "jobs_key"}}),
    get(f"https://{HOST}/v1/jobs", expect_status=304, headers={"If-None-Match": '"abc"'}),
    get(f"https://{HOST}/v1/jobs", body=None, headers={}),
    {"method": "get", "url": f"https://{HOST}/health"},
    {"method": "Delete", "url": f"https://{HOST}/v1/cache/users"},
    {"method": "DELETE", "url": f"https://{HOST}/v1/cache", "expect_status": [200, 204, 404]},
    {"method": "PUT", "url": f"https://{HOST}/v1/flags/checkout", "body": {"enabled": False}},
    {"method": "PATCH", "url": f"https://{HOST}/v1/x", "body": {"status": "active"}},
    {"method": "POST", "url": {"param": "path"}},
    post(),
    post(body={}),
    post(body=[]),
    post(body=[1, 2.5, "three", None, True, {"four": [4]}]),
    post(body="restart"),
    post(body=0),
    post(body={"text": "Überlauf behoben ✅\nline two"}),
    post(body={"error": {"error": "message"}, "from": {"error": "source"}}),
    post(body={"id": {"error": "system_log_id"}, "order": {"error": "captured.order_id"}}),
    post(body={"queue": {"param": "queue"}, "labels": {"param": "labels"}}),
    post(body={"deep": {"list": [{"queue": {"param": "queue"}}, {"m": {"error": "message"}}]}}),
    post(body={"error": "disk full", "code": 28}),
    post(body={"password_reset": True, "max_tokens": 100, "token_type": "bearer"}),
    post(body={"key": "cache:users", "uuid": "550e8400-e29b-41d4-a716-446655440000"}),
    post(body={"html": "<b>done</b>", "url": "https://status.example.com/incidents/1"}),
    post(headers={"Content-Type": "application/json", "Prefer": "return=minimal"}),
    post(headers={"X-Request-Id": {"error": "system_log_id"}, "X-Region": {"param": "region"}}),
    post(headers={"Authorization": {"secret": "orders_key", "prefix": "Bearer "}}),
    post(headers={"Authorization": {"secret": "basic_pair", "prefix": "Basic "}}),
    post(headers={"Authorization": {"secret": "k", "prefix": "Token token="}}),
    post(headers={"Authorization": {"secret": "k", "prefix": "OAuth2 "}}),
    post(headers={"apikey": {"secret": "anon_key"}, "X-Api-Key": {"secret": "api_key_2"}}),
    post(headers={"Cookie": {"secret": "session_cookie", "prefix": "sid="}}),
    post(headers={"X-Retry": 3, "Surrogate-Key": "orders users", "Cache-Control": "no-cache"}),
    post(
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body={"to": "ops", "text": {"error": "message"}, "n": 1},
    ),
    post(headers={"Idempotency-Key": {"error": "system_log_id"}}, body={"id": {"error": "uuid"}}),
    post(
        body={"text": "see https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXX"}
    ),
    post(expect_status=202),
    post(expect_status=[200, 409]),
    post(expect_status=[200, 200]),
]

SECRET = {"secret": "orders_key"}

#: Requests, and the rule that each breaks first. The url comes from a row of its own below.
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("method", {"url": f"https://{HOST}/"}),
    ("method", get(f"https://{HOST}/") | {"method": "TRACE"}),
    ("method", get(f"https://{HOST}/") | {"method": "CONNECT"}),
    ("method", get(f"https://{HOST}/") | {"method": "GET / HTTP/1.1\r\nHost: evil"}),
    ("method", get(f"https://{HOST}/") | {"method": ["GET"]}),
    ("method", get(f"https://{HOST}/") | {"method": {"error": "message"}}),
    ("method", get(f"https://{HOST}/") | {"method": "ＧＥＴ"}),
    ("url", {"method": "GET"}),
    ("url", {"method": "GET", "url": {"error": "message"}}),
    ("url", {"method": "GET", "url": [f"https://{HOST}/"]}),
    ("reference", {"method": "GET", "url": {"param": "elsewhere"}}),
    # Invalid keys and values
    ("keys", get(f"https://{HOST}/", verify=False)),
    ("keys", get(f"https://{HOST}/", proxy="http://evil.example:3128")),
    ("keys", get(f"https://{HOST}/", follow_redirects=True)),
    ("keys", get(f"https://{HOST}/", allowed_hosts=["evil.example"])),
    ("keys", get(f"https://{HOST}/", URL="https://evil.example/")),
    ("keys", post(data={"a": 1})),
    ("keys", post(__proto__={"url": "https://evil.example"})),
    # Headers
    ("headers", post(headers=["Accept: */*"])),
    ("headers", post(headers="Accept: */*")),
    ("headers", post(headers={"Host": "evil.example"})),
    ("headers", post(headers={"hOsT": "169.254.169.254"})),
    ("headers", post(headers={"Content-Length": "0"})),
    ("headers", post(headers={"Transfer-Encoding": "chunked"})),
    ("headers", post(headers={"Connection": "keep-alive"})),
    ("headers", post(headers={"Upgrade": "h2c"})),
    ("headers", post(headers={"TE": "trailers"})),
    ("headers", post(headers={"Trailer": "X-A"})),
    ("headers", post(headers={"Expect": "100-continue"})),
    ("headers", post(headers={"Proxy-Authorization": SECRET})),
    ("headers", post(headers={"Proxy-Connection": "close"})),
    ("headers", post(headers={"Accept-Encoding": "gzip"})),
    ("headers", post(headers={"X-Forwarded-For": "127.0.0.1"})),
    ("headers", post(headers={"X-Forwarded-Host": "evil.example"})),
    ("headers", post(headers={"Forwarded": "for=127.0.0.1"})),
    ("headers", post(headers={"X-Real-IP": "10.0.0.1"})),
    ("headers", post(headers={"X-HTTP-Method-Override": "DELETE"})),
    ("headers", post(headers={"X-Original-URL": "/admin"})),
    ("headers", post(headers={"Idempotency-Key": "1"})),
    ("headers", post(headers={"Metadata-Flavor": "Google"})),
    ("headers", post(headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})),
    ("headers", post(headers={"X-A": "a\r\nX-Evil: 1"})),
    ("headers", post(headers={"X-A": "a\nHost: evil"})),
    ("headers", post(headers={"X-A": "a\0b"})),
    ("headers", post(headers={"X-A": "a\rb"})),
    ("headers", post(headers={"X-A\r\nHost": "evil"})),
    ("headers", post(headers={"X A": "1"})),
    ("headers", post(headers={"X-A:": "1"})),
    ("headers", post(headers={":authority": "evil"})),
    ("headers", post(headers={"": "1"})),
    ("headers", post(headers={"X-Ä": "1"})),
    ("headers", post(headers={"X-A": "Ä"})),
    ("headers", post(headers={"X-A": ""})),
    ("headers", post(headers={"X-A": " a"})),
    ("headers", post(headers={"X-A": None})),
    ("headers", post(headers={"X-A": True})),
    ("headers", post(headers={"X-A": ["a", "b"]})),
    ("headers", post(headers={"X-A": {"nested": "b"}})),
    ("headers", post(headers={"X-A": "a", "x-a": "b"})),
    ("headers", post(headers={"X-A": "a" * 5000})),
    ("headers", post(headers={"X-A": {"param": "labels"}})),
    # Literal credentials
    ("credential", post(headers={"Authorization": "Bearer abcdefgh12345678"})),
    ("credential", post(headers={"authorization": "x"})),
    ("credential", post(headers={"Authorization": {"param": "queue"}})),
    ("credential", post(headers={"Authorization": {"error": "message"}})),
    ("credential", post(headers={"Cookie": "session=1"})),
    ("credential", post(headers={"X-Api-Key": "abc"})),
    ("credential", post(headers={"apikey": JWT})),
    ("credential", post(headers={"PRIVATE-TOKEN": "abc"})),
    ("credential", post(headers={"DD-API-KEY": "abc"})),
    ("credential", post(headers={"X-Anything": f"Bearer {JWT}"})),
    ("credential", post(headers={"X-Anything": "sk_live_51H8xkdjf8dkfjd8fkdj"})),
    ("credential", post(body={"a": {"b": ["ghp_0123456789abcdefghijABCDEFGHIJ012345"]}})),
    ("credential", post(body={"a": JWT})),
    ("credential", post(body={JWT: 1})),
    ("credential", post(body=f"token={JWT}")),
    ("credential", post(body={"password": "hunter2"})),
    ("credential", post(body={"user": {"apiKey": "short"}})),
    ("credential", post(body={"client_secret": "short"})),
    ("credential", post(body={"password": {"param": "queue"}})),
    ("credential", post(body={"dsn": "postgres://admin:hunter22@db.example.com/app"})),
    ("credential", get(f"https://{HOST}/v1?api_key=abcdef123456")),
    ("credential", get(f"https://{HOST}/v1?token=abc")),
    ("credential", get(f"https://{HOST}/v1?access%5Ftoken=abc")),
    ("credential", get(f"https://{HOST}/v1?X-Amz-Signature=abc")),
    ("credential", get(f"https://{HOST}/v1/{JWT}/x")),
    ("credential", get(f"https://{HOST}/v1", query={"access_token": "abc"})),
    ("credential", get(f"https://{HOST}/v1", query={"q": JWT})),
    # Secrets in the wrong place, or of the wrong name
    ("secret", post(body={"key": SECRET})),
    ("secret", post(body=SECRET)),
    ("secret", post(body=[{"a": {"secret": "a", "prefix": "b"}}])),
    ("query", get(f"https://{HOST}/v1", query={"key": SECRET})),
    ("url", get(f"https://{HOST}/v1") | {"url": SECRET}),
    ("secret", post(headers={"Authorization": {"secret": "pattern_engine_webhook_secret"}})),
    ("secret", post(headers={"Authorization": {"secret": "PATTERN_ENGINE_KEY"}})),
    ("secret", post(headers={"Authorization": {"secret": "a' or '1'='1"}})),
    ("secret", post(headers={"Authorization": {"secret": "../etc/passwd"}})),
    ("secret", post(headers={"Authorization": {"secret": ""}})),
    ("secret", post(headers={"Authorization": {"secret": "a" * 65}})),
    ("secret", post(headers={"Authorization": {"secret": "orders_key\n"}})),
    ("secret", post(headers={"Authorization": {"secret": 5}})),
    ("secret", post(headers={"Authorization": {"secret": {"error": "message"}}})),
    ("secret", post(headers={"X-A": {"secret": "k", "prefix": "Bearer sk_live_51H8xk "}})),
    ("secret", post(headers={"X-A": {"secret": "k", "prefix": "a\r\nX-Evil: "}})),
    ("secret", post(headers={"X-A": {"secret": "k", "prefix": 1}})),
    ("headers", post(headers={"X-A": {"secret": "k", "default": "abc"}})),
    # URLs that are secrets themselves
    (
        "credential",
        post(url="https://hooks.slack.com/services/T0AB1CD2E/B0AB1CD2E/" + "abcdEFGH" * 3),
    ),
    ("credential", post(url="https://discord.com/api/webhooks/123456789012345678/" + "a1B2" * 17)),
    (
        "credential",
        post(url="https://api.telegram.org/bot123456789:" + "AAHdqTc" * 5 + "/sendMessage"),
    ),
    ("credential", post(body={"to": "https://hooks.slack.com/services/T0A/B0A/" + "abcdEFGH" * 3})),
    # Invalid references
    ("reference", post(body={"a": {"param": "missing"}})),
    ("reference", post(body={"a": {"param": 5}})),
    ("reference", post(body={"a": {"param": ["queue"]}})),
    ("reference", post(body={"a": {"error": ""}})),
    ("reference", post(body={"a": {"error": "captured."}})),
    ("reference", post(body={"a": {"error": "captured.a.b"}})),
    ("reference", post(body={"a": {"error": "__class__"}})),
    ("reference", post(body={"a": {"error": ["message"]}})),
    ("reference", post(headers={"X-A": {"error": "captured.a b"}})),
    ("reference", get(f"https://{HOST}/", query={"a": {"error": "error_data.user_id"}})),
    # Bodies and the rest
    ("body", get(f"https://{HOST}/", body={"a": 1})),
    ("body", get(f"https://{HOST}/", body={"error": "message"})),
    (
        "body",
        post(headers={"Content-Type": "application/x-www-form-urlencoded"}, body={"a": [1]}),
    ),
    ("query", get(f"https://{HOST}/", query=["a"])),
    ("query", get(f"https://{HOST}/", query={"a": [1]})),
    ("query", get(f"https://{HOST}/", query={"a": None})),
    ("query", get(f"https://{HOST}/", query={"a": "b\r\nc"})),
    ("query", get(f"https://{HOST}/", query={"": "b"})),
    ("expect_status", post(expect_status="200")),
    ("expect_status", post(expect_status=[])),
    ("expect_status", post(expect_status=True)),
    ("expect_status", post(expect_status=20)),
    ("expect_status", post(expect_status=101)),
    ("expect_status", post(expect_status=600)),
    ("expect_status", post(expect_status=200.0)),
    ("expect_status", post(expect_status=[200, "404"])),
    ("encoding", post(body="a\0b")),
    ("encoding", post(body={"a": "\ud800"})),
]

URLS: list[tuple[str, str]] = [
    ("scheme", f"http://{HOST}/"),
    ("scheme", f"ftp://{HOST}/"),
    ("scheme", "file:///etc/passwd"),
    ("scheme", f"gopher://{HOST}:6379/_FLUSHALL"),
    ("scheme", "javascript:alert(1)"),
    ("scheme", f"ws://{HOST}/"),
    ("scheme", f"httpss://{HOST}/"),
    ("url", f"//{HOST}/"),
    ("url", f"/{HOST}/"),
    ("url", HOST),
    ("url", ""),
    ("url", f"https:{HOST}/"),
    ("url", f"https:/{HOST}/"),
    ("url", f"https:///{HOST}/"),
    ("url", f"https:/\\{HOST}/"),
    ("url", f"https:\\\\{HOST}\\"),
    ("url", f" https://{HOST}/"),
    ("url", f"https://{HOST}/ HTTP/1.1"),
    ("url", f"https://{HOST}/\r\nX-Evil:1"),
    ("url", f"https://{HOST}/a\tb"),
    ("url", f"https://{HOST}\n.evil.example/"),
    ("url", f"https://{HOST}/#fragment"),
    ("url", f"https://evil.example#@{HOST}/"),
    ("url", f"https://{HOST}/?x=%0d%0aX-Evil:1"),
    ("url", f"https://{HOST}/%00"),
    ("url", f"https://{HOST}/%zz"),
    ("url", f"https://{HOST}/a/../admin"),
    ("url", f"https://{HOST}/a/%2e%2E/admin"),
    ("url", f"https://{HOST}/a/..%2fadmin"),
    ("url", f"https://{HOST}/a%5C..%5Cadmin"),
    ("url", f"https://{HOST}/a/..;/admin"),
    ("url", f"https://{HOST}/."),
    ("url", f"https://{HOST}/{{queue}}"),
    ("url", f"https://{HOST}/ä"),
    ("url", f"https://{HOST}/{'a' * 5000}"),
    ("userinfo", f"https://admin:hunter2@{HOST}/"),
    ("userinfo", f"https://{HOST}@evil.example/"),
    ("userinfo", f"https://{HOST}:443@evil.example/"),
    ("userinfo", f"https://@{HOST}/"),
    ("url", f"https://evil.example\\@{HOST}/"),
    ("allowed_hosts", "https://evil.example/"),
    ("allowed_hosts", f"https://{HOST}.evil.example/"),
    ("allowed_hosts", f"https://evil-{HOST}/"),
    ("allowed_hosts", f"https://sub.{HOST}/"),
    ("allowed_hosts", "https://example.com/"),
    ("allowed_hosts", f"https://evil.example/?{HOST}"),
    ("allowed_hosts", f"https://evil.example/{HOST}"),
    ("allowed_hosts", f"https://{HOST}:8443/"),
    ("allowed_hosts", "https://hooks.example.org/"),
    ("port", f"https://{HOST}:0/"),
    ("port", f"https://{HOST}:22/"),
    ("port", f"https://{HOST}:65536/"),
    ("host", f"https://{HOST}:/"),
    ("host", f"https://{HOST}:443abc/"),
    ("host", f"https://{HOST}:443:8443/"),
    ("host", f"https://{HOST}./"),
    ("host", f"https://{HOST}%2eevil.example/"),
    ("host", "https://api%2eexample%2ecom/"),
    ("host", "https://api_x.example.com/"),
    ("host", "https://-api.example.com/"),
    ("host", "https://api..example.com/"),
    ("host", "https://.example.com/"),
    ("host", "https://*.example.com/"),
    ("host", f"https://{'a' * 64}.example.com/"),
    ("host", f"https://{'a.' * 130}com/"),
    ("host", "https://xn--.example.com/"),
    ("host", "https://xn--a.example.com/"),
    ("host", "https://ab--c.example.com/"),
    ("url", "https://аpi.example.com/"),
    ("url", "https://api。example。com/"),
    ("url", "https://ａpi.example.com/"),
    ("url", "https://api.example.com\u200b/"),
    ("url", "https://１２７.0.0.1/"),
    ("url", "https://①②⑦.0.0.1/"),
]

HOSTS: list[tuple[str, str]] = [
    ("local", "localhost"),
    ("local", "LOCALHOST"),
    ("local", "app.localhost"),
    ("local", "printer.local"),
    ("local", "metadata.google.internal"),
    ("local", "metadata"),
    ("local", "db"),
    ("local", "router.home.arpa"),
    ("local", "kubernetes.default.svc"),
    ("local", "redis.corp"),
    ("local", "127.0.0.1.nip.io"),
    ("local", "10-0-0-1.sslip.io"),
    ("local", "app.lvh.me"),
    ("local", "metadata.goog"),
    ("host", "localhost."),
    ("host", "2130706433"),
    ("host", "0x7f000001"),
    ("host", "0x7f.1"),
    ("host", "017700000001"),
    ("host", "0177.0.0.1"),
    ("host", "127.1"),
    ("host", "127.0.1"),
    ("host", "127.0.0.01"),
    ("host", "127.0.0.1."),
    ("host", "127.0.0.1.2"),
    ("host", "256.256.256.256"),
    ("host", "0"),
    ("host", "0x"),
    ("host", "1.2.3.0x4"),
    ("host", "%31%32%37.0.0.1"),
    ("host", "[::1"),
    ("host", "[]"),
    ("host", "[127.0.0.1]"),
    ("host", "[fe80::1%25eth0]"),
    ("host", "[fe80::1%eth0]"),
    ("host", "[v1.::1]"),
    ("address", "127.0.0.1"),
    ("address", "127.255.255.254"),
    ("address", "0.0.0.0"),
    ("address", "10.1.2.3"),
    ("address", "172.16.0.1"),
    ("address", "192.168.1.1"),
    ("address", "100.64.0.1"),
    ("address", "100.100.100.200"),
    ("address", "169.254.169.254"),
    ("address", "168.63.129.16"),
    ("address", "192.0.2.1"),
    ("address", "198.18.0.1"),
    ("address", "224.0.0.1"),
    ("address", "255.255.255.255"),
    ("address", "[::]"),
    ("address", "[::1]"),
    ("address", "[::ffff:127.0.0.1]"),
    ("address", "[::ffff:7f00:1]"),
    ("address", "[::127.0.0.1]"),
    ("address", "[64:ff9b::7f00:1]"),
    ("address", "[64:ff9b:1::a9fe:a9fe]"),
    ("address", "[2002:7f00:1::]"),
    ("address", "[2001:0:1::1]"),
    ("address", "[fd00:ec2::254]"),
    ("address", "[fe80::1]"),
    ("address", "[fec0::1]"),
    ("address", "[ff02::1]"),
    ("address", "[2001:db8::1]"),
]


def rules(request: object, parameters: object = None) -> set[str]:
    """Return the rules that a request breaks; a string is taken as the script itself."""
    script = request if isinstance(request, str) else json.dumps(request)
    found = analyse(script, PARAMETERS if parameters is None else parameters)  # type: ignore[arg-type]  # some are wrong on purpose
    assert bool(found.findings) is not bool(found.prepared_script)
    return {finding.rule for finding in found.findings}


def named(value: object) -> str:
    """Return the beginning of a case, which names it."""
    return json.dumps(value)[:60]


@pytest.mark.parametrize("request_", BENIGN, ids=named)
def test_what_a_fix_is_for_is_accepted(request_: dict[str, Any]) -> None:
    """A benign request is accepted, and its normal form is stable."""
    found = analyse(json.dumps(request_), PARAMETERS)
    assert found.findings == ()
    again = analyse(found.prepared_script, PARAMETERS)
    assert again == found


@pytest.mark.parametrize(("rule", "request_"), REFUSED, ids=named)
def test_what_could_do_harm_is_refused(rule: str, request_: dict[str, Any]) -> None:
    """Each malicious request is refused, by the rule that it breaks."""
    assert rule in rules(request_)


@pytest.mark.parametrize(("rule", "url"), URLS, ids=named)
def test_an_odd_url_is_refused(rule: str, url: str) -> None:
    """A URL that two parsers could read differently, or to another host, is refused."""
    assert rules(get(url)) == {rule}


@pytest.mark.parametrize(("rule", "host"), HOSTS, ids=named)
@pytest.mark.parametrize("port", ["", ":8443"])
def test_a_local_host_is_refused_even_if_it_is_listed(rule: str, host: str, port: str) -> None:
    """Every notation of a local name or address is refused, in the url and in allowed_hosts."""
    listed = {"allowed_hosts": [HOST, host + port]}
    assert rules(get(f"https://{host}{port}/"), listed) == {rule}
    assert rules(get(f"https://{HOST}/"), listed) == {rule}


def test_public_addresses_and_punycode_pass_where_they_are_listed() -> None:
    """A public IP address and a name in punycode are accepted if they are listed."""
    for host in ("93.184.216.34", "[2606:2800:220:1::1]", "xn--mnchen-3ya.example", "a1.example"):
        assert rules(get(f"https://{host}/"), {"allowed_hosts": [host]}) == set()
        assert rules(get(f"https://{host}/")) == {"allowed_hosts"}


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("null", "syntax"),
        ("[]", "syntax"),
        ('"GET"', "syntax"),
        ("{", "syntax"),
        ("curl https://api.example.com", "syntax"),
        ('{"method": "GET", "url": "https://api.example.com/",}', "syntax"),
        ('{"method": "GET", /* a */ "url": "https://api.example.com/"}', "syntax"),
        ("{'method': 'GET'}", "syntax"),
        ('{"method": "GET", "url": "https://api.example.com/", "url": "https://b.example"}', "syntax"),
        ('{"method": "POST", "url": "https://api.example.com/", "body": {"a": 1, "a": 2}}', "syntax"),
        ('{"method": "POST", "url": "https://api.example.com/", "body": NaN}', "syntax"),
        ('{"method": "POST", "url": "https://api.example.com/", "body": -Infinity}', "syntax"),
        ('{"method": "POST", "url": "https://api.example.com/", "body": 1e999}', "syntax"),
        ('\ufeff{"method": "GET", "url": "https://api.example.com/"}', "syntax"),
        ('{"method": "GET", "url": "https://api.example.com/"} {}', "syntax"),
        ('{"method": "POST", "url": "https://api.example.com/", "body": ' + "[" * 40 + "]" * 40 + "}", "syntax"),
        ("[" * 30_000 + "]" * 30_000, "syntax"),
        ('{"method": "POST", "url": "https://api.example.com/", "body": "' + "a" * MAX_BYTES + '"}', "size"),
        ('{"method": "GET", "url": "https://api.example.com/"}\0', "encoding"),
        ('{"param": "labels"}', "keys"),
    ],
    ids=named,
)  # fmt: skip
def test_only_strict_json_is_read(script: str, rule: str) -> None:
    """JSON about which parsers disagree is refused, and so is JSON that is too large or too deep."""
    assert rule in rules(script)


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [],
        HOST,
        {HOST: True},
        [1],
        [None],
        ["*"],
        ["*.example.com"],
        [f"https://{HOST}"],
        [f"{HOST}/v1"],
        [HOST, "*"],
    ],
    ids=named,
)
def test_without_a_list_of_hosts_nothing_is_accepted(listed: object) -> None:
    """The parameter allowed_hosts is required, and lists hosts without wildcards."""
    assert rules(get(f"https://{HOST}/"), {"allowed_hosts": listed}) == {"allowed_hosts"}


@pytest.mark.parametrize(
    "entry", ["", " ", f"{HOST} ", f"{HOST}#", f"a@{HOST}", f"{HOST}?", "exämple.com"]
)
def test_an_entry_of_allowed_hosts_is_a_host(entry: str) -> None:
    """An entry of allowed_hosts that cannot be the host of a URL is refused."""
    assert rules(get(f"https://{HOST}/"), {"allowed_hosts": [HOST, entry]})


def test_the_refusal_of_a_missing_list_says_what_to_add() -> None:
    """The finding about a missing list names the parameter and shows its form."""
    [finding] = analyse(json.dumps(get(f"https://{HOST}/")), {}).findings
    assert finding.message == (
        'the parameter allowed_hosts must be a list of hosts, as in ["api.example.com"]'
    )


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"note": JWT}, "credential"),
        ({"deep": [{"password": "hunter2"}]}, "credential"),
        ({"key": "sk_live_51H8xkdjf8dkfjd8fkdj"}, "credential"),
        ({"idempotent": "yes"}, "parameters"),
        ({"n": float("nan")}, "parameters"),
        ({"queue": {"secret": "orders_key"}}, "reference"),
        ({"queue": {"error": "message"}}, "reference"),
        ({"queue": [{"a": {"param": "queue"}}]}, "reference"),
        ({"queue": "a" * MAX_BYTES}, "reference"),
        ({"queue": "a\0"}, "encoding"),
    ],
    ids=named,
)
def test_parameters_are_literals_without_secrets(parameters: dict[str, Any], rule: str) -> None:
    """A parameter with a credential or a reference is refused, because parameters are stored."""
    request = post(body={"queue": {"param": "queue"}})
    given = {"allowed_hosts": [HOST], "queue": "orders", **parameters}
    assert rule in rules(request, given)


def test_parameters_cannot_blow_a_script_up() -> None:
    """Many references to a large parameter are refused before they take memory."""
    request = post(body=[{"param": "queue"}] * 3000)
    given = {"allowed_hosts": [HOST], "queue": "a" * 1_000_000}
    assert rules(request, given) == {"reference"}


def test_a_parameter_is_judged_as_what_it_becomes() -> None:
    """A parameter that becomes a url, a method or a header has to follow the rules for it."""
    given = {"allowed_hosts": [HOST], "x": "https://evil.example/", "line": "a\r\nb"}
    assert rules({"method": "GET", "url": {"param": "x"}}, given) == {"allowed_hosts"}
    assert rules(post(headers={"X-A": {"param": "line"}}), given) == {"headers"}
    assert rules(post(headers={"X-A": {"param": "x"}}), given) == set()


def test_what_runs_is_the_normal_form_of_the_request() -> None:
    """The prepared script has sorted keys and inserted parameters; references to the error stay."""
    found = analyse(
        json.dumps({
            "url": f"HTTPS://{HOST.upper()}:443",
            "method": "post",
            "headers": {"X-N": 3, "Authorization": {"secret": "orders_key", "prefix": "Bearer "}},
            "body": {"q": {"param": "queue"}, "m": {"error": "message"}},
            "expect_status": [409, 200, 200],
        }),
        PARAMETERS,
    )  # fmt: skip
    assert found.prepared_script == (
        '{"body":{"m":{"error":"message"},"q":"orders"},"expect_status":[200,409],'
        '"headers":{"Authorization":{"prefix":"Bearer ","secret":"orders_key"},"X-N":"3"},'
        '"method":"POST","url":"https://api.example.com/"}'
    )
    assert found.operations == ("POST https://api.example.com/",)
    assert found.hosts == (HOST,)
    assert dict(found.secrets) == {"orders_key": (HOST,)}
    assert found.destructive == ()


def test_a_delete_is_destructive_and_shows_no_query() -> None:
    """A DELETE is listed as destructive, without the values of its query."""
    found = analyse_any(
        "api_call", f'{{"method":"DELETE","url":"https://{HOST}/a?b=c"}}', PARAMETERS
    )
    assert found.destructive == found.operations == (f"DELETE https://{HOST}/a",)


def test_a_get_may_reach_each_allowed_host() -> None:
    """A GET follows redirects, so its hosts are all allowed ones; other methods have one host."""
    assert analyse(json.dumps(get(f"https://{HOST}/")), PARAMETERS).hosts == (
        HOST,
        "hooks.example.org:8443",
    )


def test_only_the_deployment_opens_local_hosts() -> None:
    """Only networks from the settings admit local names (at any port) and their addresses."""
    networks = [ip_network("127.0.0.0/8")]

    def accepted(url: str, *listed: str) -> bool:
        return analyse(json.dumps(get(url)), {"allowed_hosts": list(listed)}, networks).accepted

    assert accepted("https://localhost:5001/x", "localhost")
    assert accepted("https://localhost:5001/x", "localhost:5001")
    assert accepted("https://127.0.0.1:5001/x", "127.0.0.1")
    assert not accepted("https://localhost:5001/x", "localhost:5002")
    assert not accepted("https://localhost:5001/x", "127.0.0.1")
    assert not accepted("https://10.0.0.1:5001/x", "10.0.0.1")
    assert not accepted("https://169.254.169.254/x", "169.254.169.254")
    assert not accepted(f"https://{HOST}:5001/x", HOST)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(), child, max_size=3),
))  # fmt: skip
def test_no_request_breaks_the_analysis(value: Any) -> None:
    """The analysis of any request ends, and preparing a prepared script changes nothing."""
    for key in ("method", "url", "query", "headers", "body", "expect_status"):
        found = analyse(json.dumps(post() | {key: value}), PARAMETERS)
        if found.accepted:
            assert analyse(found.prepared_script, PARAMETERS) == found
