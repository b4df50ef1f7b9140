"""A small shop with faulty data: some orders have no currency, and an invoice needs one."""

from dataclasses import dataclass
from typing import Any, cast

import psycopg
from postgrest.exceptions import APIError
from supabase import Client

SCHEMA = """
drop table if exists public.invoices, public.parcels, public.orders;
create table public.orders (
  id integer primary key,
  customer text not null,
  amount numeric(10, 2) not null,
  currency text,
  weight numeric(6, 2),
  address text
);
create table public.invoices (
  order_id integer primary key references public.orders (id),
  amount numeric(10, 2) not null,
  currency text not null
);
create table public.parcels (
  order_id integer primary key references public.orders (id),
  address text not null
);
alter table public.orders enable row level security;
alter table public.invoices enable row level security;
alter table public.parcels enable row level security;
insert into public.orders (id, customer, amount, currency) values
  (1, 'Ada', 12.50, 'EUR'), (2, 'Grace', 99.00, null), (3, 'Edsger', 45.10, null),
  (4, 'Barbara', 7.99, null), (5, 'Donald', 256.00, null), (6, 'Margaret', 19.69, null);
"""

FIX = "UPDATE orders SET currency = $1 ->> 'currency' WHERE currency IS NULL;"
UNDO = "UPDATE orders SET currency = NULL WHERE currency = $1 ->> 'currency' AND id > 1;"
#: Both errors of the shop are one pattern, so each fix is for its own table.
FIX_PARAMETERS = {
    "currency": "EUR",
    "max_rows": 100,
    "when": {"table": ["invoices"], "column": ["currency"]},
}
#: Shipping fails because the address is missing. This runs without an error and does not help.
USELESS_FIX = "UPDATE orders SET weight = 1 WHERE weight IS NULL;"
USELESS_FIX_PARAMETERS = {"max_rows": 100, "when": {"table": ["parcels"]}}
FIXED_TABLE = "public.orders"


class DemoFailedError(Exception):
    """A step of the demo did not end as it has to."""


@dataclass(frozen=True)
class Shop:
    """The application; `client` uses the project's secret key, as a server does."""

    client: Client

    def invoice(self, order_id: int) -> int | None:
        """Invoice an order; on failure log the error and return the id of its log row."""
        order = self._order(order_id)
        fields = {"order_id": order_id, "amount": order["amount"], "currency": order["currency"]}
        return self._insert("invoices", fields, "invoicing")

    def ship(self, order_id: int) -> int | None:
        """Ship an order; on failure log the error and return the id of its log row."""
        order = self._order(order_id)
        fields = {"order_id": order_id, "address": order["address"]}
        return self._insert("parcels", fields, "shipping")

    def order(self, order_id: int, customer: str, amount: float) -> None:
        """Store an order as the faulty checkout does: without a currency."""
        fields = {"id": order_id, "customer": customer, "amount": amount}
        self.client.table("orders").insert(fields).execute()

    def orders(self) -> list[dict[str, Any]]:
        """Return the orders with their invoices, by id."""
        query = self.client.table("orders").select("*, invoices(order_id)").order("id")
        return cast("list[dict[str, Any]]", query.execute().data)

    def log_activity(self) -> None:
        """Log a row of level info, as an application does while it works."""
        self.log("info", "looked for orders without an invoice", "invoicing")

    def _order(self, order_id: int) -> dict[str, Any]:
        query = self.client.table("orders").select("*").eq("id", order_id).single()
        return cast("dict[str, Any]", query.execute().data)

    def _insert(self, table: str, fields: dict[str, Any], work: str) -> int | None:
        """Insert a row; on failure log the error and return the id of its log row."""
        try:
            self.client.table(table).insert(fields).execute()
        except APIError as error:
            order_id = fields["order_id"]
            return self.log("error", f"{work} order {order_id} failed: {error.message}", work)
        return None

    def log(self, level: str, message: str, work: str) -> int:
        """Write a row to the log; return its id."""
        row = {"log_level": level, "message": message, "source": f"shop/{work}"}
        query = self.client.schema("ops").table("system_logs").insert(row)
        (written,) = cast("list[dict[str, Any]]", query.execute().data)
        return int(written["id"])


def open_shop(database_url: str) -> None:
    """Create the shop's tables, as a migration of the shop would."""
    with psycopg.connect(database_url) as connection:
        connection.execute(SCHEMA)
        connection.execute("notify pgrst, 'reload schema'")
