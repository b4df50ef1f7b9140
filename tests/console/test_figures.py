"""Statistics, the weekly review and the Four Laws: figures of what happened, for screen and paper."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.scenarios.learning.test_loop import applications
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Rest, Sql
    from tests.console.conftest import Console
    from tests.scenarios.conftest import Fault

PHONE = {"width": 390, "height": 844}
WINDOWS = [
    pytest.param({"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}, id="wide"),
    pytest.param({"color_scheme": "dark", "viewport": PHONE}, id="phone"),
]
HOSTILE = "<script>alert(1)</script> \u202e =HYPERLINK(1)"


@pytest.fixture
def failed(
    fault: Fault,
    occur: Callable[[str], int],
    post: Callable[..., dict[str, Any]],
    engine: Rest,
    administrator: Person,
    database: Sql,
) -> str:
    """A fix that did not help, because the error came back; the run that failed."""
    first = occur(fault.message())
    (incident,) = eventually(
        lambda: engine.select("pattern_incidents", system_log_id=f"eq.{first}")
    )
    post(
        "approve",
        pattern_id=incident["pattern_id"],
        auto_fix_script=f"select count(*) from {fault.table}",
        auto_fix_type="sql",
        auto_fix_parameters={},
        approved_by=administrator.id,
    )
    log_id = occur(fault.message(2))
    (run,) = eventually(lambda: applications(engine, log_id))
    again = occur(fault.message(3))
    eventually(lambda: applications(engine, again))
    reason = f"The error came back {HOSTILE}"
    database.change(
        "pattern_verifications", {"reason": reason}, application_id=run["application_id"]
    )
    database.run("update ops_internal.figures_counting set last_incident_id = 0, last_event_id = 0")
    return str(run["application_id"])


@pytest.mark.parametrize("window", WINDOWS)
def test_figures_are_shown_with_charts_and_tables(
    failed: str, viewer: Person, new_console: Callable[..., Console], window: dict[str, Any]
) -> None:
    """Each page passes axe, draws its charts, and has their figures as a table."""
    assert failed
    console = new_console(viewer, **window)
    page = console.open("/statistics?days=7")
    expect(page.get_by_text("patterns awaiting approval")).to_be_visible()
    expect(page.locator("[data-chart] canvas")).to_have_count(5)
    page.get_by_text("The figures of the charts").click()
    expect(page.get_by_role("region", name="Figures by day").get_by_role("row")).to_have_count(8)
    assert console.violations() == []
    page = console.open("/constitution")
    expect(page.get_by_role("heading", name="1. Do No Harm")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_text("storm_patterns", exact=True))
    expect(row.get_by_role("cell").nth(0)).to_have_text("30")
    expect(row.get_by_role("cell").nth(1)).to_have_text("10")
    expect(page.locator("[data-chart] canvas")).to_have_count(1)
    assert console.violations() == []


def test_the_failed_runs_of_a_week_can_be_printed(
    failed: str, viewer: Person, new_console: Callable[..., Console]
) -> None:
    """With why and what followed, hostile text as text, room for notes, and without the frame."""
    console = new_console(viewer)
    page = console.open(f"/statistics/review?week={datetime.now(UTC):%G-W%V}")
    section = page.locator(".review").filter(has=page.locator(f"a[href*='{failed}']"))
    expect(section).to_contain_text("<script>alert(1)</script>")
    expect(section).to_contain_text("version 1")
    expect(section.get_by_role("row").nth(1)).to_contain_text("version 1")
    assert console.violations() == []
    page.emulate_media(media="print")
    expect(page.locator(".top")).to_be_hidden()
    expect(page.get_by_text("The week before")).to_be_hidden()
    expect(section.locator(".notes")).to_be_visible()
    page.emulate_media(media="screen")
    page.get_by_role("link", name="The week before").click()
    expect(page.get_by_text("No live run of this week failed")).to_be_visible()
    page.goto(f"{console.url}/statistics/review?week=nonsense")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{datetime.now(UTC):%G-W%V}")
