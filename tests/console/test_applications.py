"""The pages about runs: a fix heals while one looks, and is taken back; what held others back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb
from tests.scenarios.learning.test_loop import applications
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import People, Person, Rest, Sql
    from tests.console.conftest import Console
    from tests.scenarios.conftest import Fault

PHONE = {"width": 390, "height": 844}
HOSTILE = "<script>alert(1)</script> \u202egnp.exe \x1b[31mred =HYPERLINK(1)"


class Runs:
    """A fault whose fix is approved, and its runs."""

    def __init__(self, engine: Rest, fault: Fault, occur: Callable[[str], int]) -> None:
        self.engine, self.fault, self._occur = engine, fault, occur
        self.pattern_id = ""

    def learned(self) -> str:
        """Let the fault occur for the first time; return its pattern."""
        log_id = self._occur(self.fault.message())
        (incident,) = eventually(
            lambda: self.engine.select("pattern_incidents", system_log_id=f"eq.{log_id}")
        )
        self.pattern_id = incident["pattern_id"]
        return self.pattern_id

    def occurs(self, number: int) -> int:
        """Let the fault occur again, and wait until it was seen that its fix may not run."""
        log_id = self._occur(self.fault.message(number))
        eventually(
            lambda: self.engine.select(
                "pattern_incidents", system_log_id=f"eq.{log_id}", gate="not.is.null"
            )
        )
        return log_id

    def run(self, number: int = 2) -> str:
        """Let the fault occur again, and return the run of its fix."""
        log_id = self._occur(self.fault.message(number))
        (application,) = eventually(lambda: applications(self.engine, log_id))
        return str(application["application_id"])


@pytest.fixture
def runs(engine: Rest, fault: Fault, occur: Callable[[str], int]) -> Runs:
    """A fault that nobody fixes yet."""
    return Runs(engine, fault, occur)


def _approve(runs: Runs, post: Callable[..., dict[str, Any]], person: Person) -> None:
    """Approve the fault's fix with an undo script."""
    post(
        "approve",
        pattern_id=runs.learned(),
        auto_fix_script=runs.fault.fix,
        auto_fix_type="sql",
        auto_fix_parameters={"status": "new"},
        undo_script=f"update {runs.fault.table} set status = null where status = 'new'",
        approved_by=person.id,
    )


def _lasts(database: Sql, run: str, time: str) -> None:
    """Let the window of a run end so long after now; here windows are of two seconds."""
    database.run(
        "update ops.pattern_verifications set due_at = clock_timestamp() + %s::interval"
        " where application_id = %s",
        time,
        run,
    )


def test_a_fix_heals_while_one_looks_and_is_taken_back(
    runs: Runs,
    post: Callable[..., dict[str, Any]],
    administrator: Person,
    operator: Person,
    new_console: Callable[..., Console],
    database: Sql,
    engine: Rest,
) -> None:
    """The list and the run change by themselves; the roll-back says what it does, and does it."""
    _approve(runs, post, administrator)
    listing = new_console(operator, color_scheme="dark")
    path = f"/applications?pattern={runs.pattern_id}"
    expect(listing.open(path).get_by_text("No run fits.")).to_be_visible()

    run = runs.run()
    _lasts(database, run, "1 hour")
    entry = listing.page.locator(f'[data-item="{run}"]')
    expect(entry).to_contain_text("pending")
    assert listing.violations() == []

    page = new_console(operator, viewport=PHONE)
    shown = page.open(f"/applications/{run}")
    expect(shown.locator("#run [data-until]")).to_have_text(re.compile(r"\d+ min"))
    expect(shown.locator(".timeline")).to_contain_text("Verification started")
    expect(shown.locator(".evidence")).to_contain_text("Unless it logs something")
    expect(shown.get_by_role("cell", name="new").first).to_be_visible()
    assert page.violations() == []

    row = {"message": "an order was invoiced", "source": "shop", "log_level": "info"}
    engine.insert("system_logs", row)
    _lasts(database, run, "0 seconds")
    eventually(lambda: engine.call("verify_applications_v1"))
    expect(shown.locator("#run")).to_contain_text("verified")
    expect(shown.locator(".evidence")).to_have_text(
        re.compile(r"No error in \d+ m?s; \d+ log rows? from shop in that time\.")
    )
    expect(entry).to_contain_text("verified")
    listing.open(f"{path}&outcome=verified")
    expect(listing.page.locator("[data-item]")).to_have_count(1)

    shown.get_by_role("link", name="Roll back this run").click()
    expect(shown.get_by_role("main")).to_contain_text(f"update public.{runs.fault.table}")
    expect(shown.get_by_role("main")).to_contain_text("where status = 'new'")
    assert page.violations() == []
    shown.get_by_label("Why is the run undone?").fill("the status was wrong")
    shown.get_by_role("button", name="Roll back the run").click()
    expect(shown.get_by_role("status").last).to_contain_text("The run was undone: 5 rows touched.")
    expect(shown.locator("#run")).to_contain_text("undone")
    expect(shown.locator(".timeline")).to_contain_text(operator.email)
    expect(shown.get_by_role("main")).to_contain_text("cannot be rolled back")
    query = SQL("select count(*) as n from {} where status is null")
    rows = database.connection.execute(query.format(Identifier("public", runs.fault.table)))
    assert rows.fetchall() == [{"n": 5}]


def test_a_fix_is_disabled_on_the_page_of_its_run(
    runs: Runs,
    post: Callable[..., dict[str, Any]],
    administrator: Person,
    operator: Person,
    new_console: Callable[..., Console],
    engine: Rest,
) -> None:
    """With a reason, and the page then shows who can and cannot do what."""
    _approve(runs, post, administrator)
    run = runs.run()
    page = new_console(operator, color_scheme="light").open(f"/applications/{run}")
    page.get_by_label("Why is it disabled?").fill("a better one is on its way")
    page.get_by_role("button", name="Disable version 1").click()
    expect(page.get_by_role("main")).to_contain_text("a better one is on its way")
    expect(page.get_by_role("button", name="Disable version 1")).to_have_count(0)
    (fix,) = engine.select("pattern_fixes", pattern_id=f"eq.{runs.pattern_id}")
    assert fix["disabled_by"] == operator.id


def test_a_viewer_sees_no_button_and_a_forged_form_is_refused(
    runs: Runs,
    post: Callable[..., dict[str, Any]],
    administrator: Person,
    people: People,
    new_console: Callable[..., Console],
    addresses: dict[str, Any],
    engine: Rest,
) -> None:
    """The database refuses the viewer whatever the page shows."""
    _approve(runs, post, administrator)
    run = runs.run()
    viewer = people.new("ops_viewer")
    page = new_console(viewer).open(f"/applications/{run}")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("link", name="Roll back")).to_have_count(0)
    with httpx.Client(
        base_url=f"{addresses['functions_url']}/console/applications/{run}",
        cookies={"pattern_engine_access": viewer.token},
    ) as client:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("").text)
        assert found
        for action in ("/roll-back", "/disable"):
            answer = client.post(action, data={"csrf": found[1], "reason": "forged"})
            assert answer.status_code == 403, answer.text
    assert engine.select("pattern_claims", undoes=f"eq.{run}") == []
    (fix,) = engine.select("pattern_fixes", pattern_id=f"eq.{runs.pattern_id}")
    assert (fix["disabled_at"], fix["mode"]) == (None, "live")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_what_held_a_fix_back_is_shown_and_hostile_text_stays_text(
    runs: Runs,
    post: Callable[..., dict[str, Any]],
    administrator: Person,
    viewer: Person,
    new_console: Callable[..., Console],
    database: Sql,
    color_scheme: str,
) -> None:
    """A pause keeps a fix from an error; the page says so, and no message is obeyed."""
    _approve(runs, post, administrator)
    run = runs.run()
    long = "x" * 60_000
    database.run(
        "update ops.pattern_applications set error_before = %s, error_after = %s,"
        " system_state_after = system_state_after || jsonb_build_object('output', %s::text)"
        " where application_id = %s",
        *(HOSTILE, long, HOSTILE + long, run),
    )
    post("pause", reason=f"deploy {HOSTILE}", seconds=600)
    log_id = runs.occurs(3)
    post("resume")
    console = new_console(viewer, color_scheme=color_scheme, viewport=PHONE)
    page = console.open(f"/applications/held-back?gate=paused&pattern={runs.pattern_id}")
    entry = page.locator("[data-item]")
    expect(entry).to_contain_text(f"log row {log_id}")
    expect(entry).to_contain_text("All fixes were paused.")
    expect(entry).to_contain_text("<script>alert(1)</script>")
    assert console.violations() == []
    page = console.open(f"/applications/{run}")
    expect(page.get_by_role("main")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator(".hidden-character").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert console.violations() == []


def test_a_bug_of_the_console_is_told_in_a_page(
    runs: Runs,
    post: Callable[..., dict[str, Any]],
    administrator: Person,
    new_console: Callable[..., Console],
    database: Sql,
) -> None:
    """In the frame of all pages, with the number by which the log has what happened."""
    _approve(runs, post, administrator)
    run = runs.run()
    nonsense = Jsonb({"tables": "what no run leaves"})
    database.change("pattern_applications", {"system_state_after": nonsense}, application_id=run)
    page = new_console(administrator).page
    with page.expect_response(re.compile(rf"/applications/{run}$")) as answer:
        page.goto(f"{page.url.rstrip('/')}/applications/{run}")
    assert answer.value.status == 500
    expect(page.get_by_role("alert")).to_contain_text("The engine failed unexpectedly")
    expect(page.locator("main")).to_contain_text(answer.value.headers["x-request-id"])
    expect(page.get_by_role("link", name="Inbox").first).to_be_visible()
