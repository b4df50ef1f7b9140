"""`pattern-engine shop`: an application with an error, to try the engine with."""

import time
from typing import Annotated, Any

import httpx
import psycopg
import supabase
import typer
from postgrest.exceptions import APIError
from supabase import ClientOptions

from pattern_engine.cli.locations import DataDirectory, ProjectDirectory, data_directory
from pattern_engine.cli.terminal import show
from pattern_engine.demo.shop import Shop, open_shop
from pattern_engine.local.errors import StackError
from pattern_engine.local.stack import read_status

_HEALING_SECONDS = 10.0

commands = typer.Typer()


@commands.command("shop")
def run(
    orders: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=50, help="how many orders come in")
    ] = 5,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> int:
    """Let a small shop work on the local stack, whose checkout forgets the currency of orders.

    It creates its tables public.orders and public.invoices the first time. Orders come in, the shop
    fails to invoice them, logs each error, and tries again for a few seconds. The exit code is 0 if
    every order was invoiced in the end.
    """
    status = read_status(data_directory(data_dir, project))
    if not status["running"]:
        raise StackError("the stack is not running; start it with `make up`")
    try:
        return _work(_opened(status), orders)
    except (APIError, httpx.HTTPError, psycopg.Error) as error:
        raise StackError(f"the shop could not work: {error}") from error


def _opened(status: dict[str, Any]) -> Shop:
    """Return the shop, with its tables."""
    with psycopg.connect(status["db_url"], connect_timeout=10) as connection:
        found = connection.execute("select to_regclass('public.orders')").fetchone()
    if found == (None,):
        open_shop(status["db_url"])
    options = ClientOptions(auto_refresh_token=False, persist_session=False)
    shop = Shop(supabase.create_client(status["api_url"], status["secret_key"], options))
    _wait_for_tables(shop)
    return shop


def _wait_for_tables(shop: Shop) -> None:
    """Wait until the API knows new tables, which it is told of a moment after their creation."""
    for _ in range(50):
        try:
            shop.orders()
        except APIError:
            time.sleep(0.1)
        else:
            return
    shop.orders()


def _work(shop: Shop, incoming: int) -> int:
    last = max((order["id"] for order in shop.orders()), default=0)
    for number in range(last + 1, last + 1 + incoming):
        shop.order(number, "a customer", 10)
    failed = _invoice(shop)
    show(f"{incoming} orders came in; {failed} orders could not be invoiced, and the log has each")
    ends = time.monotonic() + _HEALING_SECONDS
    while failed and time.monotonic() < ends:
        time.sleep(0.2)
        if all(order["currency"] for order in shop.orders()):
            failed = _invoice(shop)
            show("the orders have a currency now, so the shop tried again")
    if failed:
        show(f"{failed} orders still have no invoice: nothing repaired them")
        return 1
    # Whether its error stopped is known only of a shop that goes on logging.
    shop.log_activity()
    show("every order is invoiced")
    return 0


def _invoice(shop: Shop) -> int:
    """Try to invoice each order that has no invoice; return how many failed."""
    waiting = [order["id"] for order in shop.orders() if not order["invoices"]]
    return sum(shop.invoice(order_id) is not None for order_id in waiting)
