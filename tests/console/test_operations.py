"""Pausing, clusters, delivery and settings, as people see and use them in a browser."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, LiteralString

import pytest
from playwright.sync_api import expect
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page
    from tests.conftest import People, Person, Rest, Sql
    from tests.console.conftest import Console
    from tests.scenarios.conftest import Fault, Functions

    Open = Callable[..., Console]

#: A script, a mark that turns the direction of writing, an ANSI sequence, a formula.
HOSTILE = "<script>window.taken = true</script> \u202egnp.exe \x1b[31mred =HYPERLINK(1)"
SHOWN = "<script>window.taken = true</script> \\u202egnp.exe \\x1b[31mred =HYPERLINK(1)"
PAGES = ("/", "/clusters", "/delivery", "/settings", "/pause")


@pytest.fixture
def no_pause(database: Sql) -> Iterator[None]:
    """No pause is left to the tests that follow."""
    yield
    database.run("update ops.fix_pauses set ended_at = now() where ended_at is null")


def _incident(engine: Rest, log_id: int) -> dict[str, Any]:
    return eventually(lambda: engine.select("pattern_incidents", system_log_id=f"eq.{log_id}"))[0]


@pytest.mark.usefixtures("no_pause")
def test_a_pause_is_on_every_page_for_everybody_and_stops_fixes(
    new_console: Open,
    people: People,
    viewer: Person,
    engine: Rest,
    fault: Fault,
    approve: Callable[..., Any],
    occur: Callable[[str], int],
) -> None:
    """An operator pauses and resumes; a page that somebody else had open shows it by itself."""
    pattern_id = _incident(engine, occur(fault.message(1)))["pattern_id"]
    assert approve(fault, pattern_id, {}).status_code == 200
    operator = people.new("ops_operator")
    onlooker, page = new_console(viewer).open("/delivery"), new_console(operator).page
    banner = onlooker.get_by_role("region", name="All fixes are paused")
    expect(banner).to_have_count(0)

    page.get_by_role("link", name="Pause fixes").click()
    page.get_by_label("Why are the fixes paused?").fill(HOSTILE)
    page.get_by_label("other", exact=True).check()
    page.get_by_role("button", name="Pause all fixes").click()
    expect(page.get_by_role("alert")).to_have_text(
        "Give the length as whole minutes from 1 to 43,200."
    )
    page.get_by_label("Minutes, if other").fill("7")
    page.get_by_role("button", name="Pause all fixes").click()
    expect(page.get_by_role("status").filter(has_text="are paused")).to_be_visible()

    expect(banner).to_contain_text(f"by {operator.email}")
    for path in PAGES:
        onlooker.goto(re.sub("/delivery$", path, onlooker.url))
        expect(banner).to_contain_text(SHOWN)
    log_id = occur(fault.message(2))
    assert "paused" in str(eventually(lambda: _incident(engine, log_id)["refusal"]))

    page.get_by_label("Why may fixes run again?").fill("the shop is back")
    page.get_by_role("button", name="Let fixes run again").click()
    expect(page.get_by_role("region", name="All fixes are paused")).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="the shop is back")
    expect(row).to_contain_text(operator.email)
    expect(row).to_contain_text(SHOWN)
    expect(banner).to_have_count(0)
    log_id = occur(fault.message(3))
    eventually(lambda: engine.select("pattern_applications", system_log_id=f"eq.{log_id}"))


def test_a_viewer_has_no_forms_and_a_forged_one_is_refused(
    new_console: Open, viewer: Person, operator: Person, database: Sql
) -> None:
    """What the page does not offer the database refuses, whoever made the form."""
    forms = {
        "/pause": {"reason": "forged by hand", "length": "60"},
        "/resume": {"resume_reason": "forged by hand"},
        "/clusters": {},
        "/settings/spike_errors": {"value": "1", "reason": "forged by hand"},
        f"/delivery/messages/{uuid.uuid4()}/retry": {},
    }
    console = new_console(viewer)
    for path in PAGES:
        expect(console.open(path).locator("main form[method=post]")).to_have_count(0)
    assert {path: _forge(console, path, form) for path, form in forms.items()} == dict.fromkeys(
        forms, 403
    )
    path = "/settings/spike_errors"
    assert _forge(new_console(operator), path, forms[path]) == 403
    assert database.value("select count(*) from ops.fix_pauses where reason like 'forged%'") == 0
    assert database.value("select ops_internal.setting('spike_errors')") == 50


def _forge(console: Console, path: str, form: dict[str, str]) -> int:
    """Send a form with the cookies and the token of a real page; return the status."""
    token = console.page.locator("input[name=csrf]").first.input_value()
    url = f"{console.url}{path}"
    return console.context.request.post(url, form={**form, "csrf": token}).status


def test_a_changed_setting_shows_who_changed_it_and_why(
    new_console: Open, people: People, viewer: Person, database: Sql
) -> None:
    """A value that does not fit is refused with what fits, and nothing that was typed is lost."""
    administrator = people.new("ops_admin")
    page = new_console(administrator).open("/settings")
    section = page.get_by_role("region", name="spike_errors")
    section.locator("summary").click()
    section.get_by_label("Value").fill("0")
    section.get_by_label("Why is it changed?").fill(HOSTILE)
    section.locator("form").evaluate("form => { form.noValidate = true }")
    section.get_by_role("button", name="Change", exact=True).click()
    expect(section.get_by_role("alert")).to_contain_text("from 1 to 20000")
    expect(section.get_by_label("Why is it changed?")).to_have_value(HOSTILE)
    section.get_by_label("Value").fill("77")
    section.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_text("The setting spike_errors was changed.")).to_be_visible()
    assert database.value("select ops_internal.setting('spike_errors')") == 77

    seen = new_console(viewer).open("/settings").get_by_role("region", name="spike_errors")
    for text in ("= 77", f"changed by {administrator.email}", SHOWN, "Default: 50"):
        expect(seen).to_contain_text(text)

    _give_default(page, "spike_errors")
    assert database.value("select ops_internal.setting('spike_errors')") == 50
    section = page.get_by_role("region", name="counted_writers")
    section.locator("summary").click()
    section.get_by_label("authenticated").check()
    section.get_by_label("Why is it changed?").fill("browsers count")
    section.get_by_role("button", name="Change", exact=True).click()
    expect(section).to_contain_text("= service_role, postgres, authenticated")
    _give_default(page, "counted_writers")
    expect(section).to_contain_text("= service_role, postgres")


def test_an_administrator_says_who_is_told_what(
    new_console: Open, people: People, viewer: Person, database: Sql
) -> None:
    """A target is made, refused with a reason, changed, tested and deleted in the console."""
    name = f"On call {uuid.uuid4().hex}"
    console = new_console(people.new("ops_admin"))
    page = console.open("/settings")
    page.get_by_role("link", name="Add a target").click()
    assert console.violations() == []
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Secret of Vault").fill("notify_nobody")
    page.get_by_label("Of this severity").select_option("critical")
    page.get_by_label("storm stop").check()
    page.get_by_label("Ids of patterns").fill("no id")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("pattern_ids are ids of patterns")
    expect(page.get_by_label("storm stop")).to_be_checked()
    page.get_by_label("Ids of patterns").fill("")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("critical and above; storm stop")
    seen = new_console(viewer)
    expect(seen.open("/settings").get_by_role("row").filter(has_text=name)).to_be_visible()
    expect(seen.page.get_by_role("link", name="Add a target")).to_have_count(0)

    row.get_by_role("link", name=name).click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delivery")
    waiting: LiteralString = (
        "select count(*) from ops.notification_deliveries as deliveries "
        "inner join ops.notification_targets as targets using (target_id) where targets.name = %s"
    )
    assert database.value(waiting, name) == 1
    page = console.open("/settings")
    page.get_by_role("link", name=name).click()
    page.get_by_text("Delete it").click()
    page.get_by_role("button", name="Delete the target").click()
    expect(page.get_by_role("status").filter(has_text="was deleted")).to_be_visible()
    assert database.value(waiting, name) == 0


def _give_default(page: Page, name: str) -> None:
    section = page.get_by_role("region", name=name)
    section.locator("summary").click()
    section.get_by_label("Why is it changed?").fill("as before")
    section.get_by_role("button", name="Use the default").click()
    expect(page.get_by_text(f"The setting {name} was changed.")).to_be_visible()


def test_settings_show_the_deployment_grants_operators_and_the_journal(
    new_console: Open, viewer: Person, fault: Fault, database: Sql
) -> None:
    """Values of the environment are told with their meaning, and secrets are not."""
    database.run("select ops_internal.seal_events()")
    page = new_console(viewer).open("/settings")
    for summary in page.locator("#thresholds ~ details > summary").all():
        summary.click()
    row = page.get_by_role("row").filter(has_text="PATTERN_ENGINE_MIN_WINDOW_SECONDS")
    expect(row).to_contain_text("Shortest time in seconds without the error")
    expect(row.locator("strong")).to_have_text("2")
    expect(page.get_by_role("row").filter(has_text=f"public.{fault.table}")).to_contain_text(
        "select, update"
    )
    expect(page.get_by_role("row").filter(has_text=f"{viewer.email} (you)")).to_contain_text(
        "viewer"
    )
    expect(page.get_by_role("listitem").filter(has_text="spool")).to_be_visible()
    expect(page.get_by_text("intact")).to_be_visible()
    content = page.content()
    assert "SECRET" not in content
    assert "PATTERN_ENGINE_WEBHOOK" not in content


def test_clusters_are_a_picture_and_a_table_and_have_members(
    new_console: Open, people: People, engine: Rest, occur: Callable[[str], int], database: Sql
) -> None:
    """An operator clusters; each pattern is a point that leads to it, and texts stay texts."""
    word = uuid.uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))
    ids = [occur(f"the shop of {word} is closed in {word}") for _ in range(9)]
    pattern_id = _incident(engine, ids[-1])["pattern_id"]
    for log_id in ids:
        _incident(engine, log_id)
    # Grouping masks most of such a text, and none of it has to be harmless for that.
    database.change("error_patterns", {"metadata": {"template": HOSTILE}}, pattern_id=pattern_id)
    page = new_console(people.new("ops_operator")).open("/clusters")
    page.get_by_role("button", name="Cluster now").click()
    expect(page.get_by_role("status").filter(has_text="patterns were put")).to_be_visible()
    point = page.locator(f"svg.points a[href$='/patterns/{pattern_id}']")
    expect(point.locator("title")).to_have_text(SHOWN)
    clustered = engine.select("pattern_clusters", pattern_ids=f"cs.{{{pattern_id}}}")[0]
    legend = page.get_by_role("list", name="Clusters in the picture")
    link = legend.get_by_role("link", name=clustered["cluster_name"], exact=True)
    form = link.locator("xpath=..").locator("path").get_attribute("d") or "nothing"
    assert str(point.locator("path").get_attribute("d")).endswith(form.removeprefix("M0 0"))

    row = page.get_by_role("row").filter(has_text=clustered["cluster_name"]).first
    expect(row.get_by_role("cell").first).to_have_text(f"{clustered['cluster_size']:,}")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(clustered["cluster_name"])
    member = page.locator(f"[data-item='{pattern_id}']")
    expect(member).to_contain_text(SHOWN)
    expect(member).to_contain_text("no fix was judged")
    assert page.evaluate("window.taken") is None
    page.goto(re.sub("[^/]+$", str(uuid.uuid4()), page.url))
    expect(page.get_by_role("alert")).to_contain_text("every clustering makes new ones")


@pytest.fixture
def troubles(database: Sql, administrator: Person) -> Iterator[dict[str, str]]:
    """A late job, a failed one, an error that was given up, and a dead letter."""
    for name, age, status in (("late", "3 days", "succeeded"), ("failing", "1 hour", "failed")):
        database.run(
            """with job as (
                 insert into cron.job (jobname, schedule, command)
                 values ('pattern-engine-' || %s, '7 3 * * *', 'select 1') returning jobid
               )
               insert into cron.job_run_details (jobid, status, return_message, start_time, end_time)
               select jobid, %s, %s, now() - %s::interval, now() - %s::interval from job""",
            f"test-{name}", status, HOSTILE, age, age,
        )  # fmt: skip
    log_id = database.value(
        """insert into ops.system_logs (log_level, message, source)
           values ('info', %s, 'shop') returning id""",
        HOSTILE,
    )
    database.run(
        """insert into ops_internal.learning_tries (system_log_id, tries, next_at, last_error, gave_up_at)
           values (%s, 3, now(), %s, now())""",
        log_id, f"unreadable {HOSTILE}",
    )  # fmt: skip
    target: dict[str, Any] = {
        "name": f"on call {log_id}",
        "url_secret": "notify_test_page",
        "enabled": False,
    }
    made = administrator.rest.call("set_notification_target_v1", p_target=target)
    message_id = database.value(
        """with told as (
             insert into ops.notifications (kind, severity, description)
             values ('spike', 'critical', %s) returning id
           ), message as (
             insert into ops.notification_messages (target_id, state, tries, finished_at, last_error)
             values (%s, 'dead', 10, now(), %s) returning message_id, target_id
           ), delivery as (
             insert into ops.notification_deliveries (notification_id, target_id, message_id)
             select told.id, message.target_id, message.message_id from told, message
           )
           select message_id::text from message""",
        f"Spike: {HOSTILE}", made["target_id"], f"no route to host {HOSTILE}",
    )  # fmt: skip
    yield {"log_id": str(log_id), "message_id": message_id, "target": str(target["name"])}
    administrator.rest.call("delete_notification_target_v1", p_target_id=made["target_id"])
    database.run("delete from ops_internal.learning_tries where system_log_id = %s", log_id)
    database.run("select cron.unschedule('pattern-engine-test-late')")
    database.run("select cron.unschedule('pattern-engine-test-failing')")


def test_delivery_shows_what_is_late_given_up_and_dead(
    new_console: Open, people: People, troubles: dict[str, str], database: Sql
) -> None:
    """The jobs in trouble stand first, and an operator sends a dead letter again."""
    page = new_console(people.new("ops_operator")).open("/delivery")
    jobs = page.get_by_role("region", name="Scheduled jobs").get_by_role("row")
    for name, state in (("test-late", "late"), ("test-failing", "failed"), ("seal-events", "")):
        expect(jobs.filter(has_text=name)).to_contain_text(state)
    names = jobs.get_by_role("rowheader").all_inner_texts()
    assert names[0].startswith("test-late")
    row = page.locator(f"[data-item='log-{troubles['log_id']}']")
    expect(row).to_contain_text(f"unreadable {SHOWN}")

    letter = page.locator(f"[data-item='{troubles['message_id']}']")
    for text in (troubles["target"], f"no route to host {SHOWN}", f"Spike: {SHOWN}"):
        expect(letter).to_contain_text(text)
    letter.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status").filter(has_text="waits to be sent")).to_be_visible()
    expect(page.get_by_role("heading", name="Waiting to be sent")).to_be_visible()
    assert page.evaluate("window.taken") is None
    state = "select state from ops.notification_messages where message_id = %s::uuid"
    assert database.value(state, troubles["message_id"]) == "waiting"


@pytest.fixture
def cluster_id(engine: Rest, functions: Functions, occur: Callable[[str], int]) -> str:
    """A cluster of a pattern that was seen often enough."""
    for log_id in [occur("the warehouse does not answer") for _ in range(3)]:
        _incident(engine, log_id)
    assert functions.call("cluster", {}).status_code == 200
    return str(engine.select("pattern_clusters", limit="1")[0]["cluster_id"])


@pytest.mark.usefixtures("troubles", "no_pause")
@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_pages_of_operations_are_accessible(
    new_console: Open, administrator: Person, cluster_id: str, scheme: str, width: int
) -> None:
    """axe-core finds nothing, with all parts unfolded, and no page is wider than the screen."""
    administrator.rest.call("pause_fixes_v1", p_reason="a test", p_seconds=60)
    viewport = {"width": width, "height": 800}
    console = new_console(administrator, color_scheme=scheme, viewport=viewport)
    found = {}
    for path in (*PAGES[1:], f"/clusters/{cluster_id}"):
        page = console.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        found[path] = console.violations()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert found == {path: [] for path in found}
