"""What every executor takes and answers.

An executor refuses by default: what it was not given in so many words, a script cannot reach. It
stops the script at its limits, leaves nothing of it behind, and never raises for what a script
does: that is an outcome. Which bytes may run was settled before; an executor checks that again for
nothing but its own type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network

__all__ = ["DIRECTORY_NAME", "Executor", "Facilities", "Job", "Limits", "Outcome", "Stop"]

DIRECTORY_NAME: Final = r"[a-z][a-z0-9_]{0,31}"
"""What a granted directory is called."""

Stop = Literal["time", "output", "memory", "rows"]
"""The limit at which a script was stopped."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a script may go."""

    timeout_ms: int = 5_000
    """For all tries together."""
    max_retries: int = 0
    max_rows: int = 1_000
    max_output_bytes: int = 64 * 1024
    """What it may print, answer or read from a server; one byte more stops it."""
    max_memory_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """One approved script to run for one error."""

    application_id: str
    """Also the idempotency key of what it asks others to do."""
    script: str
    """The prepared script, word for word as approved."""
    parameters: Mapping[str, Any]
    error: Mapping[str, Any]
    """The error: `message`, `source`, `captured` (name → text), `system_log_id`."""
    limits: Limits = field(default_factory=Limits)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Vault secrets that the approved script names, name → value. Never logged, never printed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    success: bool
    output: Any = None
    """What the script answered, as JSON; text where it only prints. Within `max_output_bytes`."""
    rows: int = 0
    """Rows touched."""
    duration_ms: int = 0
    error: str | None = None
    """Why it failed, in one sentence; None if it did not."""
    stopped: Stop | None = None
    """The limit that stopped it, if one did."""
    started: bool = True
    """False where it was certain that nothing of the script ran at all, as if it had not been
    tried: such a run says nothing of the fix."""
    tables: Mapping[str, int] = field(default_factory=dict)
    """Rows touched, by table."""


@dataclass(frozen=True, slots=True)
class Facilities:
    """What the operator of this deployment offers to fixes; never a parameter of a fix."""

    bash: bool = False
    """Whether fixes of type bash may run at all."""
    api_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Further addresses that an api_call may reach, although they are private or loopback."""
    api_ca_file: str | None = None
    """Certificates that an api_call trusts beside those of the system, as a PEM file."""
    bash_directories: Mapping[str, str] = field(default_factory=dict)
    """Name → path of the directories that an approval of type bash may name."""
    bash_copy_bytes: int = 64 * 1024 * 1024
    """What the files of one of them may hold together."""
    bash_copy_files: int = 10_000
    """How many files and directories may be in one of them."""
    bash_state_directory: str = "~/.local/state/pattern-engine"
    """Where it is written what runs did to them."""


class Executor(Protocol):
    """Runs the scripts of one type."""

    def run(self, job: Job) -> Outcome:
        """Run a script to its end or to its limits."""
