"""What drivers, object mappers and frameworks write around the message of an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.reading.cases import Case, found, wanted
from tests.processor import fastest

from pattern_engine import reading
from pattern_engine.reading import error, frames

TABLE = 'relation "invoices" does not exist'
UNIQUE = 'duplicate key value violates unique constraint "orders_pkey"'

DRIVERS = {
    "PDO": Case(
        f"SQLSTATE[42P01]: Undefined table: 7 ERROR:  {TABLE}\nLINE 1: select * from invoices",
        TABLE,
        code="42P01",
        origin="postgres",
    ),
    "PDO with its class": Case(
        f"PDOException: SQLSTATE[42P01]: Undefined table: 7 ERROR:  {TABLE}", TABLE, code="42P01"
    ),
    "PDO, a connection": Case(
        'SQLSTATE[08006] [7] connection to server at "10.0.0.7", port 5432 failed: FATAL:  the database '
        "system is starting up",
        "the database system is starting up",
    ),
    "PDO, uncaught, a connection": Case(
        'Uncaught PDOException: SQLSTATE[08006] [7] connection to server at "10.0.0.7", port 5432 failed: '
        'FATAL:  too many connections for role "web"',
        'too many connections for role "web"',
        origin="postgres",
    ),
    "Laravel": Case(
        f"SQLSTATE[42P01]: Undefined table: 7 ERROR:  {TABLE} (Connection: pgsql, SQL: select * from "
        '"invoices")',
        TABLE,
        code="42P01",
        statement='select * from "invoices"',
    ),
    "Doctrine": Case(
        "An exception occurred while executing a query: SQLSTATE[42P01]: Undefined table: 7 ERROR:  "
        f"{TABLE}",
        TABLE,
        code="42P01",
    ),
    "pg_query": Case(
        f"pg_query(): Query failed: ERROR:  {TABLE} LINE 1: select * from invoices", TABLE
    ),
    "psycopg2 in SQLAlchemy": Case(
        f"(psycopg2.errors.UniqueViolation) {UNIQUE}\nDETAIL:  Key (id)=(7) already exists.\n\n[SQL: "
        "INSERT INTO orders (id) VALUES (7)]\n(Background on this error at: https://sqlalche.me/e/20/g)",
        UNIQUE,
        detail="Key (id)=(7) already exists.",
    ),
    "psycopg's class": Case(
        f"psycopg.errors.UniqueViolation: {UNIQUE}",
        UNIQUE,
        code="23505",
        kind="psycopg.errors.UniqueViolation",
    ),
    "asyncpg's class": Case(
        f"asyncpg.exceptions.UniqueViolationError: {UNIQUE}", UNIQUE, code="23505"
    ),
    "asyncpg in SQLAlchemy": Case(
        f"(sqlalchemy.dialects.postgresql.asyncpg.IntegrityError) <class 'asyncpg.exceptions."
        f"UniqueViolationError'>: {UNIQUE}",
        UNIQUE,
    ),
    "asyncpg's own class in SQLAlchemy": Case(
        "DBAPIError: (sqlalchemy.dialects.postgresql.asyncpg.Error) Coupon is expired\n[SQL: select f()]",
        "Coupon is expired",
        origin="postgres",
    ),
    "a repr": Case(f"UniqueViolation('{UNIQUE}\\nDETAIL:  Key (id)=(7) already exists.\\n')", UNIQUE),
    "pg8000": Case(
        f"{{'S': 'ERROR', 'V': 'ERROR', 'C': '23505', 'M': '{UNIQUE}', 'D': 'Key (id)=(7) already "
        "exists.', 's': 'public', 't': 'orders', 'n': 'orders_pkey', 'R': '_bt_check_unique'}",
        UNIQUE,
        code="23505",
        objects={"constraint": "orders_pkey", "table": "orders", "schema": "public"},
    ),
    "ruby-pg": Case(
        'PG::NotNullViolation: ERROR:  null value in column "total" of relation "orders" violates '
        "not-null constraint\nDETAIL:  Failing row contains (7, null).",
        'null value in column "total" of relation "orders" violates not-null constraint',
        code="23502",
        kind="PG::NotNullViolation",
        detail="Failing row contains (7, null).",
    ),
    "ActiveRecord": Case(
        f"ActiveRecord::RecordNotUnique: PG::UniqueViolation: ERROR:  {UNIQUE}\nDETAIL:  Key (id)=(7) "
        "already exists.",
        UNIQUE,
        code="23505",
    ),
    "Ruby's inspect": Case(f"#<Sequel::DatabaseError: PG::UndefinedTable: ERROR:  {TABLE}\n>", TABLE),
    "pgx": Case(f"ERROR: {TABLE} (SQLSTATE 42P01)", TABLE, code="42P01", origin="postgres"),
    "pq": Case(f"pq: {TABLE}", TABLE, origin="postgres"),
    "pq, wrapped": Case(f"place order 17: insert order: pq: {TABLE}", TABLE, origin="postgres"),
    "JDBC": Case(
        f"org.postgresql.util.PSQLException: ERROR: {TABLE}\n  Position: 15", TABLE, origin="postgres"
    ),
    "Spring": Case(
        f"PreparedStatementCallback; bad SQL grammar [select * from invoices]; nested exception is "
        f"org.postgresql.util.PSQLException: ERROR: {TABLE}\n  Position: 15",
        TABLE,
    ),
    "Hibernate's log": Case(f"SQL Error: 0, SQLState: 42P01\nERROR: {TABLE}\n  Position: 15", TABLE),
    "Npgsql": Case(
        f"Npgsql.PostgresException (0x80004005): 42P01: {TABLE}\n\nPOSITION: 15",
        TABLE,
        code="42P01",
        kind="Npgsql.PostgresException",
    ),
    "Prisma, a known error": Case(
        "Invalid `prisma.order.create()` invocation:\n\n\nUnique constraint failed on the fields: "
        "(`number`)",
        "Unique constraint failed on the fields: (`number`)",
    ),
    "Prisma, raw": Case(
        f"Raw query failed. Code: `42P01`. Message: `{TABLE}`", TABLE, code="42P01"
    ),
    "Prisma's connector": Case(
        'ConnectorError(ConnectorError { user_facing_error: None, kind: QueryError(PostgresError { code:'
        ' "42P01", message: "relation \\"invoices\\" does not exist", severity: "ERROR", detail: None, '
        "column: None, hint: None }), transient: false })",
        TABLE,
        code="42P01",
    ),
    "Knex": Case(f"select * from invoices where id = $1 - {TABLE}", TABLE),
    "TypeORM": Case(f"QueryFailedError: {TABLE}", TABLE, kind="QueryFailedError"),
    "Sequelize": Case(f"SequelizeDatabaseError: {TABLE}", TABLE),
    "Drizzle": Case(
        "Error: Failed query: select * from invoices\nparams: \n    at place (/srv/app/orders.ts:5:9) {\n"
        "  query: 'select * from invoices',\n  params: [],\n  [cause]: PostgresError: "
        f"{TABLE}\n      at handle (/srv/app/node_modules/postgres/src/connection.js:9:1)\n}}",
        TABLE,
    ),
    "postgres.js": Case(f"PostgresError: {TABLE}", TABLE, kind="PostgresError"),
    "sqlx": Case(f"error returned from database: {TABLE}", TABLE),
    "tokio-postgres": Case(f"db error: ERROR: {TABLE}", TABLE),
    "Ecto": Case(
        f"** (Postgrex.Error) ERROR 42P01 (undefined_table) {TABLE}\n\n    query: select 1",
        TABLE,
        code="42P01",
    ),
    "DBD::Pg": Case(
        f"DBD::Pg::db do failed: ERROR:  {TABLE} at orders.pl line 6.", TABLE, origin="postgres"
    ),
    "gorm": Case(
        f"ERROR: {TABLE} (SQLSTATE 42P01)\n[1.291ms] [rows:0] SELECT * FROM invoices",
        TABLE,
        code="42P01",
    ),
    "supabase-py": Case(
        f"postgrest.exceptions.APIError: {{'message': '{TABLE}', 'code': '42P01', 'hint': None, "
        "'details': None}",
        TABLE,
        code="42P01",
    ),
    "supabase-js": Case(f"Supabase error: {UNIQUE} (23505)", UNIQUE, code="23505"),
}  # fmt: skip


@pytest.mark.parametrize("case", DRIVERS.values(), ids=DRIVERS)
def test_a_driver_adds_what_is_not_the_message(case: Case) -> None:
    """Its class, its state and its statement are told apart from what the server said."""
    assert found(case) == wanted(case)


SURROUNDINGS = {
    "a browser": Case("Uncaught (in promise) Error: nothing of item 7 is left", "nothing of item 7 is left"),
    "a class": Case(
        "OutOfStock: nothing of item 7 is left", "nothing of item 7 is left", kind="OutOfStock"
    ),
    "an exception's class": Case(
        "OutOfStockError: nothing of item 7 is left", "nothing of item 7 is left", kind="OutOfStockError"
    ),
    "what failed": Case(
        "Failed to place order 17: nothing of item 7 is left",
        "nothing of item 7 is left",
        chain="Failed to place order 17",
    ),
    "a request": Case(
        "POST /orders failed: nothing of item 7 is left", "nothing of item 7 is left"
    ),
    "a status": Case(
        "Request failed with status 409: nothing of item 7 is left",
        "nothing of item 7 is left",
        status="409",
    ),
    "a quoted sentence": Case('"nothing of item 7 is left"', "nothing of item 7 is left"),
    "a field": Case(
        'order refused error="nothing of item 7 is left" order=17', "nothing of item 7 is left"
    ),
    "Stripe's request": Case(
        "Request req_abc123: No such price: 'price_1'", "No such price: 'price_1'", origin="stripe"
    ),
    "a class of Stripe": Case(
        "stripe.error.InvalidRequestError: Request req_abc123: No such price: 'price_1'",
        "No such price: 'price_1'",
    ),
    "Markdown": Case(
        "**OutOfStockError** in **orders#place**\nnothing of item 7 is left",
        "nothing of item 7 is left",
        kind="OutOfStockError",
    ),
    "a code of Node": Case(
        "TypeError [ERR_INVALID_URL]: Invalid URL", "Invalid URL", code="ERR_INVALID_URL", kind="TypeError"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_what_the_program_was_doing_is_context(case: Case) -> None:
    """It is kept in the chain, and the error alone is the message."""
    assert found(case) == wanted(case)


@pytest.mark.parametrize(
    "text",
    [
        "Payment was declined: try another card",
        "Error: ",
        "Nothing: at all",
        "the value (23505) is too large for this field",
        'Invalid status transition from "closed" to "open"',
        "x",
        "Insufficient stock for product 7: requested 12, available 3",
    ],
)
def test_a_message_of_the_program_stays_whole(text: str) -> None:
    """A colon, a bracket or a quote alone is no envelope."""
    assert found(Case(text.strip(), text.strip()))["message"] == text.strip()


PIECES = st.sampled_from(
    [
        *list("ab09:,;.()[]{}<>\"'`\\\n\t -=*#|é"),
        "ERROR:  ", "DETAIL:  ", "Error: ", "Caused by: ", "\n\tat a.b(C.java:1)", "\n    at f (/a.ts:1:2)",
        "Traceback (most recent call last):", '\n  File "a", line 1, in f', '{"message": "', "'code': '",
        "2026-11-29 09:00:00 UTC ", "[error] ", "SQLSTATE[42P01]: ", "panic: ", "goroutine 1", "** (A) ",
        "Failed to save: ", " (SQLSTATE 42P01)", "=>", "Array\n(", " panicked at ", "---> ", "#0 ",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_text_is_read(text: str) -> None:
    """Whatever it is, reading answers with a part of it and keeps its bounds."""
    read = reading.read(text)
    assert read.message or not text.strip()
    assert len(read.layers) <= error.MAX_LAYERS
    assert len(read.chain) <= error.MAX_CAUSES
    assert len(read.frames) <= frames.MAX_FRAMES


@pytest.mark.parametrize(
    "piece",
    [
        '{"error":', "[{", '"', "'", "\\", "Caused by: a.b.C: x\n\tat a.b(C.java:1)\n", "Error: ", "(", "a=b ",
        "\n    at f (/a.ts:1:2)", "DETAIL:  x\n", "2026-11-29 09:00:00 ", "[x] ", "a: ", "db-1  | ", "**",
        ('Traceback (most recent call last):\n  File "a", line 1, in f\nE: x\n\nDuring handling of the above '
        "exception, another exception occurred:\n\n"), "x - ", "`. ", ", err", "  [x] => y\n",
    ],
)  # fmt: skip
def test_reading_takes_linear_time(piece: str) -> None:
    """Eight times the text costs about eight times the processor's time, not 64 times."""

    def cost(length: int) -> float:
        text = (piece * length)[:length]
        return fastest(lambda: reading.read(text))

    assert cost(32_000) < 20 * cost(4_000) + 2e-3
