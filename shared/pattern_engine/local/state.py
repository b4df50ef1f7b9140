"""What is stored about a running stack: its supervisor, its processes and its addresses."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from pattern_engine.local.errors import AlreadyRunningError
from pattern_engine.local.keys import write_private
from pattern_engine.local.processes import Identity

_FILE = "state.json"
_LOCK = "lock"


@dataclass(frozen=True)
class Ended:
    """How often a part has ended by itself, and why and when it did last."""

    times: int
    reason: str
    at: str


@dataclass
class State:
    """The content of the state file, which only the present user can read: it contains the keys.

    Attributes:
        status: Addresses and keys, as `pattern-engine status` shows them.
        supervisor: The process that started the parts.
        parts: The process of each part, by the name of the part.
        ended: The parts that have ended since the stack was started, by the name of the part.
        applied: What was applied to the cluster of each kind of server: "bootstrap" if it was
            bootstrapped, and digests of its stand-ins and its migrations.
    """

    status: dict[str, Any] = field(default_factory=dict)
    supervisor: Identity | None = None
    parts: dict[str, Identity] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    applied: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path) -> "State":
        """Return the state stored in a directory, or an empty one."""
        file = directory / _FILE
        if not file.exists():
            return cls()
        kept = json.loads(file.read_text())
        return cls(
            status=kept["status"],
            supervisor=Identity(**kept["supervisor"]) if kept["supervisor"] else None,
            parts={name: Identity(**part) for name, part in kept["parts"].items()},
            ended={name: Ended(**end) for name, end in kept.get("ended", {}).items()},
            applied=kept["applied"],
        )

    def save(self, directory: Path) -> None:
        """Store the state in a directory."""
        write_private(directory / _FILE, json.dumps(asdict(self), indent=2))

    @property
    def supervised(self) -> bool:
        """Whether the supervisor is running, which starts parts again."""
        return self.supervisor is not None and self.supervisor.is_alive()

    @property
    def running(self) -> bool:
        """Whether all processes of the stack are running."""
        alive = (part.is_alive() for part in self.parts.values())
        return self.supervised and bool(self.parts) and all(alive)


class Lock:
    """A lock that lets one process run a stack in a directory; it ends with the process."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _LOCK
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            AlreadyRunningError: Another process holds it.
        """
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise AlreadyRunningError(
                f"a stack is already running in {self._path.parent} (process {holder}); stop it "
                "with `pattern-engine down`, or start another one with another --data-dir"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Release the lock."""
        if self._file:
            self._file.close()
            self._file = None
