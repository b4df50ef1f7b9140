"""Build the catalogue's data file: `python -m pattern_engine.catalogue.build`, or `make catalogue`.

The messages come from the tables beside this module and from PostgreSQL's compiled catalogues of
Debian's packages `postgresql-15` and `libpq5`. If those are not installed, or not with their
translations, the packages are downloaded with `apt-get`.
The same packages and tables make the same file, byte for byte.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pattern_engine.catalogue import file, postgresql, tabled

if TYPE_CHECKING:
    from pattern_engine.catalogue.file import Entry
    from pattern_engine.catalogue.template import Template

__all__ = ["TABLES", "built", "main"]

TABLES: Final = Path(__file__).parent / "tables"
_INSTALLED: Final = Path("/usr/share/locale")
_PACKAGES: Final = ("postgresql-15", "libpq5")


def main() -> int:
    """Write the data file; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        locales = _INSTALLED if postgresql.is_complete(_INSTALLED) else _downloaded(Path(folder))
        content = built(locales)
    file.PATH.write_bytes(content)
    print(f"{file.PATH.name}: {len(content):,} bytes", file=sys.stderr)  # noqa: T201  a script
    return 0


def built(locales: Path) -> bytes:
    """Return the content of the data file."""
    entries: dict[Entry, list[Template]] = {}
    by_hand = [each for path in sorted(TABLES.glob("*.toml")) for each in tabled.read(path)]
    for each in by_hand:
        entries.setdefault(each.entry, []).extend(each.templates)
    for entry, templates in postgresql.read(locales, by_hand).items():
        entries.setdefault(entry, []).extend(templates)
    return file.written({entry: dict.fromkeys(own) for entry, own in entries.items()})


def _downloaded(folder: Path) -> Path:
    subprocess.run(("apt-get", "download", *_PACKAGES), cwd=folder, check=True)
    for package in sorted(folder.glob("*.deb")):
        subprocess.run(("dpkg-deb", "--extract", package, folder), check=True)
    return folder / "usr" / "share" / "locale"


if __name__ == "__main__":
    sys.exit(main())
