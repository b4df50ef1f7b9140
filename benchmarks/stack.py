"""A new local stack for a benchmark, and the engine's settings for it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pattern_engine.database.database import Database
from pattern_engine.local.stack import Stack
from pattern_engine.settings import Settings
from pattern_engine.thresholds import Thresholds


@contextmanager
def fresh_stack(**settings: str) -> Iterator[dict[str, Any]]:
    """Start a stack on a free port, in a temporary directory; yield its status.

    The functions get each setting as an environment variable with the prefix PATTERN_ENGINE_.
    """
    named = {f"PATTERN_ENGINE_{name.upper()}": value for name, value in settings.items()}
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(directory, port=0, settings=named) as stack,
    ):
        yield stack.status()


def settings_of(status: dict[str, Any], **thresholds: Any) -> Settings:  # noqa: ANN401
    """Return the settings of a function on this stack."""
    return Settings(
        thresholds=Thresholds(**thresholds),
        supabase_url=status["api_url"],
        publishable_key=status["publishable_key"],
        secret_key=status["secret_key"],
        webhook_secret=status["webhook_secret"],
        jwt_secret=status["jwt_secret"],
    )


class Counted(Database):
    """A client of the database that counts its calls."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.calls = 0

    def _call(self, *arguments: Any, **named: Any) -> object:  # noqa: ANN401  passed on
        self.calls += 1
        return super()._call(*arguments, **named)
