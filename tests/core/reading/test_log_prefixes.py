"""What loggers, containers and servers write before a message is peeled off."""

from __future__ import annotations

import pytest
from tests.core.reading.cases import Case, found, wanted

MESSAGE = 'relation "invoices" does not exist'
PLACE_ORDER = "Order 17 was refused by the warehouse"

LOG_LINE_PREFIXES = {
    "none": f"ERROR:  {MESSAGE} at character 15",
    "%m [%p] ": f"2026-11-29 09:36:59.899 UTC [10005] ERROR:  {MESSAGE} at character 15",
    "%m [%p] %q%u@%d ": f"2026-11-29 09:36:59.899 CET [10005] web@shop ERROR:  {MESSAGE}",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ": (
        "2026-11-29 09:37:45 UTC [13341]: [1-1] user=web,db=shop,app=orders api,client=10.0.0.7 "
        f"ERROR:  {MESSAGE}"
    ),
    "%t:%r:%u@%d:[%p]: ": f"2026-11-29 09:37:33 UTC:10.0.0.7(60578):web@shop:[12435]:ERROR:  {MESSAGE}",
    "<%t %u@%d>": f"<2026-11-29 09:37:26 UTC web@shop>ERROR:  {MESSAGE}",
    "%h %m [%p] %q%u@%d ": f"10.0.0.7 2026-11-29 09:37:09.726 UTC [10721] web@shop ERROR:  {MESSAGE}",
    "%p %m ": f"11203 2026-11-29 09:37:16.398 UTC ERROR:  {MESSAGE} at character 44",
    "%n %e %s ": f"1795945036.398 42P01 2026-11-29 09:37:10 UTC ERROR:  {MESSAGE}",
    "%t-%c-": f"2026-11-29 09:37:16 UTC-6b0bf23b.26cd-ERROR:  {MESSAGE}",
    "with the state": f"2026-11-29 09:37:16.398 UTC [77] ERROR:  42P01: {MESSAGE} at character 15",
}


@pytest.mark.parametrize("text", LOG_LINE_PREFIXES.values(), ids=LOG_LINE_PREFIXES)
def test_a_line_of_postgresql_is_read_under_any_log_line_prefix(text: str) -> None:
    """The prefix, the label and the position go; what is left is the message."""
    case = Case(text, MESSAGE, origin="postgres")
    assert found(case) == wanted(case)


STRUCTURED = {
    "csvlog": Case(
        '2026-11-29 09:36:59.462 UTC,"web","shop",9933,"10.0.0.7:36782",6b0bf23b.26cd,1,"INSERT",'
        '2026-11-29 09:36:59 UTC,5/37326,0,ERROR,23505,"duplicate key value violates unique '
        'constraint ""orders_number_key""","Key (number)=(7, a) already exists.",,,,,'
        '"insert into orders values (7)",,,"orders-api","client backend",,0',
        'duplicate key value violates unique constraint "orders_number_key"',
        code="23505",
        detail="Key (number)=(7, a) already exists.",
        statement="insert into orders values (7)",
        origin="postgres",
    ),
    "jsonlog": Case(
        '{"timestamp":"2026-11-29 09:37:20.100 UTC","user":"web","dbname":"shop","pid":11400,'
        '"session_id":"6b0bf250.2c88","line_num":1,"ps":"SELECT","error_severity":"ERROR",'
        '"state_code":"42P01","message":"relation \\"invoices\\" does not exist",'
        '"hint":"Look again.","statement":"select * from invoices","cursor_position":15,'
        '"application_name":"orders-api","backend_type":"client backend","query_id":0}',
        MESSAGE,
        code="42P01",
        hint="Look again.",
        statement="select * from invoices",
        origin="postgres",
    ),
    "Logflare": Case(
        '{"event_message":"relation \\"invoices\\" does not exist","id":"a0000170-2f3b-4c11",'
        '"metadata":[{"host":"db-abcdefghijkl","parsed":[{"backend_type":"client backend",'
        '"detail":null,"error_severity":"ERROR","hint":"Look again.","context":null,'
        '"query":"select * from invoices","sql_state_code":"42P01","user_name":"web"}]}],'
        '"timestamp":1795945036398000}',
        MESSAGE,
        code="42P01",
        hint="Look again.",
        statement="select * from invoices",
        origin="postgres",
    ),
    "journal as JSON": Case(
        '{"PRIORITY":"3","SYSLOG_IDENTIFIER":"postgres","_PID":"1423","_HOSTNAME":"db1",'
        '"MESSAGE":"FATAL:  role \\"archive\\" is not permitted to log in"}',
        'role "archive" is not permitted to log in',
        origin="postgres",
    ),
    "docker json-file": Case(
        '{"log":"2026-11-29 09:36:56.878 UTC [9807] ERROR:  value \\"99999999999\\" is out of range '
        'for type integer at character 8\\n","stream":"stderr","time":"2026-11-29T09:37:01.2Z"}',
        'value "99999999999" is out of range for type integer',
    ),
    "fluent-bit": Case(
        '{"log":"2026-11-29 09:36:52.945 UTC [9470] web@shop ERROR:  column \\"total\\" of relation '
        '\\"orders\\" already exists\\n2026-11-29 09:36:52.945 UTC [9470] web@shop STATEMENT:  alter '
        'table orders add column total text\\n","stream":"stderr","kubernetes":{"pod_name":"pg-0",'
        '"namespace_name":"shop","container_name":"postgres","host":"node-3"}}',
        'column "total" of relation "orders" already exists',
        statement="alter table orders add column total text",
    ),
}


@pytest.mark.parametrize("case", STRUCTURED.values(), ids=STRUCTURED)
def test_a_log_that_is_data_is_read_by_its_fields(case: Case) -> None:
    """Its code and sections are fields of their own."""
    assert found(case) == wanted(case)


ERROR = f"ERROR:  {MESSAGE}"
CARRIERS = {
    "syslog of RFC 3164": f"Nov 29 09:37:40 db1 postgres[1228]: [228-1] {ERROR}",
    "syslog of RFC 3164 with priority": f"<131>Nov  9 09:37:40 db1 postgres[1228]: [228-1] {ERROR}",
    "syslog of RFC 5424": (
        f"<131>1 2026-11-29T09:37:40.773150Z db1 postgres 1441 - - [441-1] {ERROR}"
    ),
    "syslog of RFC 5424 with data": (
        f'<11>1 2026-11-29T09:37:40.7Z db1 postgres 1441 ID47 [meta sequenceId="29"] {ERROR}'
    ),
    "journal, short": f"Nov 29 09:37:40 db1 postgres[1378]: {ERROR}",
    "journal, short-iso": f"2026-11-29T09:37:40+0000 db1 postgres[1378]: {ERROR}",
    "journal, verbose": (
        "Sun 2026-11-29 09:37:40.772575 UTC [s=ab12;i=3f;b=99;m=1;t=6;x=7]\n"
        "    PRIORITY=3\n    _HOSTNAME=db1\n    SYSLOG_IDENTIFIER=postgres\n"
        f"    MESSAGE={ERROR}\n    _PID=1423\n    _SYSTEMD_UNIT=postgresql@15-main.service"
    ),
    "docker compose": f"db-1  | {ERROR}",
    "docker compose with names": f"shop-postgres-1   | 2026-11-29 09:31:16 UTC [6559]: {ERROR}",
    "docker compose with timestamps": f"db-1  | 2026-11-29T09:31:16.468577789Z {ERROR}",
    "docker logs with timestamps": f"2026-11-29T09:31:16.468577789Z {ERROR}",
    "Kubernetes CRI": f"2026-11-29T09:31:17.468577789Z stderr F {ERROR}",
    "Kubernetes CRI around a server's line": (
        f"2026-11-29T09:31:17.468577789Z stderr F 2026-11-29 09:31:15 UTC [6454] {ERROR}"
    ),
    "kubectl logs --prefix": f"[pod/postgres-0/postgres] 2026-11-29 09:31:15 UTC [6454] {ERROR}",
    "GitHub Actions": f"2026-11-29T09:31:15.1234567Z {ERROR}",
    "a terminal's colours": f"\x1b[31m{ERROR}\x1b[0m",
}


@pytest.mark.parametrize("text", CARRIERS.values(), ids=CARRIERS)
def test_who_carries_a_line_plays_no_part(text: str) -> None:
    """Containers, syslog and the journal add what says nothing of the error."""
    assert found(Case(text, MESSAGE)) == {"message": MESSAGE}


LOGGERS = {
    "Python, basicConfig": f"ERROR:shop.orders:{PLACE_ORDER}",
    "Python, asctime": f"2026-11-29 09:20:50,420 - shop.orders - ERROR - {PLACE_ORDER}",
    "Python, brackets": f"[2026-11-29 09:20:50,420] ERROR in app: {PLACE_ORDER}",
    "Python, with file and line": (
        f"2026-11-29 09:20:50,420 ERROR [orders.py:65] shop.orders: {PLACE_ORDER}"
    ),
    "Celery": f"[2026-11-29 09:26:37,529: ERROR/ForkPoolWorker-2] {PLACE_ORDER}",
    "uvicorn": f"ERROR:    {PLACE_ORDER}",
    "gunicorn": f"[2026-11-29 09:26:37 +0000] [17] [ERROR] {PLACE_ORDER}",
    "loguru": f"2026-11-29 09:19:51.549 | ERROR    | shop.orders:place:47 - {PLACE_ORDER}",
    "structlog's console": f"2026-11-29 09:19:51 [error    ] {PLACE_ORDER}",
    "winston, simple": f"error: {PLACE_ORDER}",
    "winston, printf": f"2026-11-29T09:24:17.037Z [error]: {PLACE_ORDER}",
    "pino-pretty": f"[09:24:17.037] ERROR (17): {PLACE_ORDER}",
    "NestJS": f"[Nest] 17  - 02/19/2026, 11:58:38 AM   ERROR [OrdersService] {PLACE_ORDER}",
    "log4j": f"2026-11-29 09:25:10,123 ERROR [main] com.shop.Orders - {PLACE_ORDER}",
    "log4j, by level": f"ERROR 2026-11-29 09:25:10,123 [http-nio-8080-exec-1] com.shop.Orders - {PLACE_ORDER}",
    "logback": f"09:25:10.123 [http-nio-8080-exec-1] ERROR com.shop.Orders -- {PLACE_ORDER}",
    "Spring Boot": (
        "2026-11-29T09:25:10.123Z ERROR 7 --- [shop] [nio-8080-exec-1] com.shop.web.Orders"
        f"      : {PLACE_ORDER}"
    ),
    "java.util.logging": f"Nov 29, 2026 9:25:10 AM com.shop.Orders place\nSEVERE: {PLACE_ORDER}",
    "Ruby's Logger": f"E, [2026-11-29T09:25:03.042157 #7036] ERROR -- : {PLACE_ORDER}",
    "Ruby's Logger with a name": f"E, [2026-11-29T09:25:03.042157 #7036] ERROR -- shop: {PLACE_ORDER}",
    "Rails with tags": f"[1b4e28ba-2fa1-11d2-883f-0016d3cca427] {PLACE_ORDER}",
    "Laravel": f"[2026-11-29 09:25:03] production.ERROR: {PLACE_ORDER}",
    "Monolog's line": f"[2026-11-29T09:25:03.042157+00:00] app.ERROR: {PLACE_ORDER} [] []",
    "php-fpm": f"[29-Nov-2026 09:25:03 UTC] {PLACE_ORDER}",
    "nginx": f"2026/11/29 09:25:03 [error] 29#29: *173 {PLACE_ORDER}",
    "Go's log": f"2026/11/29 09:25:16 {PLACE_ORDER}",
    "Go's log with file and prefix": f"[api] 2026/11/29 09:25:16.732464 run.go:71: {PLACE_ORDER}",
    "slog's text": (
        f'time=2026-11-29T09:25:25.123Z level=ERROR msg="sync failed" err="{PLACE_ORDER}" order=17'
    ),
    "slog's default": f"2026/11/29 09:25:25 ERROR {PLACE_ORDER}",
    "logrus": f'time="2026-11-29T09:25:25Z" level=error msg="{PLACE_ORDER}" order=17',
    "zap's console": f"2026-11-29T09:25:25.123Z\tERROR\torders/place.go:42\t{PLACE_ORDER}",
    "zerolog's console": f"9:25AM ERR {PLACE_ORDER}",
    "klog": f"E1129 09:37:40.123456       1 controller.go:114] {PLACE_ORDER}",
    "Elixir's Logger": f"09:25:16.732 [error] {PLACE_ORDER}",
    "Elixir's Logger with metadata": (f"09:25:16.732 request_id=F1a2b3 [error] {PLACE_ORDER}"),
    "Serilog": f"[09:25:16 ERR] {PLACE_ORDER}",
    "env_logger": f"[2026-11-29T09:25:16Z ERROR shop::orders] {PLACE_ORDER}",
    "tracing": f"2026-11-29T09:25:16.123456Z ERROR shop::orders: {PLACE_ORDER}",
    "Kong": (
        f"2026/11/29 09:25:16 [error] 1406#0: *5 [kong] handler.lua:52 [key-auth] {PLACE_ORDER}"
    ),
    "Supavisor": f"09:25:16.732 project=abcdefghijkl user=web mode=transaction [error] {PLACE_ORDER}",
    "PostgREST": f"29/Nov/2026:09:25:16 +0000: {PLACE_ORDER}",
}


@pytest.mark.parametrize("text", LOGGERS.values(), ids=LOGGERS)
def test_the_logger_plays_no_part(text: str) -> None:
    """Times, levels, process ids, threads and names of loggers go, whoever wrote them."""
    assert found(Case(text, PLACE_ORDER)) == {"message": PLACE_ORDER}


EVENTS = {
    "pino": Case(
        '{"level":50,"time":1795944258580,"pid":3519,"hostname":"web-1","err":{"type":"OutOfStock",'
        '"message":"nothing of item 7 is left","stack":"OutOfStock: nothing of item 7 is left\\n'
        '    at place (/srv/app/src/orders.ts:5:9)"},"msg":"could not place order"}',
        "nothing of item 7 is left",
        kind="OutOfStock",
        place="orders.place",
        chain="could not place order",
    ),
    "winston": Case(
        f'{{"level":"error","message":"{PLACE_ORDER}","timestamp":"2026-11-29T09:24:17Z"}}',
        PLACE_ORDER,
    ),
    "structlog": Case(
        f'{{"order":17,"event":"{PLACE_ORDER}","level":"error","timestamp":"2026-11-29T09:24Z"}}',
        PLACE_ORDER,
    ),
    "structlog with an exception": Case(
        '{"event":"could not place order","level":"error","exception":"Traceback (most recent call '
        'last):\\n  File \\"/srv/app/orders.py\\", line 5, in place\\n    take(7)\\nshop.OutOfStock: '
        'nothing of item 7 is left"}',
        "nothing of item 7 is left",
        kind="shop.OutOfStock",
        place="orders.place",
    ),
    "structlog with a traceback as data": Case(
        '{"event":"could not place order","level":"error","exception":[{"exc_type":"OutOfStock",'
        '"exc_value":"nothing of item 7 is left","syntax_error":null,"is_cause":false,"frames":'
        '[{"filename":"/srv/app/orders.py","lineno":5,"name":"place"}]}]}',
        "nothing of item 7 is left",
        kind="OutOfStock",
        place="orders.place",
    ),
    "loguru, serialized": Case(
        '{"text":"2026-11-29 | ERROR | could not place order\\n","record":{"level":{"name":"ERROR",'
        '"no":40},"message":"could not place order","exception":{"type":"OutOfStock","value":'
        '"nothing of item 7 is left","traceback":true}}}',
        "nothing of item 7 is left",
        kind="OutOfStock",
    ),
    "slog": Case(
        '{"time":"2026-11-29T09:25:16Z","level":"ERROR","msg":"sync failed","err":"nothing of item 7'
        ' is left"}',
        "nothing of item 7 is left",
    ),
    "zap": Case(
        '{"level":"error","ts":1795944258.58,"caller":"orders/place.go:42","msg":"sync failed",'
        '"error":"nothing of item 7 is left","stacktrace":"main.place\\n\\t/app/orders/place.go:42"}',
        "nothing of item 7 is left",
    ),
    "zerolog": Case(
        '{"level":"error","error":"nothing of item 7 is left","time":1795944258,'
        '"message":"sync failed"}',
        "nothing of item 7 is left",
    ),
    "logback": Case(
        '{"@timestamp":"2026-11-29T09:25:10Z","level":"ERROR","logger_name":"com.shop.Orders",'
        '"message":"sync failed","stack_trace":"com.shop.OutOfStockException: nothing of item 7 is '
        'left\\n\\tat com.shop.Orders.place(Orders.java:5)\\n"}',
        "nothing of item 7 is left",
        kind="com.shop.OutOfStockException",
        place="Orders.place",
    ),
    "Monolog": Case(
        '{"message":"sync failed","context":{"exception":{"class":"App\\\\OutOfStock","message":'
        '"nothing of item 7 is left","code":0,"file":"/app/Orders.php:5"}},"level":400,'
        '"level_name":"ERROR","channel":"app","datetime":"2026-11-29T09:25:10+00:00"}',
        "nothing of item 7 is left",
    ),
    "Laravel": Case(
        '[2026-11-29 09:25:03] production.ERROR: nothing of item 7 is left {"userId":5,"exception":'
        '"[object] (App\\\\OutOfStock(code: 0): nothing of item 7 is left at /app/Orders.php:5)\n'
        '[stacktrace]\n#0 /app/Cart.php(9): App\\\\Orders->place(7)\n#1 {main}\n"}',
        "nothing of item 7 is left",
    ),
    "GoTrue": Case(
        '{"component":"api","error":"update or delete on table \\"users\\" violates foreign key '
        'constraint \\"orders_user_fkey\\" on table \\"orders\\" (SQLSTATE 23503)","level":"error",'
        '"method":"DELETE","msg":"500: Database error deleting user","path":"/admin/users/7",'
        '"request_id":"9f1c","time":"2026-11-29T09:25:03Z"}',
        'update or delete on table "users" violates foreign key constraint "orders_user_fkey" on '
        'table "orders"',
        code="23503",
    ),
    "structlog, cut off": Case(
        '{"event":"sync failed","exception":[{"exc_type":"OutOfStock","exc_value":"nothing of item 7 is'
        ' left","is_cause":false,"frames":[{"filename":"/srv/app/orders.py","lineno":5,"name":"place",'
        '"locals": {"exc_info": "\\"a value of a variable\\"", "item": "7"',
        "nothing of item 7 is left",
        kind="OutOfStock",
    ),
    "zap, a panic that was caught": Case(
        '{"level":"error","msg":"recovered from panic","error":"nothing of item 7 is left","stacktrace":'
        '"shop/api.recover.func1\\n\\t/app/api/recover.go:17\\nruntime.gopanic\\n\\t/usr/local/go/src/'
        'runtime/panic.go:770\\nshop.(*Orders).Place\\n\\t/app/orders/place.go:42"}',
        "nothing of item 7 is left",
        place="place.shop.(*Orders).Place",
    ),
    "Rust's tracing, a panic": Case(
        '{"level":"ERROR","fields":{"message":"A panic occurred","panic.payload":"nothing of item 7 is '
        'left","panic.location":"src/orders.rs:12:5"}}',
        "nothing of item 7 is left",
        place="orders",
    ),
    "AWS Lambda, Python": Case(
        '{"errorMessage":"nothing of item 7 is left","errorType":"OutOfStock","requestId":"5432","stackTrace":'
        '["  File \\"/var/task/main.py\\", line 9, in handle\\n    place(7)\\n","  File \\"/var/task/orders.py'
        '\\", line 5, in place\\n    take(7)\\n"]}',
        "nothing of item 7 is left",
        kind="OutOfStock",
        place="orders.place",
    ),
    "AWS Lambda, Node": Case(
        '{"errorType":"OutOfStock","errorMessage":"nothing of item 7 is left","stack":["OutOfStock: nothing '
        'of item 7 is left","    at place (/var/task/orders.mjs:5:9)"]}',
        "nothing of item 7 is left",
        kind="OutOfStock",
    ),
    "Sentry": Case(
        '{"platform":"javascript","level":"error","exception":{"values":[{"type":"OutOfStock","value":'
        '"nothing of item 7 is left","stacktrace":{"frames":[{"filename":"app:///main.js","function":'
        '"serve"},{"filename":"app:///orders.js","function":"place"},{"filename":"app:///lib.js",'
        '"function":"inner","in_app":false}]}}]}}',
        "nothing of item 7 is left",
        kind="OutOfStock",
        place="orders.place",
    ),
    "a stack beside its message": Case(
        '{"exception":"nothing of item 7 is left","stack":"#0      Orders.place (package:shop/orders.dart:'
        '5:9)\\n#1      main (package:shop/main.dart:9:3)"}',
        "nothing of item 7 is left",
        place="orders.Orders.place",
    ),
    "Cloud Logging": Case(
        '{"insertId":"s=140","resource":{"type":"cloudsql_database"},"severity":"ERROR",'
        '"textPayload":"2026-11-29 09:36:49.922 UTC [9279] web@shop ERROR:  syntax error at end of '
        'input at character 26"}',
        "syntax error at end of input",
    ),
    "OpenTelemetry": Case(
        '{"timeUnixNano":"1795944258580000000","severityText":"ERROR","body":{"stringValue":"sync '
        'failed"},"attributes":[{"key":"exception.type","value":{"stringValue":"OutOfStock"}},'
        '{"key":"exception.message","value":{"stringValue":"nothing of item 7 is left"}}]}',
        "nothing of item 7 is left",
        kind="OutOfStock",
    ),
}


@pytest.mark.parametrize("case", EVENTS.values(), ids=EVENTS)
def test_an_event_of_a_logger_holds_its_error_in_a_field(case: Case) -> None:
    """The error within the event is the root; what the program was doing is context."""
    assert found(case) == wanted(case)


@pytest.mark.parametrize(
    "text",
    [
        "Order 17 was refused by the warehouse",
        "09:00 is too early for a delivery to Lisbon",
        "users: 5 of 7 seats are taken",
        "info is not a method of this channel",
        "2026-11-29 is a Sunday, and nothing is delivered on Sundays",
    ],
)
def test_a_message_that_only_begins_like_a_prefix_stays_whole(text: str) -> None:
    """A time or a word in brackets that belongs to the sentence is a part of it."""
    assert found(Case(text, text)) == {"message": text}
