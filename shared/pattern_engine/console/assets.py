"""What the pages load beside their own HTML: styles, scripts, and the libraries of npm packages.

`scripts/console-assets` copies the libraries out of node_modules, with their licences.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pattern_engine.exceptions import ConfigurationError

FOLDER = Path(__file__).parent / "assets"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
LIBRARIES = ("vendor/htmx.min.js", "vendor/uPlot.iife.min.js", "vendor/uPlot.min.css")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, with what its answer needs."""

    content: bytes
    compressed: bytes
    kind: str
    version: str
    """The beginning of its digest; part of its address, so that browsers may keep it for good."""


@cache
def find(name: str) -> Asset | None:
    """Return the file of this name below the folder `assets`."""
    return all_assets().get(name)


@cache
def all_assets() -> dict[str, Asset]:
    """Return every file by its name.

    Raises:
        ConfigurationError: if the libraries were not copied.
    """
    found = {
        path.relative_to(FOLDER).as_posix(): _read(path)
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }
    missing = [name for name in LIBRARIES if name not in found]
    if missing:
        raise ConfigurationError(
            f"The console's libraries are missing ({', '.join(missing)}): run `make setup`, or "
            "`npm ci` and `scripts/console-assets`."
        )
    return found


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
        kind=_TYPES[path.suffix],
        version=hashlib.sha256(content).hexdigest()[:12],
    )
