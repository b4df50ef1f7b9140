"""The frame of all pages: how much a first load transfers, accessibility, and the keyboard alone."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.waiting import eventually

from pattern_engine.console.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page
    from tests.conftest import People, Person, Rest, Sql
    from tests.console.conftest import Console
    from tests.scenarios.conftest import Fault, Functions

    Open = Callable[..., Console]

MOST_BYTES = 100_000


@pytest.fixture
def examples(
    engine: Rest,
    functions: Functions,
    fault: Fault,
    approve: Callable[..., Any],
    occur: Callable[[str], int],
    post: Callable[..., dict[str, Any]],
    administrator: Person,
) -> dict[str, str]:
    """A pattern with a fix that has run, a proposal and a cluster, by their names in a path."""

    def incident(log_id: int) -> dict[str, Any]:
        query = {"system_log_id": f"eq.{log_id}"}
        return eventually(lambda: engine.select("pattern_incidents", **query))[0]

    seen = [incident(occur(fault.message(number))) for number in range(3)]
    pattern_id = seen[0]["pattern_id"]
    assert approve(fault, pattern_id, {}).status_code == 200
    log_id = occur(fault.message(4))
    (application,) = eventually(
        lambda: engine.select("pattern_applications", system_log_id=f"eq.{log_id}")
    )
    proposal = post(
        "propose",
        pattern_id=pattern_id,
        auto_fix_script=fault.fix,
        auto_fix_type="sql",
        auto_fix_parameters={"status": "new"},
    )
    assert functions.call("cluster", {}).status_code == 200
    target = {"name": f"frame {uuid.uuid4()}", "url_secret": "notify_frame", "enabled": False}
    return {
        "version": "1",
        "target_id": administrator.rest.call("set_notification_target_v1", p_target=target)[
            "target_id"
        ],
        "pattern_id": pattern_id,
        "application_id": application["application_id"],
        "proposal_id": proposal["proposal"]["proposal_id"],
        "cluster_id": engine.select("pattern_clusters", limit="1")[0]["cluster_id"],
    }


def test_no_page_transfers_more_than_100_kilobytes_at_first(
    new_console: Open, administrator: Person, examples: dict[str, str]
) -> None:
    """Each page with all that it loads, compressed; none complains or asks another host."""
    console = new_console(administrator)
    session = console.context.new_cdp_session(console.page)
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    transferred = {}
    for name, path in _pages(examples):
        received.clear()
        answer = console.page.goto(f"{console.url}{path}", wait_until="networkidle")
        assert answer, name
        assert answer.status == 200, (name, answer.text()[:500])
        transferred[name] = sum(received)
    assert all(transferred.values())
    assert {name: size for name, size in transferred.items() if size > MOST_BYTES} == {}


def _pages(examples: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Every page that an address opens: its route, and a path with examples in it."""
    for route in ROUTES:
        if route.method == "GET":
            yield route.path, re.sub(r"<\w+:(\w+)>", lambda found: examples[found[1]], route.path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_accessible(
    new_console: Open, administrator: Person, examples: dict[str, str], scheme: str, width: int
) -> None:
    """axe-core finds nothing, with all parts unfolded, and no page is wider than the screen."""
    viewport = {"width": width, "height": 800}
    console = new_console(administrator, color_scheme=scheme, viewport=viewport)
    found, wide = {}, []
    for name, path in _pages(examples):
        if name == "/pauses":
            continue  # a part of each page, never alone in a window
        console.page.goto(f"{console.url}{path}", wait_until="networkidle")
        console.page.evaluate(
            "document.querySelectorAll('details').forEach(each => each.open = true)"
        )
        found[name] = console.violations()
        if console.page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(name)
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert wide == []


@pytest.fixture
def no_pause(database: Sql) -> Iterator[None]:
    """No pause is left to the tests that follow."""
    yield
    database.run("update ops.fix_pauses set ended_at = now() where ended_at is null")


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_pages_around_a_session_are_accessible(
    new_console: Open, people: People, user: Person, scheme: str, width: int
) -> None:
    """Signing in, refusals, a page that does not exist, and a form that outlived its session."""
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    found: dict[str, list[str]] = {}

    def look(name: str, console: Console, heading: str) -> None:
        expect(console.page.get_by_role("heading", level=1)).to_have_text(heading)
        found[name] = console.violations()
        assert console.page.evaluate("document.documentElement.scrollWidth") <= width, name

    console = new_console(**options)
    look("sign in", console, "Sign in")
    console.sign_in(user, "a wrong password")
    look("refused", console, "Sign in")
    console.sign_in(user)
    look("outsider", console, "You have no role here")

    operator = people.new("ops_operator")
    console = new_console(operator, **options)
    console.open(f"/clusters/{uuid.uuid4()}")
    look("problem", console, "That could not be done")
    page = console.open("/pause")
    page.get_by_label("Why are the fixes paused?").fill("kept over the end of a session")
    console.context.clear_cookies()
    page.get_by_role("button", name="Pause all fixes").click()
    look("asked again", console, "Sign in")
    console.sign_in(operator)
    look("waiting form", console, "You are signed in again")
    page.get_by_role("button", name="Send it now").click()
    banner = page.get_by_role("region", name="All fixes are paused")
    expect(banner).to_contain_text("kept over the end of a session")
    assert found == {name: [] for name in found}


@pytest.mark.usefixtures("no_pause")
def test_everything_in_the_frame_works_by_the_keyboard_alone(
    new_console: Open, people: People
) -> None:
    """A person signs in, skips to the content, opens and closes the keys, and pauses all fixes."""
    operator = people.new("ops_operator")
    page = new_console().page
    keys = page.keyboard
    _tab_to(page, "E-mail address")
    keys.type(operator.email)
    keys.press("Tab")
    keys.type("correct horse battery staple")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")

    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("main")).to_be_focused()
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()

    page.reload()
    _tab_to(page, "Pause fixes")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pause all fixes")
    _tab_to(page, "Why are the fixes paused?")
    keys.type("by keyboard")
    keys.press("Tab")
    keys.press("ArrowDown")
    expect(page.get_by_label("4 hours")).to_be_checked()
    _tab_to(page, "Pause all fixes")
    keys.press("Enter")
    expect(page.get_by_role("region", name="All fixes are paused")).to_contain_text("by keyboard")


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
        )
        if focused == name:
            return
    raise AssertionError(f"Tab does not reach {name}")
