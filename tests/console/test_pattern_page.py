"""The page of a pattern: what it shows, and everything that a person decides on it."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page
    from tests.conftest import People, Person, Rest, Sql
    from tests.console.conftest import Console
    from tests.scenarios.conftest import Fault, Functions

PHONE = {"width": 390, "height": 844}


def word() -> str:
    """A word of letters that no other test uses."""
    return "".join(chr(97 + int(digit, 16)) for digit in uuid.uuid4().hex)


@pytest.fixture
def learn(engine: Rest, functions: Functions) -> Callable[..., str]:
    """Logs an error and learns it at once; returns the id of its pattern."""

    def learn(message: str, **columns: object) -> str:
        row = {"message": message, "source": "shop", "log_level": "error"} | columns
        log_id = engine.insert("system_logs", row)[0]["id"]
        answer = functions.call("learn", {"error_message": message, "system_log_id": log_id})
        assert answer.status_code == 200, answer.text
        pattern_id: str = answer.json()["pattern"]["pattern_id"]
        return pattern_id

    return learn


def section(page: Page, name: str) -> Locator:
    """A section of the page by its heading."""
    return page.get_by_role("region", name=name, exact=True)


def decide(page: Page, opener: str, button: str, reason: str, **fields: str) -> None:
    """Fill in one of the forms of the page, and send it."""
    form = page.locator("details", has=page.get_by_text(opener, exact=True))
    if form.get_attribute("open") is None:
        form.locator("summary").click()
    for label, value in fields.items():
        field = form.get_by_label(label.replace("_", " "))
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    form.locator("textarea").fill(reason)
    form.get_by_role("button", name=button).click()


def foreign_key(constraint: str, table: str) -> str:
    """A message of PostgreSQL that names a constraint and a table."""
    return (
        f'update or delete on table "customers" violates foreign key constraint "{constraint}" '
        f'on table "{table}"'
    )


def test_facets_filter_the_errors_and_the_page_explains_them(
    new_console: Callable[..., Console], viewer: Person, learn: Callable[..., str]
) -> None:
    """A viewer sees what the errors named, narrows them down, and is offered no action."""
    one, other = f"orders_{word()}", f"bills_{word()}"
    for number in range(3):
        learn(foreign_key(f"{one}_fkey", one), release=f"shop@1.{number}.0", environment="live")
    pattern_id = learn(foreign_key(f"{other}_fkey", other), source="mailer")
    console = new_console(viewer)
    page = console.open(f"/patterns/{pattern_id}")

    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("violates foreign key constraint")
    expect(heading.locator("var").filter(has_text="constraint")).to_be_visible()
    expect(section(page, "What it means")).to_contain_text("23503")
    expect(section(page, "Occurrences").locator("canvas")).to_be_visible()

    errors = section(page, "Errors")
    section(page, "What its errors named").get_by_role("link", name=f"{one}_fkey").click()
    expect(errors.locator("[data-item]")).to_have_count(3)
    expect(errors).not_to_contain_text(other)
    section(page, "What its errors named").get_by_role("link", name="shop@1.2.0").click()
    expect(errors.locator("[data-item]")).to_have_count(1)
    errors.get_by_role("link", name="Show all").click()
    section(page, "What its errors named").get_by_role("link", name="mailer").click()
    expect(errors.locator("[data-item]")).to_have_count(1)
    expect(errors).to_contain_text("not healed: no fix was approved then")

    assert page.locator("main form").count() == 0
    assert page.get_by_role("link", name="Merge …").count() == 0
    assert console.violations() == []


def test_hostile_texts_are_shown_and_never_obeyed(
    new_console: Callable[..., Console], operator: Person, learn: Callable[..., str]
) -> None:
    """Markup stays text, hidden characters get marks, a long line does not widen the page."""
    hostile = f"<script>window.broken=1</script> \u202e {word()} \x1b[31m =HYPERLINK(1)"
    long_line = "x" * 60_000
    data = {"password": "hunter2 is secret", "note": "<img src=x onerror=window.broken=1>"}
    pattern_id = learn(f"{hostile} token=sk_live_abcdefghijklmnop {long_line}", error_data=data)
    for theme in ("light", "dark"):
        console = new_console(operator, color_scheme=theme, viewport=PHONE)
        page = console.open(f"/patterns/{pattern_id}")
        errors = section(page, "Errors")
        errors.locator("summary").filter(has_text="Whole text").click()
        expect(errors.locator("pre").first).to_contain_text("<script>window.broken=1</script>")
        expect(errors.locator(".hidden-character").first).to_be_visible()
        expect(errors.locator("pre").nth(1)).to_contain_text("onerror")
        assert "hunter2" not in page.content()
        assert "sk_live_abcdefghijklmnop" not in page.content()
        assert page.evaluate("window.broken") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert console.violations() == []
        for path in ("merge", f"merge?with={pattern_id}", "split", "similar", "trail", "errors"):
            console.open(f"/patterns/{pattern_id}/{path}")
            assert page.evaluate("window.broken") is None
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            assert console.violations() == []


def test_the_life_of_a_pattern_is_decided_with_a_reason(
    new_console: Callable[..., Console], operator: Person, learn: Callable[..., str], database: Sql
) -> None:
    """Resolve with a release, snooze until a time and for a count, and open again."""
    pattern_id = learn(f"cannot open the door of {word()}")
    stored = """select status, resolved_release, ignored_until, ignored_until_count
        from ops.error_patterns where pattern_id = %s"""
    page = new_console(operator, timezone_id="Asia/Tokyo").open(f"/patterns/{pattern_id}")
    state, trail = section(page, "State"), section(page, "Trail")

    decide(page, "Resolve …", "Resolve", "new hinges", Release="shop@2.0.0")
    expect(state).to_contain_text("in release shop@2.0.0")
    expect(trail).to_contain_text(operator.email)
    expect(trail).to_contain_text("Reason: new hinges")

    decide(page, "Open again …", "Open again", "squeaks")
    expect(page.locator(".notice")).to_contain_text("open again")

    local = datetime.now(UTC) + timedelta(hours=9 + 48)
    until = f"{local:%Y-%m-%dT%H:%M}"
    fields = {"How_long?": "time", "Time,_for": until}
    decide(page, "Ignore or snooze …", "Ignore", "waits for parts", **fields)
    expect(state).to_contain_text("ignored")
    row = database.rows(stored, pattern_id)[0]
    wanted = datetime.now(UTC) + timedelta(hours=48)
    assert abs(row["ignored_until"] - wanted) < timedelta(minutes=3)

    decide(page, "Open again …", "Open again", "parts came")
    fields = {"How_long?": "count", "Number_of_errors": "5"}
    decide(page, "Ignore or snooze …", "Ignore", "harmless", **fields)
    expect(state).to_contain_text("until 6 errors were counted")
    row = database.rows(stored, pattern_id)[0]
    assert (row["status"], row["ignored_until_count"]) == ("ignored", 6)


def test_merging_by_a_pasted_link_shows_first_what_it_does_and_is_undone(
    new_console: Callable[..., Console],
    operator: Person,
    learn: Callable[..., str],
    fault: Fault,
    approve: Callable[..., Any],
    database: Sql,
) -> None:
    """The fix does not run for what joins; the merged page leads to the kept one; undo parts them."""
    kept = learn(fault.message())
    assert approve(fault, kept, {}).status_code == 200
    name = word()
    gone = learn(f"the pump of {name} is dry")
    learn(f"the pump of {name} is dry")
    console = new_console(operator)
    page = console.open(f"/patterns/{kept}/merge")
    page.get_by_role("searchbox").fill(f"pump {name} dry")
    page.get_by_role("button", name="Look").click()
    expect(page.locator(f"[data-item='{gone}']")).to_be_visible()

    # From the page of the other one: the pattern with the fix is kept nevertheless.
    console.open(f"/patterns/{gone}")
    page.get_by_role("link", name="Merge …").first.click()
    page.get_by_role("searchbox").fill(f"see {console.url}/patterns/{kept}#errors")
    page.get_by_role("button", name="Look").click()
    expect(section(page, "This one is kept")).to_contain_text(fault.word)
    expect(section(page, "This one joins it")).to_contain_text(name)
    expect(page.locator("main")).to_contain_text("will have 3 errors that count")
    expect(page.locator("main")).to_contain_text("does not run for the 2 errors that join")
    assert console.violations() == []
    assert database.value("select count(*) from ops.pattern_merges where gone = %s", gone) == 0

    page.get_by_label("Why are they one pattern?").fill("the same pump")
    page.get_by_role("button", name="Merge the two patterns").click()
    expect(page).to_have_url(re.compile(f"/patterns/{kept}$"))
    expect(page.locator(".notice")).to_contain_text("2 errors joined")
    expect(section(page, "Grouping")).to_contain_text("does not run for it")
    assert page.get_by_role("button", name="Confirm").count() == 0

    console.open(f"/patterns/{gone}")
    expect(page).to_have_url(re.compile(f"/patterns/{kept}$"))
    console.open(f"/patterns/{gone}?own=1")
    expect(section(page, "State")).to_contain_text("merged")
    console.open(f"/patterns/{kept}")
    page.get_by_role("button", name="Undo this merge").click()
    expect(page.locator(".notice")).to_contain_text("1 and 2 errors")
    console.open(f"/patterns/{gone}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    expect(section(page, "Grouping")).to_contain_text(f"Undone by {operator.email}")
    expect(section(page, "Grouping")).to_contain_text("Kept apart from")


def test_splitting_by_a_facet_shows_both_sides_and_is_undone(
    new_console: Callable[..., Console],
    people: People,
    learn: Callable[..., str],
    post: Callable[..., dict[str, Any]],
    fault: Fault,
    approve: Callable[..., Any],
) -> None:
    """A value chooses the signatures whose errors all have it; an administrator confirms others."""
    administrator = people.new("ops_admin")
    kept = learn(fault.message())
    assert approve(fault, kept, {}).status_code == 200
    name = word()
    gone = learn(f"the lamp of {name} is broken", source=f"lamps {name}")
    post("merge", pattern_ids=[kept, gone], reason="by mistake")
    console = new_console(administrator)
    page = console.open(f"/patterns/{kept}")
    section(page, "Grouping").get_by_role("button", name="Confirm").click()
    expect(page.locator(".notice")).to_contain_text("Confirmed 1 signature for the fix")
    expect(section(page, "Grouping")).to_contain_text(f"confirmed by {administrator.email}")

    page.get_by_role("link", name="Split …").click()
    page.get_by_label("Errors with").select_option(f"source:lamps {name}")
    page.get_by_role("button", name="Choose their signatures").click()
    going = section(page, "These errors move to a new pattern")
    expect(going).to_contain_text(f"the lamp of {name} is broken")
    expect(going).to_contain_text("1 of the latest 2 errors")
    expect(section(page, "These errors stay")).to_contain_text(fault.word)
    expect(page.locator("main")).to_contain_text("no longer runs for the errors that move")
    assert console.violations() == []

    page.get_by_label("Why are these another pattern?").fill("a lamp is no order")
    page.get_by_role("button", name="Split 1 signature off").click()
    expect(page.locator(".notice")).to_contain_text("1 error moved to this new pattern")
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    page.get_by_role("button", name="Undo this split").click()
    expect(page).to_have_url(re.compile(f"/patterns/{kept}$"))
    expect(page.locator(".notice")).to_contain_text("2 and 0 errors")


def test_identifiers_outside_the_guard_are_confirmed_by_an_administrator_alone(
    new_console: Callable[..., Console],
    people: People,
    learn: Callable[..., str],
    fault: Fault,
    approve: Callable[..., Any],
    database: Sql,
) -> None:
    """The page names what a fix does not run for; an operator sees it and cannot confirm it."""
    one, other = f"orders_{word()}", f"bills_{word()}"
    pattern_id = learn(foreign_key(f"{one}_fkey", one))
    assert approve(fault, pattern_id, {"when": {"constraint": [f"{one}_fkey"]}}).status_code == 200
    learn(foreign_key(f"{other}_fkey", other))
    page = new_console(people.new("ops_operator")).open(f"/patterns/{pattern_id}")
    expect(section(page, "Fixes")).to_contain_text("name something else")
    expect(section(page, "Fixes")).to_contain_text(f"{other}_fkey")
    assert page.get_by_role("button", name="Confirm").count() == 0

    page = new_console(people.new("ops_admin")).open(f"/patterns/{pattern_id}")
    expect(page.locator("main")).to_contain_text("Disable version 1 …")
    form = page.locator("form", has=page.locator(f"input[value*='{other}_fkey']"))
    form.get_by_role("button", name="Confirm for version 1").click()
    expect(page.locator(".notice")).to_contain_text("Confirmed 1 identifier set")
    confirmed = (
        "select identifiers ->> 'constraint' from ops.fix_confirmations where pattern_id = %s"
    )
    assert database.value(confirmed, pattern_id) == f"{other}_fkey"

    decide(page, "Disable version 1 …", "Disable", "healed the wrong ones")
    expect(section(page, "Fixes")).to_contain_text("healed the wrong ones")
    assert page.get_by_text("Disable version 1 …").count() == 0


def test_a_viewer_who_forges_a_form_is_refused_by_the_database(
    viewer: Person, learn: Callable[..., str], addresses: dict[str, Any], database: Sql
) -> None:
    """That the page shows no button is not what stops anybody."""
    pattern_id = learn(f"nobody may touch {word()}")
    with httpx.Client(
        base_url=f"{addresses['functions_url']}/console",
        cookies={"pattern_engine_access": viewer.token},
    ) as client:
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/").text)
        assert token
        forms: dict[str, dict[str, str]] = {
            "resolve": {},
            "ignore": {"how": "good"},
            "merge": {"other": str(uuid.uuid4())},
            "split": {"signature": "x"},
            "undo": {"kind": "merge", "id": str(uuid.uuid4())},
            "confirm": {"signature": "x"},
            "fixes/1/disable": {},
            "fixes/1/enable": {"sha256": "0" * 64},
        }
        for path, form in forms.items():
            sent = form | {"reason": "forged", "csrf": token[1]}
            answer = client.post(f"/patterns/{pattern_id}/{path}", data=sent)
            assert answer.status_code == 403, (path, answer.text)
    status = "select status from ops.error_patterns where pattern_id = %s"
    assert database.value(status, pattern_id) == "open"


def test_similar_patterns_differ_in_marked_words_and_the_pages_turn(
    new_console: Callable[..., Console], operator: Person, learn: Callable[..., str]
) -> None:
    """The list of similar patterns loads by itself, and earlier errors follow the newest."""
    name = word()
    pattern_id = learn(f"the {name} engine of the red boat in the harbour {name} does not start")
    similar = learn(f"the {name} motor of the red boat in the harbour {name} does not start")
    for _ in range(14):
        learn(f"the {name} engine of the red boat in the harbour {name} does not start")
    page = new_console(operator).open(f"/patterns/{pattern_id}")
    found = (
        section(page, "Similar patterns")
        .locator("li")
        .filter(has=page.locator(f"a[href$='/patterns/{similar}']"))
    )
    expect(found.locator("mark")).to_have_text("motor")
    expect(found.locator("del")).to_have_text("engine")
    expect(found).to_contain_text("Its fix: none")
    errors = section(page, "Errors").locator("[data-item]")
    expect(errors).to_have_count(10)
    section(page, "Errors").get_by_role("link", name="Earlier errors").click()
    expect(errors).to_have_count(15)
