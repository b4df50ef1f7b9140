"""The steps of the demo, done against a running stack. Nothing is simulated.

Every row goes through PostgREST and every call through the public address of the functions, as if
an application and an operator made them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import httpx
import supabase
from postgrest.types import CountMethod
from supabase import Client, ClientOptions

from pattern_engine.demo import history
from pattern_engine.demo.programs import Programs
from pattern_engine.demo.shop import (
    FIX,
    FIX_PARAMETERS,
    UNDO,
    USELESS_FIX,
    USELESS_FIX_PARAMETERS,
    DemoFailedError,
    Shop,
)

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


class Wrapped(NamedTuple):
    """An error as one client logged it."""

    client: str
    text: str
    log_id: int


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

    def error_count(self) -> int:
        """Return the number of errors that were learned."""
        return self._count("pattern_incidents")

    def largest_patterns(self, limit: int) -> list[dict[str, Any]]:
        """Return the patterns with the most errors."""
        query = self._ops("error_patterns").select("pattern_type,occurrence_count,metadata")
        query = query.order("occurrence_count", desc=True).order("id").limit(limit)
        return list(query.execute().data)

    def cluster(self) -> list[dict[str, Any]]:
        """Cluster the patterns, as the operator."""
        return list(self._call("POST", "cluster", {})["clusters"])

    def invoice_by_every_client(self) -> list[Wrapped]:
        """Let each client invoice one of the orders without a currency, and log its error."""
        programs = Programs(self.service, self.stack)
        orders = [order for order in self.shop.orders() if order["currency"] is None]
        wrapped = []
        for order, (name, error_of) in zip(orders, programs.all().items(), strict=True):
            text = error_of({"order_id": order["id"], "amount": order["amount"], "currency": None})
            wrapped.append(Wrapped(name, text, self.shop.log("error", text, "invoicing")))
        return wrapped

    def only_pattern_of(self, wrapped: list[Wrapped]) -> str:
        """Return the id of the pattern of all these errors; raise if they are several patterns."""
        patterns = {self._pattern_of(each.log_id) for each in wrapped}
        if len(patterns) != 1:
            raise DemoFailedError(f"one cause became {len(patterns)} patterns")
        return patterns.pop()

    def _pattern_of(self, log_id: int) -> str:
        """Return the id of the pattern of a log row, once it is learned."""
        query = self._ops("pattern_incidents").select("pattern_id").eq("system_log_id", log_id)

        def learned() -> str | None:
            found = query.execute().data
            return found[0]["pattern_id"] if found else None

        return _eventually(learned, f"log row {log_id} was not learned")

    def facets(self, pattern_id: str, *names: str) -> dict[str, list[dict[str, Any]]]:
        """Return what the errors of a pattern named, by these names, most often first."""
        found = self._call("GET", f"facets?pattern_id={pattern_id}&limit=4")["facets"]
        return {facet["name"]: facet["values"] for facet in found if facet["name"] in names}

    def explain(self, text: str) -> dict[str, Any]:
        """Return the page about the cause of an error, from the text as it was logged."""
        query = str(httpx.QueryParams({"text": text}))
        cause: dict[str, Any] | None = self._call("GET", f"explain?{query}")["cause"]
        if cause is None:
            raise DemoFailedError(f"there is no page about {text!r}")
        return cause

    def invoice_everything(self) -> None:
        """Let the shop invoice all orders that have no invoice yet."""
        for order in self.shop.orders():
            if not order["invoices"]:
                self.shop.invoice(order["id"])

    def ship_everything(self) -> int:
        """Let the shop ship its orders; return how many failed."""
        return sum(self.shop.ship(order["id"]) is not None for order in self.shop.orders())

    def require_awaiting(self, pattern_id: str) -> None:
        """Raise unless the engine asks for a fix for this pattern."""
        waiting = self._call("GET", "statistics")["statistics"]["awaiting_approval"]
        if pattern_id not in {each["pattern_id"] for each in waiting}:
            raise DemoFailedError(f"pattern {pattern_id} did not come up for approval")

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
            "auto_fix_parameters": USELESS_FIX_PARAMETERS,
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

    def fix_modes(self, pattern_id: str) -> list[str]:
        """Return the mode of each version of a pattern's fix, the first version first."""
        query = self._ops("pattern_fixes").select("mode").eq("pattern_id", pattern_id)
        return [str(each["mode"]) for each in query.order("version").execute().data]

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
