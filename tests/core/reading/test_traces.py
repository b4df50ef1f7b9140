"""Stack traces by language: the root cause, its kind and the place that threw it."""

from __future__ import annotations

import pytest
from tests.core.reading.cases import Case, found, wanted

LEFT = "nothing of item 7 is left"

PYTHON = {
    "a traceback": Case(
        'Traceback (most recent call last):\n  File "/srv/app/main.py", line 9, in serve\n'
        '    place(7)\n  File "/srv/app/orders.py", line 5, in place\n    raise OutOfStock(item)\n'
        f"    ^^^^^^^^^^^^^^^^^^^^^^^\nshop.errors.OutOfStock: {LEFT}",
        LEFT,
        kind="shop.errors.OutOfStock",
        place="orders.place",
    ),
    "raise from": Case(
        'Traceback (most recent call last):\n  File "/srv/app/stock.py", line 3, in take\n'
        "    return self.items[name]\nKeyError: '7'\n\nThe above exception was the direct cause of "
        'the following exception:\n\nTraceback (most recent call last):\n  File "/srv/app/orders.py"'
        ', line 5, in place\n    take("7")\nshop.OrderFailed: could not place order 17',
        "'7'",
        kind="KeyError",
        place="stock.take",
        chain="shop.OrderFailed: could not place order 17",
    ),
    "during handling": Case(
        'Traceback (most recent call last):\n  File "/srv/app/orders.py", line 3, in place\n'
        '    connection.execute(sql)\n  File "/usr/lib/python3/site-packages/psycopg/cursor.py", '
        "line 117, in execute\n    raise ex.with_traceback(None)\npsycopg.errors.UniqueViolation: "
        'duplicate key value violates unique constraint "orders_pkey"\nDETAIL:  Key (id)=(7) already '
        "exists.\n\nDuring handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "/srv/app/main.py", line 9, in serve\n'
        "    place(7)\nRuntimeError: order 17 failed",
        'duplicate key value violates unique constraint "orders_pkey"',
        kind="psycopg.errors.UniqueViolation",
        code="23505",
        detail="Key (id)=(7) already exists.",
        place="orders.place",
    ),
    "an exception group": Case(
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/srv/app/main.py", line 9, in serve\n  |     async with TaskGroup() as group:\n'
        "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n"
        '    |   File "/srv/app/orders.py", line 5, in place\n    |     raise OutOfStock(item)\n'
        f"    | shop.OutOfStock: {LEFT}\n    +------------------------------------",
        LEFT,
        kind="shop.OutOfStock",
        place="orders.place",
    ),
    "SQLAlchemy around a driver": Case(
        'Traceback (most recent call last):\n  File "/venv/lib/python3.11/site-packages/sqlalchemy/'
        'engine/base.py", line 1967, in _exec\n    self.dialect.do_execute(\n'
        'psycopg2.errors.NotNullViolation: null value in column "total" of relation "orders" '
        "violates not-null constraint\n\n\nThe above exception was the direct cause of the "
        'following exception:\n\nTraceback (most recent call last):\n  File "/srv/app/orders.py", '
        "line 5, in place\n    session.flush()\nsqlalchemy.exc.IntegrityError: (psycopg2.errors."
        'NotNullViolation) null value in column "total" of relation "orders" violates not-null '
        "constraint\n\n[SQL: INSERT INTO orders (total) VALUES (%(total)s)]\n[parameters: "
        "{'total': None}]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)",
        'null value in column "total" of relation "orders" violates not-null constraint',
        kind="psycopg2.errors.NotNullViolation",
        code="23502",
    ),
    "behind a logger's line": Case(
        "2026-11-29 09:19:51,549 ERROR shop could not place order\nTraceback (most recent call last):"
        f'\n  File "/srv/app/orders.py", line 5, in place\n    take(7)\nValueError: {LEFT}',
        LEFT,
        kind="ValueError",
        place="orders.place",
    ),
}

SCRIPT = {
    "Node": Case(
        f"OutOfStock: {LEFT}\n    at place (/srv/app/src/orders.ts:5:9)\n"
        "    at async serve (/srv/app/src/main.ts:9:3)",
        LEFT,
        kind="OutOfStock",
        place="orders.place",
    ),
    "Node, uncaught": Case(
        "/srv/app/src/orders.ts:5\n    throw new OutOfStock(item)\n    ^\n\n"
        f"OutOfStock: {LEFT}\n    at Orders.place (/srv/app/src/orders.ts:5:9)\n"
        "    at node:internal/main/run_main_module:28:49\n\nNode.js v20.11.0",
        LEFT,
        place="orders.Orders.place",
    ),
    "Node with a cause": Case(
        "OrderError: could not place order 17\n    at place (/srv/app/src/orders.ts:5:9)\n"
        "    at serve (/srv/app/src/main.ts:9:3) {\n  [cause]: TypeError: stock.take is not a function"
        "\n      at take (/srv/app/src/stock.ts:3:7)\n      at place (/srv/app/src/orders.ts:4:5)\n}",
        "stock.take is not a function",
        kind="TypeError",
        place="stock.take",
    ),
    "Node with a cause of a facility": Case(
        "TypeError: fetch failed\n    at node:internal/deps/undici/undici:12618:11\n"
        "    at async place (/srv/app/src/orders.ts:5:9) {\n  cause: Error: connect ECONNREFUSED "
        "10.0.0.7:5432\n      at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16) {\n"
        "    errno: -111,\n    code: 'ECONNREFUSED',\n    syscall: 'connect',\n    address: "
        "'10.0.0.7',\n    port: 5432\n  }\n}",
        "connect ECONNREFUSED 10.0.0.7:5432",
        code="ECONNREFUSED",
        objects={"address": "10.0.0.7", "port": "5432"},
    ),
    "an AggregateError": Case(
        "AggregateError [ECONNREFUSED]: \n    at internalConnectMultiple (node:net:1114:18)\n"
        "    at afterConnectMultiple (node:net:1667:5) {\n  code: 'ECONNREFUSED',\n  [errors]: [\n"
        "    Error: connect ECONNREFUSED ::1:5432\n        at createConnectionError (node:net:1634:14)"
        " {\n      errno: -111,\n      code: 'ECONNREFUSED'\n    },\n    Error: connect ECONNREFUSED "
        "127.0.0.1:5432\n        at createConnectionError (node:net:1634:14) {\n      errno: -111\n"
        "    }\n  ]\n}",
        "connect ECONNREFUSED ::1:5432",
        code="ECONNREFUSED",
    ),
    "Node with the fields of a driver": Case(
        'error: duplicate key value violates unique constraint "orders_pkey"\n    at Parser.'
        "parseErrorMessage (/srv/app/node_modules/pg-protocol/dist/parser.js:283:98)\n    at async "
        "place (/srv/app/src/orders.ts:5:9) {\n  length: 201,\n  severity: 'ERROR',\n  code: "
        "'23505',\n  detail: 'Key (id)=(7) already exists.',\n  schema: 'public',\n  table: "
        "'orders',\n  column: undefined,\n  constraint: 'orders_pkey',\n  routine: "
        "'_bt_check_unique'\n}",
        'duplicate key value violates unique constraint "orders_pkey"',
        code="23505",
        detail="Key (id)=(7) already exists.",
        objects={"schema": "public", "table": "orders", "constraint": "orders_pkey"},
        place="orders.place",
    ),
    "Deno": Case(
        f"error: Uncaught (in promise) OutOfStock: {LEFT}\n    throw new OutOfStock(item)\n"
        "          ^\n    at place (file:///srv/app/orders.ts:5:9)\n"
        "    at file:///srv/app/main.ts:9:3",
        LEFT,
        kind="OutOfStock",
        place="orders.place",
    ),
    "Deno, caused by": Case(
        "error: Uncaught (in promise) OrderError: could not place order 17\n    at place (file:///srv/"
        "app/orders.ts:5:9)\nCaused by: TypeError: stock.take is not a function\n    at take (file://"
        "/srv/app/stock.ts:3:7)",
        "stock.take is not a function",
        kind="TypeError",
        place="stock.take",
    ),
    "Chrome": Case(
        "Uncaught ReferenceError: total is not defined\n    at render (https://shop.example/assets/"
        "cart-4f2a91bc.js:4:12)\n    at https://shop.example/assets/index-99ab12cd.js:14:17",
        "total is not defined",
        kind="ReferenceError",
        place="cart.render",
    ),
    "Firefox": Case(
        "ReferenceError: total is not defined\nrender@https://shop.example/assets/cart-4f2a91bc.js:"
        "4:12\n@https://shop.example/assets/index-99ab12cd.js:14:17",
        "total is not defined",
        kind="ReferenceError",
        place="cart.render",
    ),
    "Safari": Case(
        "TypeError: undefined is not an object (evaluating 'cart.total')\nrender@https://shop."
        "example/assets/cart.js:4:12\nglobal code@https://shop.example/assets/index.js:14:17",
        "undefined is not an object (evaluating 'cart.total')",
        kind="TypeError",
        place="cart.render",
    ),
}

SCRIPT |= {
    "Firefox's console": Case(
        "Uncaught (in promise) ReferenceError: total is not defined\n    render https://shop.example/assets/"
        "cart.js:4\n    mount https://shop.example/assets/index.js:14",
        "total is not defined",
        kind="ReferenceError",
        place="cart.render",
    ),
    "window.onerror": Case(
        "Uncaught ReferenceError: total is not defined at t (https://shop.example/assets/cart.js:1:4089)",
        "total is not defined",
        kind="ReferenceError",
    ),
}

JVM = {
    "Java": Case(
        f'Exception in thread "main" com.shop.OutOfStockException: {LEFT}\n\tat com.shop.Orders.place'
        "(Orders.java:5)\n\tat com.shop.Main.main(Main.java:9)",
        LEFT,
        kind="com.shop.OutOfStockException",
        place="Orders.place",
    ),
    "Java, caused by": Case(
        "org.springframework.dao.DataIntegrityViolationException: could not execute statement; SQL "
        "[n/a]; constraint [orders_pkey]\n\tat org.springframework.orm.jpa.Jpa.translate(Jpa.java:9)\n"
        "\tat com.shop.Orders.place(Orders.java:5)\nCaused by: org.hibernate.exception."
        "ConstraintViolationException: could not execute statement\n\tat org.hibernate.Converter."
        "convert(Converter.java:4)\n\t... 62 common frames omitted\nCaused by: org.postgresql.util."
        'PSQLException: ERROR: duplicate key value violates unique constraint "orders_pkey"\n  Detail:'
        " Key (id)=(7) already exists.\n\tat org.postgresql.core.v3.Executor.receive(Executor.java:2)\n"
        "\t... 70 common frames omitted",
        'duplicate key value violates unique constraint "orders_pkey"',
        kind="org.postgresql.util.PSQLException",
        detail="Key (id)=(7) already exists.",
    ),
    "Kotlin": Case(
        f"com.shop.OutOfStock: {LEFT}\n\tat com.shop.OrdersKt.place(Orders.kt:5)\n"
        "\tat com.shop.OrdersKt$place$1.invokeSuspend(Orders.kt)\n\tat kotlin.coroutines.jvm.internal."
        "BaseContinuationImpl.resumeWith(ContinuationImpl.kt:33)",
        LEFT,
        kind="com.shop.OutOfStock",
        place="OrdersKt.place",
    ),
    "C#": Case(
        f"Unhandled exception. Shop.OutOfStockException: {LEFT}\n   at Shop.Orders.Place(Int32 item) in "
        "/src/Shop/Orders.cs:line 5\n   at Shop.Program.Main(String[] args) in /src/Shop/Program.cs:"
        "line 9",
        LEFT,
        kind="Shop.OutOfStockException",
        place="Orders.Shop.Orders.Place",
    ),
    "C#, an inner exception": Case(
        "Microsoft.EntityFrameworkCore.DbUpdateException: An error occurred while saving the entity "
        "changes. See the inner exception for details.\n ---> Npgsql.PostgresException (0x80004005): "
        '23505: duplicate key value violates unique constraint "orders_pkey"\n\nDETAIL: Key (id)=(7) '
        "already exists.\n   at Npgsql.Internal.NpgsqlConnector.ReadMessage(Boolean async)\n"
        "  Exception data:\n    Severity: ERROR\n    SqlState: 23505\n    ConstraintName: orders_pkey\n"
        "    TableName: orders\n   --- End of inner exception stack trace ---\n   at Shop.Orders.Place"
        "(Int32 item) in /src/Shop/Orders.cs:line 5",
        'duplicate key value violates unique constraint "orders_pkey"',
        kind="Npgsql.PostgresException",
        code="23505",
        objects={"constraint": "orders_pkey", "table": "orders"},
    ),
}

OTHERS = {
    "Go, a panic": Case(
        "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: "
        "segmentation violation code=0x1 addr=0x0 pc=0x49]\n\ngoroutine 1 [running]:\nmain."
        "(*Orders).Place(0x0, 0x11)\n\t/app/orders/place.go:42 +0x1a5\nmain.main()\n\t/app/main.go:17"
        " +0x85\nexit status 2",
        "runtime error: invalid memory address or nil pointer dereference",
        place="place.main.(*Orders).Place",
    ),
    "Go, wrapping": Case(
        'handle request: place order 17: ERROR: relation "invoices" does not exist (SQLSTATE 42P01)',
        'relation "invoices" does not exist',
        code="42P01",
    ),
    "Go, a panic with an error of pq": Case(
        'panic: pq: relation "invoices" does not exist\n\ngoroutine 1 [running]:\nmain.main()\n'
        "\t/app/main.go:17 +0x85",
        'relation "invoices" does not exist',
        origin="postgres",
    ),
    "Ruby": Case(
        f"/srv/app/orders.rb:5:in `place': {LEFT} (OutOfStock)\n\tfrom /srv/app/main.rb:9:in `<main>'",
        LEFT,
        kind="OutOfStock",
        place="orders.place",
    ),
    "Ruby since 3.4": Case(
        f"/srv/app/orders.rb:5:in 'Orders#place': {LEFT} (OutOfStock)\n"
        "\tfrom /srv/app/main.rb:9:in '<main>'",
        LEFT,
        kind="OutOfStock",
        place="orders.place",
    ),
    "Rails": Case(
        "ActiveRecord::RecordNotUnique (PG::UniqueViolation: ERROR:  duplicate key value violates "
        'unique constraint "orders_pkey"\nDETAIL:  Key (id)=(7) already exists.\n):\n\n'
        "app/models/order.rb:5:in `place'\napp/controllers/orders_controller.rb:9:in `create'",
        'duplicate key value violates unique constraint "orders_pkey"',
        detail="Key (id)=(7) already exists.",
    ),
    "PHP": Case(
        f"PHP Fatal error:  Uncaught App\\OutOfStock: {LEFT} in /app/Orders.php:5\nStack trace:\n"
        "#0 /app/main.php(9): App\\Orders->place(7)\n#1 {main}\n  thrown in /app/Orders.php on line 5",
        LEFT,
        kind="App\\OutOfStock",
        place="Orders.App\\Orders->place",
    ),
    "PHP, PDO": Case(
        "PHP Fatal error:  Uncaught PDOException: SQLSTATE[42P01]: Undefined table: 7 ERROR:  relation "
        '"invoices" does not exist\nLINE 1: select * from invoices\n                      ^ in '
        "/app/Orders.php:5\nStack trace:\n#0 /app/Orders.php(5): PDO->query('select')\n#1 {main}\n"
        "  thrown in /app/Orders.php on line 5",
        'relation "invoices" does not exist',
        code="42P01",
    ),
    "Rust": Case(
        f"thread 'main' panicked at src/orders.rs:5:9:\n{LEFT}\nnote: run with `RUST_BACKTRACE=1` "
        "environment variable to display a backtrace",
        LEFT,
        place="orders",
    ),
    "Rust before 1.73": Case(
        f"thread 'main' panicked at '{LEFT}', src/orders.rs:5:9", LEFT, place="orders"
    ),
    "Rust, anyhow": Case(
        "Error: could not place order 17\n\nCaused by:\n    0: could not take item 7\n    1: error "
        'returned from database: relation "invoices" does not exist',
        'relation "invoices" does not exist',
    ),
    "Dart": Case(
        f"Unhandled exception:\nOutOfStock: {LEFT}\n#0      Orders.place (package:shop/orders.dart:5:9)"
        "\n#1      main (package:shop/main.dart:9:3)\n#2      _delayEntrypoint (dart:isolate-patch/"
        "isolate_patch.dart:297:19)",
        LEFT,
        place="orders.Orders.place",
    ),
    "Go, a server's panic": Case(
        "2026/11/29 09:25:16 http: panic serving 10.0.0.9:32506: runtime error: index out of range [3] with "
        "length 3\ngoroutine 22 [running]:\nnet/http.(*conn).serve.func1()\n\t/usr/local/go/src/net/http/"
        "server.go:1903 +0xbe\npanic({0x7a1c40?, 0xa4b2f0?})\n\t/usr/local/go/src/runtime/panic.go:770 "
        "+0x132\nshop.(*Orders).Place(0x0?, 0x3)\n\t/app/orders/place.go:42 +0x1d",
        "runtime error: index out of range [3] with length 3",
        place="place.shop.(*Orders).Place",
    ),
    "Flutter": Case(
        "E/flutter (12256): [ERROR:flutter/runtime/dart_vm_initializer.cc(41)] Unhandled Exception: "
        f"OutOfStock: {LEFT}\nE/flutter (12256): #0      Orders.place (package:shop/orders.dart:5:9)\n"
        "E/flutter (12256): #1      main (package:shop/main.dart:9:3)",
        LEFT,
        place="orders.Orders.place",
    ),
    "Rails with tags, two words": Case(
        "[1b4e28ba-2fa1-11d2-883f-0016d3cca427]   \n[1b4e28ba-2fa1-11d2-883f-0016d3cca427] OutOfStock "
        "(nothing left):\n[1b4e28ba-2fa1-11d2-883f-0016d3cca427]   \n[1b4e28ba-2fa1-11d2-883f-"
        "0016d3cca427] app/models/order.rb:5:in `place'",
        "nothing left",
        kind="OutOfStock",
        place="order.place",
    ),
    "Elixir": Case(
        f"** (Shop.OutOfStock) {LEFT}\n    (shop 0.1.0) lib/shop/orders.ex:5: Shop.Orders.place/1\n"
        "    (shop 0.1.0) lib/shop/main.ex:9: Shop.Main.run/0",
        LEFT,
        kind="Shop.OutOfStock",
        place="orders.Shop.Orders.place",
    ),
    "Elixir, a process": Case(
        "GenServer Shop.Orders terminating\n** (Postgrex.Error) ERROR 42P01 (undefined_table) relation "
        '"invoices" does not exist\n    (postgrex 0.17.5) lib/postgrex.ex:340: Postgrex.query!/4\n'
        "    (shop 0.1.0) lib/shop/orders.ex:5: Shop.Orders.place/1\nLast message: :tick",
        'relation "invoices" does not exist',
        code="42P01",
        kind="Postgrex.Error",
    ),
    "Perl": Case(
        'DBD::Pg::st execute failed: ERROR:  relation "invoices" does not exist\nLINE 1: select * from '
        "invoices\n                      ^ at /srv/app/orders.pl line 5.",
        'relation "invoices" does not exist',
        origin="postgres",
    ),
}

TRACES = {
    f"{language}: {name}": case
    for language, cases in (("Python", PYTHON), ("script", SCRIPT), ("JVM", JVM), ("other", OTHERS))
    for name, case in cases.items()
}  # fmt: skip


@pytest.mark.parametrize("case", TRACES.values(), ids=TRACES)
def test_a_trace_is_read_to_the_root_of_its_chain(case: Case) -> None:
    """The root cause's text, kind and throwing place count; what it caused is context."""
    assert found(case) == wanted(case)


@pytest.mark.parametrize(
    "text",
    [
        "meet me at home (5 pm)",
        "the panic: nobody came",
        "look at line 5 of the manual",
        "Caused by: rain",
    ],
)
def test_a_sentence_that_sounds_like_a_trace_is_none(text: str) -> None:
    """Without frames there is no place."""
    case = Case(text, text)
    assert found(case)["message"] in text
