"""The package is laid out by subject: imports run one way, and a module's name tells its subject."""

from __future__ import annotations

import ast
import functools
import itertools
import statistics
import sys
from collections import Counter
from pathlib import Path

import pattern_engine

ROOT = Path(pattern_engine.__file__).parent
PACKAGE = "pattern_engine"
# From the ground up: a package imports packages before it, and the modules of the root. Those import `text` alone, which
# knows nothing of the engine: whatever is logged is scrubbed.
PACKAGES = (
    # For the processes of applications: it imports nothing of the engine.
    "handlers",
    *("text", "api", "laws", "fixes", "database", "catalogue", "reading", "grouping"),
    *("learning", "steering", "overview"),
    *("healing", "approval", "notify", "serving", "console", "local", "demo", "cli"),
)
# From an approval down to the reading of an error are 14; the console's server, its routes and a page stand above it.
MAX_CHAIN = 17
# What stands in several packages under one name, because it is the same part of each.
PARALLEL = frozenset({"models", "endpoints", "__init__", "__main__"})


def _name(path: Path) -> str:
    parts = (PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(part for part in parts if part != "__init__")


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def _imports(module: str) -> frozenset[str]:
    """Modules of the package that a module imports, wherever in it and for whatever reason."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found & MODULES.keys())


def _package(module: str) -> str | None:
    """The subject that a module belongs to; None for the modules of the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / parts[1]).is_dir() else None


@functools.cache
def _chain(module: str) -> tuple[str, ...]:
    """The longest chain of imports that starts at a module; without end where there is a circle."""
    further = (_chain(imported) for imported in sorted(_imports(module)))
    return (module, *max(further, key=len, default=()))


def test_every_package_has_its_place() -> None:
    """The packages are those of the layout, each once."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert sorted(PACKAGES) == sorted(packages)


def test_imports_run_one_way() -> None:
    """A package imports only packages before it; the modules of the root import `text` alone."""
    height: dict[str | None, int] = {name: place for place, name in enumerate(PACKAGES)}
    height[None] = height["text"]
    against = [
        f"{module} -> {imported}"
        for module in MODULES
        for imported in _imports(module)
        if (to := _package(imported)) is not None and to != _package(module)
        if height[_package(module)] < height[to]
    ]
    assert against == []


def test_no_imports_go_in_a_circle() -> None:
    """Each chain of imports has an end, and the longest has at most 17 modules."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20 * len(MODULES)))
    try:
        longest = max((_chain(module) for module in MODULES), key=len)
    except RecursionError:
        raise AssertionError(f"These modules import each other: {_circle()}") from None
    finally:
        sys.setrecursionlimit(limit)
    assert len(longest) <= MAX_CHAIN, longest


def _circle() -> list[str]:
    """The modules that are on a circle, or lead to one."""
    left = set(MODULES)
    while ends := {module for module in left if not _imports(module) & left}:
        left -= ends
    return sorted(left)


def test_a_module_has_a_name_of_its_own() -> None:
    """No two subjects share a name, and none is that of a module of the standard library."""
    names: Counter[str] = Counter()
    for module, path in MODULES.items():
        parts = module.split(".")
        # Types of fixes have the same parts, and so do versions of the grouping.
        of_a_kind = {"fixes", "grouping"} & set(parts[1:2]) and len(parts) > 3
        if path.stem not in PARALLEL and not of_a_kind:
            names[path.stem] += 1
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if name in sys.stdlib_module_names] == []


def test_parts_of_a_kind_share_a_name_only_with_each_other() -> None:
    """A part of one type of fix is found under the same name in another type, and nowhere else."""
    elsewhere = {
        path.stem
        for module, path in MODULES.items()
        if len(module.split(".")) <= 3 and path.stem not in PARALLEL
    }
    for kind in ("fixes", "grouping"):
        inner = {path.stem for path in (ROOT / kind).rglob("*/*.py")} - PARALLEL
        beside = {path.stem for path in (ROOT / kind).glob("*.py")}
        assert inner & (elsewhere - beside) == set()


def test_functions_are_short() -> None:
    """Half of all functions have fewer than ten lines."""
    lengths = [
        (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.median(lengths) < 10


def test_packages_say_what_they_are_for() -> None:
    """A stranger who opens a folder finds a sentence."""
    for path in itertools.chain(ROOT.rglob("__init__.py"), MODULES.values()):
        assert ast.get_docstring(ast.parse(path.read_text())), path
