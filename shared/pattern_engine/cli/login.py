"""How the operator's commands log in to the database."""

import argparse
import os
from contextlib import AbstractContextManager

import psycopg

from pattern_engine.cli.places import add_places, data_directory
from pattern_engine.local.errors import StackError
from pattern_engine.local.stack import read_status

_VARIABLE = "PATTERN_ENGINE_DB_URL"

Row = tuple[object, ...]
Connection = psycopg.Connection[Row]


def add_database(command: argparse.ArgumentParser) -> None:
    """Add the options that say which database is meant."""
    command.add_argument(
        "--db-url",
        help=f"address of the database, as its owner postgres (default: {_VARIABLE}, else the "
        "local stack; the variable keeps a password off the command line)",
    )
    add_places(command)


def connect(options: argparse.Namespace) -> AbstractContextManager[Connection]:
    """Log in to the database that the options name.

    Raises:
        StackError: No database was named and no local stack was ever started.
        psycopg.Error: The database does not answer, or refuses the login.
    """
    url = options.db_url or os.environ.get(_VARIABLE)
    if not url:
        try:
            url = read_status(data_directory(options))["db_url"]
        except StackError as error:
            raise StackError(f"no database: give --db-url, set {_VARIABLE}, or: {error}") from error
    return psycopg.connect(url, connect_timeout=10)
