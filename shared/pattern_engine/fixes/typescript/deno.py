"""Finding Deno, and starting it without access to the machine's configuration."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CLOSED", "MISSING", "find", "private_home"]

MISSING: Final = "Deno is not installed: install the extra `fixes` of this package"
#: What every call says: no configuration, no libraries, nothing from the network, no questions.
CLOSED: Final = (
    *("--no-check", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--cached-only"),
    "--no-prompt",
)


def find() -> str | None:
    """Return the path of the program: beside Python, where its wheel says, or on the PATH."""
    beside = Path(sys.executable).parent / "deno"
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    return _of_wheel() or shutil.which("deno")


def _of_wheel() -> str | None:
    try:
        from deno import find_deno_bin  # noqa: PLC0415  an extra that may be absent
    except ImportError:
        return None
    try:
        return str(find_deno_bin())
    except FileNotFoundError:
        return None


@contextmanager
def private_home() -> Iterator[tuple[Path, dict[str, str]]]:
    """A directory that is deleted afterwards, and an environment that knows no other."""
    with tempfile.TemporaryDirectory(prefix="pattern-engine-fix-") as name:
        yield (
            Path(name),
            {
                "DENO_DIR": f"{name}/deno",
                "HOME": name,
                "NO_COLOR": "1",
                "DENO_NO_UPDATE_CHECK": "1",
            },
        )
