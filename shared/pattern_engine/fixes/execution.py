"""What every executor takes and returns.

A script reaches only what its approval lists. The executor stops the script at its limits and ends
all of its processes. Whatever a script does is returned as an outcome, never raised. The approval
decides which script runs; the executor checks only that the script is valid for its type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

Stop = Literal["time", "output", "memory", "rows"]
"""The limits that stop a script."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run."""

    timeout_ms: int = 5_000
    """For all attempts together."""
    max_retries: int = 0
    max_rows: int = 1_000
    max_output_bytes: int = 64 * 1024
    """How much a script may print, return or store of an answer; one byte more stops it."""
    max_answer_bytes: int = 1024 * 1024
    """How much one answer to `fetch` may have; a longer one is an error of that call."""
    max_memory_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Secret:
    """A Vault secret that the approved script names."""

    value: str = field(repr=False)
    """Never logged or printed."""
    hosts: tuple[str, ...] = ()
    """The hosts that it may be sent to, which the database's owner granted."""


@dataclass(frozen=True, slots=True)
class Job:
    """One approved script to run for one error."""

    application_id: str
    """Also the idempotency key of the requests that the script sends."""
    script: str
    """The prepared script, exactly as approved."""
    parameters: Mapping[str, Any]
    error: Mapping[str, Any]
    """The error: `message`, `source`, `captured` (name → text), `system_log_id`."""
    limits: Limits = field(default_factory=Limits)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    """The Vault secrets that the approved script names, by name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    success: bool
    output: Any = None
    """What the script returned, as JSON, or what it printed, within `max_output_bytes`."""
    rows: int = 0
    """Rows touched."""
    duration_ms: int = 0
    error: str | None = None
    """Why the run failed, in one sentence; None if it succeeded."""
    stopped: Stop | None = None
    """The limit that stopped the run, if any."""
    started: bool = True
    """False if certainly no part of the script ran; such a run does not count against the fix."""
    tables: Mapping[str, int] = field(default_factory=dict)
    """Rows touched, by table."""


class Executor(Protocol):
    """Runs the scripts of one type."""

    def run(self, job: Job) -> Outcome:
        """Run a script to its end or to its limits."""

    def unavailable(self) -> str | None:
        """Return why no script can run in this process; None if they can."""
