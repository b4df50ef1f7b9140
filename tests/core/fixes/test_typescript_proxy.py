"""What a TypeScript fix fetches goes through the engine, which checks it and adds the secrets.

Every script runs in Deno, and every request goes to a real HTTPS server on 127.0.0.1.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from tests.tls import Certificates, Exchange, HttpsServer, https_server, make_certificates

from pattern_engine.fixes import analyse as analyse_any
from pattern_engine.fixes.execution import Job, Limits, Outcome, Secret
from pattern_engine.fixes.typescript import deno
from pattern_engine.fixes.typescript.analysis import analyse
from pattern_engine.fixes.typescript.executor import Typescript
from pattern_engine.fixes.typescript.proxy import serving
from pattern_engine.fixes.typescript.sending import MAX_CALLS, Sender
from pattern_engine.fixes.urls import AllowedHosts
from pattern_engine.settings import Facilities

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(deno.find() is None, reason="Deno is not installed")

API = "api.example.test"
OTHER = "other.example.test"
EVIL = "evil.example.test"
KEY = "0f3a-Secret/Value+17"
LOOPBACK = (ip_network("127.0.0.0/8"),)
LIMITS = Limits(timeout_ms=30_000)
#: Fetches params.url with params.init, and answers all that a script can see.
FETCH = """
export default async (params) => {
  const response = await fetch(params.url, params.init);
  const body = await response.text();
  const { status, url, redirected } = response;
  return { status, url, redirected, headers: Object.fromEntries(response.headers), body };
};
// So that the analysis has seen these methods.
const seen = async () => {
  await fetch("https://HOST/", { method: "POST" });
  await fetch("https://HOST/", { method: "PUT" });
};
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for the names of the approval."""
    return make_certificates(tmp_path_factory.mktemp("tls"), API, OTHER, EVIL, "localhost")


@dataclass
class Service:
    """A server to which every name leads, and fixes that fetch from it."""

    server: HttpsServer
    facilities: Facilities
    addresses: dict[str, list[list[str]]] = field(default_factory=dict)
    """By name: the answers of its name server, one after the other; else 127.0.0.1."""
    asked: list[str] = field(default_factory=list)

    @property
    def api(self) -> str:
        """The first approved host."""
        return f"{API}:{self.server.port}"

    @property
    def other(self) -> str:
        """The second approved host."""
        return f"{OTHER}:{self.server.port}"

    def resolve(self, host: str, _: int) -> list[str]:
        """Answer the addresses of a name."""
        self.asked.append(host)
        answers = self.addresses.get(host, [["127.0.0.1"]])
        return answers[min(self.asked.count(host), len(answers)) - 1]

    def job(
        self, script: str, parameters: dict[str, Any] | None = None, limits: Limits = LIMITS
    ) -> Job:
        """Make a job of a script under an approval with two hosts and a secret for the first."""
        named = {"Authorization": {"secret": "token", "prefix": "Bearer "}}
        given = {"allowed_hosts": [self.api, self.other], "headers": {self.api: named}}
        secrets = {"token": Secret(KEY, (self.api,))}
        script = script.replace("HOST", self.api)
        return Job("app", script, given | (parameters or {}), {"message": "m"}, limits, secrets)

    def run(self, script: str, **more: Any) -> Outcome:
        """Run a script."""
        return Typescript(self.facilities, self.resolve).run(self.job(script, **more))

    def fetch(self, url: str, init: dict[str, Any] | None = None, **more: Any) -> Outcome:
        """Run a script that fetches."""
        parameters = {"url": url, "init": init or {}, **more.pop("parameters", {})}
        return self.run(FETCH, parameters=parameters, **more)


@pytest.fixture
def service(certificates: Certificates) -> Iterator[Service]:
    """A server, where the deployment admits loopback."""
    facilities = Facilities(api_networks=LOOPBACK, api_ca_file=str(certificates.authority))
    with https_server(certificates) as server:
        yield Service(server, facilities)


def echo(exchange: Exchange) -> None:
    """Answer a request's own headers, body and path, in the body and in a header."""
    said = json.dumps({"headers": exchange.headers, "body": exchange.body.decode()})
    exchange.answer(200, said.encode(), {"X-Echo": exchange.headers.get("authorization", "")})


class TestSecrets:
    """Secrets go to their host, and the script sees none."""

    def test_the_secret_is_added_for_its_host(self, service: Service) -> None:
        """Instead of what the script sets; what the host reflects of it is masked."""
        service.server.behave = echo
        init = {"method": "POST", "body": "x", "headers": {"authorization": "mine", "x-a": "b"}}
        outcome = service.fetch(f"https://{service.api}/a?b=c#d", init)
        assert outcome.success, outcome.error
        (seen,) = service.server.seen
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert (seen.method, seen.path, seen.body) == ("POST", "/a?b=c", b"x")
        assert seen.headers["x-a"] == "b"
        assert outcome.output["url"] == f"https://{service.api}/a?b=c"
        assert outcome.output["headers"]["x-echo"] == "Bearer [secret]"
        assert "Bearer [secret]" in outcome.output["body"]
        assert KEY not in repr(outcome)

    @pytest.mark.parametrize(
        "form",
        [
            KEY,
            KEY.upper(),
            KEY.replace("/", "%2F").replace("+", "%2b"),
            json.dumps(KEY).replace("/", "\\/"),
            "".join(f"\\u{ord(letter):04x}" for letter in KEY),
            "".join(f"&#{ord(letter)};" for letter in KEY),
            "".join(f"%{ord(letter):02x}" for letter in KEY),
            KEY.encode().hex(),
            base64.b64encode(f"user:{KEY}".encode()).decode(),
            base64.urlsafe_b64encode(f"xy{KEY}z".encode()).decode(),
            base64.b64encode(f"x{KEY}z".encode()).decode(),
        ],
    )
    def test_a_secret_is_masked_in_every_usual_form(self, service: Service, form: str) -> None:
        """As it is, and as servers escape and encode it; nothing of it is left."""
        service.server.behave = lambda exchange: exchange.answer(
            500, f"before {form} after".encode(), {"X-Said": form}
        )
        outcome = service.fetch(f"https://{service.api}/")
        assert outcome.output["status"] == 500
        assert "[secret]" in outcome.output["body"]
        assert outcome.output["body"].endswith(" after")
        for shown in (outcome.output["body"], outcome.output["headers"]["x-said"]):
            assert form[4:-4] not in shown

    def test_text_of_two_bytes_a_letter_is_masked_too(self, service: Service) -> None:
        """UTF-16 hides no secret."""
        service.server.behave = lambda exchange: exchange.answer(200, KEY.encode("utf-16-le"))
        outcome = service.fetch(f"https://{service.api}/")
        assert "S\0e\0c\0r\0e\0t" not in outcome.output["body"]
        assert "[secret]" in outcome.output["body"].replace("\ufffd", "")

    def test_an_answer_of_little_but_secrets_is_only_the_mask(self, service: Service) -> None:
        """A host cannot keep the engine busy with them."""
        service.server.behave = lambda exchange: exchange.answer(200, KEY.encode() * 20_000)
        assert service.fetch(f"https://{service.api}/").output["body"] == "[secret]"

    def test_another_host_gets_no_secret(self, service: Service) -> None:
        """Neither asked for itself, nor by a redirect, nor back from there."""
        service.server.behave = echo
        assert service.fetch(f"https://{service.other}/").success
        assert "authorization" not in service.server.seen[0].headers

        def back_and_forth(exchange: Exchange) -> None:
            leads = {"/1": f"https://{service.other}/2", "/2": f"https://{service.api}/3"}
            if target := leads.get(exchange.path):
                exchange.answer(302, headers={"Location": target})
            else:
                exchange.answer(200, b"end")

        service.server.behave = back_and_forth
        service.server.seen.clear()
        outcome = service.fetch(f"https://{service.api}/1", {"headers": {"x-api-key": "own"}})
        assert (outcome.output["body"], outcome.output["redirected"]) == ("end", True)
        assert outcome.output["url"] == f"https://{service.api}/3"
        with_secret = ["authorization" in seen.headers for seen in service.server.seen]
        own = ["x-api-key" in seen.headers for seen in service.server.seen]
        assert with_secret == own == [True, False, False]

    @pytest.mark.parametrize(
        ("secrets", "said"),
        [
            ({}, "Vault has no secret token"),
            ({"token": Secret(KEY)}, "the secret token is not granted for"),
            ({"token": Secret(KEY, (OTHER,))}, "the secret token is not granted for"),
            ({"token": Secret("a\r\nX-Evil: 1", (API,))}, "the secret token is not granted for"),
        ],
    )
    def test_without_its_secrets_nothing_starts(
        self, service: Service, secrets: dict[str, Secret], said: str
    ) -> None:
        """A secret that is missing, or not granted for the host, is told before the script runs."""
        job = service.job("export default () => 1")
        job = Job(job.application_id, job.script, job.parameters, job.error, LIMITS, secrets)
        outcome = Typescript(service.facilities, service.resolve).run(job)
        assert (outcome.success, outcome.started) == (False, False)
        assert str(outcome.error).startswith(said)

    @pytest.mark.parametrize(
        "way",
        [
            "JSON.stringify([params, error, Object.keys(fetch)]) + fetch.toString()",
            "await (await fetch('file:///proc/self/environ')).text()",
            "await (await fetch('file:///proc/self/cmdline')).text()",
            "(await import('node:fs')).readFileSync('/proc/self/environ', 'utf8')",
            "(await import('file:///proc/self/environ', { with: { type: 'text' } })).default",
            "(await import('node:process')).default.env",
        ],
    )
    def test_the_script_finds_no_secret_and_no_word(self, service: Service, way: str) -> None:
        """Not in its parameters, its globals, the function fetch, or what its process was given."""
        outcome = service.run(f"export default async () => {way}")
        assert outcome.success is way.startswith("JSON"), outcome.output
        assert KEY not in repr(outcome)
        assert "proxy.word" in str(outcome.output) or outcome.output is None

    def test_parts_of_an_answer_are_not_asked_for(self, service: Service) -> None:
        """In a part of a reflected secret nobody would recognise it."""
        service.server.behave = echo
        init = {"headers": {"Range": "bytes=0-20"}}
        assert "range" in str(service.fetch(f"https://{service.api}/", init).error)
        assert service.server.connections == 0
        assert service.fetch(f"https://{service.other}/", init).success


class TestAddresses:
    """Which machines are reached."""

    @pytest.mark.parametrize(
        "found",
        [
            ["127.0.0.1", "10.0.0.1"],
            ["10.0.0.1", "127.0.0.1"],
            ["169.254.169.254"],
            ["fd00:ec2::254"],
            ["64:ff9b::7f00:1"],
            ["64:ff9b:1::7f00:1"],
            ["2002:7f00:1::"],
            ["2001:0:7f00:1::"],
            ["::ffff:127.0.0.1"],
            ["::2"],
            ["fe80::1"],
            ["100.100.100.200"],
            ["224.0.0.1"],
            ["no address"],
            [],
        ],
    )
    def test_a_name_with_an_address_that_is_not_public_is_not_reached(
        self, service: Service, found: list[str]
    ) -> None:
        """One such address among others is enough, in whatever form it is written."""
        service.addresses[API] = [found]
        outcome = service.fetch(f"https://{service.api}/")
        assert API in str(outcome.error)
        assert "address" in str(outcome.error)
        assert service.server.connections == 0

    def test_a_name_is_asked_for_once(self, service: Service) -> None:
        """What its name server answers later has no effect; TLS is that of the name."""
        service.addresses[API] = [["127.0.0.1"], ["10.0.0.1"]]
        outcome = service.run(
            """export default async () => {
              const all = [0, 1, 2].map(() => fetch("https://HOST/"));
              return [...await Promise.all(all), await fetch("https://HOST/")].map((r) => r.status);
            };"""
        )
        assert outcome.output == [200] * 4, outcome.error
        assert service.asked == [API]
        assert service.server.names == [API] * 4

    def test_without_a_network_of_the_settings_loopback_is_not_reached(
        self, service: Service
    ) -> None:
        """Whatever the approval says."""
        service.facilities = Facilities(api_ca_file=service.facilities.api_ca_file)
        assert "not public" in str(service.fetch(f"https://{service.api}/").error)
        assert service.server.connections == 0

    def test_a_certificate_has_to_be_trusted(self, service: Service) -> None:
        """Nothing is sent to a server that cannot prove its name."""
        service.facilities = Facilities(api_networks=LOOPBACK)
        assert "certificate" in str(service.fetch(f"https://{service.api}/").error)
        assert service.server.seen == []

    @pytest.mark.parametrize(
        "url",
        [
            "http://HOST/",
            "ws://HOST/",
            "ftp://HOST/",
            "file:///etc/passwd",
            "data:text/plain,x",
            "https://user:pass@HOST/",
            f"https://{API}/",
            f"https://{API}:1/",
            "https://evil.example.test/",
            "https://HOST@evil.example.test/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00:ec2::254]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://localhost/",
            "//HOST/",
        ],
    )
    def test_other_addresses_are_refused(self, service: Service, url: str) -> None:
        """Whatever a parameter holds: https to an approved host, and nothing else."""
        outcome = service.fetch(url.replace("HOST", service.api))
        assert not outcome.success
        assert service.server.connections == 0
        assert service.asked == []

    @pytest.mark.parametrize(
        "way",
        [
            "Deno.connect({ hostname: '127.0.0.1', port: params.port })",
            "new WebSocket(`wss://${params.host}/`)",
            "new EventSource(`https://${params.host}/`)",
            "import(`https://${params.host}/x.mjs`)",
            "import('node:net').then((m) => m.connect(params.port, '127.0.0.1'))",
            "import('node:https').then((m) => m.get(`https://${params.host}/`))",
        ],
    )
    def test_nothing_but_the_proxy_is_reached(self, service: Service, way: str) -> None:
        """Neither by sockets nor by modules nor by streams, though hosts are approved."""
        parameters = {"port": service.server.port, "host": service.api}
        outcome = service.run(
            f"""export default async () => {{
          await {way};
          await new Promise((done) => setTimeout(done, 300));
        }};""",
            parameters=parameters,
        )
        assert not outcome.success
        assert service.server.connections == 0


class TestRedirects:
    """Each hop is checked, or returned as it is."""

    @pytest.mark.parametrize(
        "location",
        [
            "https://169.254.169.254/latest/meta-data/",
            "https://evil.example.test:PORT/",
            "http://HOST/",
            "https://HOST@evil.example.test/",
            "https://[::ffff:127.0.0.1]/",
            "file:///etc/passwd",
            "https:\\\\evil.example.test",
        ],
    )
    def test_a_redirect_elsewhere_is_refused(self, service: Service, location: str) -> None:
        """The approval names the hosts; what a host answers adds none."""
        target = location.replace("HOST", service.api).replace("PORT", str(service.server.port))
        service.server.behave = lambda exchange: exchange.answer(302, headers={"Location": target})
        outcome = service.fetch(f"https://{service.api}/")
        assert "redirect" in str(outcome.error)
        assert service.server.connections == 1
        assert set(service.asked) == {API}

    def test_a_script_can_have_a_redirect_as_it_is(self, service: Service) -> None:
        """As with fetch elsewhere; and it can forbid redirects."""
        service.server.behave = lambda exchange: exchange.answer(302, headers={"Location": "/b"})
        outcome = service.fetch(f"https://{service.api}/", {"redirect": "manual"})
        assert outcome.output["status"] == 302
        assert outcome.output["headers"]["location"] == "/b"
        forbidden = service.fetch(f"https://{service.api}/", {"redirect": "error"})
        assert "redirect" in str(forbidden.error)
        endless = service.fetch(f"https://{service.api}/")
        assert "redirected more than 3 times" in str(endless.error)

    def test_a_body_is_not_sent_elsewhere(self, service: Service) -> None:
        """After a POST a redirect is a GET without a body, or is not followed."""

        def moved(exchange: Exchange) -> None:
            status = {"/303": 303, "/307": 307}.get(exchange.path, 200)
            exchange.answer(status, headers={"Location": f"https://{service.other}/end"})

        service.server.behave = moved
        post = {"method": "POST", "body": "private", "headers": {"Content-Type": "text/x"}}
        assert service.fetch(f"https://{service.api}/303", post).success
        assert (service.server.seen[1].method, service.server.seen[1].body) == ("GET", b"")
        assert "content-type" not in service.server.seen[1].headers
        refused = service.fetch(f"https://{service.api}/307", post)
        assert "a redirect of a POST is not followed" in str(refused.error)
        assert len(service.server.seen) == 3


class TestRequests:
    """Which requests are sent, and how many."""

    def test_a_method_that_nobody_saw_is_not_sent(self, service: Service) -> None:
        """The analysis shows the methods to the approver; others are refused when they are sent."""
        for method in ("DELETE", "PATCH", "OPTIONS", "PURGE"):
            outcome = service.fetch(f"https://{service.api}/", {"method": method})
            assert method in str(outcome.error)
        assert service.server.connections == 0
        for method in ("GET", "HEAD", "POST", "PUT"):
            assert service.fetch(f"https://{service.api}/", {"method": method}).success
        assert [seen.method for seen in service.server.seen] == ["GET", "HEAD", "POST", "PUT"]

    @pytest.mark.parametrize(
        "name",
        [
            *("Host", "X-Forwarded-For", "X-HTTP-Method-Override", "X-Original-URL"),
            *("Metadata-Flavor", "Proxy-Authorization", "Transfer-Encoding", "Connection"),
        ],
    )
    def test_headers_that_change_the_request_are_refused(self, service: Service, name: str) -> None:
        """Those that name another host, method, path or framing."""
        outcome = service.fetch(f"https://{service.api}/", {"headers": {name: "x"}})
        assert "may not be set by a script" in str(outcome.error)
        assert service.server.connections == 0

    def test_a_header_is_one_header(self, service: Service) -> None:
        """A line break in a value sends nothing."""
        outcome = service.fetch(f"https://{service.api}/", {"headers": {"X-A": "b\r\nX-Evil: 1"}})
        assert not outcome.success
        assert service.server.connections == 0

    def test_a_run_sends_so_many_requests(self, service: Service) -> None:
        """And not one more, however they are sent."""
        service.server.behave = lambda exchange: exchange.answer(200)
        outcome = service.run(
            f"""export default async () => {{
              const all = await Promise.allSettled(
                Array.from({{ length: {MAX_CALLS + 5} }}, () => fetch("https://HOST/")),
              );
              return all.map((one) => one.status);
            }};""",
        )
        assert outcome.output.count("fulfilled") == MAX_CALLS, outcome.error
        assert len(service.server.seen) == MAX_CALLS

    def test_what_browsers_leave_unencoded_is_encoded(self, service: Service) -> None:
        """A query is data, with all that encodeURIComponent makes of it."""
        outcome = service.fetch(f'https://{service.api}/a|b?q={{"x":1}}&m=a%0Ab%C3%BC')
        assert outcome.success, outcome.error
        assert service.server.seen[0].path == "/a%7Cb?q=%7B%22x%22:1%7D&m=a%0Ab%C3%BC"


class TestLimits:
    """Where answers and requests end."""

    def test_an_answer_has_its_limit(self, service: Service) -> None:
        """One of that size is read whole, one byte more is an error of that call."""
        limits = Limits(timeout_ms=30_000, max_answer_bytes=5_000)
        script = "export default async (p) => (await (await fetch(p.url)).text()).length"
        for size in (5_000, 5_001):
            service.server.behave = lambda exchange, n=size: exchange.answer(200, b"x" * n)  # type: ignore[misc]
            url = {"url": f"https://{service.api}/"}
            outcome = service.run(script, parameters=url, limits=limits)
            if size == 5_000:
                assert outcome.output == 5_000, outcome.error
            else:
                assert "an answer has more than 5000 bytes" in str(outcome.error)

    @pytest.mark.parametrize("framing", ["chunked", "endless", "head"])
    def test_an_answer_without_end_is_cut_off(self, service: Service, framing: str) -> None:
        """However it is framed; the engine keeps no more of it than the limit."""

        def flood(exchange: Exchange) -> None:
            chunked = "Transfer-Encoding: chunked\r\n" if framing == "chunked" else ""
            exchange.raw(f"HTTP/1.1 200 OK\r\n{chunked}".encode())
            if framing != "head":
                exchange.raw(b"\r\n")
            piece = {"chunked": b"1\r\nx\r\n", "endless": b"x" * 99, "head": b"A: b\r\n"}[framing]
            while exchange.raw(piece * 1_000):
                pass

        service.server.behave = flood
        limits = Limits(timeout_ms=30_000, max_answer_bytes=5_000)
        started = time.monotonic()
        outcome = service.fetch(f"https://{service.api}/", limits=limits)
        assert not outcome.success
        assert outcome.stopped is None
        assert time.monotonic() - started < 20

    def test_a_slow_answer_ends_with_the_run(self, service: Service) -> None:
        """A byte now and then extends nothing, and nothing of the run goes on."""

        def drip(exchange: Exchange) -> None:
            exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while exchange.raw(b"x"):
                time.sleep(0.05)

        service.server.behave = drip
        outcome = service.fetch(f"https://{service.api}/", limits=Limits(timeout_ms=2_500))
        assert not outcome.success
        assert outcome.duration_ms < 5_000

    def test_what_a_script_leaves_behind_ends_with_it(self, service: Service) -> None:
        """A request that nobody waits for is ended when the script ends."""
        gone = threading.Event()

        def hang(exchange: Exchange) -> None:
            exchange.raw(b"HTTP/1.1 200 OK\r\n\r\n")
            while exchange.raw(b"x" * 10):
                time.sleep(0.02)
            gone.set()

        service.server.behave = hang
        outcome = service.run(
            """export default async () => {
              fetch("https://HOST/").catch(() => {});
              await new Promise((done) => setTimeout(done, 1_000));
              return "left";
            };"""
        )
        assert outcome.output == "left", outcome.error
        assert gone.wait(5)

    def test_a_large_request_is_refused(self, service: Service) -> None:
        """More than a megabyte is not sent."""
        outcome = service.run(
            """export default async () => (await fetch("https://HOST/", {
              method: "POST", body: "x".repeat(1024 * 1024 + 1) })).status;"""
        )
        assert "the limit is 1048576" in str(outcome.error)
        assert service.server.connections == 0

    def test_a_compressed_answer_is_refused(self, service: Service) -> None:
        """In it no secret could be found; the host was asked not to compress."""
        service.server.behave = lambda exchange: exchange.answer(
            200, gzip.compress(KEY.encode()), {"Content-Encoding": "gzip"}
        )
        outcome = service.fetch(f"https://{service.api}/")
        assert "compressed its answer" in str(outcome.error)
        assert service.server.seen[0].headers["accept-encoding"] == "identity"


class TestSocket:
    """The socket itself, without the script's own fetch."""

    @pytest.fixture
    def ask(self, service: Service) -> Iterator[Any]:
        """Send a request to the proxy of a rehearsal."""
        job = Job("app", FETCH, {}, {"message": "m"})
        allowed = AllowedHosts([service.api], LOOPBACK)
        with serving(Sender(job, allowed, lambda: {"POST"}, LOOPBACK)) as proxy:

            def ask(
                body: bytes, word: str | None = None, method: str = "POST"
            ) -> tuple[int, bytes]:
                host, port = proxy.endpoint.split(":")
                connection = http.client.HTTPConnection(host, int(port), timeout=5)
                headers = {"Authorization": proxy.word if word is None else word}
                connection.request(method, "/", body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()

            yield ask

    def asked(self, service: Service, **changes: Any) -> bytes:
        """What the script's fetch says to the proxy."""
        head = {
            "url": f"https://{service.api}/",
            "method": "GET",
            "headers": [],
            "redirect": "follow",
        }
        return json.dumps(head | changes).encode() + b"\n"

    def test_it_answers_whoever_has_the_word(self, service: Service, ask: Any) -> None:
        """Nobody else on the machine."""
        status, body = ask(self.asked(service))
        assert (status, json.loads(body.partition(b"\n")[0])["status"]) == (200, 200)
        for word in ("", "x", "ü"):
            assert ask(self.asked(service), word.encode().decode("latin-1"))[0] == 403
        assert ask(b"", method="GET")[0] == 501

    @pytest.mark.parametrize(
        "changes",
        [
            {"url": "https://evil.example.test/"},
            {"url": "https://169.254.169.254/"},
            {"url": "https://0x7f.1/"},
            {"url": "https://api.example.test\r\nHost: evil/"},
            {"headers": [["Host", "evil.example.test"]]},
            {"headers": [["X-A", "b\r\nX-Evil: 1"]]},
            {"headers": [["X A", "b"]]},
            {"headers": [["X-A\r\nX-Evil", "b"]]},
            {"headers": [["X-A", "\u2028"]]},
            {"method": "DELETE"},
            {"method": "GET / HTTP/1.1\r\nX-Evil: 1"},
        ],
    )
    def test_it_checks_what_it_is_sent(
        self, service: Service, ask: Any, changes: dict[str, Any]
    ) -> None:
        """A script that gets at the socket can do no more than with fetch."""
        assert ask(self.asked(service, **changes))[0] == 502

    @pytest.mark.parametrize("body", [b"", b"x", b"{}\n", b"[]\n", b'{"url": 1}\n', b"\xff\n"])
    def test_what_it_does_not_understand_ends_nothing(
        self, service: Service, ask: Any, body: bytes
    ) -> None:
        """Nonsense is answered with 400, and the next request is answered as before."""
        assert ask(body)[0] == 400
        assert ask(self.asked(service))[0] == 200


class TestRehearsal:
    """A dry-run goes the same way and sends nothing."""

    def test_a_rehearsal_shows_what_would_be_sent(self, service: Service) -> None:
        """Methods, URLs and names of headers; no secret is needed, no name is asked for."""
        script = """export default async () => {
          const first = await fetch("https://HOST/a?b=c", { method: "POST", body: "x" });
          return [first.status, await first.json()];
        };"""
        outcome = Typescript(service.facilities, service.resolve).rehearse(service.job(script))
        assert outcome.success
        headers = ["Authorization", "content-type"]
        request = {"method": "POST", "url": f"https://{service.api}/a?b=c", "headers": headers}
        assert outcome.output == {"requests": [request], "output": [200, {}], "error": None}
        assert (service.asked, service.server.connections) == ([], 0)

    def test_it_fails_where_the_run_would_be_refused(self, service: Service) -> None:
        """A host that is not approved, a method that nobody saw, an error before any request."""
        for script, said in (
            ('export default () => fetch("https://" + "evil.example.test/")', "not allowed"),
            ('export default () => fetch("https://HOST/", { method: params.m })', "no DELETE"),
            ("export default () => { throw new Error('no order') }", "no order"),
        ):
            job = service.job(script, {"m": "DELETE"})
            outcome = Typescript(service.facilities, service.resolve).rehearse(job)
            assert not outcome.success
            assert said in str(outcome.error)

    def test_made_up_answers_prove_no_failure(self, service: Service) -> None:
        """A script that misses something in an answer may find it in a real one."""
        script = 'export default async () => (await (await fetch("https://HOST/")).json()).a.b'
        outcome = Typescript(service.facilities, service.resolve).rehearse(service.job(script))
        assert outcome.success
        assert "undefined" in outcome.output["error"]


class TestParameter:
    """The parameter `headers`."""

    SCRIPT = 'export default () => fetch("https://api.example.com/")'

    def test_the_analysis_tells_which_secret_goes_where(self) -> None:
        """So that the approver sees it and the database can ask for the grant."""
        parameters = {
            "allowed_hosts": ["api.example.com", "b.example.com:8443"],
            "headers": {
                "api.example.com": {"Authorization": {"secret": "one", "prefix": "Bearer "}},
                "b.example.com:8443": {"X-Key": {"secret": "two"}, "X-Other": {"secret": "one"}},
            },
        }
        found = analyse(self.SCRIPT, parameters)
        assert found.findings == ()
        assert found.secrets == {
            "one": ("api.example.com", "b.example.com:8443"),
            "two": ("b.example.com:8443",),
        }

    @pytest.mark.parametrize(
        ("headers", "rule"),
        [
            ("x", "headers"),
            ({"api.example.com": "x"}, "headers"),
            ({"evil.example.com": {"X-Key": {"secret": "one"}}}, "headers"),
            ({"API.example.com": {"X-Key": {"secret": "one"}}}, "headers"),
            ({"api.example.com": {"X-Key": "literal"}}, "headers"),
            ({"api.example.com": {"X-Key": {"error": "message"}}}, "headers"),
            ({"api.example.com": {"Host": {"secret": "one"}}}, "headers"),
            ({"api.example.com": {"X-Key": {"secret": "pattern_engine_webhook_secret"}}}, "secret"),
            ({"api.example.com": {"X-Key": {"secret": ["one"]}}}, "secret"),
            ({"api.example.com": {"X-Key": {"secret": "one", "prefix": "a\r\nb"}}}, "secret"),
        ],
    )
    def test_other_forms_are_refused(self, headers: object, rule: str) -> None:
        """With the rule, at the approval."""
        parameters = {"allowed_hosts": ["api.example.com"], "headers": headers}
        (first, *_) = analyse(self.SCRIPT, parameters).findings
        assert first.rule == rule

    def test_the_name_of_a_secret_is_no_credential(self) -> None:
        """With a prefix and without; the secret itself in place of its name is one."""
        parameters: dict[str, Any] = {"allowed_hosts": ["api.example.com"]}
        named = {"Authorization": {"secret": "token_of_workers", "prefix": "Bearer "}}
        parameters["headers"] = {"api.example.com": named}
        assert analyse_any("typescript", self.SCRIPT, parameters).accepted
        named["Authorization"]["secret"] = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc".lower()
        (finding,) = analyse_any("typescript", self.SCRIPT, parameters).findings
        assert finding.rule == "credential"

    def test_headers_without_hosts_are_refused(self) -> None:
        """A secret has a host that the approval allows."""
        headers = {"api.example.com": {"X-Key": {"secret": "one"}}}
        assert not analyse("export default () => 1", {"headers": headers}).accepted


def test_a_port_that_is_closed_is_told(service: Service) -> None:
    """A host that does not answer is an error of fetch, in one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    parameters = {"allowed_hosts": [f"{API}:{port}"], "headers": {}}
    outcome = service.fetch(f"https://{API}:{port}/", parameters=parameters)
    assert f"does not accept connections on port {port}" in str(outcome.error)
