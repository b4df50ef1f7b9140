"""Write the page of the database from its catalogue, with the queries of catalogue.sql."""

# ruff: noqa: INP001  see `generate`

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.markdown import code, table
from psycopg.rows import dict_row

if TYPE_CHECKING:
    import psycopg

Row = dict[str, Any]

_DATABASE = """# The database

Generated from the catalogue of a migrated database by `python -m docs.generate database`.

The schema `ops` is exposed through PostgREST: name it in the header `Accept-Profile` for reading,
and in `Content-Profile` for writing and for calling functions. `ops_internal` and `fix` are not
exposed. The tables of `ops` have row-level security; `anon` can neither read nor write them.
Operators are rows of `ops.operators`: policies read the role of a person there, not in the token.
Below, columns are not null unless marked.
"""

_ROLES = ("anon", "authenticated", "service_role", "ops_fixer")

_QUERIES = (Path(__file__).parent / "catalogue.sql").read_text(encoding="utf-8")
_COMMANDS = {"r": "select", "a": "insert", "w": "update", "d": "delete", "*": "all"}
_ERRCODE = re.compile(r"errcode = '(PL[0-9]{3})'")
_CALLED = re.compile(r"\b(?:ops|ops_internal|fix)\.(\w+)\(")
# The innermost block whose errors are caught.
_CAUGHT = re.compile(
    r"\bbegin\b((?:(?!\bbegin\b).)*?)\bexception\s+when\s+others", re.DOTALL | re.IGNORECASE
)


def page(connection: psycopg.Connection[Any]) -> str:
    """Return the page of the database, from its catalogue."""
    with connection.cursor(row_factory=dict_row) as cursor:
        # With an empty search path, types and defaults are written with their schemas.
        cursor.execute("set search_path = ''")
        relations = _ask(cursor, "relations")
        functions = _ask(cursor, "functions")
        codes = _codes(functions)
        parts = [_DATABASE, "## Tables\n"]
        parts += [_relation(cursor, each) for each in relations]
        parts += ["## Functions of schema `ops`\n", _FUNCTIONS_INTRO]
        parts += [_function(each, codes) for each in functions if each["schema"] == "ops"]
        parts += ["## Functions that are not exposed\n", _INTERNAL_INTRO, _internal(functions)]
        parts += ["## Triggers\n", _triggers(_ask(cursor, "triggers"))]
        parts += ["## Scheduled jobs\n", _jobs(_ask(cursor, "jobs"))]
    return "\n".join(parts)


_INTERNAL_INTRO = """\
A function with the name of one of `ops`, without the version, does the work of that function with
the privileges of its owner. Callers call the function in `ops`, which runs with their privileges
and passes its arguments on.
"""

_FUNCTIONS_INTRO = """\
Call them as `POST /rest/v1/rpc/NAME`. If the meaning of a function changes, it gets another version
at the end of its name. The callers are database roles, which PostgREST derives from the key or the
token. If a function also requires a role as an operator, its comment says so.
"""


def _ask(cursor: psycopg.Cursor[Row], name: str, oid: int | None = None) -> list[Row]:
    """Return what one of the queries of catalogue.sql finds."""
    _, _, found = _QUERIES.partition(f"-- name: {name}\n")
    query = found.partition(";\n")[0]
    return cursor.execute(query.encode(), {"oid": oid, "roles": list(_ROLES)}).fetchall()


def _relation(cursor: psycopg.Cursor[Row], relation: Row) -> str:
    """Return the section of a table or materialised view."""
    oid = relation["oid"]
    columns = _ask(cursor, "columns", oid)
    rows = [
        (
            code(column["name"]),
            column["type"],
            "" if column["required"] else "null",
            code(column["given"]),
            column["comment"],
        )
        for column in columns
    ]
    kind = "Materialised view. " if relation["kind"] == "m" else ""
    parts = [
        f"### {relation['schema']}.{relation['name']}\n",
        f"{kind}{relation['comment']}\n",
        table(["column", "type", "", "default", ""], rows),
        *_lines("Constraints", _ask(cursor, "constraints", oid)),
        *_lines("Indexes", _ask(cursor, "indexes", oid)),
        _rights(_ask(cursor, "rights", oid)),
        *_policies(_ask(cursor, "policies", oid)),
    ]
    return "\n".join(parts)


def _lines(title: str, rows: list[Row]) -> list[str]:
    listed = "\n".join(f"- `{row['definition']}`" for row in rows)
    return [f"{title}:\n\n{listed}\n"] if rows else []


def _rights(rows: list[Row]) -> str:
    """Return who may do what, column rights in brackets."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        columns = found.setdefault(row["role"], {}).setdefault(row["privilege"], [])
        columns += [row["attribute"]] if row["attribute"] else []
    shown = [
        f"`{role}` "
        + ", ".join(
            f"{privilege} ({', '.join(sorted(columns))})" if columns else privilege
            for privilege, columns in privileges.items()
        )
        for role, privileges in found.items()
    ]
    return f"Rights: {'; '.join(shown) or 'none but the owner'}.\n"


def _policies(rows: list[Row]) -> list[str]:
    listed = "\n".join(
        f"- {row['name']} ({_COMMANDS[row['command']]}, {', '.join(map(code, row['roles']))})"
        for row in rows
    )
    return [f"Policies:\n\n{listed}\n"] if rows else []


def _codes(functions: list[Row]) -> dict[str, tuple[list[str], list[str]]]:
    """Return for each function the codes that it raises, and those that it catches and records."""
    sources: dict[str, str] = {}
    for function in functions:
        sources[function["name"]] = sources.get(function["name"], "") + function["source"]

    def raised(name: str, seen: frozenset[str]) -> set[str]:
        return within(_CAUGHT.sub("", sources.get(name, "")), seen | {name})

    def within(text: str, seen: frozenset[str]) -> set[str]:
        called = set(_CALLED.findall(text)) - seen
        return set(_ERRCODE.findall(text)).union(*(raised(name, seen) for name in called))

    def caught(name: str) -> set[str]:
        blocks = " ".join(_CAUGHT.findall(sources[name]))
        return within(blocks, frozenset({name}))

    return {name: (sorted(raised(name, frozenset())), sorted(caught(name))) for name in sources}


def _function(function: Row, codes: dict[str, tuple[list[str], list[str]]]) -> str:
    """Return the section of one function."""
    raised, recorded = codes[function["name"]]
    roles = ", ".join(map(code, function["roles"])) or "nobody"
    lines = [f"Callers: {roles}."]
    if raised:
        lines.append(f"Raises {', '.join(map(code, raised))}.")
    if recorded:
        lines.append(f"Records as an outcome {', '.join(map(code, recorded))}.")
    return (
        f"### {function['name']}\n\n{function['comment']}\n\n"
        f"```sql\n{function['name']}({function['arguments']}) returns {function['result']}\n```\n\n"
        f"{' '.join(lines)}\n"
    )


def _internal(functions: list[Row]) -> str:
    rows = [
        (
            code(f"{function['schema']}.{function['name']}"),
            function["comment"] or f"Does the work of `ops.{function['name']}_v1`.",
            f"definer, {code(function['owner'])}" if function["definer"] else "",
        )
        for function in functions
        if function["schema"] != "ops"
    ]
    return table(["function", "", "runs as"], rows)


def _triggers(rows: list[Row]) -> str:
    return table(
        ["table", "trigger", ""],
        ((code(row["relation"]), code(row["name"]), row["comment"]) for row in rows),
    )


def _jobs(rows: list[Row]) -> str:
    return table(
        ["job", "schedule, UTC", "command"],
        ((code(row["jobname"]), code(row["schedule"]), code(row["command"])) for row in rows),
    )
