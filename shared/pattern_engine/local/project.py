"""The project that a stack serves: its migrations, its functions, its npm packages."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pattern_engine.local.errors import ProjectNotFoundError

_MARKER = Path("supabase/config.toml")
_DATA_DIRECTORY = ".pattern-engine"


@dataclass(frozen=True)
class Project:
    """A directory with `supabase/config.toml`, `supabase/migrations` and `functions/`."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> "Project":
        """Return the project around a directory (the current one), else the one we lie in.

        Raises:
            ProjectNotFoundError: Neither is below a directory with supabase/config.toml.
        """
        here = (start or Path.cwd()).resolve()
        ours = Path(__file__).resolve()
        for directory in (here, *here.parents, *ours.parents):
            if (directory / _MARKER).exists():
                return cls(directory)
        raise ProjectNotFoundError(f"no {_MARKER} in {here} or above; use --project DIR")

    @property
    def data_directory(self) -> Path:
        """Where the project's stack keeps its data unless told otherwise."""
        return self.root / _DATA_DIRECTORY

    @property
    def functions(self) -> Path:
        """Where each function has a folder."""
        return self.root / "functions"

    @property
    def packages(self) -> Path:
        """Where npm puts packages; a copy of a project without them uses those beside us."""
        own = self.root / "node_modules"
        if own.exists():
            return own
        beside_us = Path(__file__).resolve().parents[3] / "node_modules"
        return beside_us if beside_us.exists() else own

    @property
    def configuration(self) -> dict[str, Any]:
        """The content of `supabase/config.toml`."""
        return tomllib.loads((self.root / _MARKER).read_text())

    @property
    def api_schemas(self) -> list[str]:
        """The schemas that the REST interface exposes."""
        schemas: list[str] = self.configuration.get("api", {}).get("schemas", ["public"])
        return schemas

    def migrations_digests(self) -> str:
        """Return a line for each migration, its digest and its name, as `sha256sum` writes them."""
        files = sorted((self.root / "supabase" / "migrations").glob("*.sql"))
        return "\n".join(
            f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in files
        )
