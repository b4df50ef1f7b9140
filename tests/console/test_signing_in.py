"""Who may enter the console, and that no other site can act in a person's name."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect
from tests.conftest import PASSWORD

from pattern_engine.local import sign_in_links
from pattern_engine.local.stack import mail_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import People, Person, Role, Sql
    from tests.console.conftest import Console

    from pattern_engine.local.stack import Stack


@pytest.mark.parametrize("role", ["ops_viewer", "ops_operator", "ops_admin"])
def test_every_role_signs_in_and_sees_its_name(
    new_console: Callable[..., Console], people: People, role: Role
) -> None:
    """After signing in the page says who it is."""
    person = people.new(role)
    page = new_console(person).page
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
    expect(page.locator(".person")).to_contain_text(person.email)
    expect(page.locator(".person")).to_contain_text(role.removeprefix("ops_"))


def test_a_wrong_password_and_a_person_without_a_role_are_told_so(
    new_console: Callable[..., Console], user: Person
) -> None:
    """Nobody is left in front of an empty page."""
    console = new_console()
    console.sign_in(user, "not the password")
    expect(console.page.get_by_role("alert")).to_contain_text("check the address and the password")
    console.sign_in(user)
    expect(console.page.get_by_role("heading", level=1)).to_have_text("You have no role here")


def test_signing_out_ends_the_session_everywhere(
    new_console: Callable[..., Console], people: People
) -> None:
    """The refresh token of another window is worth nothing afterwards."""
    person = people.new("ops_viewer")
    first, second = new_console(person), new_console(person)
    first.page.get_by_role("button", name="Sign out everywhere").click()
    expect(first.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    kept = [each for each in second.context.cookies() if "refresh" in each["name"]]
    second.context.clear_cookies(name="pattern_engine_access")
    assert kept
    second.open()
    expect(second.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_an_expired_access_token_is_renewed_without_a_word(
    new_console: Callable[..., Console], viewer: Person
) -> None:
    """The person notices nothing, and the new tokens are kept."""
    console = new_console(viewer)
    console.context.clear_cookies(name="pattern_engine_access")
    expect(console.open().get_by_role("heading", level=1)).to_have_text("Inbox")
    assert {each["name"] for each in console.context.cookies()} >= {"pattern_engine_access"}


def test_no_script_reads_the_cookies_and_no_other_site_sends_them(
    new_console: Callable[..., Console], viewer: Person
) -> None:
    """They are for the server alone."""
    console = new_console(viewer)
    assert console.page.evaluate("document.cookie") == ""
    for cookie in console.context.cookies():
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")


@pytest.fixture
def enter(addresses: dict[str, Any]) -> Iterator[Callable[[Person], httpx.Client]]:
    """Gives a client with the cookies of a person, without a browser's care."""
    with ExitStack() as clients:

        def enter(person: Person) -> httpx.Client:
            return clients.enter_context(
                httpx.Client(
                    base_url=f"{addresses['functions_url']}/console",
                    cookies={"pattern_engine_access": person.token},
                )
            )

        yield enter


def _token(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/").text)
    assert found
    return found[1]


def test_a_form_of_another_site_or_session_is_refused(
    enter: Callable[[Person], httpx.Client], people: People, operator: Person, database: Sql
) -> None:
    """Neither the cookie alone nor the token of somebody else's page is enough."""
    form = {"reason": "forged", "minutes": "5"}
    paused = "select count(*) from ops.fix_pauses where reason = 'forged'"
    signed_in, foreign = enter(operator), enter(people.new("ops_operator"))
    attempts = [
        signed_in.post("/pause", data=form),
        signed_in.post("/pause", data=form | {"csrf": _token(foreign)}),
        signed_in.post(
            "/pause",
            data=form | {"csrf": _token(signed_in)},
            headers={"Origin": "https://evil.example"},
        ),
        signed_in.post(
            "/pause",
            data=form | {"csrf": _token(signed_in)},
            headers={"Sec-Fetch-Site": "cross-site"},
        ),
    ]
    assert [answer.status_code for answer in attempts] == [403] * 4
    assert database.value(paused) == 0
    answer = signed_in.post("/pause", data=form | {"csrf": _token(signed_in)})
    assert answer.status_code == 303
    assert database.value(paused) == 1
    database.run("update ops.fix_pauses set ended_at = now() where reason = 'forged'")


def test_a_link_signs_in_once_and_only_when_a_person_follows_it(
    new_console: Callable[..., Console], addresses: dict[str, Any]
) -> None:
    """Programs that look at every link of a mail do not use it up."""
    email = f"{uuid.uuid4().hex}@example.com"
    link = sign_in_links.new(addresses, email, "ops_viewer")
    assert httpx.get(link).status_code == 200
    console = new_console()
    console.page.goto(link)
    console.page.get_by_role("button", name="Sign in").click()
    expect(console.page.locator(".person")).to_contain_text(email)
    second = new_console()
    second.page.goto(link)
    second.page.get_by_role("button", name="Sign in").click()
    expect(second.page.get_by_role("alert")).to_contain_text("sign-in was refused")


def test_a_mail_brings_a_code(
    new_console: Callable[..., Console], people: People, stack: Stack
) -> None:
    """Whoever has forgotten the password signs in with the code of a mail."""
    person = people.new("ops_viewer")
    console = new_console()
    console.page.get_by_label("E-mail address").fill(person.email)
    console.page.get_by_role("button", name="Send me a code by mail").click()
    expect(console.page.get_by_label("Code")).to_be_visible()
    mails = [json.loads(path.read_text()) for path in mail_directory(stack.data_dir).glob("*.json")]
    (mail,) = [mail for mail in mails if mail["to"] == person.email]
    code = re.search(r"code (\d+)", mail["html"])
    assert code
    console.page.get_by_label("Code").fill(code[1])
    console.page.get_by_role("button", name="Sign in").click()
    expect(console.page.locator(".person")).to_contain_text(person.email)


@pytest.mark.parametrize(
    "where", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"]
)
def test_signing_in_leads_to_no_other_site(
    addresses: dict[str, Any], people: People, where: str
) -> None:
    """Whatever the address says, the next page is one of the console."""
    person = people.new("ops_viewer")
    form = {"email": person.email, "password": PASSWORD, "next": where}
    answer = httpx.post(f"{addresses['functions_url']}/console/sign-in", data=form)
    assert answer.headers["location"] == "/functions/v1/console/"


def test_a_form_as_large_as_a_fix_with_its_undo_arrives(
    enter: Callable[[Person], httpx.Client], operator: Person
) -> None:
    """What is refused is refused by its page, with a reason."""
    client = enter(operator)
    form = {"csrf": _token(client), "reason": "ä" * 100_000, "minutes": "5"}
    answer = client.post("/pause", data=form)
    assert answer.status_code == 422
    assert "reason: Value should have at most 1000" in answer.text
