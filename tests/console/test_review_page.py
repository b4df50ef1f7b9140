"""Proposing a fix, reviewing it and deciding on it, in a browser on the running stack."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect
from tests.waiting import eventually

from pattern_engine.api.callers import Caller, Kind
from pattern_engine.console import rendering
from pattern_engine.console.pages import review_page
from pattern_engine.console.visits import Go, Visit
from pattern_engine.console.visits import Page as Shown
from pattern_engine.database.database import Database
from pattern_engine.exceptions import Forbidden
from pattern_engine.settings import Settings
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page
    from tests.conftest import People, Person, Sql
    from tests.console.conftest import Console
    from tests.scenarios.conftest import Fault

    from pattern_engine.console.visits import Answer


@pytest.fixture
def pattern(fault: Fault, occur: Callable[[str], int], database: Sql) -> str:
    """A pattern with one error of the fault in the log."""
    return _learned(database, occur(fault.message()))


def _learned(database: Sql, log_id: int) -> str:
    found = "select pattern_id::text from ops.pattern_incidents where system_log_id = %s"
    eventually(lambda: database.rows(found, log_id))
    return str(database.value(found, log_id))


@pytest.fixture
def propose(post: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Proposes a SQL fix as the administrator."""

    def propose(pattern_id: str, script: str, **more: Any) -> dict[str, Any]:
        parameters = {"status": "new", **more.pop("parameters", {})}
        body = {"pattern_id": pattern_id, "auto_fix_type": "sql", "auto_fix_script": script}
        proposal: dict[str, Any] = post("propose", **body, auto_fix_parameters=parameters, **more)[
            "proposal"
        ]
        return proposal

    return propose


def _type_fix(page: Page, fault: Fault) -> None:
    page.get_by_label("Script", exact=True).fill(fault.fix)
    page.get_by_label("Parameters of the script").fill('{"status": "new"}')
    page.get_by_label("Rows, at most").fill("100")


def test_from_a_pattern_to_a_fix_that_heals_while_the_page_shows_it(
    new_console: Callable[..., Console],
    people: People,
    fault: Fault,
    pattern: str,
    occur: Callable[[str], int],
    database: Sql,
) -> None:
    """An operator proposes, an administrator approves by keyboard, and the next error is healed."""
    author = new_console(people.new("ops_operator"))
    page = author.open(f"/patterns/{pattern}/propose")
    page.get_by_label("Script", exact=True).fill(f"update {fault.table} set status = 'x'")
    expect(page.locator("#analysis")).to_contain_text("it would be refused")
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing that you typed is lost")
    expect(page.get_by_label("Script", exact=True)).to_have_value(
        f"update {fault.table} set status = 'x'"
    )
    _type_fix(page, fault)
    expect(page.locator("#analysis")).to_contain_text(
        f"Updates rows of public.{fault.table} where status IS NULL, at most 100 rows a run."
    )
    assert author.violations() == []
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review of a proposed fix")
    expect(page.locator("#decision ~ .empty")).to_contain_text("takes the role admin")
    assert page.locator("[data-decision]").count() == 0

    judge = new_console(people.new("ops_admin"))
    page = judge.open(page.url.removeprefix(judge.url))
    expect(page.locator("#preview")).to_contain_text("the page itself did not wait for it")
    expect(page.locator("#preview")).to_contain_text("touches every row")
    expect(page.locator("#preview .bad-text").first).to_contain_text(f"public.{fault.table}")
    assert judge.violations() == []
    page.keyboard.press("a")
    page.keyboard.type("it is the known cause")
    page.keyboard.press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.matches('[data-decision=approve] button')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Fix, version 1")
    expect(page.get_by_text("It has not run yet")).to_be_visible()
    occur(fault.message(2))
    expect(page.get_by_role("cell", name="healed")).to_be_visible(timeout=30_000)
    assert judge.violations() == []
    assert (
        database.value("select mode_reason from ops.pattern_fixes where pattern_id = %s", pattern)
        == "it is the known cause"
    )


def _decide(page: Page, decision: str, reason: str) -> None:
    form = page.locator(f"[data-decision={decision}]")
    form.get_by_label(re.compile("^Why")).fill(reason)
    form.get_by_role("button").click()


def test_a_decision_on_what_is_no_more_is_refused_and_told(
    new_console: Callable[..., Console],
    administrator: Person,
    fault: Fault,
    pattern: str,
    propose: Callable[..., dict[str, Any]],
    database: Sql,
) -> None:
    """Changed bytes, an expired, a stale and a decided proposal: each page says what happened."""
    console = new_console(administrator)

    changed = propose(pattern, fault.fix)
    page = console.open(f"/proposals/{changed['proposal_id']}")
    database.run(
        "update ops.fix_proposals set fix = jsonb_set(fix, '{script}', to_jsonb(%s::text))"
        " where proposal_id = %s",
        fault.fix.replace("is null", "is not null"),
        changed["proposal_id"],
    )
    _decide(page, "approve", "seems right")
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was decided")
    expect(page.locator(".removed").first).to_contain_text("status is null")
    expect(page.locator(".added").first).to_contain_text("status is not null")
    expect(page.locator("#approve-reason")).to_have_value("seems right")
    _decide(page, "reject", "somebody changed it")
    expect(page.get_by_text("The proposal is rejected.")).to_be_visible()

    expired = propose(pattern, fault.fix)
    page = console.open(f"/proposals/{expired['proposal_id']}")
    database.run(
        "update ops.fix_proposals set expires_at = now() where proposal_id = %s",
        expired["proposal_id"],
    )
    _decide(page, "approve", "too late")
    expect(page.get_by_role("alert").first).to_contain_text("it expired at")

    stale, decided = propose(pattern, fault.fix), propose(pattern, fault.fix)
    page = console.open(f"/proposals/{stale['proposal_id']}")
    other = new_console(administrator).open(f"/proposals/{decided['proposal_id']}")
    twin = new_console(administrator).open(f"/proposals/{decided['proposal_id']}")
    _decide(other, "approve", "first")
    expect(other.get_by_role("heading", level=1)).to_have_text("Fix, version 1")
    _decide(page, "approve", "second")
    expect(page.get_by_text("Version 1 was approved by")).to_be_visible()
    expect(page.get_by_role("alert").first).to_contain_text("version 1 of the fix was approved")
    _decide(twin, "reject", "third")
    expect(twin.get_by_text(f"It was approved by {administrator.email}.")).to_be_visible()
    assert (
        database.value("select count(*) from ops.pattern_fixes where pattern_id = %s", pattern) == 1
    )


def test_the_database_refuses_who_may_not_decide(
    new_console: Callable[..., Console],
    addresses: dict[str, Any],
    people: People,
    fault: Fault,
    pattern: str,
    propose: Callable[..., dict[str, Any]],
    database: Sql,
) -> None:
    """A viewer and an operator see no form, and one that they forge decides nothing."""
    proposal = propose(pattern, fault.fix)
    path = f"/proposals/{proposal['proposal_id']}"
    for role in ("ops_viewer", "ops_operator"):
        person = people.new(role)
        page = new_console(person).open(path)
        expect(page.get_by_text("takes the role admin")).to_be_visible()
        assert page.get_by_role("button", name=re.compile("Approve|Reject|Run it")).count() == 0
        with httpx.Client(
            base_url=f"{addresses['functions_url']}/console",
            cookies={"pattern_engine_access": person.token},
        ) as client:
            csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/").text)
            assert csrf
            form = {"csrf": csrf[1], "decision": "approve", "reason": "forged"}
            form |= {"sha256": proposal["sha256"], "version": ""}
            assert client.post(f"{path}/decide", data=form).status_code == 403
            assert client.post(f"{path}/preview", data=form).status_code == 403
    assert (
        database.value(
            "select decision from ops.fix_proposals where proposal_id = %s", proposal["proposal_id"]
        )
        is None
    )


HIDDEN = "update {} set status = 'p\u0430id' where status is null"
HOSTILE = "<script>alert(1)</script> \u202e\x1b[31m =HYPERLINK(1) " + "a" * 60_000


def test_hidden_and_hostile_characters_are_marked_and_never_obeyed(
    new_console: Callable[..., Console],
    administrator: Person,
    fault: Fault,
    pattern: str,
    occur: Callable[[str], int],
    propose: Callable[..., dict[str, Any]],
    database: Sql,
) -> None:
    """A Cyrillic letter is named, what a script may not hold is marked, and no line breaks a page."""
    console = new_console(administrator, viewport={"width": 390, "height": 800})
    proposal = propose(pattern, HIDDEN.format(fault.table), parameters={"note": "<b>x</b>"})
    path = f"/proposals/{proposal['proposal_id']}"
    page = console.open(path)
    script = page.get_by_role("region", name="Script", exact=True)
    expect(script.locator("mark")).to_have_text("\u0430 U+0430")
    database.run(
        "update ops.fix_proposals set fix = jsonb_set(fix, '{script}', to_jsonb(%s::text))"
        " where proposal_id = %s",
        "select 1 -- \u202e\u200b\u00a0",
        proposal["proposal_id"],
    )
    page = console.open(path)
    expect(script.locator("mark")).to_have_text(["U+202E", "U+200B", "U+00A0"])
    expect(page.get_by_role("alert").filter(has_text="is not what was proposed")).to_be_visible()

    hostile = _learned(database, occur(HOSTILE + fault.word))
    made = propose(hostile, fault.fix)
    for path in (f"/proposals/{made['proposal_id']}", f"/patterns/{hostile}/propose"):
        page = console.open(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert "\u202e" not in page.content()
        assert "\x1b" not in page.content()
        assert console.violations() == []


def test_a_session_that_ends_while_somebody_types_loses_nothing(
    new_console: Callable[..., Console], people: People, fault: Fault, pattern: str
) -> None:
    """The check in the background leaves the page alone; after signing in the form can be sent."""
    operator = people.new("ops_operator")
    console = new_console(operator)
    page = console.open(f"/patterns/{pattern}/propose")
    console.context.clear_cookies()
    _type_fix(page, fault)
    expect(page.locator("#session")).to_contain_text("Your session has ended")
    expect(page.get_by_label("Script", exact=True)).to_have_value(fault.fix)
    page.get_by_role("button", name="Propose it").click()
    console.sign_in(operator)
    expect(page.locator("main")).to_contain_text(fault.fix)
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review of a proposed fix")
    expect(page.get_by_role("region", name="Script")).to_contain_text(fault.fix)


def test_the_catalogues_draft_is_one_click_and_a_version_is_switched(
    new_console: Callable[..., Console],
    administrator: Person,
    fault: Fault,
    occur: Callable[[str], int],
    database: Sql,
) -> None:
    """The draft is proposed as it stands, approved as a shadow for one run, enabled, and disabled."""
    database.run(
        "create function public.catch_up_sequence(text, text, text) returns bigint language sql"
        " as 'select 1::bigint'"
    )
    database.run("grant execute on function public.catch_up_sequence to ops_fixer")
    constraint = f"{fault.table}_pkey"
    duplicate = f'duplicate key value violates unique constraint "{constraint}"'
    pattern_id = _learned(database, occur(duplicate))
    console = new_console(administrator, color_scheme="light")
    page = console.open(f"/patterns/{pattern_id}/propose")
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review of a proposed fix")
    expect(page.locator("main")).to_contain_text("A statement that shows whether the cause is gone")
    expect(page.locator("main")).to_contain_text("There is no undo script")
    page.get_by_label("is only recorded").check()
    page.get_by_label("after so many runs").first.fill("3")
    _decide(page, "approve", "watch it first")
    expect(page.locator(".facts").first).to_contain_text("shadow")
    expect(page.locator(".facts").first).to_contain_text("0 of 3 runs used")
    page.get_by_label("Why may it run?").fill("it would have helped")
    page.get_by_role("button", name="Let version").click()
    expect(page.get_by_role("status").filter(has_text="runs from now on")).to_be_visible()
    page.get_by_role("link", name="Propose a new version").click()
    expect(page.get_by_label("Script", exact=True)).to_have_value(re.compile("catch_up_sequence"))
    page.go_back()
    page.get_by_label("Why is it disabled?").fill("mended for good")
    page.get_by_role("button", name="Disable version").click()
    expect(page.locator(".facts").first).to_contain_text("mended for good")
    assert console.violations() == []


@pytest.fixture
def strict(addresses: dict[str, Any]) -> Iterator[Callable[[Person, dict[str, str]], Visit]]:
    """Gives the requests of people to a console where approval takes two of them."""
    database = Database(
        settings := Settings(
            supabase_url=addresses["api_url"],
            publishable_key=addresses["publishable_key"],
            secret_key=addresses["secret_key"],
            webhook_secret=addresses["webhook_secret"],
            thresholds=Thresholds(two_people=True),
        )
    )

    def visit(person: Person, form: dict[str, str]) -> Visit:
        caller = Caller(Kind.PERSON, person.id, person.token)
        frame = database.ask("console_frame_v1", {}, caller)
        fields = {name: [value] for name, value in form.items()}
        return Visit(caller, database, settings, frame, {}, fields, is_fragment=False)

    yield visit
    database.close()


def test_where_approval_takes_two_people_the_author_is_told_who(
    strict: Callable[[Person, dict[str, str]], Visit],
    administrator: Person,
    people: People,
    fault: Fault,
    pattern: str,
    propose: Callable[..., dict[str, Any]],
) -> None:
    """The author sees no form to approve and is refused; another administrator decides."""
    proposal = propose(pattern, fault.fix)
    proposal_id = uuid.UUID(proposal["proposal_id"])
    form = {"decision": "approve", "reason": "mine", "sha256": proposal["sha256"], "version": ""}

    def read(visit: Visit, page: Answer) -> str:
        assert isinstance(page, Shown)
        around = {"visit": visit, "frame": visit.frame, "csrf": "", "notice": ""}
        return rendering.render(page.template, page.values | around, str)

    author = strict(administrator, form)
    text = read(author, review_page.show(author, proposal_id))
    assert "You wrote this fix, and approval takes two people here." in text
    assert 'data-decision="approve"' not in text
    refused = review_page.decide(author, proposal_id)
    assert isinstance(refused, Shown)
    assert refused.status == 403
    with pytest.raises(Forbidden):
        review_page.preview(author, proposal_id)

    other = strict(people.new("ops_admin"), form)
    assert 'data-decision="approve"' in read(other, review_page.show(other, proposal_id))
    assert review_page.decide(other, proposal_id) == Go(
        f"/patterns/{pattern}/fixes/1", "Version 1 is approved."
    )
