"""What holds of every running stack: its status, its privacy, and what a function gets."""

import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import TupleRow

from pattern_engine.local.stack import Stack
from pattern_engine.local.state import State

Database = psycopg.Connection[TupleRow]
Processes = Callable[[State], list[int]]


def test_the_status_has_addresses_and_keys(status: dict[str, Any], server: str) -> None:
    """The status has what tools rely on."""
    assert status["running"] is True
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", status["api_url"])
    assert status["functions_url"] == status["api_url"] + "/functions/v1"
    assert status["publishable_key"].startswith("sb_publishable_")
    assert status["secret_key"].startswith("sb_secret_")
    assert status["server"] == server
    assert {"db_url", "admin_db_url", "jwt_secret", "webhook_secret"} <= status.keys()


def test_no_secret_is_shown(
    tiny_stack: Stack, status: dict[str, Any], processes_of: Processes
) -> None:
    """Neither command lines nor logs hold a key or a password; files with keys are ours alone."""
    pids = processes_of(State.load(tiny_stack.data_dir))
    shown = "".join(map(_command_line, pids))
    assert "gateway.mjs" in shown
    shown += "".join(log.read_text() for log in (tiny_stack.data_dir / "logs").glob("*.log"))
    passwords = [status[name].split(":")[2].split("@")[0] for name in ("db_url", "admin_db_url")]
    keys = [value for name, value in status.items() if name.endswith(("_key", "_secret"))]
    assert [secret for secret in keys + passwords if secret in shown] == []
    for name in ("keys.json", "state.json"):
        assert (tiny_stack.data_dir / name).stat().st_mode & 0o077 == 0


def test_logs_are_ours_alone(tiny_stack: Stack) -> None:
    """Logs hold messages and scripts, so nobody else reads them, whatever the umask is."""
    folder = tiny_stack.data_dir / "logs"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {log.name: stat.S_IMODE(log.stat().st_mode) for log in folder.glob("*.log")}
    parts = ("postgres", "gateway", "functions", "worker", "migrations")
    assert modes == dict.fromkeys((f"{name}.log" for name in parts), 0o600)


def test_every_part_listens_on_loopback_alone(tiny_stack: Stack, processes_of: Processes) -> None:
    """No port of the stack can be reached from another machine."""
    state = State.load(tiny_stack.data_dir)
    state.supervisor = None  # that is this process, which may have started other stacks
    inodes = {inode for pid in processes_of(state) for inode in _sockets_of(pid)}
    listening = [fields for table in ("tcp", "tcp6") for fields in _listening(table)]
    ours = [fields[1] for fields in listening if fields[9] in inodes]
    assert len(ours) == 3  # the gateway, the functions and the database
    assert {address.partition(":")[0] for address in ours} == {"0100007F"}


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # ended meanwhile
        return ""


def _sockets_of(pid: int) -> list[str]:
    try:
        links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # ended meanwhile
        return []
    return [link[len("socket:[") : -1] for link in links if link.startswith("socket:[")]


def _listening(table: str) -> list[list[str]]:
    lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    return [fields for fields in map(str.split, lines) if fields[3] == "0A"]


def test_the_socket_admits_its_owner_alone(tiny_stack: Stack) -> None:
    """The socket asks for no password, so nobody else may enter its directory."""
    assert (tiny_stack.data_dir / "socket").stat().st_mode & 0o077 == 0


def test_a_login_over_tcp_needs_the_password(status: dict[str, Any]) -> None:
    """The port of the database is open to every user of the machine, its roles are not."""
    for role in ("postgres", "supabase_admin", "authenticator"):
        url = re.sub(r"//[^@]*@", f"//{role}:wrong@", status["db_url"])
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            assert "password authentication failed" in str(error)  # noqa: PT017  each role in turn
        else:
            raise AssertionError(role)


def test_a_function_answers_under_both_spellings(http: httpx.Client) -> None:
    """A folder with an underscore is reached with it and with a hyphen."""
    for name in ("slow_answer", "slow-answer"):
        assert http.get(f"/functions/v1/{name}").text == "at last"


def test_a_function_gets_the_whole_request(http: httpx.Client, status: dict[str, Any]) -> None:
    """Method, rest of the path, query, body and credentials arrive untouched."""
    seen = http.post(
        "/functions/v1/echo/a/b?c=d&e=%20f",
        content="{broken",
        headers={"authorization": "Bearer abc"},
    ).json()
    assert seen["method"] == "POST"
    assert seen["path"] == "/a/b"
    assert seen["query"] == {"c": "d", "e": " f"}
    assert seen["body"] == "{broken"
    assert seen["authorization"] == "Bearer abc"
    assert seen["url"] == status["api_url"]


def test_a_function_gets_the_variables_of_a_deployed_one(http: httpx.Client) -> None:
    """Address, keys and origins are there, and nothing that logs in to the database."""
    variables = http.get("/functions/v1/echo").json()["variables"]
    assert variables == [
        "PATTERN_ENGINE_ALLOWED_ORIGINS",
        "PATTERN_ENGINE_WEBHOOK_SECRET",
        "SUPABASE_JWT_SECRET",
        "SUPABASE_PUBLISHABLE_KEY",
        "SUPABASE_SECRET_KEY",
        "SUPABASE_URL",
    ]


def test_cors_is_the_functions_own_affair(http: httpx.Client) -> None:
    """The gateway neither answers a preflight for a function nor adds headers to its answer."""
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = http.options("/functions/v1/echo", headers=asked)
    assert answer.headers.get_list("access-control-allow-origin") == ["https://app.example"]
    assert answer.json()["method"] == "OPTIONS"


def test_sixty_four_requests_are_served_at_once(status: dict[str, Any]) -> None:
    """64 requests of a second each take less than a few."""
    limits = httpx.Limits(max_connections=64)
    with (
        httpx.Client(base_url=status["functions_url"], timeout=30, limits=limits) as client,
        ThreadPoolExecutor(64) as pool,
    ):
        answers = list(pool.map(lambda _: client.get("/slow_answer"), range(64)))
    assert [answer.status_code for answer in answers] == [200] * 64
    slowest = max(answer.elapsed.total_seconds() for answer in answers)
    assert slowest < 6


def test_an_unknown_function_is_not_found(http: httpx.Client) -> None:
    """The answer names what was asked for."""
    answer = http.post("/functions/v1/nothing/here")
    assert answer.status_code == 404
    assert "nothing" in answer.json()["message"]


def test_a_function_that_cannot_be_loaded_is_told(tiny_stack: Stack, http: httpx.Client) -> None:
    """The stack starts, says which function failed and why, and serves the others."""
    (warning,) = tiny_stack.warnings
    assert "broken" in warning
    assert "a variable is missing" in warning
    answer = http.get("/functions/v1/broken")
    assert answer.status_code == 503
    assert "a variable is missing" not in answer.text
    assert http.get("/functions/v1/echo").status_code == 200
