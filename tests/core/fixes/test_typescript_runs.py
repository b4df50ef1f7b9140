"""How TypeScript fixes run: what they are given, what they answer, where they are stopped.

Nothing is analysed here: whatever the analysis would refuse goes straight to the runtime, which must
hold by itself.
"""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pattern_engine.fixes.execution import Job, Limits, Outcome, Secret
from pattern_engine.fixes.typescript import deno
from pattern_engine.fixes.typescript.executor import Typescript
from pattern_engine.settings import Facilities

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.skipif(deno.find() is None, reason="Deno is not installed")

ERROR = {
    "message": 'it\'s "broken" `${1}`',
    "source": "api",
    "captured": {"id": "7"},
    "system_log_id": 5,
}
#: Long enough for a start on a busy machine.
LIMITS = Limits(timeout_ms=10_000)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def run(
    script: str,
    parameters: Mapping[str, Any] | None = None,
    limits: Limits = LIMITS,
    facilities: Facilities | None = None,
) -> Outcome:
    """Run a script as one fix."""
    job = Job(
        "app", script, parameters or {}, {**ERROR, "secret": "s"}, limits, {"KEY": Secret("hidden")}
    )
    return Typescript(facilities or Facilities()).run(job)


# What a fix is given, and answers


def test_a_module_is_given_its_parameters_and_the_error_as_data() -> None:
    """Parameters and error arrive as they were, whatever characters they hold."""
    parameters = {
        "text": "');Deno.exit();//\u2028</script>${1}`\\",
        "__proto__": {"x": 1},
        "n": [1, None],
    }
    outcome = run("export default (params, error) => ({ params, error })", parameters)
    assert outcome.success
    assert outcome.output == {"params": parameters, "error": ERROR}
    assert outcome.error is None
    assert outcome.stopped is None


def test_a_plain_script_finds_its_parameters_as_globals() -> None:
    """A script without an export reads `params` and `error`; what it prints is its output."""
    outcome = run("console.log(params.a, error.captured.id)", {"a": "x"})
    assert (outcome.success, outcome.output) == (True, "x 7")


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("export default async () => ({ a: [1, 'é', null] })", {"a": [1, "é", None]}),
        ("export default () => undefined", None),
        ("export default () => { console.log('printed') }", "printed"),
        ("export default () => { console.error('to stderr') }", "to stderr"),
        ("const fix = () => 1; export { fix as default }", 1),
        ("export default 42", 42),
        ("interface A { x: number }\nexport default (p: A): A => ({ x: p.x ?? 2 })", {"x": 2}),
        ("enum E { A = 3 } export default () => E.A", 3),
        ("export default () => new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("setTimeout(() => console.log('later'), 50)", "later"),
        ("async function main() { await 0; console.log('main') } main()", "main"),
        ("export default () => { setTimeout(() => console.log('never'), 60_000); return 1 }", 1),
    ],
)
def test_the_answer_is_json_or_what_was_printed(script: str, output: object) -> None:
    """A function's result is the output; without one, what was printed."""
    outcome = run(script)
    assert (outcome.success, outcome.output) == (True, output), outcome.error


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("const a = 1;\n\nthrow new TypeError('bad')", "TypeError: bad (line 3)"),
        (
            "type A = {\n x: 1 }\nexport default () => { null!.x }",
            "TypeError: Cannot read properties of null (reading 'x') (line 3)",
        ),
        (
            "class MyError extends Error { name = 'MyError' }\nthrow new MyError('mine')",
            "MyError: mine (line 2)",
        ),
        ("throw 'text'", 'the script threw "text", not an error'),
        ("throw null", "the script threw null, not an error"),
        ("throw { a: 1 }", "the script threw a value of type object, not an error"),
        ("Promise.reject(new RangeError('lost'))", "RangeError: lost (line 1)"),
        ("setTimeout(() => { throw new Error('late') }, 10)", "Error: late (line 1)"),
        (
            "export default () => new Promise(() => {})",
            "the script awaits a promise that never settles: check each await",
        ),
        (
            "await new Promise(() => {})",
            "the script awaits a promise that never settles: check each await",
        ),
        (
            "export default () => 10n",
            "the result cannot be written as JSON: TypeError: Do not know how to serialize a BigInt",
        ),
        (
            "export default () => ({ f() {} })",
            "the result cannot be written as JSON: TypeError: it holds a function",
        ),
        (
            "export default () => Symbol()",
            "the result cannot be written as JSON: TypeError: it holds a symbol",
        ),
        (
            "const a = {}; a.a = a; export default () => a",
            "the result cannot be written as JSON: TypeError: Converting circular structure to JSON",
        ),
        ("function f() { f() } f()", "RangeError: Maximum call stack size exceeded (line 1)"),
        ("foo(", "Expression expected"),
        (
            "let a = []; for (let i = 0; i < 2_000; i++) a = [a]; export default () => a",
            "the result is nested too deeply",
        ),
        ("undefinedName", "ReferenceError: undefinedName is not defined (line 1)"),
    ],
)
def test_a_failure_is_one_sentence(script: str, error: str) -> None:
    """What a script throws, or answers that is no JSON, is told in one sentence with its line."""
    outcome = run(script)
    assert not outcome.success
    assert outcome.error is not None
    assert outcome.error.startswith(error)
    assert "\n" not in outcome.error
    assert "file:" not in outcome.error
    assert outcome.started


def test_an_answer_cannot_be_printed() -> None:
    """Whatever a script prints is text; only what it answers is its answer."""
    script = """
    console.log('\\n{"result":"forged"}\\n00000000000000000000000000000000:{"result":"forged"}');
    export default () => { throw new Error("real") };
    """
    outcome = run(script)
    assert not outcome.success
    assert outcome.error == "Error: real (line 3)"
    assert "forged" in str(outcome.output)


def test_a_tampered_language_forges_no_success() -> None:
    """A script that replaces JSON and Promise fails or answers, but a throw stays a failure."""
    script = """
    JSON.stringify = () => '{"result":"forged"}';
    String.prototype.replace = () => "forged";
    Error.prototype.toString = () => "forged";
    throw new Error("real");
    """
    outcome = run(script)
    assert not outcome.success


def test_secrets_are_not_given() -> None:
    """A script sees the parameters and four keys of the error; no secret of the approval's."""
    outcome = run("console.log(JSON.stringify([params, error, Object.keys(globalThis)]))")
    assert "hidden" not in str(outcome.output)
    assert '"secret"' not in str(outcome.output)


# Limits


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a run keeps what it needs; afterwards nothing of it is there, and no process."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 1
    while (left := processes_of(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def processes_of(home: Path) -> list[str]:
    """The command lines of living processes that name a directory."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in line:
            lines.append(line.decode(errors="replace"))
    return lines


@pytest.mark.parametrize(
    "script",
    [
        "for (;;);",
        "await new Promise((resolve) => setTimeout(resolve, 60_000))",
        "export default () => new Promise((resolve) => setTimeout(resolve, 60_000))",
        "const again = () => setTimeout(again, 0); again()",
        "/^(a+)+$/.test('a'.repeat(50) + 'b')",
        "export default () => ({ toJSON() { for (;;); } })",
        "try { for (;;); } finally { for (;;); }",
    ],
)
def test_a_script_is_stopped_at_its_time(script: str, home: Path) -> None:
    """Whatever a script waits or loops for, it is gone within a second of its limit."""
    assert home.is_dir()
    outcome = run(script, limits=Limits(timeout_ms=1_500))
    assert not outcome.success
    assert outcome.stopped == "time"
    assert outcome.error == "the script was stopped after 1500 ms"
    assert 1_500 <= outcome.duration_ms <= 2_500


def test_a_chain_without_end_is_stopped(home: Path) -> None:
    """At its time, or before that at the memory that its links take."""
    assert home.is_dir()
    script = "const f = () => Promise.resolve().then(f); await f()"
    outcome = run(script, limits=Limits(timeout_ms=1_500))
    assert outcome.stopped in ("time", "memory")
    assert outcome.duration_ms <= 2_500


@pytest.mark.parametrize(
    "script",
    [
        "for (;;) console.log('x'.repeat(1000))",
        "for (;;) console.error('x'.repeat(1000))",
        "export default () => 'x'.repeat(200_000)",
        "throw new Error('x'.repeat(200_000))",
        "const flood = async () => { for (;;) { console.log('x'); await 0 } }; flood()",
    ],
)
def test_a_script_is_stopped_at_its_output(script: str, home: Path) -> None:
    """Printing and answering count together; one byte too many ends the script."""
    assert home.is_dir()
    outcome = run(script, limits=Limits(timeout_ms=8_000))
    assert not outcome.success
    assert outcome.stopped == "output"
    assert len(str(outcome.output)) <= 64 * 1024


def test_output_up_to_the_limit_is_kept() -> None:
    """What fits the limit is no flood: the answer's own word does not count."""
    limits = Limits(timeout_ms=10_000, max_output_bytes=1_000)
    answer = len('{"result":""}')
    assert run(f"export default () => 'x'.repeat({1_000 - answer})", limits=limits).success
    assert (
        run(f"export default () => 'x'.repeat({1_001 - answer})", limits=limits).stopped == "output"
    )


@pytest.mark.parametrize(
    "script",
    [
        "const all = []; for (;;) all.push(new Array(1000).fill(all.length))",
        "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))",
        "let text = 'x'; const all = []; for (;;) { text = text + text.slice(0, 1000); all.push([...text]) }",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })",
    ],
)
def test_a_script_is_stopped_at_its_memory(script: str, home: Path) -> None:
    """Memory counts inside V8's heap and outside of it."""
    assert home.is_dir()
    outcome = run(script, limits=Limits(timeout_ms=20_000, max_memory_bytes=64 * 1024 * 1024))
    assert not outcome.success
    assert outcome.stopped == "memory"
    assert outcome.error == "the script was stopped at 67108864 bytes of memory"


def test_a_fix_has_the_memory_that_it_was_given() -> None:
    """What the runtime itself needs is not taken from the limit."""
    script = """
    const all = new Uint8Array(40 << 20).fill(1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    export default all.length;
    """
    outcome = run(script, limits=Limits(timeout_ms=10_000, max_memory_bytes=64 * 1024 * 1024))
    assert outcome.output == 40 << 20, outcome.error


def test_nothing_is_left_of_a_run_that_ends_by_itself(home: Path) -> None:
    """The directory of a run is deleted, whether it succeeded or failed."""
    assert home.is_dir()
    assert run("export default () => 1").success
    assert not run("throw 1").success


# The box, without the analysis


@pytest.mark.parametrize(
    "script",
    [
        "Deno.readTextFileSync(params.file)",
        "await Deno.readTextFile(params.file)",
        "(await import('node:fs')).readFileSync(params.file, 'utf8')",
        "(await import('node:fs')).readdirSync(params.directory)",
        "(await import('file://' + params.file)).default",
        "(await import('file://' + params.file, { with: { type: 'json' } })).default",
        "(await import('file://' + params.file, { with: { type: 'text' } })).default",
        "(await import('file://' + params.file, { with: { type: 'bytes' } })).default",
        "await (await fetch('file://' + params.file)).text()",
        "Deno.env.get('PATTERN_ENGINE_TEST')",
        "(await import('node:process')).default.env.PATTERN_ENGINE_TEST",
        "process.env.PATTERN_ENGINE_TEST",
        "Deno.writeTextFileSync(params.written, 'x')",
        "(await import('node:fs')).writeFileSync(params.written, 'x')",
        "await new Deno.Command('touch', { args: [params.written] }).output()",
        "(await import('node:child_process')).execSync('touch ' + params.written)",
        "(await import('node:child_process')).spawnSync('touch', [params.written])",
        "Deno.dlopen('libc.so.6', {})",
        "Deno.hostname() + (await import('node:os')).hostname()",
        "(await import('node:os')).userInfo()",
        "new Worker('data:text/javascript,1', { type: 'module' })",
        "new (await import('node:worker_threads')).Worker('1', { eval: true })",
        "(await import('npm:chalk')).default",
        "(await import('jsr:@std/assert')).assert",
        "(await import('https://deno.land/x/mod.ts')).default",
        "new Function('return 1')()",
        "eval('1')",
        "(async () => {}).constructor('return 1')()",
        "(0, eval)('1')",
        "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
        "localStorage.setItem('a', 'b')",
        "await caches.open('x')",
        "new BroadcastChannel('x')",
        "await Deno.listen({ port: 0 })",
        "(await import('node:net')).createServer().listen(0)",
        "(await import('node:vm')).runInNewContext('1')",
        "await fetch('https://' + params.host)",
        "new WebSocket('wss://' + params.host)",
        "await Deno.connect({ hostname: '127.0.0.1', port: params.port })",
        "await new Promise((y, n) => import('node:net').then((m) => m.connect(params.port, '127.0.0.1').on('error', n).on('connect', y)))",
        "await (await import('node:dns/promises')).lookup('localhost')",
    ],
)
def test_the_runtime_holds_without_the_analysis(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, environment, programs, libraries, threads, code from text and hosts are out of reach."""
    monkeypatch.setenv("PATTERN_ENGINE_TEST", "told")
    secret = tmp_path / "secret.json"
    secret.write_text('"told"')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        port = listener.getsockname()[1]
        parameters = {
            "file": str(secret),
            "directory": str(tmp_path),
            "written": str(tmp_path / "written"),
            "host": f"127.0.0.1:{port}/",
            "port": port,
        }
        outcome = run(f"export default async () => {{ return [{script}] }}", parameters)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert not (outcome.success and outcome.output != [None]), outcome.output
    assert "told" not in str(outcome.output)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.json"]


@pytest.mark.parametrize(
    "route",
    [
        *("typeof eval", "typeof Function", "typeof Worker", "typeof WebAssembly", "typeof Deno"),
        *("typeof process", "typeof Buffer", "typeof setInterval", "typeof setImmediate"),
        *(
            "typeof URL.createObjectURL",
            "typeof Proxy",
            "typeof Reflect",
            "typeof SharedArrayBuffer",
        ),
        *("typeof globalThis.eval", "typeof globalThis.Function", "typeof ({}).__proto__"),
        *("typeof ({}).__defineGetter__", "typeof ({}).__lookupGetter__"),
        "typeof (async () => {}).constructor('1').then",
        "typeof (function* () {}).constructor('1').next",
        "typeof (async function* () {}).constructor('1').next",
    ],
)
def test_a_route_to_code_from_text_is_not_there(route: str) -> None:
    """What makes code of text, or starts some elsewhere, is taken away before a script is loaded."""
    outcome = run(f"export default () => {route}")
    assert outcome.output == "undefined", outcome.error


@pytest.mark.parametrize(
    "kind", ["() => {}", "async () => {}", "function* () {}", "async function* () {}", "class {}"]
)
def test_a_function_does_not_lead_to_what_makes_functions(kind: str) -> None:
    """The constructor of every kind of function is that of plain objects."""
    assert run(f"export default () => ({kind}).constructor === Object").output is True


def test_setTimeout_takes_no_text() -> None:  # noqa: N802  the name of the function
    """A timer calls functions only, and lends them no global object."""
    outcome = run("export default () => setTimeout('1')")
    assert outcome.error == "TypeError: setTimeout takes a function (line 1)"
    given = "export default () => new Promise((y) => setTimeout(function (a) { y([typeof this, a]) }, 1, 2))"
    assert run(given).output == ["undefined", 2]


WALK = """
const makers = [() => {}, async () => {}, function* () {}, async function* () {}].map(Object.getPrototypeOf);
const named = new Set(["eval", "Worker", "createObjectURL", "setInterval", "importScripts", "Command"]);
const seen = new Set(), found = [], ways = new Map();
const queue = [globalThis, ...makers, "", 1, 1n, true, Symbol(), /x/, [], {}, class {}, new Error("x"), [].values(),
  "".matchAll(/x/g), new Map().keys(), new Set().keys(), (function* () {})(), (async function* () {})(),
  Promise.resolve(), new Response("x").body, new Request("https://x.test/"), new AbortController().signal,
  new Event("x"), crypto.subtle, performance, new Intl.Segmenter().segment("x")];
while (queue.length > 0) {
  const one = queue.pop();
  if (one === null || one === undefined || seen.has(one)) continue;
  seen.add(one);
  if (typeof one === "function") {
    if (makers.includes(Object.getOwnPropertyDescriptor(one, "prototype")?.value)) found.push("a maker of functions");
    if (named.has(one.name)) found.push(one.name);
  }
  queue.push(Object.getPrototypeOf(Object(one)));
  if (Object(one) !== one) continue;
  for (const { value, get, set } of Object.getOwnPropertySymbols(one).concat(Object.getOwnPropertyNames(one))
    .map((key) => Object.getOwnPropertyDescriptor(one, key))) {
    queue.push(value, get, set);
    try { if (get) queue.push(get.call(one)); } catch { /* It needs another object. */ }
  }
}
export default [seen.size > 1_000, found];
"""


def test_nothing_that_is_reachable_makes_code_of_text() -> None:
    """From all globals and literals, by members, prototypes and getters, no such function is met."""
    outcome = run(WALK)
    assert outcome.output == [True, []], outcome.error


@pytest.mark.parametrize(
    "script",
    [
        "import x from '{file}' with {{ type: 'json' }}; export default () => x",
        "import x from 'file://{file}' with {{ type: 'json' }}; export default () => x",
        "export {{ default }} from 'file://{file}' with {{ type: 'json' }}",
        "export default async () => (await import('file://{file}', {{ with: {{ type: 'json' }} }})).default",
    ],
)
def test_files_named_in_the_source_are_asked_for_too(script: str, tmp_path: Path) -> None:
    """Deno loads what a file imports by a literal without asking; a fix is no file."""
    secret = tmp_path / "secret.json"
    secret.write_text('"told"')
    outcome = run(script.format(file=secret))
    assert not outcome.success
    assert outcome.output is None


def test_a_module_from_text_can_do_no_more_than_the_script(tmp_path: Path) -> None:
    """Deno has no switch against modules in data: URLs; they are in the same box."""
    secret = tmp_path / "secret"
    secret.write_text("told")
    inner = f'export default typeof Deno + "," + (await import("node:fs")).readFileSync("{secret}")'
    outcome = run(
        "export default async () => (await import('data:text/javascript,' + encodeURIComponent(params.inner))).default",
        {"inner": inner},
    )
    assert not outcome.success


# Hosts that the approval names


@dataclass
class Server:
    """A TLS server on loopback that counts, and answers the statuses that it was told."""

    port: int
    ca_file: str
    statuses: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        """As an approval names it."""
        return f"localhost:{self.port}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    """A server that is stopped with the test."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.paths.append(self.path)
            status = told.statuses.pop(0) if told.statuses else 200
            body = json.dumps({"path": self.path}).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        told = Server(listening.server_port, str(certificate))
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield told
        listening.shutdown()
        thread.join()


GET = """
export default async (params) => {
  const response = await fetch(params.url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return await response.json();
};
"""


def fetch(server: Server, url: str, *, hosts: list[str] | None = None, **more: Any) -> Outcome:
    """Run a fix that fetches a URL, where the deployment offers loopback."""
    parameters = {"url": url, "allowed_hosts": hosts or [server.host], **more.pop("parameters", {})}
    facilities = more.pop(
        "facilities", Facilities(api_networks=LOOPBACK, api_ca_file=server.ca_file)
    )
    return run(GET, parameters, facilities=facilities, **more)


def test_an_approved_host_is_reached(server: Server) -> None:
    """A fix fetches from the host and port that its approval names."""
    outcome = fetch(server, f"https://{server.host}/a?b=c")
    assert outcome.output == {"path": "/a?b=c"}, outcome.error


def test_another_host_or_port_is_not_reached(server: Server) -> None:
    """The same server by another name or port is another host."""
    for hosts in (["127.0.0.1"], [f"localhost:{server.port + 1}"], ["example.com"]):
        outcome = fetch(server, f"https://{server.host}/", hosts=hosts)
        assert not outcome.success
        assert f"localhost:{server.port} is not allowed" in str(outcome.error)
    assert server.paths == []


def test_a_redirect_leads_to_approved_hosts_only(server: Server) -> None:
    """An approved host cannot send a fix elsewhere."""
    server.statuses = [302]
    outcome = fetch(server, f"https://{server.host}/to/https://127.0.0.1:{server.port}/x")
    assert not outcome.success
    assert "a redirect leads to a host that is not in allowed_hosts" in str(outcome.error)
    assert len(server.paths) == 1


def test_a_private_address_is_not_reached_by_a_public_name(server: Server) -> None:
    """An approved name that resolves to loopback reaches nothing, unless the deployment offers it."""
    outcome = fetch(
        server, f"https://{server.host}/", facilities=Facilities(api_ca_file=server.ca_file)
    )
    assert not outcome.success
    assert server.paths == []


@pytest.mark.parametrize("hosts", ["x", [1], ["*"], ["a.com,b.com"], ["a.com --allow-read"]])
def test_malformed_hosts_start_nothing(hosts: object) -> None:
    """Hosts become words of a command: what is no host name never gets there."""
    outcome = run("export default () => 1", {"allowed_hosts": hosts})
    assert not outcome.success
    assert not outcome.started


# Tries


def test_a_failure_is_tried_again_where_the_approval_says_so(server: Server) -> None:
    """With retry_safe a failed script runs again, after pauses, until it succeeds."""
    server.statuses = [500, 503]
    outcome = fetch(
        server,
        f"https://{server.host}/",
        parameters={"retry_safe": True},
        limits=Limits(timeout_ms=20_000, max_retries=3),
    )
    assert outcome.success, outcome.error
    assert len(server.paths) == 3


def test_tries_are_counted(server: Server) -> None:
    """After the last try the failure stands."""
    server.statuses = [500] * 9
    limits = Limits(timeout_ms=20_000, max_retries=2)
    url = f"https://{server.host}/"
    outcome = fetch(server, url, parameters={"retry_safe": True}, limits=limits)
    assert str(outcome.error).startswith("Error: status 500")
    assert len(server.paths) == 3


@pytest.mark.parametrize("given", [None, False, "true", 1])
def test_without_that_word_it_runs_once(server: Server, given: object) -> None:
    """What a script did before it failed is not known, so it is not done twice unasked."""
    server.statuses = [500] * 9
    limits = Limits(timeout_ms=20_000, max_retries=3)
    fetch(server, f"https://{server.host}/", parameters={"retry_safe": given}, limits=limits)
    assert len(server.paths) == 1


def test_a_limit_is_not_tried_again() -> None:
    """A script that met a limit would meet it again; all tries share the time."""
    limits = Limits(timeout_ms=1_500, max_retries=5)
    outcome = run("for (;;);", {"retry_safe": True}, limits=limits)
    assert outcome.stopped == "time"
    assert outcome.duration_ms <= 2_500
    limits = Limits(timeout_ms=20_000, max_retries=5, max_output_bytes=100)
    outcome = run("console.log('x'.repeat(200))", {"retry_safe": True}, limits=limits)
    assert outcome.stopped == "output"


def test_all_tries_share_the_time() -> None:
    """Tries end when their time does, whatever their number."""
    limits = Limits(timeout_ms=2_000, max_retries=1_000)
    outcome = run("throw new Error('no')", {"retry_safe": True}, limits=limits)
    assert not outcome.success
    assert outcome.duration_ms <= 3_000


def test_a_deno_that_does_not_start_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that is no program raises nothing: nothing ran."""
    (tmp_path / "deno").write_text("not a program")
    monkeypatch.setattr(deno, "find", lambda: str(tmp_path / "deno"))
    outcome = run("export default () => 1")
    assert not outcome.success
    assert not outcome.started


def test_without_deno_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Deno is not installed, the outcome says so, and that nothing ran."""
    monkeypatch.setattr(deno, "find", lambda: None)
    outcome = run("export default () => 1")
    assert not outcome.success
    assert not outcome.started
    assert "`fixes`" in str(outcome.error)
