"""What the image promises, tried with its own command: long fixes, all types of fixes, an ordered end."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.scenarios.healing.test_fix_types import service
from tests.scenarios.healing.test_fixes import Life, life
from tests.scenarios.learning.test_loop import applications, log_error
from tests.server import image
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Sql
    from tests.tls import Certificates, Exchange, HttpsServer

__all__ = ["life", "service"]

LONG_SECONDS = 50
#: The image does the same before either database server.
pytestmark = pytest.mark.parametrize("server", ["wheel"], indirect=True)


@pytest.fixture
def delivered_to(database: Sql) -> Iterator[Any]:
    """Lets the database announce errors to another address than the stack's own functions."""
    name = "pattern_engine_functions_url"
    (before,) = database.rows(
        "select id, decrypted_secret from vault.decrypted_secrets where name = %s", name
    )

    def change(address: str) -> None:
        database.run("select vault.update_secret(%s, %s)", before["id"], address)

    yield change
    change(before["decrypted_secret"])


@pytest.mark.slow
def test_a_fix_of_fifty_seconds_runs_to_its_end(
    life: Life,
    service: HttpsServer,
    certificates: Certificates,
    addresses: dict[str, Any],
    delivered_to: Any,
) -> None:
    """No time-out of the server ends a fix within its own, and others are answered meanwhile."""

    def answer_late(exchange: Exchange) -> None:
        exchange.stopping.wait(LONG_SECONDS)
        exchange.answer(200, b'{"restarted": true}')

    service.behave = answer_late
    request = {"method": "POST", "url": f"https://localhost:{service.port}/restart", "body": {}}
    life.approve_as(
        "api_call", json.dumps(request), {"allowed_hosts": ["localhost"], "timeout_ms": 60_000}
    )
    settings = {
        "PATTERN_ENGINE_API_CALL_NETWORKS": "127.0.0.0/8",
        "PATTERN_ENGINE_API_CALL_CA_FILE": str(certificates.authority),
    }
    with image(addresses, settings) as address:
        delivered_to(address)
        log_id = log_error(life.engine, life.fault, 2)
        eventually(lambda: service.seen)
        assert httpx.get(f"{address}/health", timeout=5).status_code == 200
        (application,) = eventually(lambda: applications(life.engine, log_id), LONG_SECONDS + 20)
    assert application["success"] is True, application["error_after"]
    assert application["execution_time_ms"] >= LONG_SECONDS * 1000
    assert len(service.seen) == 1


def test_health_tells_which_types_of_fixes_can_run(addresses: dict[str, Any]) -> None:
    """With all that the Dockerfile installs every type can; bash has to be switched on."""
    with image(addresses) as address:
        found = httpx.get(f"{address}/health").json()["fix_types"]
    assert {name: found[name] for name in ("sql", "typescript", "api_call")} == {
        "sql": "ok",
        "typescript": "ok",
        "api_call": "ok",
    }
    assert "PATTERN_ENGINE_BASH_FIXES=on" in found["bash"]
    with image(addresses, {"PATTERN_ENGINE_BASH_FIXES": "on"}) as address:
        assert httpx.get(f"{address}/health").json()["fix_types"]["bash"] == "ok"


def test_health_tells_what_is_missing(addresses: dict[str, Any], tmp_path: Path) -> None:
    """Where a program cannot be found, the reason says which package to install."""
    for name in ("sh", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    settings = {"PATTERN_ENGINE_BASH_FIXES": "on", "PATH": str(tmp_path)}
    with image(addresses, settings) as address:
        found = httpx.get(f"{address}/health").json()["fix_types"]
    assert "bubblewrap is not installed" in found["bash"]
    assert found["sql"] == "ok"
