"""A browser on the console of a running stack, and people of each role who are signed in to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import PASSWORD
from tests.scenarios.conftest import (
    approve,
    fault,
    functions,
    occur,
    post,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request
    from tests.conftest import Person, ServerName

__all__ = ["approve", "fault", "functions", "occur", "post"]

PATIENCE_MS = 8_000
AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="session", params=["wheel"])
def server(request: pytest.FixtureRequest) -> ServerName:
    """One server: what pages do to the database is tested on both by the tests of its functions."""
    name: ServerName = request.param
    return name


@dataclass
class Console:
    """The console in a browser window of its own, whose cookies no other window has.

    Attributes:
        problems: What the browser complained of, and every request to another host.
    """

    context: BrowserContext
    url: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.context.on("request", self._note_request)

    def _note_message(self, message: ConsoleMessage) -> None:
        # Chromium reports every answer of an error status; tests of refusals see those on purpose.
        is_status = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_status:
            self.problems.append(message.text)

    def _note_request(self, request: Request) -> None:
        origin = self.url.split("/functions/")[0]
        if not request.url.startswith((origin, "data:", "about:")):
            self.problems.append(f"request to {request.url}")

    def open(self, path: str = "/") -> Page:
        """Go to a page by its path below the console."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def sign_in(self, person: Person, password: str = PASSWORD) -> Page:
        """Sign in by the form that the present page shows."""
        self.page.get_by_label("E-mail address").fill(person.email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        return self.page

    def violations(self) -> list[str]:
        """What axe-core finds on the present page."""
        # The policy of the pages forbids to add scripts; evaluating one is the browser's own right.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate("axe.run()")
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]


@pytest.fixture
def new_console(browser: Browser, addresses: dict[str, Any]) -> Iterator[Callable[..., Console]]:
    """Opens windows with the console; at the end no window may have complained of anything."""
    opened: list[Console] = []

    def new(person: Person | None = None, **options: Any) -> Console:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        console = Console(context, f"{addresses['functions_url']}/console")
        opened.append(console)
        console.open()
        if person:
            console.sign_in(person)
        return console

    yield new
    for console in opened:
        console.context.close()
    assert [problem for console in opened for problem in console.problems] == []
