"""How an api_call runs, against a real HTTPS server on 127.0.0.1 that has a name."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.tls import Certificates, Exchange, HttpsServer, https_server, make_certificates

from pattern_engine.fixes.api_call.executor import ApiCall
from pattern_engine.fixes.execution import Job, Limits, Outcome, Secret
from pattern_engine.settings import Facilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API = "api.example.test"
OTHER = "other.example.test"
KEY = "0f3a-Secret/Value+17"
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for both names, and for localhost."""
    return make_certificates(tmp_path_factory.mktemp("tls"), API, OTHER, "localhost")


@dataclass
class Calls:
    """Runs requests against the server, to which every name resolves."""

    server: HttpsServer
    facilities: Facilities
    addresses: dict[str, list[str]]
    """By name; 127.0.0.1 for those that are not here."""
    asked: list[str]
    """Names whose addresses were asked for."""

    @property
    def url(self) -> str:
        """The server under its first name."""
        return f"https://{API}:{self.server.port}"

    def resolve(self, host: str, port: int) -> list[str]:
        """Answer the addresses of a name."""
        assert port == self.server.port or "api" in host
        self.asked.append(host)
        return self.addresses.get(host, ["127.0.0.1"])

    def job(
        self,
        method: str = "GET",
        path: str = "/",
        parameters: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
        limits: Limits | None = None,
        **parts: Any,
    ) -> Job:
        """Make a job of one request."""
        return Job(
            application_id="3f6b6f0e-0000-4000-8000-000000000001",
            script=json.dumps({"method": method, "url": self.url + path, **parts}),
            parameters={
                "allowed_hosts": [f"{name}:{self.server.port}" for name in (API, OTHER)],
                **(parameters or {}),
            },
            error=error or {"message": "it broke", "source": "shop", "captured": {"order": "o-7"}},
            limits=limits or Limits(timeout_ms=20_000),
            secrets={"orders_key": Secret(KEY, (f"{API}:{self.server.port}",))},
        )

    def run(self, *arguments: Any, **keywords: Any) -> Outcome:
        """Run a request."""
        return ApiCall(self.facilities, self.resolve).run(self.job(*arguments, **keywords))


@pytest.fixture
def calls(certificates: Certificates) -> Iterator[Calls]:
    """A server, and requests that may reach it."""
    facilities = Facilities(api_networks=LOOPBACK, api_ca_file=str(certificates.authority))
    with https_server(certificates) as server:
        yield Calls(server, facilities, {}, [])


def in_turn(*statuses: int, headers: dict[str, str] | None = None) -> Callable[[Exchange], None]:
    """Answer each request with the next status."""
    left = list(statuses)
    return lambda exchange: exchange.answer(left.pop(0), headers=headers)


def echo(exchange: Exchange) -> None:
    """Answer a request's own headers and body, as JSON."""
    said = {"headers": exchange.headers, "body": exchange.body.decode()}
    exchange.answer(200, json.dumps(said).encode(), {"Content-Type": "application/json"})


AUTHORIZED = {"Authorization": {"secret": "orders_key", "prefix": "Bearer "}}


class TestRequest:
    """The request that is sent."""

    def test_the_request_is_sent_as_it_was_approved(self, calls: Calls) -> None:
        """Method, path, query, headers and body arrive, with the values of the references."""
        outcome = calls.run(
            "POST",
            "/v1/orders?a=1",
            parameters={"queue": "slow"},
            query={"source": {"error": "source"}, "n": 2, "deep": True},
            headers={**AUTHORIZED, "X-Source": {"error": "source"}},
            body={"order": {"error": "captured.order"}, "queue": {"param": "queue"}, "n": [1.5]},
        )
        assert outcome.success
        assert outcome.started
        [seen] = calls.server.seen
        assert seen.method == "POST"
        assert urlsplit(seen.path).path == "/v1/orders"
        assert parse_qs(urlsplit(seen.path).query) == {
            "a": ["1"],
            "source": ["shop"],
            "n": ["2"],
            "deep": ["true"],
        }
        assert seen.headers == {
            "host": f"{API}:{calls.server.port}",
            "connection": "close",
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "pattern-engine",
            "content-type": "application/json",
            "content-length": str(len(seen.body)),
            "idempotency-key": "3f6b6f0e-0000-4000-8000-000000000001",
            "authorization": f"Bearer {KEY}",
            "x-source": "shop",
        }
        assert json.loads(seen.body) == {"order": "o-7", "queue": "slow", "n": [1.5]}

    def test_a_name_that_is_not_the_errors_own_is_that_of_a_captured_value(
        self, calls: Calls
    ) -> None:
        """A captured value needs no `captured.`, and the script's own key replaces the engine's."""
        assert calls.run(
            "POST",
            headers={"Idempotency-Key": {"error": "order"}},
            body=[{"error": "order"}, {"error": "captured.order"}, {"error": "source"}],
        ).success
        [seen] = calls.server.seen
        assert json.loads(seen.body) == ["o-7", "o-7", "shop"]
        assert seen.headers["idempotency-key"] == "o-7"

    def test_our_key_stays_where_the_scripts_own_has_no_text(self, calls: Calls) -> None:
        """The engine's key is sent if a header cannot contain the text of the script's own."""
        calls.run(
            "POST",
            error={"message": "é", "source": "", "captured": {}},
            headers={"Idempotency-Key": {"error": "message"}},
        )
        [seen] = calls.server.seen
        assert seen.headers["idempotency-key"] == "3f6b6f0e-0000-4000-8000-000000000001"

    def test_a_get_has_neither_body_nor_key(self, calls: Calls) -> None:
        """A GET is sent without an idempotency key, and headers of the script replace the engine's."""
        assert calls.run(headers={"user-agent": "healer", "Accept": "text/plain"}).success
        [seen] = calls.server.seen
        assert seen.headers == {
            "host": f"{API}:{calls.server.port}",
            "connection": "close",
            "accept": "text/plain",
            "accept-encoding": "identity",
            "user-agent": "healer",
        }

    def test_text_goes_as_it_is_and_forms_as_forms(self, calls: Calls) -> None:
        """A string is sent as it is, and an object as a form if the header says so."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        calls.run("POST", body="plain ü")
        calls.run("POST", body={"a": "x y", "b": {"error": "source"}, "c": True}, headers=form)
        calls.run("POST", body={"error": "message"})
        assert [(seen.headers["content-type"], seen.body.decode()) for seen in calls.server.seen] == [
            ("text/plain; charset=utf-8", "plain ü"),
            ("application/x-www-form-urlencoded", "a=x+y&b=shop&c=true"),
            ("text/plain; charset=utf-8", "it broke"),
        ]  # fmt: skip

    def test_an_error_cannot_write_headers_or_paths(self, calls: Calls) -> None:
        """A value of the error stays within its header or its part of the query."""
        message = "a\r\nX-Evil: 1\r\n\r\nGET /admin HTTP/1.1 \x00\ud800 ü&b=2#c"
        outcome = calls.run(
            "POST",
            error={"message": message, "system_log_id": 7},
            headers={"X-Message": {"error": "message"}, "X-Id": {"error": "system_log_id"}},
            query={"q": {"error": "message"}},
            body={"m": {"error": "message"}},
        )
        assert outcome.success
        [seen] = calls.server.seen
        assert "x-evil" not in seen.headers
        assert seen.headers["x-message"] == "a X-Evil: 1 GET /admin HTTP/1.1 &b=2#c"
        assert seen.headers["x-id"] == "7"
        assert parse_qs(urlsplit(seen.path).query) == {"q": [message.replace("\ud800", "?")]}
        assert json.loads(seen.body) == {"m": message}

    @pytest.mark.parametrize(
        ("parts", "error", "said"),
        [
            ({"body": {"a": {"error": "captured.sku"}}}, None, "the error has no captured.sku"),
            ({"body": {"a": {"error": "system_log_id"}}}, None, "the error has no system_log_id"),
            ({"headers": {"X-A": {"secret": "lost"}}}, None, "Vault has no secret lost"),
            (
                {"body": [{"error": "message"}] * 500},
                {"message": "x" * 100_000},
                "the body has 4097501 bytes with this error; the limit is 1048576",
            ),
        ],
    )
    def test_what_cannot_be_filled_in_is_not_sent(
        self, calls: Calls, parts: dict[str, Any], error: dict[str, Any] | None, said: str
    ) -> None:
        """A request whose references have no value is not sent."""
        outcome = calls.run("POST", error=error, **parts)
        assert outcome == Outcome(success=False, error=said, started=False)
        assert calls.server.connections == 0

    @staticmethod
    def secrets(value: str, calls: Calls) -> dict[str, Secret]:
        """The secret of the jobs here, with another value."""
        return {"orders_key": Secret(value, (f"{API}:{calls.server.port}",))}

    def test_a_secret_goes_only_where_it_was_granted_for(self, calls: Calls) -> None:
        """A request to a host for which the secret was not granted is not sent at all."""
        for hosts in ((), (OTHER,), (API,), (f"{OTHER}:{calls.server.port}",)):
            secrets = {"orders_key": Secret(KEY, hosts)}
            job = replace(calls.job(headers=AUTHORIZED), secrets=secrets)
            outcome = ApiCall(calls.facilities, calls.resolve).run(job)
            assert (outcome.success, outcome.started) == (False, False)
            assert outcome.error == (
                f"the secret orders_key is not granted for {API}:{calls.server.port}"
            )
        assert calls.server.connections == 0

    @pytest.mark.parametrize("secret", ["", " \n", "a\r\nX-Evil: 1", "a\0b", "schlüssel"])
    def test_a_secret_that_no_header_carries_is_not_sent(self, calls: Calls, secret: str) -> None:
        """A secret that is not one line of printable ASCII is not sent."""
        job = replace(calls.job(headers=AUTHORIZED), secrets=self.secrets(secret, calls))
        outcome = ApiCall(calls.facilities, calls.resolve).run(job)
        assert (outcome.success, outcome.started) == (False, False)
        assert "orders_key" in str(outcome.error)
        assert calls.server.connections == 0

    def test_a_line_break_after_a_secret_is_no_part_of_it(self, calls: Calls) -> None:
        """A line break at the end of a secret is not sent."""
        job = replace(calls.job(headers=AUTHORIZED), secrets=self.secrets(f"{KEY}\n", calls))
        assert ApiCall(calls.facilities, calls.resolve).run(job).success
        assert calls.server.seen[0].headers["authorization"] == f"Bearer {KEY}"

    def test_a_plan_shows_the_request_and_sends_nothing(self, calls: Calls) -> None:
        """A dry-run shows the request with all values except the secrets, and sends nothing."""
        job = calls.job(
            "PATCH", "/v1", headers=AUTHORIZED, body={"a": {"error": "source"}}, query={"b": "c"}
        )
        outcome = ApiCall(calls.facilities, calls.resolve).plan(job)
        assert outcome.success
        assert not outcome.started
        assert outcome.output == {
            "method": "PATCH",
            "url": f"{calls.url}/v1?b=c",
            "headers": {
                "Accept": "*/*",
                "User-Agent": "pattern-engine",
                "Content-Type": "application/json",
                "Idempotency-Key": job.application_id,
                "Authorization": "Bearer [secret]",
            },
            "body": {"a": "shop"},
        }
        assert calls.asked == []
        assert calls.server.connections == 0

    def test_what_was_never_accepted_does_not_run(self, calls: Calls) -> None:
        """The executor refuses every script that the analysis refuses."""
        outcome = calls.run(parameters={"allowed_hosts": [OTHER]})
        assert not outcome.success
        assert not outcome.started
        assert calls.server.connections == 0


class TestAnswer:
    """How the answer is used."""

    @pytest.mark.parametrize(
        ("status", "expected", "error"),
        [
            (200, None, None),
            (299, None, None),
            (304, None, "the server answered 304 instead of 2xx"),
            (404, None, "the server answered 404 instead of 2xx"),
            (404, [404, 200], None),
            (201, 200, "the server answered 201 instead of 200"),
            (500, [200, 409], "the server answered 500 instead of 200 or 409"),
        ],
    )
    def test_success_is_the_expected_status(
        self, calls: Calls, status: int, expected: object, error: str | None
    ) -> None:
        """Success is any 2xx, or one of the script's own statuses; the answer is kept in either case."""
        calls.server.behave = in_turn(status)
        outcome = calls.run("POST", expect_status=expected)
        assert (outcome.success, outcome.error) == (error is None, error)
        assert outcome.output == {"status": status, "body": None}
        assert outcome.started
        assert outcome.stopped is None

    @pytest.mark.parametrize(
        ("body", "kind", "shown"),
        [
            (b'{"a": [1, null]}', "application/json", {"a": [1, None]}),
            (b'{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
            (b'{"a": 1}', "text/plain", '{"a": 1}'),
            (b'{"a": 1', "application/json", '{"a": 1'),
            (b'{"a": 1, "a": 2}', "application/json", '{"a": 1, "a": 2}'),
            (b"NaN", "application/json", "NaN"),
            (b"[" * 5000, "application/json", "[" * 5000),
            ("grün".encode(), "text/plain", "grün"),
            (b"a\xffb\0c", "text/plain", "a�b�c"),
            (b"\xff" * 40_000, "text/plain", "�" * 21_845),
            (b'"a\\u0000\\ud800b"', "application/json", "a�?b"),
        ],
    )
    def test_the_body_is_json_or_text_that_postgres_can_store(
        self, calls: Calls, body: bytes, kind: str, shown: object
    ) -> None:
        """A body that is not JSON is kept as text, with NUL and broken characters replaced."""
        calls.server.behave = lambda exchange: exchange.answer(200, body, {"Content-Type": kind})
        assert calls.run().output == {"status": 200, "body": shown}

    def test_secrets_do_not_come_back(self, calls: Calls) -> None:
        """A secret that the server repeats, plain or encoded, is masked in keys and values."""
        calls.server.behave = echo
        outcome = calls.run("POST", headers=AUTHORIZED)
        assert outcome.output["body"]["headers"]["authorization"] == "Bearer [secret]"
        quoted = base64.b64encode(KEY.encode()).decode()
        said = json.dumps({KEY: [f"x{KEY}y", quoted, "0f3a-Secret%2FValue%2B17"]}).encode()
        for kind in ("application/json", "text/html"):
            calls.server.behave = lambda exchange, kind=kind: exchange.answer(  # type: ignore[misc]
                500, said, {"Content-Type": kind}
            )
            outcome = calls.run("POST", headers=AUTHORIZED)
            shown = json.dumps(outcome.output["body"])
            assert shown.count("[secret]") == 4
            assert KEY not in repr(outcome)
            assert quoted not in repr(outcome)

    def test_compressed_answers_are_not_unpacked(self, calls: Calls) -> None:
        """A compressed body is not read, because it could become a thousand times larger."""
        bomb = gzip.compress(b"\0" * 20_000_000)
        calls.server.behave = lambda exchange: exchange.answer(
            200, bomb, {"Content-Encoding": "gzip"}
        )
        outcome = calls.run()
        assert outcome.output == {"status": 200, "body": "[compressed, not read]"}


class TestSafety:
    """Which addresses are connected to, and which certificates are trusted."""

    def test_the_name_is_asked_for_once_and_used_for_tls(self, calls: Calls) -> None:
        """The connection goes to the checked address; certificate and SNI are those of the name."""
        calls.server.behave = in_turn(503, 503, 200)
        assert calls.run(limits=Limits(20_000, max_retries=2)).success
        assert calls.asked == [API]
        assert calls.server.names == [API] * 3

    @pytest.mark.parametrize(
        "found",
        [
            ["10.0.0.1"],
            ["169.254.169.254"],
            ["::2"],
            ["::ffff:127.0.0.1"],
            ["127.0.0.1", "10.0.0.1"],
            ["10.0.0.1", "127.0.0.1"],
            ["8.8.8.8", "192.168.0.1"],
            ["fe80::1%lo"],
        ],
    )
    def test_an_address_that_is_not_public_is_refused(self, calls: Calls, found: list[str]) -> None:
        """A name with one forbidden address is refused, whatever its other addresses are."""
        calls.addresses[API] = found
        outcome = calls.run("POST", limits=Limits(20_000, max_retries=3))
        assert (outcome.success, outcome.started) == (False, False)
        assert outcome.error == f"{API} has an address that is not public"
        assert calls.asked == [API]
        assert calls.server.connections == 0

    def test_the_next_address_is_taken_where_one_does_not_answer(self, calls: Calls) -> None:
        """A name with several addresses is reached if one of them accepts the connection."""
        calls.addresses[API] = ["127.0.0.77", "127.0.0.1"]
        assert calls.run("POST").success
        assert len(calls.server.seen) == 1

    def test_without_the_deployment_loopback_is_refused(self, calls: Calls) -> None:
        """The name of a public host that resolves to loopback is not connected to."""
        facilities = Facilities(api_ca_file=calls.facilities.api_ca_file)
        outcome = ApiCall(facilities, calls.resolve).run(calls.job())
        assert (outcome.success, outcome.started) == (False, False)
        assert calls.server.connections == 0

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_the_system_resolves_names_unless_told_otherwise(self, calls: Calls, host: str) -> None:
        """If the deployment adds loopback, the system resolves its names, at any port."""
        script = json.dumps({"method": "GET", "url": f"https://{host}:{calls.server.port}/"})
        job = Job("a", script, {"allowed_hosts": [host]}, {})
        assert ApiCall(calls.facilities).run(job).success
        refused = ApiCall(Facilities(api_ca_file=calls.facilities.api_ca_file)).run(job)
        assert (refused.success, refused.started) == (False, False)

    @pytest.mark.parametrize("name", ["gone.api.example.test", "broken.api.example.test"])
    def test_a_name_without_address_is_not_started(self, calls: Calls, name: str) -> None:
        """A run for a name without address is not started, and its error says why."""

        def resolve(host: str, _: int) -> list[str]:
            if host.startswith("broken"):
                raise socket.gaierror(socket.EAI_NONAME, "internals")
            return []

        job = Job("a", f'{{"method":"GET","url":"https://{name}/"}}', {"allowed_hosts": [name]}, {})
        outcome = ApiCall(calls.facilities, resolve).run(job)
        assert (outcome.started, outcome.error) == (False, f"the host {name} has no address")

    def test_an_untrusted_certificate_ends_it(self, calls: Calls) -> None:
        """If the certificate is not trusted, nothing is sent and nothing is retried."""
        outcome = ApiCall(Facilities(api_networks=LOOPBACK), calls.resolve).run(
            calls.job("POST", headers=AUTHORIZED, limits=Limits(20_000, max_retries=3))
        )
        assert (outcome.success, outcome.started) == (False, False)
        assert outcome.error == f"nothing was sent to {API}: its certificate is not trusted"
        assert calls.server.seen == []
        assert calls.server.connections == 1

    def test_the_certificate_must_be_the_names(self, calls: Calls) -> None:
        """A trusted certificate of another name is refused."""
        name, port = "third.api.example.test", calls.server.port
        job = Job("a", f'{{"method":"GET","url":"https://{name}:{port}/"}}',
                  {"allowed_hosts": [f"{name}:{port}"]}, {})  # fmt: skip
        outcome = ApiCall(calls.facilities, calls.resolve).run(job)
        assert (outcome.started, calls.server.seen) == (False, [])
        assert outcome.error == f"nothing was sent to {name}: its certificate is not trusted"

    def test_a_closed_port_is_not_started(self, calls: Calls) -> None:
        """A run whose connection was not accepted counts as not started."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and does not listen
            port = taken.getsockname()[1]
            script = json.dumps({"method": "POST", "url": f"https://{API}:{port}"})
            job = Job("a", script, {"allowed_hosts": [f"{API}:{port}"]}, {})
            outcome = ApiCall(calls.facilities, lambda _, __: ["127.0.0.1"]).run(job)
        assert (outcome.started, outcome.success) == (False, False)
        assert outcome.error == f"{API} does not accept connections on port {port}"

    def test_the_environment_changes_nothing(
        self, calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        """The environment sets neither a proxy nor a file for session keys."""
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        assert calls.run().success
        assert not (tmp_path / "keys").exists()

    def test_a_missing_file_of_authorities_is_reported(self, calls: Calls) -> None:
        """A missing certificate file is an outcome that names the file, not an exception."""
        facilities = Facilities(api_networks=LOOPBACK, api_ca_file="/nowhere/authority.pem")
        outcome = ApiCall(facilities, calls.resolve).run(calls.job())
        assert (outcome.started, outcome.error) == (
            False,
            "the file of trusted certificates /nowhere/authority.pem cannot be read",
        )


class TestRedirects:
    """A GET follows redirects, within the same limits."""

    def test_a_get_follows_within_the_list_and_takes_no_secret_along(self, calls: Calls) -> None:
        """After a redirect to another host, no further request contains a secret."""
        port = calls.server.port
        locations = ["/two", f"https://{OTHER}:{port}/three", f"{calls.url}/four#end"]
        calls.server.behave = lambda exchange: (
            exchange.answer(302, headers={"Location": locations.pop(0)})
            if locations
            else exchange.answer()
        )
        assert calls.run(path="/one", headers={**AUTHORIZED, "X-A": "b"}).success
        assert [
            (seen.path, seen.headers["host"], seen.headers.get("authorization"))
            for seen in calls.server.seen
        ] == [
            ("/one", f"{API}:{port}", f"Bearer {KEY}"),
            ("/two", f"{API}:{port}", f"Bearer {KEY}"),
            ("/three", f"{OTHER}:{port}", None),
            ("/four", f"{API}:{port}", None),
        ]
        assert {seen.headers["x-a"] for seen in calls.server.seen} == {"b"}
        assert calls.asked == [API, OTHER]

    @pytest.mark.parametrize(
        ("location", "error"),
        [
            ("https://evil.example/", "a redirect leads to a host that is not in allowed_hosts"),
            ("//evil.example/", "a redirect leads to a host that is not in allowed_hosts"),
            (f"https://{OTHER}/", "a redirect leads to a host that is not in allowed_hosts"),
            (f"http://{OTHER}/", "a redirect leads to a URL that is not allowed"),
            ("https://169.254.169.254/", "a redirect leads to a URL that is not allowed"),
            ("https://2130706433/", "a redirect leads to a URL that is not allowed"),
            ("file:///etc/passwd", "a redirect leads to a URL that is not allowed"),
            (f"https://{API}@evil.example/", "a redirect leads to a URL that is not allowed"),
            ("https://[::1/", "a redirect leads to a URL that is not allowed"),
        ],
    )
    def test_a_redirect_elsewhere_is_not_followed(
        self, calls: Calls, location: str, error: str
    ) -> None:
        """A redirect to a host that the script may not call is not followed."""
        calls.server.behave = lambda exchange: exchange.answer(307, headers={"Location": location})
        outcome = calls.run(limits=Limits(20_000, max_retries=2))
        assert (outcome.success, outcome.started, outcome.error) == (False, True, error)
        assert len(calls.server.seen) == 1

    def test_the_address_of_a_redirect_is_checked_too(self, calls: Calls) -> None:
        """A redirect to an allowed name with a private address is not followed."""
        calls.addresses[OTHER] = ["127.0.0.1", "10.0.0.1"]
        calls.server.behave = lambda exchange: exchange.answer(
            302, headers={"Location": f"https://{OTHER}:{calls.server.port}/"}
        )
        outcome = calls.run()
        assert (outcome.success, outcome.started) == (False, True)
        assert outcome.error == f"{OTHER} has an address that is not public"
        assert len(calls.server.seen) == 1

    def test_it_ends_after_three(self, calls: Calls) -> None:
        """A loop of redirects ends after the third one."""
        calls.server.behave = lambda exchange: exchange.answer(308, headers={"Location": "/again"})
        assert calls.run().error == "the request was redirected more than 3 times"
        assert len(calls.server.seen) == 4

    @pytest.mark.parametrize(
        ("method", "expected"), [("POST", None), ("DELETE", None), ("GET", [302])]
    )
    def test_other_methods_and_expected_redirects_stay(
        self, calls: Calls, method: str, expected: object
    ) -> None:
        """Other methods do not follow redirects, nor does a GET that expects this status."""
        calls.server.behave = lambda exchange: exchange.answer(302, headers={"Location": "/two"})
        outcome = calls.run(method, expect_status=expected)
        assert outcome.output == {"status": 302, "body": None}
        assert outcome.success is (expected is not None)
        assert len(calls.server.seen) == 1


def broken_off(exchange: Exchange) -> None:
    """Begin an answer, and end the connection."""
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12")


class TestTries:
    """A request is sent again only if that cannot repeat its effect."""

    @pytest.mark.parametrize(
        ("method", "idempotent", "times"),
        [
            ("GET", False, 3),
            ("PUT", False, 3),
            ("DELETE", False, 3),
            ("POST", False, 1),
            ("PATCH", False, 1),
            ("POST", True, 3),
            ("PATCH", True, 3),
        ],
    )
    @pytest.mark.parametrize("status", [502, 503, 504, 429, None])
    def test_after_sending_only_what_is_idempotent_is_sent_again(
        self, calls: Calls, method: str, idempotent: bool, times: int, status: int | None
    ) -> None:
        """After a temporary failure or a lost answer, only an idempotent request is sent again."""
        calls.server.behave = in_turn(*[status] * 3) if status else broken_off
        outcome = calls.run(
            method, parameters={"idempotent": idempotent}, limits=Limits(20_000, max_retries=2)
        )
        assert not outcome.success
        assert outcome.started
        said = (
            f"the server answered {status} instead of 2xx"
            if status
            else "ended its answer too early"
        )
        assert said in str(outcome.error)
        assert len(calls.server.seen) == times
        keys = {seen.headers.get("idempotency-key") for seen in calls.server.seen}
        assert keys == {None if method == "GET" else "3f6b6f0e-0000-4000-8000-000000000001"}

    def test_no_attempt_follows_a_success(self, calls: Calls) -> None:
        """No attempt follows a success."""
        calls.server.behave = in_turn(503, 200)
        assert calls.run(limits=Limits(20_000, max_retries=9)).success
        assert len(calls.server.seen) == 2

    @pytest.mark.parametrize("status", [400, 401, 404, 409, 500, 501])
    def test_a_lasting_failure_is_not_tried_again(self, calls: Calls, status: int) -> None:
        """A status that will not change is not retried."""
        calls.server.behave = in_turn(status)
        assert calls.run(limits=Limits(20_000, max_retries=5)).output["status"] == status

    def test_an_expected_status_is_no_failure(self, calls: Calls) -> None:
        """A 503 that the script expects is not retried."""
        calls.server.behave = in_turn(503)
        assert calls.run(expect_status=503, limits=Limits(20_000, max_retries=5)).success

    @pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
    def test_what_was_not_sent_is_sent_again_by_any_method(self, calls: Calls, method: str) -> None:
        """If the connection broke before TLS was established, any method is retried."""
        calls.server.connections_to_drop = 2
        outcome = calls.run(method, limits=Limits(20_000, max_retries=2))
        assert outcome.success
        assert (calls.server.connections, len(calls.server.seen)) == (3, 1)

    def test_what_was_never_sent_was_not_started(self, calls: Calls) -> None:
        """If TLS fails at each attempt, the run counts as not started."""
        calls.server.connections_to_drop = 9
        outcome = calls.run("POST", limits=Limits(20_000, max_retries=2))
        assert (outcome.success, outcome.started) == (False, False)
        assert outcome.error == f"nothing was sent to {API}: TLS failed"
        assert calls.server.connections == 3

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_the_server_says_how_long_to_wait(self, calls: Calls, form: str) -> None:
        """Retry-After is respected, as a number of seconds or as a date."""
        after = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
        calls.server.behave = in_turn(503, 200, headers={"Retry-After": after})
        started = time.monotonic()
        assert calls.run(limits=Limits(20_000, max_retries=1)).success
        # A date has whole seconds, so that of two, up to one may be gone.
        assert time.monotonic() - started >= 0.9

    @pytest.mark.parametrize("after", ["3600", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
    def test_it_does_not_wait_beyond_its_time(self, calls: Calls, after: str) -> None:
        """If Retry-After exceeds the remaining time, the answer is the result."""
        calls.server.behave = in_turn(503, headers={"Retry-After": after})
        outcome = calls.run(limits=Limits(20_000, max_retries=1))
        assert outcome.output == {"status": 503, "body": None}
        assert outcome.stopped is None

    @pytest.mark.parametrize(
        "after",
        [
            *("soon", "-1", "²", "0", "Thu, 01 Jan 1970 00:00:00 GMT"),
            "Fri, 31 Dec 99999999999 23:59:59 GMT",
        ],
    )
    def test_nonsense_is_no_reason_to_wait(self, calls: Calls, after: str) -> None:
        """A Retry-After that is invalid or in the past is ignored."""
        statuses = [503, 200]

        def behave(exchange: Exchange) -> None:
            head = f"HTTP/1.1 {statuses.pop(0)} Said\r\nRetry-After: {after}\r\nContent-Length: 0"
            exchange.raw(head.encode("latin-1") + b"\r\n\r\n")

        calls.server.behave = behave
        assert calls.run(limits=Limits(20_000, max_retries=1)).success


TIMEOUT_MS = 1500
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def dripped(first: bytes, drop: bytes, seconds: float = 0.02) -> Callable[[Exchange], None]:
    """Answer slowly and without end."""

    def behave(exchange: Exchange) -> None:
        exchange.raw(first)
        while exchange.raw(drop):
            exchange.stopping.wait(seconds)

    return behave


def flooded(first: bytes, wave: bytes) -> Callable[[Exchange], None]:
    """Answer fast and without end."""
    return dripped(first, wave, 0)


class TestLimits:
    """A server can neither delay a fix beyond its limit nor fill its memory."""

    @pytest.mark.parametrize(
        ("behave", "stopped"),
        [
            (lambda exchange: exchange.stopping.wait(20), "time"),
            (dripped(b"", b"H"), "time"),
            (dripped(HEAD, b"a"), "time"),
            (dripped(HEAD + b"Content-Length: 100000\r\n\r\n", b"a"), "time"),
            (dripped(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"), "time"),
            (dripped(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "time"),
            (flooded(HEAD, b"X-A: " + b"a" * 1000 + b"\r\n"), "output"),
            (flooded(HEAD + b"X-A: ", b"a" * 1000), "output"),
            (flooded(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 20), "output"),
            (flooded(HEAD + b"\r\n", b"a" * 1000), "output"),
            (flooded(HEAD + b"Content-Length: 99999999999\r\n\r\n", b"a" * 1000), "output"),
            (
                flooded(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"a" * 1000 + b"\r\n"),
                "output",
            ),
            (
                flooded(
                    HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
                    b"1;x=" + b"a" * 9000 + b"\r\na\r\n",
                ),
                "output",
            ),
        ],
        ids=[
            *("silence", "slow head", "slow header", "slow body", "slow chunks", "slow 1xx"),
            *("endless headers", "endless header", "endless 1xx", "endless body"),
            *("endless long body", "endless chunks", "endless chunk extensions"),
        ],
    )  # fmt: skip
    def test_it_is_stopped_at_its_limit(
        self, calls: Calls, behave: Callable[[Exchange], None], stopped: str
    ) -> None:
        """Whatever the server does, the run ends within a second of its time limit."""
        calls.server.behave = behave
        # Reading up to the output limit gets more time than any machine needs.
        timeout_ms = TIMEOUT_MS if stopped == "time" else 20_000
        outcome = calls.run(limits=Limits(timeout_ms, max_retries=3, max_output_bytes=10_000))
        assert (outcome.success, outcome.stopped) == (False, stopped)
        assert outcome.started
        assert outcome.output is None
        assert outcome.duration_ms <= timeout_ms + 1000
        assert len(calls.server.seen) == 1
        assert outcome.error == (
            f"the request did not end within {TIMEOUT_MS} ms"
            if stopped == "time"
            else "the answer has more than 10000 bytes"
        )

    @pytest.mark.parametrize("more", [0, 1])
    @pytest.mark.parametrize("form", ["length", "chunks", "close"])
    def test_one_byte_more_is_too_much(self, calls: Calls, more: int, form: str) -> None:
        """The output limit applies to the bytes of the body, however they are framed."""
        body = b"a" * (5000 + more)

        def behave(exchange: Exchange) -> None:
            if form == "length":
                exchange.answer(200, body)
            elif form == "chunks":
                pieces = b"".join(b"1\r\na\r\n" for _ in body)
                exchange.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
            else:
                exchange.raw(HEAD + b"\r\n" + body)

        calls.server.behave = behave
        outcome = calls.run(limits=Limits(20_000, max_output_bytes=5000))
        assert outcome.stopped == ("output" if more else None)
        assert outcome.success is not bool(more)

    def test_a_server_that_never_greets_is_left(self, calls: Calls) -> None:
        """A server that never answers the TLS handshake is left at the time limit."""
        with silent_port() as port:
            url = f"https://{API}:{port}"
            job = Job(
                "a",
                json.dumps({"method": "POST", "url": url}),
                {"allowed_hosts": [f"{API}:{port}"]},
                {},
                Limits(TIMEOUT_MS, max_retries=5),
            )
            outcome = ApiCall(calls.facilities, lambda _, __: ["127.0.0.1"]).run(job)
        assert (outcome.stopped, outcome.started) == ("time", False)
        assert outcome.duration_ms <= TIMEOUT_MS + 1000

    def test_a_resolver_that_never_answers_is_left(self, calls: Calls) -> None:
        """The time limit includes the lookup of the name."""
        never = threading.Event()

        def resolve(_: str, __: int) -> list[str]:
            never.wait(20)
            return ["127.0.0.1"]

        outcome = ApiCall(calls.facilities, resolve).run(calls.job(limits=Limits(TIMEOUT_MS)))
        never.set()
        assert (outcome.stopped, outcome.started) == ("time", False)
        assert outcome.duration_ms <= TIMEOUT_MS + 1000
        assert calls.server.connections == 0

    def test_tries_share_one_time(self, calls: Calls) -> None:
        """All attempts share one time limit."""
        calls.server.behave = lambda exchange: exchange.answer(503)
        outcome = calls.run(limits=Limits(TIMEOUT_MS, max_retries=1000))
        assert not outcome.success
        assert outcome.duration_ms <= TIMEOUT_MS + 1000
        # Pauses of 0.1, 0.1, 0.2, 0.3 and 0.5 s fit into it; the next, of 0.8 s, does not.
        assert len(calls.server.seen) <= 6


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
