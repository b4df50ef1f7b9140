"""The steps of the demo, done against a running stack. Nothing is simulated.

Every row goes through PostgREST and every call through the public address of the functions, as if
an application and an operator made them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import supabase
from postgrest.types import CountMethod
from supabase import Client, ClientOptions

from pattern_engine.demo import history
from pattern_engine.demo.shop import FIX, FIX_PARAMETERS, UNDO, USELESS_FIX, Shop

OPERATOR_EMAIL = "operator@shop.example"
_OPERATOR_PASSWORD = "only for the demo 1"  # noqa: S105 - a throw-away account of a local stack
_ROWS_PER_INSERT = 500
_NEW_ORDER = 7

#: The engine verifies a fix within seconds instead of minutes, so that the demo stays short.
SETTINGS = {
    "PATTERN_ENGINE_MIN_WINDOW_SECONDS": "3",
    "PATTERN_ENGINE_MAX_WINDOW_SECONDS": "3",
    "PATTERN_ENGINE_SETTLE_SECONDS": "0.1",
    "PATTERN_ENGINE_COOLDOWN_SECONDS": "0.2",
}

_Found = TypeVar("_Found")


class DemoFailedError(Exception):
    """A step of the demo did not end as it has to."""


def _eventually(
    look: Callable[[], _Found | None], failure: str, *, seconds: float = 30.0, pause: float = 0.05
) -> _Found:
    """Call `look` until it returns something; raise DemoFailedError when the time is over."""
    ends = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > ends:
            raise DemoFailedError(f"{failure} within {seconds:.0f} seconds")
        time.sleep(pause)
    return found


@dataclass
class Story:
    """One run of the demo.

    Attributes:
        stack: The status of the stack: its addresses and keys.
    """

    stack: dict[str, Any]
    operator: Client = field(init=False)
    service: Client = field(init=False)
    shop: Shop = field(init=False)

    def __post_init__(self) -> None:
        """Create the clients with the official library of Supabase."""
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
            raise DemoFailedError(f"{OPERATOR_EMAIL} could not sign up")
        return answer.user.id

    def write_history(self, on_progress: Callable[[int, int], None]) -> int:
        """Insert the sample into ops.system_logs; return the number of errors.

        Args:
            on_progress: Called with the number of rows done and the total.
        """
        rows = history.log_rows()
        for start in range(0, len(rows), _ROWS_PER_INSERT):
            chunk = rows[start : start + _ROWS_PER_INSERT]
            self._ops("system_logs").insert(chunk, returning="minimal").execute()
            on_progress(start + len(chunk), len(rows))
        return len(rows)

    def wait_until_learned(self, total: int, on_progress: Callable[[int, int], None]) -> float:
        """Wait until the engine has learned every error; return how many seconds that took."""
        started = time.monotonic()

        def seconds_if_all() -> float | None:
            learned = self._count("pattern_incidents")
            on_progress(learned, total)
            return time.monotonic() - started if learned >= total else None

        failure = f"the engine did not learn all {total} errors"
        return _eventually(seconds_if_all, failure, seconds=180)

    def pattern_count(self) -> int:
        """Return the number of patterns."""
        return self._count("error_patterns")

    def largest_patterns(self, limit: int) -> list[dict[str, Any]]:
        """Return the patterns with the most errors."""
        query = self._ops("error_patterns").select("pattern_type,occurrence_count,metadata")
        query = query.order("occurrence_count", desc=True).order("id").limit(limit)
        return list(query.execute().data)

    def cluster(self) -> list[dict[str, Any]]:
        """Cluster the patterns, as the operator."""
        return list(self._call("POST", "cluster", {})["clusters"])

    def invoice_everything(self) -> tuple[int, int]:
        """Let the shop invoice its orders; return how many have an invoice and how many failed."""
        orders = self.shop.orders()
        open_orders = [order["id"] for order in orders if not order["invoices"]]
        failed = sum(self.shop.invoice(order_id) is not None for order_id in open_orders)
        return len(orders) - failed, failed

    def ship_everything(self) -> int:
        """Let the shop ship its orders; return how many failed."""
        return sum(self.shop.ship(order["id"]) is not None for order in self.shop.orders())

    def awaiting_pattern(self, work: str = "invoicing") -> dict[str, Any]:
        """Return the pattern of the shop's error once it awaits approval: seen five times."""

        def listed() -> dict[str, Any] | None:
            waiting = self._call("GET", "statistics")["statistics"]["awaiting_approval"]
            return next((one for one in waiting if one["error_source"] == f"shop/{work}"), None)

        return _eventually(listed, f"the error of shop/{work} did not come up for approval")

    def propose(self, pattern_id: str) -> dict[str, Any]:
        """Propose the fix, as the operator; return the proposal with its dry-run and replay."""
        request = {
            "pattern_id": pattern_id,
            "auto_fix_script": FIX,
            "auto_fix_type": "sql",
            "auto_fix_parameters": FIX_PARAMETERS,
            "undo_script": UNDO,
        }
        return dict(self._call("POST", "propose", request)["proposal"])

    def decide(self, proposal: dict[str, Any]) -> None:
        """Approve a proposal by its digest."""
        request = {
            "proposal_id": proposal["proposal_id"],
            "sha256": proposal["sha256"],
            "decision": "approve",
            "reason": "tried on the shop's own data",
        }
        self._call("POST", "decide", request)

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
        """Let the shipping of an order fail; return the id of the log row that the shop wrote."""
        log_id = self.shop.ship(order_id)
        if log_id is None:
            raise DemoFailedError(f"order {order_id} was shipped, although it has no address")
        return log_id

    def fail_to_invoice(self) -> int:
        """Let the first error occur again, for a new order; return the id of its log row."""
        self.shop.order(_NEW_ORDER, "Katherine", 31.40)
        log_id = self.shop.invoice(_NEW_ORDER)
        if log_id is None:
            raise DemoFailedError(f"order {_NEW_ORDER} was invoiced, although it has no currency")
        return log_id

    def verification(
        self, application: dict[str, Any], *, shop_is_active: bool = False
    ) -> dict[str, Any]:
        """Return what the engine found out about a run, once its outcome is decided.

        A scheduled job decides outcomes each minute. The demo does not wait for it and calls the
        same function itself. While `shop_is_active`, the shop goes on logging.
        """
        query = self._ops("pattern_verifications").select("*")
        query = query.eq("application_id", application["application_id"])

        def decided() -> dict[str, Any] | None:
            if shop_is_active:
                self.shop.log_activity()
            self.service.schema("ops").rpc("verify_applications_v1", {}).execute()
            (found,) = query.execute().data
            return None if found["outcome"] == "pending" else dict(found)

        return _eventually(decided, "no outcome was decided", seconds=60, pause=0.3)

    def fix_mode(self, pattern_id: str) -> str:
        """Return the mode of the latest version of a pattern's fix."""
        query = self._ops("pattern_fixes").select("mode").eq("pattern_id", pattern_id)
        (found,) = query.order("version", desc=True).limit(1).execute().data
        return str(found["mode"])

    def refusal(self, log_id: int) -> str:
        """Return why the engine ran no fix for a log row, once the reason is recorded."""
        query = self._ops("pattern_incidents").select("refusal").eq("system_log_id", log_id)

        def recorded() -> str | None:
            found = query.execute().data
            return found[0]["refusal"] if found else None

        return _eventually(recorded, f"no reason was recorded for log row {log_id}")

    def wait_until_healed(self, log_id: int) -> dict[str, Any]:
        """Return the run of a fix for a log row, once there is one."""
        query = self._ops("pattern_applications").select("*").eq("system_log_id", log_id)

        def recorded() -> dict[str, Any] | None:
            return next(iter(query.execute().data), None)

        return _eventually(recorded, f"no fix ran for log row {log_id}")

    def pattern(self, pattern_id: str) -> dict[str, Any]:
        """Return a pattern as it is now."""
        query = self._ops("error_patterns").select("*").eq("pattern_id", pattern_id).single()
        return dict(query.execute().data)

    def _ops(self, table: str) -> Any:  # noqa: ANN401 - postgrest's builders differ by call
        return self.service.schema("ops").table(table)

    def _count(self, table: str) -> int:
        answer = self._ops(table).select("id", count=CountMethod.exact, head=True).execute()
        return int(answer.count or 0)

    def _call(self, method: str, endpoint: str, body: object = None) -> dict[str, Any]:
        """Call a function with the operator's token."""
        session = self.operator.auth.get_session()
        if session is None:
            raise DemoFailedError(f"{OPERATOR_EMAIL} is not signed in")
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
        return dict(answer.json())
