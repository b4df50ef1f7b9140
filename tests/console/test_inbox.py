"""The inbox: what it lists, what each role does with it, and that it loses nobody's place."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from tests.conftest import People, Person, Rest, Sql
    from tests.console.conftest import Console

HOSTILE = {
    "script": "<script>alert('x')</script> & <img src=x onerror=alert(1)>",
    "bidi": "user \u202egnp.exe\u202c paid",
    "ansi": "\x1b[31mred\x1b[0m \x07bell",
    "long": "a very long line " + "x" * 60_000,
    "formula": '=HYPERLINK("https://evil.example","click")',
}


@pytest.fixture
def learn(engine: Rest) -> Callable[..., str]:
    """Learns a pattern that was seen so often; answers its id."""

    def learn(template: str, times: int = 6, **changes: object) -> str:
        signature = f"pattern_{uuid.uuid4().hex}"
        error = {
            "signature": signature,
            "algorithm": "grouping/v2",
            "template": template,
            "pattern_type": "database",
            "error_message_pattern": "^x$",
            "error_source": "shop",
            "severity": "error",
            "features": {},
            "system_log_id": None,
            "claimed_by": None,
            "error_message": template,
        } | changes
        return str(engine.call("learn_errors_v1", p_errors=[error] * times)[0]["pattern_id"])

    return learn


def word() -> str:
    """A word that no other test uses."""
    return "w" + uuid.uuid4().hex[:12]


def entry(page: Page, pattern_id: str) -> Any:
    """The entry of a pattern in the list."""
    return page.locator(f"#inbox li[data-item*='{pattern_id}']")


def test_a_viewer_sees_no_action_and_a_forged_one_is_refused(
    new_console: Callable[..., Console],
    people: People,
    learn: Callable[..., str],
    database: Sql,
    addresses: dict[str, Any],
) -> None:
    """The page shows what the role may do, and the server enforces it."""
    viewer = people.new("ops_viewer")
    ids = [learn(f"{word()} is missing"), learn(f"{word()} is missing")]
    page = new_console(viewer).page
    expect(entry(page, ids[0])).to_contain_text("awaits review")
    assert page.locator("#bulk, #inbox input[type=checkbox]").count() == 0
    with httpx.Client(
        base_url=f"{addresses['functions_url']}/console",
        cookies={"pattern_engine_access": viewer.token},
    ) as client:
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/").text)
        assert token
        digest = viewer.rest.call("console_chosen_v1", p_pattern_ids=ids)["digest"]
        form = {"csrf": token[1], "pattern_id": ids, "digest": digest, "kept": ids[0]}
        for action in ("ignore", "merge", "reopen"):
            for path in ("/inbox/preview", "/inbox/act"):
                answer = client.post(path, data={**form, "action": action})
                assert answer.status_code == 403, answer.text
    states = "select array_agg(distinct status) from ops.error_patterns where pattern_id = any(%s)"
    assert database.value(states, ids) == ["open"]


def test_filters_and_search_find_what_was_asked_for(
    new_console: Callable[..., Console], people: People, learn: Callable[..., str]
) -> None:
    """By type, severity, source and words, also misspelt; an unknown value is told."""
    name = word()
    wanted = learn(f"the lantern of {name} went out", severity="critical", error_source=name)
    other = learn(f"the anchor of {word()} broke")
    console = new_console(people.new("ops_viewer"))
    page = console.page
    page.get_by_text("Filters").click()
    page.get_by_label("Severity").select_option("critical")
    page.get_by_label("Source").fill(name)
    page.get_by_role("button", name="Search").click()
    expect(entry(page, wanted)).to_be_visible()
    expect(entry(page, other)).to_have_count(0)
    expect(page.get_by_label("Source")).to_have_value(name)
    for text in (f"lantern {name[:8]}", f"lantarn of {name}", wanted):
        page.get_by_label("Search").fill(text)
        page.get_by_label("Search").press("Enter")
        expect(entry(page, wanted)).to_be_visible()
    page.get_by_label("Search").fill("nothing has these words zzqx")
    page.get_by_label("Search").press("Enter")
    expect(page.locator("#inbox")).to_contain_text("No pattern has these words")
    assert console.violations() == []
    expect(console.open("/?status=solved").get_by_role("alert")).to_contain_text("choose one of")
    expect(console.open("/?after=x").get_by_role("alert")).to_contain_text("no place in the list")


def test_patterns_are_snoozed_and_reopened_by_keyboard_alone(
    new_console: Callable[..., Console], people: People, learn: Callable[..., str], database: Sql
) -> None:
    """X checks the entry, the preview says how many, and nothing happens before it is confirmed."""
    source = word()
    ids = [learn(f"{word()} is empty", times, error_source=source) for times in (9, 8, 7)]
    console = new_console(people.new("ops_operator"))
    page = console.open(f"/?source={source}")
    status = "select status from ops.error_patterns where pattern_id = %s"
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("#inbox input:checked")).to_have_count(2)
    page.get_by_role("button", name="Ignore or snooze").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ignore or snooze: 2 patterns")
    assert console.violations() == []
    assert database.value(status, ids[0]) == "open"
    page.get_by_label("Or until so many more").fill("3")
    page.get_by_label("Reason").fill("known; a patch is on its way")
    page.get_by_role("button", name="Ignore 2 patterns").press("Enter")
    expect(page.get_by_role("status").filter(has_text="2 patterns are ignored")).to_be_visible()
    assert page.url.endswith(f"source={source}")
    expect(page.locator("#inbox li[data-item]")).to_have_count(1)
    row = database.row(
        "select ignored_until > now() + interval '23 hours' as later, ignored_until_count as most"
        " from ops.error_patterns where pattern_id = %s",
        ids[0],
    )
    assert (row["later"], row["most"]) == (True, 9 + 3)

    page.get_by_label("Show").select_option("snoozed")
    page.get_by_role("button", name="Search").press("Enter")
    page.get_by_label("all on this page").press("Space")
    page.get_by_role("button", name="Reopen").press("Enter")
    page.get_by_role("button", name="Reopen 2 patterns").press("Enter")
    expect(page.get_by_role("status").filter(has_text="2 patterns are reopened")).to_be_visible()
    assert database.value(status, ids[0]) == "open"


def test_patterns_are_merged_as_shown_or_not_at_all_and_parted_again(
    new_console: Callable[..., Console],
    people: People,
    learn: Callable[..., str],
    database: Sql,
    operator: Person,
) -> None:
    """Whoever changes one of them in between is told of, and the merge can be undone at once."""
    source = word()
    ids = [learn(f"{word()} is late", times, error_source=source) for times in (9, 8)]
    console = new_console(people.new("ops_operator"))
    page = console.open(f"/?source={source}")

    def preview() -> None:
        page.get_by_label("all on this page").check()
        page.get_by_role("button", name="Merge").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Merge: 2 patterns")

    preview()
    expect(page.locator("main")).to_contain_text("17 errors together")
    operator.rest.call("ignore_pattern_v1", p_pattern_id=ids[1])
    page.get_by_role("button", name="Merge 2 patterns").click()
    expect(page.get_by_role("alert")).to_contain_text("changed after they were shown")
    status = "select status from ops.error_patterns where pattern_id = %s"
    assert database.value(status, ids[1]) == "ignored"
    operator.rest.call("reopen_pattern_v1", p_pattern_id=ids[1])

    console.open(f"/?source={source}")
    preview()
    page.get_by_role("radio").nth(1).check()
    page.get_by_role("button", name="Merge 2 patterns").click()
    expect(page.get_by_role("status").filter(has_text="1 pattern was merged")).to_be_visible()
    assert database.value(status, ids[0]) == "merged"
    page.get_by_role("button", name="Undo the merge").click()
    expect(page.get_by_role("status").filter(has_text="undone")).to_be_visible()
    assert [database.value(status, each) for each in ids] == ["open", "open"]


def test_an_update_by_itself_keeps_the_place_of_the_reader(
    new_console: Callable[..., Console], people: People, learn: Callable[..., str]
) -> None:
    """The entry, its box, what is typed, and where everything is on the screen."""
    source = word()
    for number in range(9):
        learn(f"{word()} is full", 10 + number, error_source=source)
    window = {"width": 900, "height": 500}
    page = new_console(people.new("ops_operator"), viewport=window).open(
        f"/?source={source}&section=decision"
    )
    for _ in range(6):
        page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_label("Search").evaluate("field => { field.value = 'half typed' }")
    current = page.locator("#inbox li.current")
    before = (current.get_attribute("data-item"), current.bounding_box())
    focused = "document.activeElement.id"
    link = page.evaluate(focused)
    newest = learn(f"{word()} is full", 50, error_source=source)
    expect(entry(page, newest)).to_have_count(1)
    after = current.bounding_box()
    assert (current.get_attribute("data-item"), page.evaluate(focused)) == (before[0], link)
    assert before[1] is not None
    assert after is not None
    assert abs(after["y"] - before[1]["y"]) < 2
    expect(page.locator("#inbox input:checked")).to_have_count(1)
    expect(page.get_by_label("Search")).to_have_value("half typed")


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_messages_are_shown_and_do_nothing(
    new_console: Callable[..., Console], people: People, learn: Callable[..., str], kind: str
) -> None:
    """Neither in the list, nor in the preview, nor in the field of the search."""
    source = word()
    pattern_id = learn(f"{word()} {HOSTILE[kind]}", error_source=source)
    console = new_console(people.new("ops_operator"))
    page = console.open(f"/?source={source}")
    text = entry(page, pattern_id).inner_text()
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert len(text) < 1_000
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="Ignore or snooze").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ignore or snooze: 1 pattern")
    page.goto(f"{console.url}/?{httpx.QueryParams(search=HOSTILE[kind][:150])}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
    width = "document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(width)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_inbox_is_accessible_in_both_themes_and_on_a_phone(
    new_console: Callable[..., Console],
    people: People,
    learn: Callable[..., str],
    scheme: str,
) -> None:
    """With an entry of each colour on it."""
    learn(f"{word()} is missing")
    learn(f"{word()} is missing", 1)
    phone = {"width": 390, "height": 844}
    console = new_console(people.new("ops_operator"), color_scheme=scheme, viewport=phone)
    expect(console.page.locator("#inbox li[data-item]").first).to_be_visible()
    assert console.violations() == []
    assert console.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
