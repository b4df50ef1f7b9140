"""One error as eleven programs write it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WRAPPERS", "Raised"]


class Raised(NamedTuple):
    """An error as PostgreSQL raises it."""

    code: str
    condition: str
    """The class that drivers make of the code, such as UniqueViolation."""
    message: str
    detail: str = ""
    function: str = "placeOrder"
    """Of the application, which all errors may share."""


def _server_log(error: Raised) -> str:
    prefix = "2026-11-29 09:36:59.899 UTC [10005] web@shop "
    detail = f"\n{prefix}DETAIL:  {error.detail}" if error.detail else ""
    return f"{prefix}ERROR:  {error.message}{detail}\n{prefix}STATEMENT:  call place()"


def _csvlog(error: Raised) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if text else ""

    return (
        '2026-11-29 09:36:59.462 UTC,"web","shop",9933,"10.0.0.7:36782",6b0bf23b.26cd,1,"CALL",'
        f"2026-11-29 09:36:59 UTC,5/37326,0,ERROR,{error.code},{quoted(error.message)},"
        f'{quoted(error.detail)},,,,,"call place()",,,"orders-api","client backend",,0'
    )


def _jsonlog(error: Raised) -> str:
    fields = {"timestamp": "2026-11-29 09:37:20.100 UTC", "user": "web", "pid": 11400}
    fields |= {"error_severity": "ERROR", "state_code": error.code, "message": error.message}
    fields |= {"detail": error.detail} if error.detail else {}
    return json.dumps(fields | {"statement": "call place()", "backend_type": "client backend"})


def _sections(error: Raised) -> str:
    return error.message + (f"\nDETAIL:  {error.detail}" if error.detail else "")


def _psycopg(error: Raised) -> str:
    return (
        'Traceback (most recent call last):\n  File "/srv/app/orders.py", line 5, in '
        f'{error.function}\n    cursor.execute("call place()")\n  File "/venv/lib/python3.11/'
        'site-packages/psycopg/cursor.py", line 117, in execute\n    raise ex.with_traceback(None)\n'
        f"psycopg.errors.{error.condition}: {_sections(error)}"
    )


def _sqlalchemy(error: Raised) -> str:
    return (
        f"(psycopg2.errors.{error.condition}) {_sections(error)}\n\n[SQL: call place()]\n"
        "(Background on this error at: https://sqlalche.me/e/20/gkpj)"
    )


def _supabase_py(error: Raised) -> str:
    fields = {"message": error.message, "code": error.code, "hint": None}
    return f"Could not place the order: {fields | {'details': error.detail or None}}"


def _console(error: Raised) -> str:
    return (
        f"could not place the order: error: {error.message}\n    at Parser.parseErrorMessage "
        "(/srv/app/node_modules/pg-protocol/dist/parser.js:283:98)\n    at async "
        f"{error.function} (/srv/app/src/orders.ts:5:9) {{\n  length: 201,\n  severity: 'ERROR',\n"
        f"  code: '{error.code}',\n  detail: {error.detail!r},\n  routine: 'exec'\n}}"
    )


def _pino(error: Raised) -> str:
    stack = f"error: {error.message}\n    at async {error.function} (/srv/app/src/orders.ts:5:9)"
    inner = {"type": "DatabaseError", "message": error.message, "stack": stack, "code": error.code}
    return json.dumps({"level": 50, "pid": 7, "err": inner, "msg": "could not place the order"})


def _body(error: Raised) -> str:
    body = {"code": error.code, "details": error.detail or None, "hint": None}
    text = json.dumps(body | {"message": error.message})
    return f"HTTP 400 from POST /rest/v1/rpc/place: {text}"


def _inspect(error: Raised) -> str:
    return (
        f"{{\n  error: {{\n    code: '{error.code}',\n    details: {error.detail or None!r},\n"
        f"    hint: null,\n    message: {json.dumps(error.message)}\n  }},\n  status: 400\n}}"
    )


def _pgx(error: Raised) -> str:
    text = json.dumps(f"place order: ERROR: {error.message} (SQLSTATE {error.code})")
    return f'time=2026-11-29T09:25:25Z level=ERROR msg="sync failed" err={text}'


#: Who wrote it → the text.
WRAPPERS: dict[str, Callable[[Raised], str]] = {
    "server log": _server_log,
    "csvlog": _csvlog,
    "jsonlog": _jsonlog,
    "psycopg": _psycopg,
    "SQLAlchemy": _sqlalchemy,
    "supabase-py": _supabase_py,
    "console.error": _console,
    "pino": _pino,
    "response body": _body,
    "Node's inspect": _inspect,
    "pgx": _pgx,
}
