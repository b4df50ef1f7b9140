"""Links in the documentation lead somewhere, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs import generate

from pattern_engine.exceptions import BY_SQLSTATE, kinds

ROOT = Path(__file__).parents[2]
NOT_OURS = {"node_modules", ".venv", ".pattern-engine", ".pytest_cache", ".git"}
PAGES = sorted(
    path.relative_to(ROOT)
    for path in ROOT.rglob("*.md")
    if not NOT_OURS.intersection(path.relative_to(ROOT).parts)
)
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
COMMANDS = {name.removeprefix("pattern-engine ") for name, _ in generate.commands()}


def _prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(
        r"^```.*?^```",
        "",
        (ROOT / page).read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made on GitHub."""
    titles = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """To a file or folder of the repository, and to a heading where it names one."""
    for target in LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (ROOT / page.parent / place).resolve() if place else ROOT / page
        assert file.exists(), f"{page}: {target}"
        assert file.is_relative_to(ROOT), f"{page}: {target}"
        if anchor:
            assert anchor in _anchors(file.relative_to(ROOT)), f"{page}: {target}"


def test_every_page_is_in_the_index() -> None:
    """Whoever starts at docs/README.md finds each page."""
    listed = {
        (ROOT / "docs" / link).resolve() for link in LINK.findall(_prose(Path("docs/README.md")))
    }
    pages = {ROOT / page for page in PAGES if page.parts[0] == "docs" and page.name != "README.md"}
    assert pages <= listed


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    """`make x` in text and code is a target of the Makefile."""
    text = (ROOT / page).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_that_is_named_exists(page: Path) -> None:
    """`pattern-engine x` in text and code is a command of ours, with options that it has."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("`,", "`")
    words = [name for command in COMMANDS for name in command.split()]
    for named in re.findall(r"(?:`|bin/)pattern-engine ((?:[a-z-]+ ?)+)", text):
        command = [word for word in named.split() if word in words]
        found = [each for each in COMMANDS if each.split()[: len(command)] == command]
        assert command, f"{page}: pattern-engine {named}"
        assert found, f"{page}: pattern-engine {named}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_option_that_is_given_exists(page: Path) -> None:
    """Options on a line with `pattern-engine` are options of that command."""
    options = {
        name: {"--help", *(word for each in generate.parameters(command) for word in each.opts)}
        for name, command in generate.commands()
    }
    text = (ROOT / page).read_text(encoding="utf-8")
    for line in re.findall(r"(?:`|bin/)(pattern-engine [^`\n|]*)", text):
        given = set(re.findall(r"--[a-z-]+", line))
        command = next((name for name in options if f"{line} ".startswith(f"{name} ")), None)
        assert not given or (command and given <= options[command]), f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_database_code_that_is_named_is_raised(page: Path) -> None:
    """PL001 and its like are codes of the migrations."""
    migrations = "".join(
        file.read_text(encoding="utf-8")
        for file in (ROOT / "supabase" / "migrations").glob("*.sql")
    )
    # As a literal: of `raise`, or handed to a function that raises.
    raised = set(re.findall(r"'(PL[0-9]{3})'", migrations))
    assert set(re.findall(r"\bPL[0-9]{3}\b", (ROOT / page).read_text(encoding="utf-8"))) <= raised
    assert {code for code in BY_SQLSTATE if code.startswith("PL")} <= raised
    assert len(kinds()) > len(BY_SQLSTATE) / 2
