"""How the commands of the database's owner log in to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from pattern_engine.cli.locations import data_directory
from pattern_engine.local.errors import StackError
from pattern_engine.local.stack import read_status

_VARIABLE = "PATTERN_ENGINE_DB_URL"

Row = tuple[object, ...]
Connection = psycopg.Connection[Row]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--db-url",
        metavar="URL",
        help="address of the database, with its owner postgres as the user",
        show_default=f"{_VARIABLE}, else the local stack; "
        "the variable keeps a password off the command line",
    ),
]


@contextmanager
def connect(
    db_url: str | None, data_dir: Path | None, project: Path | None
) -> Iterator[Connection]:
    """Log in to the database that the options name; commit at the end of the block.

    Raises:
        StackError: No database was named and no local stack was ever started, or the database
            does not answer, or refuses the login or a statement.
    """
    url = db_url or os.environ.get(_VARIABLE)
    if not url:
        try:
            url = read_status(data_directory(data_dir, project))["db_url"]
        except StackError as error:
            raise StackError(
                f"no database was named: use --db-url or set {_VARIABLE}; {error}"
            ) from error
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as error:
        raise StackError(f"the database reported an error: {error}") from error
