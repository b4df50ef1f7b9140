"""What the core's tests share: a bare Postgres of their own, and how hypothesis searches."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest

from pattern_engine.local.postgres import Cluster
from pattern_engine.local.servers import find_wheel

hypothesis.settings.register_profile("core", deadline=None, max_examples=250, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "core"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[psycopg.Connection[Any]]:
    """A connection to a fresh server without anything of ours in it."""
    server = find_wheel()
    assert server is not None
    home = Path(tempfile.mkdtemp(prefix="pattern-engine-core-"))
    home.chmod(0o755)
    cluster = Cluster(home, server, home / "logs" / "postgres")
    try:
        cluster.create()
        cluster.start(0, lambda _: None)
        try:
            with cluster.connect() as connection:
                yield connection
        finally:
            cluster.part.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def matches_in_postgres(postgres: psycopg.Connection[Any]) -> Callable[[str, str], bool]:
    """How Postgres answers whether an expression is found in a message."""

    def matches(expression: str, message: str) -> bool:
        row = postgres.execute("select %s::text ~ %s::text", (message, expression)).fetchone()
        assert row is not None
        return bool(row[0])

    return matches
