"""States of a database in which the errors of the pages occur.

`:"schema"` stands for a schema that the test makes for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

USER = "11111111-1111-4111-8111-111111111111"


@dataclass(frozen=True)
class State:
    """How to bring about what a page explains."""

    page: str
    setup: str = ""
    fails: str = ""
    """A statement that fails in this state, and no longer after the cure."""
    code: str = ""
    """The SQLSTATE that it fails with."""
    broken: str = ""
    """A query that answers true in this state and false after the cure, where nothing fails."""
    works: str = ""
    """What works after the cure, if it is not the statement that failed."""
    role: str = ""
    """The role of an API request that the statement or the query is run as."""
    login: Literal["database", "admin"] = "database"
    says: str = ""
    """What a service says of the error, if it is not PostgreSQL's own message."""
    names: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.page


_ORDERS = """
create table :"schema".orders (
  id bigint primary key, user_id uuid, customer_id bigint, status text, total numeric(4, 2)
);
grant usage on schema :"schema" to authenticated;
"""
_CUSTOMERS = """
create table :"schema".customers (id bigint primary key, email text, name varchar(20));
"""
_KEY = """
insert into :"schema".customers (id) values (1);
alter table :"schema".orders add constraint orders_customer_id_fkey
  foreign key (customer_id) references :"schema".customers (id);
"""
_STORAGE = """
create schema if not exists storage;
create table storage.buckets (
  id text primary key, name text not null, public boolean, file_size_limit bigint,
  allowed_mime_types text[], created_at timestamptz default now()
);
create table storage.objects (
  bucket_id text references storage.buckets (id), name text, owner_id text,
  created_at timestamptz default now(), updated_at timestamptz default now()
);
alter table storage.objects enable row level security;
grant usage on schema storage to authenticated;
grant insert on storage.objects to authenticated;
"""
_BUCKET = (
    "insert into storage.buckets (id, name, file_size_limit) values ('avatars', 'avatars', 1000);"
)

#: Cured by the migration of their page, or not by the database at all.
STATES = (
    State(
        "grant-on-table",
        _ORDERS,
        'select * from :"schema".orders',
        "42501",
        role="authenticated",
    ),
    State(
        "grant-on-schema",
        'create table :"schema".orders (id int); grant select on :"schema".orders to authenticated',
        'select * from :"schema".orders',
        "42501",
        role="authenticated",
    ),
    State(
        "grant-on-sequence",
        'create table :"schema".orders (id serial); grant insert on :"schema".orders to authenticated;'
        'grant usage on schema :"schema" to authenticated',
        'insert into :"schema".orders default values',
        "42501",
        role="authenticated",
    ),
    State(
        "grant-on-function",
        'create function :"schema".void_invoice() returns int language sql as $$ select 1 $$;'
        'revoke execute on function :"schema".void_invoice from public;'
        'grant usage on schema :"schema" to authenticated',
        'select :"schema".void_invoice()',
        "42501",
        role="authenticated",
    ),
    State(
        "must-be-owner",
        'create table :"schema".objects (id int); grant usage on schema :"schema" to authenticated',
        'alter table :"schema".objects add column size int',
        "42501",
        role="authenticated",
    ),
    State(
        "row-level-security",
        _ORDERS + 'alter table :"schema".orders enable row level security;'
        'grant insert on :"schema".orders to authenticated',
        f"insert into :\"schema\".orders (id, user_id) values (1, '{USER}')",
        "42501",
        role="authenticated",
    ),
    State(
        "policy-recursion",
        """
        create table :"schema".members (team_id bigint, user_id uuid);
        alter table :"schema".members enable row level security;
        create policy "Members see their team" on :"schema".members for select to authenticated
          using (team_id in (select m.team_id from :"schema".members as m where m.user_id = auth.uid()));
        grant usage on schema :"schema" to authenticated;
        grant select on :"schema".members to authenticated;
        """,
        'select * from :"schema".members',
        "42P17",
        role="authenticated",
    ),
    State(
        "view-without-security-invoker",
        _ORDERS
        + """
        insert into :"schema".orders (id) values (1);
        alter table :"schema".orders enable row level security;
        create view :"schema".order_totals as select * from :"schema".orders;
        grant select on :"schema".orders, :"schema".order_totals to authenticated;
        """,
        broken='select exists (select from :"schema".order_totals)',
        role="authenticated",
    ),
    State(
        "mutable-search-path",
        'create function :"schema".total_of() returns int language sql as $$ select 1 $$',
        broken="select proconfig is null from pg_proc where oid = to_regproc(:'schema' || '.total_of')",
    ),
    State(
        "rls-disabled",
        _ORDERS + 'insert into :"schema".orders (id) values (1);'
        'grant select on :"schema".orders to authenticated',
        broken='select exists (select from :"schema".orders)',
        role="authenticated",
    ),
    State(
        "missing-relationship",
        _ORDERS + _CUSTOMERS,
        broken="select not exists (select from pg_constraint where contype = 'f' "
        "and conrelid = to_regclass(:'schema' || '.orders'))",
    ),
    State(
        "connections-of-role",
        "create role app_reader connection limit 0",
        broken="select rolconnlimit = 0 from pg_roles where rolname = 'app_reader'",
    ),
    State(
        "prepared-statement",
        "prepare s0 as select 1",
        "prepare s0 as select 1",
        "42P05",
    ),
    State("prepared-statement", "", "execute s0", "26000"),
    State(
        "statement-timeout",
        "",
        "set local statement_timeout = 20; select pg_sleep(2)",
        "57014",
    ),
    State(
        "missing-foreign-key-index",
        _ORDERS + _CUSTOMERS + _KEY,
        broken="select count(*) = 1 from pg_index where indrelid = to_regclass(:'schema' || '.orders')",
    ),
    State(
        "read-only",
        _ORDERS,
        'set local transaction_read_only = on; insert into :"schema".orders (id) values (1)',
        "25006",
    ),
    State(
        "autovacuum-cancelled",
        'create table :"schema".events (id int)',
        broken="select reloptions is null from pg_class where oid = to_regclass(:'schema' || '.events')",
    ),
    State(
        "refresh-concurrently",
        'create materialized view :"schema".sales_by_day as select current_date as day',
        'refresh materialized view concurrently :"schema".sales_by_day',
        "55000",
    ),
    State("undefined-column", _ORDERS, 'select discount_pct from :"schema".orders', "42703"),
    State(
        "undefined-table",
        _ORDERS,
        "set local search_path = ''; select * from orders",
        "42P01",
    ),
    State("undefined-function", "", "select total_for(1)", "42883"),
    State(
        "extension-not-enabled",
        "",
        'create table :"schema".people (name extensions.citext)',
        "42704",
        names={"extension": "citext"},
    ),
    State(
        "extension-not-enabled",
        "",
        "set local search_path = ''; select uuid_generate_v4()",
        "42883",
        works="select 1",
    ),
    State(
        "not-null-violation",
        _ORDERS + 'alter table :"schema".orders add column currency text not null',
        'insert into :"schema".orders (id) values (1)',
        "23502",
    ),
    State(
        "foreign-key-insert",
        _ORDERS + _CUSTOMERS + _KEY,
        'insert into :"schema".orders (id, customer_id) values (1, 2);'
        'insert into :"schema".customers (id) values (2); set constraints all immediate',
        "23503",
    ),
    State(
        "foreign-key-delete",
        _ORDERS
        + _CUSTOMERS
        + _KEY
        + 'insert into :"schema".orders (id, customer_id) values (1, 1)',
        'delete from :"schema".customers where id = 1',
        "23503",
    ),
    State(
        "check-violation",
        _ORDERS + 'alter table :"schema".orders add constraint orders_status_check '
        "check (status in ('new', 'paid'))",
        "insert into :\"schema\".orders (id, status) values (1, 'returned')",
        "23514",
    ),
    State(
        "lagging-sequence",
        'create table :"schema".orders (id int generated by default as identity primary key);'
        'insert into :"schema".orders (id) values (1), (2)',
        'insert into :"schema".orders default values',
        "23505",
    ),
    State(
        "unique-violation",
        _CUSTOMERS + 'create unique index customers_email_key on :"schema".customers (email);'
        "insert into :\"schema\".customers (id, email) values (1, 'a')",
        "insert into :\"schema\".customers (id, email) values (2, 'a')",
        "23505",
    ),
    State(
        "on-conflict-without-constraint",
        _CUSTOMERS,
        "insert into :\"schema\".customers (id, email) values (1, 'a') on conflict (email) do nothing",
        "42P10",
    ),
    State(
        "enum-value",
        "create type :\"schema\".order_status as enum ('new')",
        "select 'returned'::order_status",
        "22P02",
        # A label cannot be used in the transaction that adds it; without it this divides by zero.
        works="select 1 / count(*) from pg_enum where enumlabel = 'returned'",
    ),
    State("uuid-syntax", "", "select 'undefined'::uuid", "22P02"),
    State("value-syntax", "", "select 'abc'::integer", "22P02"),
    State(
        "value-too-long",
        _CUSTOMERS,
        "insert into :\"schema\".customers (id, name) values (1, repeat('x', 30))",
        "22001",
    ),
    State(
        "integer-out-of-range",
        'create table :"schema".events (happened_ms integer)',
        'insert into :"schema".events values (1764423372000)',
        "22003",
    ),
    State(
        "sequence-exhausted",
        'create table :"schema".orders (id serial);'
        "select setval(pg_get_serial_sequence(:'schema' || '.orders', 'id'), 2147483647)",
        'insert into :"schema".orders default values',
        "2200H",
    ),
    State(
        "numeric-overflow",
        _ORDERS,
        'insert into :"schema".orders (id, total) values (1, 12345)',
        "22003",
    ),
    State(
        "generated-column",
        'create table :"schema".orders (id int generated always as identity)',
        'insert into :"schema".orders (id) values (5)',
        "428C9",
    ),
    State(
        "already-exists",
        _ORDERS + 'create policy "Users read their orders" on :"schema".orders using (true)',
        'create policy "Users read their orders" on :"schema".orders using (true)',
        "42710",
    ),
    State(
        "cached-plan",
        _ORDERS + 'prepare all_orders as select * from :"schema".orders;'
        'alter table :"schema".orders add column note text',
        "execute all_orders",
        "0A000",
        works='prepare all_orders as select * from :"schema".orders; execute all_orders',
    ),
    State(
        "auth-trigger",
        """
        create table :"schema".profiles (id uuid primary key);
        create function :"schema".handle_new_user() returns trigger
        language plpgsql set search_path = '' as
        $$ begin insert into profiles (id) values (new.id); return new; end $$;
        create trigger on_auth_user_created after insert on auth.users
          for each row execute function :"schema".handle_new_user();
        """,
        "insert into auth.users (id) values (gen_random_uuid())",
        "42P01",
        login="admin",
        says="Database error saving new user",
    ),
    State(
        "trigger-field",
        _ORDERS
        + """
        insert into :"schema".orders (id) values (1);
        create function :"schema".touch() returns trigger language plpgsql as
        $$ begin new.updated_at := now(); return new; end $$;
        create trigger touch before update on :"schema".orders
          for each row execute function :"schema".touch();
        """,
        'update :"schema".orders set status = null',
        "42703",
    ),
    State(
        "realtime-publication",
        _ORDERS + "create publication supabase_realtime",
        broken="select not exists (select from pg_publication_tables where schemaname = :'schema')",
        login="admin",
    ),
    State(
        "storage-policy",
        _STORAGE + _BUCKET,
        f"insert into storage.objects (bucket_id, name) values ('avatars', '{USER}/a.png')",
        "42501",
        role="authenticated",
        login="admin",
    ),
    State(
        "storage-bucket-missing",
        _STORAGE,
        broken="select not exists (select from storage.buckets where id = 'avatars')",
        login="admin",
    ),
    State(
        "storage-too-large",
        _STORAGE + _BUCKET,
        broken="select file_size_limit < 52428800 from storage.buckets where id = 'avatars'",
        login="admin",
    ),
    State("storage-exists", _STORAGE, login="admin"),
)

#: Cured by the draft of their page. The state is committed, in a schema of its own.
DRAFTS = (
    State(
        "single-row-expected",
        'create table :"schema".carts (id int primary key, user_id int, status text);'
        'insert into :"schema".carts '
        "values (1, 7, 'open'), (2, 7, 'open'), (3, 8, 'open'), (4, 7, 'closed')",
        "select (select id from :\"schema\".carts where user_id = 7 and status = 'open')",
        "21000",
        says="ERROR:  more than one row returned by a subquery used as an expression\n"
        "STATEMENT:  select (select id from carts where user_id = 7 and status = 'open')",
    ),
    State(
        "lagging-sequence",
        'create table :"schema".orders (id int generated by default as identity primary key);'
        'insert into :"schema".orders (id) values (1), (2)',
        'insert into :"schema".orders default values',
        "23505",
    ),
    State(
        "profile-missing",
        'create table :"schema".profiles (id uuid primary key);'
        'create table :"schema".orders (id int, user_id uuid references :"schema".profiles)',
        f"insert into :\"schema\".orders values (1, '{USER}')",
        "23503",
        names={"key": USER},
    ),
    State(
        "existing-nulls",
        'create table :"schema".orders (id int primary key, currency text);'
        "insert into :\"schema\".orders values (1, null), (2, 'CHF')",
        'alter table :"schema".orders alter column currency set not null',
        "23502",
    ),
    State(
        "check-of-existing-rows",
        'create table :"schema".orders (id int primary key, status text);'
        "insert into :\"schema\".orders values (1, 'shiped'), (2, 'paid')",
        'alter table :"schema".orders add constraint orders_status_check '
        "check (status in ('new', 'paid', 'shipped'))",
        "23514",
    ),
    State(
        "duplicate-rows",
        'create table :"schema".customers (id int primary key, email text);'
        "insert into :\"schema\".customers values (1, 'a@b.example'), (2, 'a@b.example'), (3, 'c')",
        'create unique index customers_email_key on :"schema".customers (email)',
        "23505",
    ),
    State(
        "stripe-customer-missing",
        'create table :"schema".profiles (id int primary key, stripe_customer_id text);'
        "insert into :\"schema\".profiles values (1, 'cus_A1x'), (2, 'cus_B2y')",
        broken="select exists (select from :\"schema\".profiles where stripe_customer_id = 'cus_A1x')",
        says="No such customer: 'cus_A1x'",
        names={"id": "cus_A1x"},
    ),
)
