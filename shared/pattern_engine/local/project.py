"""The project that a stack serves: its migrations, its functions, its npm packages."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pattern_engine.local.errors import ProjectNotFoundError

_MARKER = Path("supabase/config.toml")
_DATA_DIRECTORY = ".pattern-engine"


@dataclass(frozen=True)
class Project:
    """A directory with `supabase/config.toml`, `supabase/migrations` and `functions/`."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> "Project":
        """Return the project around a directory (by default the current one).

        If there is none, it is the project around this package.

        Raises:
            ProjectNotFoundError: Neither has a directory above it with supabase/config.toml.
        """
        here = (start or Path.cwd()).resolve()
        this_file = Path(__file__).resolve()
        for directory in (here, *here.parents, *this_file.parents):
            if (directory / _MARKER).exists():
                return cls(directory)
        raise ProjectNotFoundError(
            f"{_MARKER} is neither in {here} nor in a directory above it; "
            "name the project's directory with --project"
        )

    @classmethod
    def at(cls, directory: Path) -> "Project":
        """Return the project in a directory.

        Raises:
            ProjectNotFoundError: The directory has no supabase/config.toml.
        """
        if not (directory / _MARKER).exists():
            raise ProjectNotFoundError(f"{directory} is not a project: it has no {_MARKER}")
        return cls(directory.resolve())

    @property
    def data_directory(self) -> Path:
        """Where the project's stack keeps its data by default."""
        return self.root / _DATA_DIRECTORY

    @property
    def functions(self) -> Path:
        """The folder that contains one folder for each function."""
        return self.root / "functions"

    @property
    def packages(self) -> Path:
        """The folder of the npm packages; a project without one uses that of this repository."""
        own = self.root / "node_modules"
        if own.exists():
            return own
        of_repository = Path(__file__).resolve().parents[3] / "node_modules"
        return of_repository if of_repository.exists() else own

    @property
    def api_schemas(self) -> list[str]:
        """The schemas that the REST interface exposes."""
        configuration = tomllib.loads((self.root / _MARKER).read_text())
        return list(configuration.get("api", {}).get("schemas", ["public"]))

    def migrations_digests(self) -> str:
        """Return a line for each migration, its digest and its name, as `sha256sum` writes them."""
        files = sorted((self.root / "supabase" / "migrations").glob("*.sql"))
        return "\n".join(
            f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in files
        )
