"""How the operator's commands log in to the database."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pattern_engine.cli.locations import add_location_options, data_directory
from pattern_engine.local.errors import StackError
from pattern_engine.local.stack import read_status

_VARIABLE = "PATTERN_ENGINE_DB_URL"

Row = tuple[object, ...]
Connection = psycopg.Connection[Row]


def add_database_options(command: argparse.ArgumentParser) -> None:
    """Add the options that say which database a command logs in to."""
    command.add_argument(
        "--db-url",
        help="address of the database, with its owner postgres as the user "
        f"(default: {_VARIABLE}, else the local stack; "
        "the variable keeps a password off the command line)",
    )
    add_location_options(command)


@contextmanager
def connect(options: argparse.Namespace) -> Iterator[Connection]:
    """Log in to the database that the options name; commit at the end of the block.

    Raises:
        StackError: No database was named and no local stack was ever started, or the database
            does not answer, or refuses the login or a statement.
    """
    url = options.db_url or os.environ.get(_VARIABLE)
    if not url:
        try:
            url = read_status(data_directory(options))["db_url"]
        except StackError as error:
            raise StackError(
                f"no database was named: use --db-url or set {_VARIABLE}; {error}"
            ) from error
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as error:
        raise StackError(f"the database reported an error: {error}") from error
