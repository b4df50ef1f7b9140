"""Who manages the targets of notifications, and which notifications each of them is told of."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError
from tests.database.notifications.receivers import Hook, MailServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import People, Person, Rest, Sql
    from tests.database.conftest import Patterns
    from tests.database.notifications.conftest import Notifying
    from tests.database.notifications.receivers import NewReceiver

NOBODY = str(uuid.UUID(int=0))


def _refused(rest: Rest, function: str, **arguments: object) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        rest.call(function, **arguments)
    return refused.value


def test_only_administrators_in_person_manage_targets(
    notifying: Notifying, viewer: Person, operator: Person, user: Person, engine: Rest
) -> None:
    """Others may neither make, change, test nor delete one; the operators may read them."""
    name = notifying.patterns.word()
    target = notifying.set(name=name, url_secret=f"notify_{name}")
    calls: list[tuple[str, dict[str, object]]] = [
        ("set_notification_target_v1", {"p_target": {"name": "x", "url_secret": "notify_x"}}),
        ("set_notification_target_v1", {"p_target": {"target_id": target, "enabled": False}}),
        ("test_notification_target_v1", {"p_target_id": target}),
        ("delete_notification_target_v1", {"p_target_id": target}),
    ]
    for function, arguments in calls:
        for rest, code in (
            (viewer.rest, "PL001"),
            (operator.rest, "PL001"),
            (user.rest, "PL001"),
            (engine, "PL011"),
        ):
            assert _refused(rest, function, **arguments).code == code
    listed = viewer.rest.call("list_notification_targets_v1")
    assert target in [one["target_id"] for one in listed]
    assert "url" not in listed[0]
    for function in ("list_notification_targets_v1", "list_notification_messages_v1"):
        assert _refused(user.rest, function).code == "PL001"


def test_a_target_is_changed_field_by_field_and_deleted(
    notifying: Notifying, administrator: Person, engine: Rest
) -> None:
    """What is not given stays; an event tells what was and what is."""
    name = notifying.patterns.word()
    call = administrator.rest.call
    made = call("set_notification_target_v1", p_target={"name": name, "url_secret": "notify_a"})
    target = made["target_id"]
    defaults = {
        "enabled": True,
        "least_severity": "warning",
        "kinds": None,
        "pattern_types": None,
        "sources": None,
        "pattern_ids": None,
        "cap_per_hour": 20,
        "digest_seconds": 300,
        "changed_by": administrator.id,
        "has_secret": False,
        "waiting": 0,
        "dead": 0,
        "sent_last_hour": 0,
    }
    assert made | defaults == made
    change = {"target_id": target, "kinds": ["spike"], "sources": ["billing"], "cap_per_hour": 5}
    changed = call("set_notification_target_v1", p_target=change)
    assert changed | defaults | change == changed
    assert (
        call("set_notification_target_v1", p_target={"target_id": target, "kinds": None})["kinds"]
        is None
    )
    event = engine.select("roman_events", event_type="eq.notification_target_set", order="id.desc")[
        0
    ]
    assert event["actor"] == administrator.id
    assert event["metadata"]["before"]["kinds"] == ["spike"]
    assert call("delete_notification_target_v1", p_target_id=target)["name"] == name
    missing = _refused(administrator.rest, "delete_notification_target_v1", p_target_id=target)
    assert (missing.status, missing.code) == (400, "PL041")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"url_secret": "mailto://user:secret@example.com"}, "url_secret"),
        ({"url_secret": "pattern_engine_webhook_secret"}, "url_secret"),
        ({"url_secret": None}, "url_secret"),
        ({"url": "mailto://user:secret@example.com"}, "no field url"),
        ({"failures": 0}, "no field failures"),
        ({"least_severity": "loud"}, "least_severity"),
        ({"kinds": ["mishap"]}, "kinds"),
        ({"kinds": []}, "kinds"),
        ({"kinds": "spike"}, "kinds"),
        ({"pattern_types": ["spike"]}, "pattern_types"),
        ({"sources": [1]}, "sources"),
        ({"pattern_ids": ["mine"]}, "wrong type"),
        ({"cap_per_hour": 0}, "cap_per_hour"),
        ({"cap_per_hour": 1e12}, "wrong type"),
        ({"digest_seconds": -1}, "digest_seconds"),
        ({"digest_seconds": "often"}, "wrong type"),
        ({"enabled": "perhaps"}, "wrong type"),
        ({"enabled": None}, "enabled"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(
    administrator: Person, fields: dict[str, object], named: str
) -> None:
    """The refusal names the field and says what fits; it never repeats a URL."""
    target = {"name": "fine", "url_secret": "notify_fine"} | fields
    refused = _refused(administrator.rest, "set_notification_target_v1", p_target=target)
    assert refused.code == "PL022"
    assert named in refused.words
    assert "secret@example" not in refused.words


@pytest.mark.parametrize("target", [None, [], "on call", 7])
def test_what_is_no_object_is_no_target(administrator: Person, target: object) -> None:
    """PL022."""
    assert (
        _refused(administrator.rest, "set_notification_target_v1", p_target=target).code == "PL022"
    )


def test_unknown_targets_and_messages_are_refused(administrator: Person) -> None:
    """PL041 for each; two targets do not share a name."""
    for function, argument in (
        ("test_notification_target_v1", {"p_target_id": NOBODY}),
        ("delete_notification_target_v1", {"p_target_id": None}),
        ("set_notification_target_v1", {"p_target": {"target_id": NOBODY}}),
        ("set_notification_target_v1", {"p_target": {"target_id": "mine"}}),
        ("retry_notification_v1", {"p_message_id": NOBODY}),
    ):
        assert _refused(administrator.rest, function, **argument).code == "PL041"
    refused = _refused(administrator.rest, "list_notification_messages_v1", p_state="lost")
    assert refused.code == "PL022"


def test_two_targets_have_two_names(notifying: Notifying, administrator: Person) -> None:
    """PL022 for the second."""
    name = notifying.patterns.word()
    notifying.set(name=name, url_secret="notify_a")
    again = {"name": name, "url_secret": "notify_b"}
    refused = _refused(administrator.rest, "set_notification_target_v1", p_target=again)
    assert (refused.code, name in refused.words) == ("PL022", True)


def test_notifications_are_routed(notifying: Notifying, patterns: Patterns, database: Sql) -> None:
    """By severity, kind, type, source and pattern; what is about the project passes the last three."""
    source = patterns.word("source")
    error = patterns.error(pattern_type="stripe", error_source=source)
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    routes: dict[str, dict[str, object]] = {
        "all": {},
        "critical": {"least_severity": "critical"},
        "error": {"least_severity": "error"},
        "kinds": {"kinds": ["spike", "fix_failed", "storm_stop"]},
        "no_kind": {"kinds": ["violation"]},
        "type": {"pattern_types": ["stripe", "api"]},
        "no_type": {"pattern_types": ["api"]},
        "source": {"sources": [source]},
        "no_source": {"sources": ["elsewhere"]},
        "pattern": {"pattern_ids": [pattern_id]},
        "no_pattern": {"pattern_ids": [NOBODY]},
        "both": {"pattern_types": ["stripe"], "sources": ["elsewhere"]},
        "disabled": {"enabled": False},
    }
    names = {}
    for route, fields in routes.items():
        name = patterns.word()
        names[notifying.set(name=name, url_secret="notify_none", **fields)] = route

    def told(kind: str, severity: str, about: str | None) -> set[str]:
        rows = database.rows(
            """with told as (
                 select ops_internal.notify(%s, %s, 'x', jsonb_build_object('pattern_id', %s::text))
                   as id)
               select id, null as target_id from told""",
            kind,
            severity,
            about,
        )
        routed = database.rows(
            """select target_id::text from ops.notification_deliveries
               where notification_id = %s and target_id = any(%s::uuid[])""",
            rows[0]["id"],
            list(names),
        )
        return {names[row["target_id"]] for row in routed}

    of_pattern = {"all", "error", "kinds", "type", "source", "pattern"}
    assert told("fix_failed", "error", pattern_id) == of_pattern
    assert told("fix_failed", "warning", pattern_id) == of_pattern - {"error"}
    assert told("fix_failed", "info", pattern_id) == set()
    assert told("recurrence", "critical", pattern_id) == of_pattern - {"kinds"} | {"critical"}
    assert told("storm_stop", "critical", None) == set(routes) - {"no_kind", "disabled"}
    assert told("fix_failed", "error", NOBODY) == {"all", "error", "kinds", "no_pattern"}


def test_a_test_is_sent_at_once_to_its_target_alone(
    notifying: Notifying, new_receiver: NewReceiver, administrator: Person
) -> None:
    """Whatever its routes, its cap and its pause are; a target that is off is not tested."""
    mail, other = new_receiver(MailServer), new_receiver(Hook)
    notifying.target(other)
    target = notifying.target(
        mail, kinds=["spike"], least_severity="critical", digest_seconds=86_400, cap_per_hour=1
    )
    notifying.database.change(
        "notification_targets", {"next_at": "2100-01-01T00:00:00Z", "failures": 9}, target_id=target
    )
    for _ in range(2):
        asked = administrator.rest.call("test_notification_target_v1", p_target_id=target)
        assert asked["kind"] == "test"
        assert notifying.send().sent == 1
    assert [one.title for one in mail.received] == ["[info] Test of a notification target"] * 2
    assert "https://console.example.com/ops/settings" in mail.text
    assert other.received == []
    notifying.set(target_id=target, enabled=False)
    refused = _refused(administrator.rest, "test_notification_target_v1", p_target_id=target)
    assert refused.code == "PL022"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "vault.create_secret"),
        ("nonsense", "no Apprise URL"),
        ("mailto://", "no Apprise URL"),
        ("mailto://u:hidden@127.0.0.1:9?from=a@example.com&to=b@x.example,c@x.example", "2 recip"),
        ("mailto://127.0.0.1:9?from=a@x.example&to=b@x.example&cc=c@x.example", "2 recipients"),
        ("json://u:hidden@127.0.0.1:9/hook?retry=3", "Connection error"),
    ],
)
def test_a_url_that_is_not_usable_says_why_and_not_what_it_is(
    notifying: Notifying, patterns: Patterns, administrator: Person, url: str | None, reason: str
) -> None:
    """The reason stands with the target; a password does not, and nothing is lost."""
    secret = f"notify_{patterns.word()}"
    if url:
        notifying.database.run("select vault.create_secret(%s, %s)", url, secret)
    target = notifying.set(name=secret, url_secret=secret)
    assert notifying.shown(target)["has_secret"] is (url is not None)
    administrator.rest.call("test_notification_target_v1", p_target_id=target)
    assert notifying.send().failed == 1
    shown = notifying.shown(target)
    assert reason in shown["last_error"]
    assert "hidden" not in shown["last_error"]
    assert (shown["failures"], shown["waiting"]) == (1, 1)


def test_what_every_target_has_got_is_deleted_in_the_end(
    notifying: Notifying,
    patterns: Patterns,
    new_receiver: NewReceiver,
    database: Sql,
    change_setting: Callable[[str, object], dict[str, Any]],
) -> None:
    """After notification_days; what waits, or is a dead letter, is kept."""
    change_setting("notification_days", 3)
    hook, pattern_id = new_receiver(Hook), patterns.new()
    target = notifying.target(hook, pattern_ids=[pattern_id])
    for _ in range(2):
        notifying.happens(pattern_id)
        notifying.send()
    notifying.happens(pattern_id)
    ids = [
        row["id"]
        for row in database.rows(
            "select id from ops.notifications where pattern_id = %s order by id", pattern_id
        )
    ]
    for id_ in (ids[0], ids[2]):
        database.run(
            "update ops.notifications set created_at = now() - interval '4 days' where id = %s", id_
        )
    notifying.passes(target)
    database.value("select ops_internal.prune_notifications()")
    left = "select array_agg(id order by id) from ops.notifications where pattern_id = %s"
    assert database.value(left, pattern_id) == ids[1:]
    assert len(notifying.messages("sent", target)) == 1
    assert notifying.shown(target)["waiting"] == 1


def test_operators_retry_together(notifying: Notifying, people: People) -> None:
    """A retry of a message that waits brings it forward, whoever asks."""
    name = notifying.patterns.word()
    target = notifying.set(name=name, url_secret="notify_none", kinds=["test"])
    notifying.administrator.rest.call("test_notification_target_v1", p_target_id=target)
    assert notifying.send().failed == 1
    (waiting,) = notifying.messages("waiting", target)
    for _ in range(2):
        operator = people.new("ops_operator")
        operator.rest.call("retry_notification_v1", p_message_id=waiting["message_id"])
    assert notifying.send().failed == 1
    assert notifying.messages("waiting", target)[0]["tries"] == 2
