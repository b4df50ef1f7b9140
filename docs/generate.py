"""Write the generated pages of the reference: `python -m docs.generate [PAGE …]`.

The pages are cli (from the commands), settings (from `pattern_engine.settings` and
`pattern_engine.thresholds`), errors (from `pattern_engine.exceptions`), known-causes (from
`pattern_engine.catalogue.causes`), openapi, database (from the catalogue of a new PostgreSQL 18
with the migrations); and what is no page of the reference: limits, a migration (from
`pattern_engine.limits`), and schema, `supabase/schema.sql`, a dump of the same database. Without an
argument all of them are written.

A test compares every page with the output of this script, so it fails until a page is regenerated.
"""

# ruff: noqa: INP001  a script beside the pages that it writes, not a package

from __future__ import annotations

import argparse
import dataclasses
import inspect
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from docs import catalogue, known_causes, migrated
from docs.markdown import code, table
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from pattern_engine import exceptions, limits, settings, thresholds
from pattern_engine.cli import command_line
from pattern_engine.local.errors import StackError
from pattern_engine.serving import openapi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REFERENCE = Path(__file__).resolve().parent / "reference"


# -- cli -------------------------------------------------------------------------------------------

_CLI = """# Command line

Generated from the commands by `python -m docs.generate cli`.

`make setup` installs the program as `.venv/bin/pattern-engine`.
[Work at the command line](../how-to/command-line.md) tells how to use it.

The exit code is 0 for success, 1 for a failure (the reason is on standard error), 2 for wrong
usage, 3 if nobody is signed in, 4 if the person's role does not allow it, 5 if something has
changed since it was read, so that nothing was done, and 130 after Ctrl-C.
"""


def cli() -> str:
    """Return the page of the command line."""
    return "\n".join([_CLI, *itertools.starmap(_section, commands())])


def commands() -> Iterator[tuple[str, TyperCommand]]:
    """Yield each command that does something, with its name."""
    line = command_line()
    for name in line.commands:
        loaded = line.load(name)
        if isinstance(loaded, TyperGroup):
            for action, command in loaded.commands.items():
                assert isinstance(command, TyperCommand)  # noqa: S101  groups are two deep at most
                yield f"pattern-engine {name} {action}", command
        else:
            yield f"pattern-engine {name}", loaded


def parameters(command: TyperCommand) -> list[TyperArgument | TyperOption]:
    """Return the arguments of a command, then its options."""
    found = [
        each
        for each in command.params
        if isinstance(each, TyperArgument | TyperOption) and not each.hidden
    ]
    return sorted(found, key=lambda each: isinstance(each, TyperOption))


def _section(name: str, command: TyperCommand) -> str:
    shown = parameters(command)
    places = [str(each.metavar) for each in shown if isinstance(each, TyperArgument)]
    about = inspect.cleandoc(command.help or "")
    options = table(["option", "", "default"], map(_option, shown))
    return f"## {' '.join([name, *places])}\n\n{about}\n\n{options}"


def _option(option: TyperArgument | TyperOption) -> tuple[str, str, str]:
    text = (option.help or "").replace("\n", " ")
    if isinstance(option, TyperArgument):
        return code(str(option.metavar)), text, ""
    choices = option.type_descriptor.choices or ()
    value = "" if option.is_flag else f" {'|'.join(map(str, choices)) or option.metavar}"
    default = option.show_default if isinstance(option.show_default, str) else option.default
    stated = "required" if option.required else str(default or ("" if option.is_flag else default))
    return code(", ".join(option.opts) + value), text, "" if stated == "None" else stated


# -- settings --------------------------------------------------------------------------------------


def _thresholds(*names: str) -> dict[tuple[str, ...], str]:
    """Return the variables of some thresholds → their fields."""
    return {(settings.variable(name),): f"thresholds.{name}" for name in names}


#: title → environment variables, the present name first → the field of `Settings` that they fill.
SECTIONS: dict[str, dict[tuple[str, ...], str]] = {
    "Connection": {
        ("SUPABASE_URL",): "supabase_url",
        ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY"): "publishable_key",
        ("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"): "secret_key",
        ("SUPABASE_JWT_SECRET",): "jwt_secret",
        ("SUPABASE_JWKS_URL",): "jwks_url",
        ("SUPABASE_JWT_ISSUER",): "jwt_issuer",
        ("SUPABASE_JWT_AUDIENCE",): "jwt_audience",
        ("PATTERN_ENGINE_WEBHOOK_SECRET",): "webhook_secret",
        ("PATTERN_ENGINE_ALLOWED_ORIGINS",): "allowed_origins",
        ("PATTERN_ENGINE_CONSOLE_URL",): "console_url",
        ("PATTERN_ENGINE_DATABASE_TIMEOUT_SECONDS",): "database_timeout_seconds",
        ("PATTERN_ENGINE_DATABASE_CALLS",): "database_calls",
        ("PATTERN_ENGINE_LOG_LEVEL",): "log_level",
    },
    "Limits of fixes": {
        ("PATTERN_ENGINE_APPLY_MAX_AGE_SECONDS",): "apply_max_age_seconds",
        ("PATTERN_ENGINE_APPLY_WAIT_SECONDS",): "apply_wait_seconds",
        ("PATTERN_ENGINE_BASH_FIXES",): "bash_fixes",
        ("PATTERN_ENGINE_BASH_DIRECTORIES",): "bash_directories",
        ("PATTERN_ENGINE_BASH_COPY_BYTES",): "bash_copy_bytes",
        ("PATTERN_ENGINE_BASH_COPY_FILES",): "bash_copy_files",
        ("PATTERN_ENGINE_BASH_STATE_DIRECTORY",): "bash_state_directory",
        ("PATTERN_ENGINE_API_CALL_NETWORKS",): "api_call_networks",
        ("PATTERN_ENGINE_API_CALL_CA_FILE",): "api_call_ca_file",
        **_thresholds("two_people", "proposal_seconds"),
    },
    "Law 1: harm": _thresholds("max_rows", "max_tables", "max_hosts", "allow_destructive"),
    "Law 2: order": _thresholds("errors_at_maximum", "storm_share"),
    "Law 3: proportion": _thresholds(
        "runs_per_hour",
        "runs_per_incident",
        "rows_per_hour",
        "rows_per_incident",
        "min_confidence_sql",
        "min_confidence_typescript",
        "min_confidence_bash",
        "min_confidence_api_call",
        "min_lower_bound",
        "min_lower_bound_outcomes",
    ),
    "Law 4: rhythm": _thresholds(
        "cooldown_seconds",
        "flaps_per_day",
        "storm_patterns",
        "storm_seconds",
        "storm_pause_seconds",
        "quiet_hours",
    ),
    "Verification": _thresholds(
        "demote_after",
        "disable_after",
        "min_window_seconds",
        "max_window_seconds",
        "settle_seconds",
        "late_seconds",
    ),
}
VARIABLES = {names: field for section in SECTIONS.values() for names, field in section.items()}
ONE_OF_TWO = ("jwt_secret", "jwks_url")

_SETTINGS = """# Settings

Generated from `pattern_engine.settings` and `pattern_engine.thresholds` by
`python -m docs.generate settings`.

The functions read their settings from the environment once, when they start. If a variable is
missing or has a wrong value, they do not start, and one message names every problem. A name in
brackets is an older name, which is used if the present one is not set. A blank variable counts as
not set. [The Four Laws](../explanation/four-laws.md) explains the thresholds of the laws.
"""

_SETTINGS_END = f"""
## Notes

`SUPABASE_JWT_SECRET` or `SUPABASE_JWKS_URL` is required, and both may be set. The first verifies
HS256 tokens and has at least {settings.MIN_SECRET_BYTES} bytes; the second verifies ES256, RS256
and EdDSA tokens.
`PATTERN_ENGINE_ALLOWED_ORIGINS` is a list separated by commas;
`PATTERN_ENGINE_LOG_LEVEL` is one of {", ".join(map(code, settings.LOG_LEVELS))}.
`PATTERN_ENGINE_DEMOTE_AFTER` must not exceed `PATTERN_ENGINE_DISABLE_AFTER`,
`PATTERN_ENGINE_MIN_WINDOW_SECONDS` must not exceed `PATTERN_ENGINE_MAX_WINDOW_SECONDS`, and
`PATTERN_ENGINE_SETTLE_SECONDS` must be below `PATTERN_ENGINE_MIN_WINDOW_SECONDS`.

The database reads two secrets from Vault: `pattern_engine_functions_url` and
`pattern_engine_webhook_secret`; see [Deploy to a project](../how-to/deploy.md).

The command line reads `PATTERN_ENGINE_DB_URL`, the address of the database that `operators`,
`fixer` and `verify-events` log in to, with its owner `postgres` as the user;
`PATTERN_ENGINE_PROJECT`, the name of the project that the commands of people speak to; and
`SUPABASE_SECRET_KEY` for `learn --as-application`.
"""


def settings_page() -> str:
    """Return the page of the settings."""
    fields: dict[str, dataclasses.Field[Any]] = {}
    texts: dict[str, str] = {}
    for prefix, kind in (("", settings.Settings), ("thresholds.", thresholds.Thresholds)):
        fields |= {prefix + field.name: field for field in dataclasses.fields(kind)}
        texts |= {prefix + name: text for name, text in settings.meanings(kind).items()}
    sections = []
    for title, variables in SECTIONS.items():
        rows = []
        for names, field in variables.items():
            shown = code(names[0]) + "".join(f" (`{name}`)" for name in names[1:])
            text = texts[field].replace("None", "unset")
            rows.append((shown, text, _allowed(fields[field]), _default(fields[field])))
        head = ["variable", "", "allowed", "default"]
        sections.append(f"\n## {title}\n\n{table(head, rows)}")
    return f"{_SETTINGS}{''.join(sections)}{_SETTINGS_END}"


def _allowed(field: dataclasses.Field[Any]) -> str:
    if isinstance(field.default, bool):
        return "`on`, `off`"
    return str(field.metadata.get("bounds", ""))


def _default(field: dataclasses.Field[Any]) -> str:
    """Return a default as a person would type it."""
    if field.name in ONE_OF_TWO:
        return "one of the two is required"
    if field.default_factory is not dataclasses.MISSING:
        return "none"  # an empty collection
    if field.default is dataclasses.MISSING:
        return "required"
    if isinstance(field.default, bool):
        return code("on" if field.default else "off")
    if field.default in (None, frozenset(), ()):
        return "none"
    number = isinstance(field.default, float) and field.default.is_integer()
    return code(int(field.default) if number else field.default)


# -- errors ----------------------------------------------------------------------------------------

_ERRORS = """# Errors

Generated from `pattern_engine.exceptions` by `python -m docs.generate errors`.

Every answer of a function that is not a success has this shape:

```json
{
  "error": {"code": "unknown_pattern", "message": "There is no pattern …", "details": {}},
  "request_id": "…"
}
```

`code` is stable, so programs can branch on it. `message` says what was wrong, with which value, and
what to do; its wording may change. `request_id` is also in the header `x-request-id` and in the log
line of the request. An answer with status 503 has the header `Retry-After`, in seconds. Repeating
the request is safe, since a log row counts once.

The codes form a tree. A general code is used if none of the codes below it applies.
"""

_DATABASE_CODES = """
## Codes of the database

Functions of the database raise these codes; over PostgREST they are the `code` of the answer. The
functions of the engine translate them into the codes above. [The database](database.md) says which
function raises which code.
"""


def errors_page() -> str:
    """Return the page of the errors."""
    states: dict[type[exceptions.PatternEngineError], list[str]] = {}
    for state, kind in exceptions.BY_SQLSTATE.items():
        states.setdefault(kind, []).append(state)
    rows = [
        (
            "&emsp;" * depth + code(kind.code),
            kind.status,
            exceptions.default_message(kind),
            ", ".join(map(code, states.get(kind, []))),
        )
        for depth, kind in _tree(exceptions.PatternEngineError)
    ]
    of_ours = [
        (code(state), code(kind.code))
        for state, kind in exceptions.BY_SQLSTATE.items()
        if state[:2] == "PL"
    ]
    return (
        f"{_ERRORS}\n{table(['code', 'status', '', 'from SQLSTATE'], rows)}{_DATABASE_CODES}\n"
        f"{table(['SQLSTATE', 'becomes'], sorted([*of_ours, *_RECORDED]))}"
    )


_RECORDED = [
    ("`PL007`", "no error answer: the fix touched too many rows, recorded as a failed application"),
    ("`PL008`", "no error answer: policies hide a table's rows from the fix, recorded likewise"),
]


def _tree(
    kind: type[exceptions.PatternEngineError], depth: int = 0
) -> Iterator[tuple[int, type[exceptions.PatternEngineError]]]:
    yield depth, kind
    for child in kind.__subclasses__():
        if child.__module__ == exceptions.__name__:
            yield from _tree(child, depth + 1)


# -- limits ----------------------------------------------------------------------------------------

_LIMITS = """\
-- The types of fixes and the bounds of their limits.
-- Generated from `pattern_engine.limits` by `python -m docs.generate limits`; do not edit.

create function ops_internal.fix_limits(
  in p_fix_type text, out max_timeout_ms integer, out max_retries integer, out max_rows integer
)
language sql
immutable
set search_path = ''
as $$
  select limits.max_timeout_ms, limits.max_retries, limits.max_rows
  from (
    values
{rows}
  ) as limits (fix_type, max_timeout_ms, max_retries, max_rows)
  where limits.fix_type = p_fix_type
$$;

comment on function ops_internal.fix_limits is
  'The most that a fix of this type may ask for; nulls where there is no such type.';
"""


def limits_migration() -> str:
    """The limits of fixes, as the database knows them."""
    rows = (
        f"      ('{kind}', {limits.MAX_TIMEOUT_MS[kind]}, {limits.MAX_RETRIES}, {limits.MAX_ROWS})"
        for kind in limits.FIX_TYPES
    )
    return _LIMITS.format(rows=",\n".join(rows))


# -- main ------------------------------------------------------------------------------------------

PAGES: dict[str, tuple[Path, Callable[[], str]]] = {
    "cli": (REFERENCE / "cli.md", cli),
    "settings": (REFERENCE / "settings.md", settings_page),
    "errors": (REFERENCE / "errors.md", errors_page),
    "known-causes": (REFERENCE / "known-causes.md", known_causes.page),
    "openapi": (REFERENCE / "openapi.json", openapi.rendered),
    "limits": (migrated.SUPABASE / "migrations" / "20260101000050_limits.sql", limits_migration),
}


def main() -> int:
    """Write the pages that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated pages of the reference.")
    names = [*PAGES, *OF_THE_DATABASE]
    parser.add_argument("pages", nargs="*", choices=[*names, []], metavar="PAGE")
    wanted = parser.parse_args().pages or names
    for page, (file, render) in PAGES.items():
        if page in wanted:
            _write(file, render())
    try:
        if OF_THE_DATABASE.keys() & wanted:
            _write_of_the_database(wanted)
    except (StackError, psycopg.Error) as error:
        sys.stderr.write(f"generate: {error}\n")
        return 1
    return 0


def _write_of_the_database(wanted: list[str]) -> None:
    with migrated.database() as url:
        for page, (file, render) in OF_THE_DATABASE.items():
            if page in wanted:
                _write(file, render(url))


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {file.name}\n")


def _database(url: str) -> str:
    with psycopg.connect(url) as connection:
        return catalogue.page(connection)


OF_THE_DATABASE: dict[str, tuple[Path, Callable[[str], str]]] = {
    "database": (REFERENCE / "database.md", _database),
    "schema": (migrated.SCHEMA, migrated.schema),
}


if __name__ == "__main__":
    sys.exit(main())
