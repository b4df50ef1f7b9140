"""What the demo does, step by step, against a running stack. Nothing is made up on the way.

Every row goes through PostgREST, every call through the functions' public address, as an
application and an operator would make them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import supabase
from postgrest.types import CountMethod
from supabase import Client, ClientOptions

from pattern_engine.demo import history
from pattern_engine.demo.shop import FIX, FIX_PARAMETERS, UNDO, USELESS_FIX, Shop

OPERATOR_EMAIL = "operator@shop.example"
_OPERATOR_PASSWORD = "only for the demo 1"  # noqa: S105 - a throw-away account of a local stack
_ROWS_PER_INSERT = 500
_LEARNING_PATIENCE_SECONDS = 180.0
_HEALING_PATIENCE_SECONDS = 30.0
_VERIFYING_PATIENCE_SECONDS = 60.0
_NEW_ORDER = 7


#: Verification within seconds instead of minutes, so that the demo ends while one looks at it.
SETTINGS = {
    "PATTERN_ENGINE_MIN_WINDOW_SECONDS": "3",
    "PATTERN_ENGINE_MAX_WINDOW_SECONDS": "3",
    "PATTERN_ENGINE_SETTLE_SECONDS": "0.1",
    "PATTERN_ENGINE_COOLDOWN_SECONDS": "0.2",
}


class DemoFailedError(Exception):
    """Something that the demo promises did not happen."""


@dataclass
class Story:
    """One run of the demo; `stack` is the stack's status, `on_progress` gets (done, total)."""

    stack: dict[str, Any]
    operator: Client = field(init=False)
    service: Client = field(init=False)
    shop: Shop = field(init=False)

    def __post_init__(self) -> None:
        """Make the clients, as anyone does who uses Supabase."""
        options = ClientOptions(auto_refresh_token=False, persist_session=False)
        api_url = self.stack["api_url"]
        self.service = supabase.create_client(api_url, self.stack["secret_key"], options)
        self.operator = supabase.create_client(api_url, self.stack["publishable_key"], options)
        self.shop = Shop(self.service)

    def sign_up_operator(self) -> str:
        """Sign the operator up; return the user's id."""
        credentials = {"email": OPERATOR_EMAIL, "password": _OPERATOR_PASSWORD}
        answer = self.operator.auth.sign_up(credentials)  # type: ignore[arg-type]
        if answer.user is None:
            raise DemoFailedError("the operator could not sign up")
        return answer.user.id

    def write_history(self, on_progress: Callable[[int, int], None]) -> int:
        """Insert the sample into ops.system_logs; return how many errors that was."""
        rows = history.log_rows()
        for start in range(0, len(rows), _ROWS_PER_INSERT):
            chunk = rows[start : start + _ROWS_PER_INSERT]
            self._ops("system_logs").insert(chunk, returning="minimal").execute()
            on_progress(start + len(chunk), len(rows))
        return len(rows)

    def wait_until_learned(self, total: int, on_progress: Callable[[int, int], None]) -> float:
        """Wait until the database webhook has brought every error; return the seconds it took."""
        started = time.monotonic()
        while (learned := self._count("pattern_incidents")) < total:
            on_progress(learned, total)
            if time.monotonic() - started > _LEARNING_PATIENCE_SECONDS:
                raise DemoFailedError(f"only {learned} of {total} errors were learned")
            time.sleep(0.1)
        on_progress(learned, total)
        return time.monotonic() - started

    def largest_patterns(self, most: int) -> list[dict[str, Any]]:
        """Return the patterns with the most errors."""
        query = self._ops("error_patterns").select("pattern_type,occurrence_count,metadata")
        found: list[dict[str, Any]] = (
            query.order("occurrence_count", desc=True).order("id").limit(most).execute().data
        )
        return found

    def cluster(self) -> list[dict[str, Any]]:
        """Cluster the patterns, as the operator."""
        clusters: list[dict[str, Any]] = self._call("POST", "cluster", {})["clusters"]
        return clusters

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, as the operator sees them."""
        statistics: dict[str, Any] = self._call("GET", "statistics")["statistics"]
        return statistics

    def invoice_everything(self) -> tuple[int, int]:
        """Let the shop invoice its orders; return how many went well and how many failed."""
        failures = sum(
            self.shop.invoice(order["id"]) is not None
            for order in self.shop.orders()
            if not order["invoices"]
        )
        return len(self.shop.orders()) - failures, failures

    def ship_everything(self) -> int:
        """Let the shop ship its orders; return how many failed."""
        return sum(self.shop.ship(order["id"]) is not None for order in self.shop.orders())

    def awaiting_pattern(
        self, work: str = "invoicing", patience: float = _HEALING_PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Return the pattern of the shop's error once it awaits approval: seen five times."""
        ends = time.monotonic() + patience
        while time.monotonic() < ends:
            for pattern in self.statistics()["awaiting_approval"]:
                if pattern["error_source"] == f"shop/{work}":
                    return dict(pattern)
            time.sleep(0.1)
        raise DemoFailedError("the shop's error never came up for approval")

    def propose(self, pattern_id: str) -> dict[str, Any]:
        """Propose the fix, as the operator; return the proposal with what would happen."""
        request = {
            "pattern_id": pattern_id,
            "auto_fix_script": FIX,
            "auto_fix_type": "sql",
            "auto_fix_parameters": FIX_PARAMETERS,
            "undo_script": UNDO,
        }
        proposal: dict[str, Any] = self._call("POST", "propose", request)["proposal"]
        return proposal

    def decide(self, proposal: dict[str, Any]) -> dict[str, Any]:
        """Approve a proposal, the one that was read; return the pattern."""
        request = {
            "proposal_id": proposal["proposal_id"],
            "sha256": proposal["sha256"],
            "decision": "approve",
            "reason": "tried on the shop's own data",
        }
        pattern: dict[str, Any] = self._call("POST", "decide", request)["pattern"]
        return pattern

    def approve_useless_fix(self, pattern_id: str, operator_id: str) -> None:
        """Approve a fix that does not help, without a proposal."""
        request = {
            "pattern_id": pattern_id,
            "auto_fix_script": USELESS_FIX,
            "auto_fix_type": "sql",
            "auto_fix_parameters": {"timeout_ms": 2000, "max_rows": 100},
            "approved_by": operator_id,
        }
        self._call("POST", "approve", request)

    def fail_to_ship(self, order_id: int) -> int:
        """Let an order fail to be shipped; return the log row that the shop wrote."""
        log_id = self.shop.ship(order_id)
        if log_id is None:
            raise DemoFailedError("the order was shipped")
        return log_id

    def verification(self, application: dict[str, Any], *, breathe: bool) -> dict[str, Any]:
        """Return what was found out about a run, as soon as it is known.

        The schedule asks each minute; here it is asked at once. Meanwhile the shop goes on working
        if it is to `breathe`.
        """
        ends = time.monotonic() + _VERIFYING_PATIENCE_SECONDS
        query = self._ops("pattern_verifications").select("*")
        query = query.eq("application_id", application["application_id"])
        while time.monotonic() < ends:
            if breathe:
                self.shop.breathe()
            self.service.schema("ops").rpc("verify_applications_v1", {}).execute()
            (found,) = query.execute().data
            if found["outcome"] != "pending":
                return dict(found)
            time.sleep(0.3)
        raise DemoFailedError("nobody knows whether the fix helped")

    def fix(self, pattern_id: str) -> dict[str, Any]:
        """Return the latest version of a pattern's fix."""
        query = self._ops("pattern_fixes").select("*").eq("pattern_id", pattern_id)
        (found,) = query.order("version", desc=True).limit(1).execute().data
        return dict(found)

    def refusal(self, log_id: int) -> str:
        """Return why nothing was run for a log row, once that is known."""
        ends = time.monotonic() + _HEALING_PATIENCE_SECONDS
        query = self._ops("pattern_incidents").select("refusal").eq("system_log_id", log_id)
        while time.monotonic() < ends:
            if (found := query.execute().data) and found[0]["refusal"]:
                return str(found[0]["refusal"])
            time.sleep(0.05)
        raise DemoFailedError(f"nothing is known about log row {log_id}")

    def break_again(self) -> int:
        """Let the same error occur again; return the log row that the shop wrote."""
        self.shop.order(_NEW_ORDER, "Katherine", 31.40)
        log_id = self.shop.invoice(_NEW_ORDER)
        if log_id is None:
            raise DemoFailedError("the shop's error did not occur again")
        return log_id

    def wait_until_healed(self, log_id: int) -> dict[str, Any]:
        """Return the application of the fix to this log row, once there is one."""
        ends = time.monotonic() + _HEALING_PATIENCE_SECONDS
        query = self._ops("pattern_applications").select("*").eq("system_log_id", log_id)
        while time.monotonic() < ends:
            if found := query.execute().data:
                return dict(found[0])
            time.sleep(0.05)
        raise DemoFailedError(f"nothing was applied to log row {log_id}")

    def pattern(self, pattern_id: str) -> dict[str, Any]:
        """Return a pattern, as it stands."""
        query = self._ops("error_patterns").select("*").eq("pattern_id", pattern_id).single()
        found: dict[str, Any] = query.execute().data
        return found

    def _ops(self, table: str) -> Any:  # noqa: ANN401 - postgrest's builders differ by call
        return self.service.schema("ops").table(table)

    def _count(self, table: str) -> int:
        answer = self._ops(table).select("id", count=CountMethod.exact, head=True).execute()
        return int(answer.count or 0)

    def _call(self, method: str, endpoint: str, body: object = None) -> dict[str, Any]:
        """Call a function with the operator's token."""
        session = self.operator.auth.get_session()
        if session is None:
            raise DemoFailedError("the operator is not signed in")
        answer = httpx.request(
            method,
            f"{self.stack['functions_url']}/pattern-analyzer/{endpoint}",
            json=body,
            headers={
                "apikey": self.stack["publishable_key"],
                "Authorization": f"Bearer {session.access_token}",
            },
            timeout=60.0,
        )
        if answer.is_error:
            raise DemoFailedError(f"{endpoint} answered {answer.status_code}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found
