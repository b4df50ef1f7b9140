"""A fresh local stack for a benchmark, and the engine's settings for it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pattern_engine.local.stack import Stack
from pattern_engine.settings import Settings


@contextmanager
def fresh_stack() -> Iterator[dict[str, Any]]:
    """Start a stack on a free port, in a directory of its own; yield its status."""
    with tempfile.TemporaryDirectory() as directory, Stack(directory, port=0) as stack:
        yield stack.status()


def settings_of(status: dict[str, Any]) -> Settings:
    """Return the settings with which a function would run on this stack."""
    return Settings(
        supabase_url=status["api_url"],
        publishable_key=status["publishable_key"],
        secret_key=status["secret_key"],
        webhook_secret=status["webhook_secret"],
        jwt_secret=status["jwt_secret"],
    )
