"""A small shop with a fault in its data: some orders have no currency, and invoicing needs one."""

from dataclasses import dataclass
from typing import Any, cast

import psycopg
from postgrest.exceptions import APIError
from supabase import Client

SCHEMA = """
drop table if exists public.invoices, public.orders;
create table public.orders (
  id integer primary key,
  customer text not null,
  amount numeric(10, 2) not null,
  currency text
);
create table public.invoices (
  order_id integer primary key references public.orders (id),
  amount numeric(10, 2) not null,
  currency text not null
);
alter table public.orders enable row level security;
alter table public.invoices enable row level security;
insert into public.orders (id, customer, amount, currency) values
  (1, 'Ada', 12.50, 'EUR'), (2, 'Grace', 99.00, null), (3, 'Edsger', 45.10, null),
  (4, 'Barbara', 7.99, null), (5, 'Donald', 256.00, null), (6, 'Margaret', 19.69, null);
"""

FIX = "UPDATE orders SET currency = $1 ->> 'currency' WHERE currency IS NULL;"
FIX_PARAMETERS = {"currency": "EUR", "timeout_ms": 2000, "max_rows": 100}
FIXED_TABLE = "public.orders"


@dataclass(frozen=True)
class Shop:
    """The application; `client` holds its secret key, as a server's would."""

    client: Client

    def invoice(self, order_id: int) -> int | None:
        """Invoice an order; on an error log it and return the log row's id, else None."""
        query = self.client.table("orders").select("*").eq("id", order_id).single()
        order = cast("dict[str, Any]", query.execute().data)
        fields = {"order_id": order_id, "amount": order["amount"], "currency": order["currency"]}
        try:
            self.client.table("invoices").insert(fields).execute()
        except APIError as error:
            return self._log(error, order_id)
        return None

    def order(self, order_id: int, customer: str, amount: float) -> None:
        """Take an order the way the faulty checkout does: without a currency."""
        fields = {"id": order_id, "customer": customer, "amount": amount}
        self.client.table("orders").insert(fields).execute()

    def orders(self) -> list[dict[str, Any]]:
        """Return the orders with their invoices, by id."""
        query = self.client.table("orders").select("*, invoices(order_id)").order("id")
        return cast("list[dict[str, Any]]", query.execute().data)

    def _log(self, error: APIError, order_id: int) -> int:
        row = {
            "log_level": "error",
            "message": f"invoicing order {order_id} failed: {error.message}",
            "source": "shop/invoicing",
            "error_data": {"code": error.code, "order_id": order_id},
        }
        query = self.client.schema("ops").table("system_logs").insert(row)
        (written,) = cast("list[dict[str, Any]]", query.execute().data)
        return int(written["id"])


def open_shop(database_url: str) -> None:
    """Make the shop's tables, as a migration of the shop would."""
    with psycopg.connect(database_url) as connection:
        connection.execute(SCHEMA)
        connection.execute("notify pgrst, 'reload schema'")
