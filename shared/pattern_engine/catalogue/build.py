"""Build the catalogue's data files: `make catalogue`.

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

from pattern_engine.catalogue import file, labelling, labels, postgresql, tabled

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
        labelled = labelling.written(locales, map(tabled.labels, sorted(TABLES.glob("*.toml"))))
    labels.PATH.write_text(labelled)
    file.PATH.write_bytes(content)
    print(f"{file.PATH.name}: {len(content):,} bytes", file=sys.stderr)  # noqa: T201  a script
    return 0


def built(locales: Path) -> bytes:
    """Return the content of the data file."""
    paths = sorted(TABLES.glob("*.toml"))
    by_hand = [each for path in paths for each in tabled.read(path)]
    numbers: dict[Entry, int] = {}
    languages: dict[str, dict[tuple[int, Template], None]] = {}

    def add(language: str, entry: Entry, template: Template) -> None:
        number = numbers.setdefault(entry, len(numbers))
        languages.setdefault(language, {})[number, template] = None

    for each in by_hand:
        for template in each.templates:
            add("en", each.entry, template)
    for language, entry, template in postgresql.read(locales, by_hand):
        add(language, entry, template)
    by_shape = {template.literals: each.entry for each in by_hand for template in each.templates}
    for path in paths:
        for language, english, template in tabled.translated(path):
            add(language, by_shape[english.literals], template)
    return file.written(list(numbers), dict(sorted(languages.items(), key=_english_first)))


def _english_first(item: tuple[str, object]) -> tuple[bool, str]:
    return item[0] != "en", item[0]


def _downloaded(folder: Path) -> Path:
    subprocess.run(("apt-get", "download", *_PACKAGES), cwd=folder, check=True)
    for package in sorted(folder.glob("*.deb")):
        subprocess.run(("dpkg-deb", "--extract", package, folder), check=True)
    return folder / "usr" / "share" / "locale"


if __name__ == "__main__":
    sys.exit(main())
