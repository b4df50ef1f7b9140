"""Every notification reaches each of its targets in some message, whatever falls out meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.notifications.conftest import LONG_AGO
from tests.database.notifications.receivers import Hook, MailServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Sql
    from tests.database.conftest import Patterns
    from tests.database.notifications.conftest import Notifying
    from tests.database.notifications.receivers import NewReceiver, Receiver

BOTH = pytest.mark.parametrize("kind", [MailServer, Hook])


@BOTH
def test_a_target_that_was_down_gets_everything_once(
    notifying: Notifying, patterns: Patterns, new_receiver: NewReceiver, kind: type[Receiver]
) -> None:
    """What happens while it is down waits, and follows in one message; each try has the same id."""
    receiver, pattern_id = new_receiver(kind, started=False), patterns.new()
    target = notifying.target(receiver, pattern_ids=[pattern_id])
    words = [notifying.happens(pattern_id)]
    for _ in range(3):
        assert notifying.send().failed == 1
        words.append(notifying.happens(pattern_id))
        notifying.passes(target)
    (waiting,) = notifying.messages("waiting", target)
    assert waiting["tries"] == 3
    assert waiting["last_error"]

    receiver.refuses = True
    receiver.start()
    assert notifying.send().failed == 1
    receiver.refuses = False
    notifying.passes(target)
    assert notifying.send().sent == 2
    first, second = receiver.received
    assert first.reference == f"<{waiting['message_id']}@console.example.com>"
    assert waiting["message_id"] in first.body
    assert first.reference != second.reference
    assert [word in first.body for word in words] == [True, False, False, False]
    assert [word in second.body for word in words] == [False, True, True, True]
    assert notifying.shown(target)["waiting"] == 0
    assert (notifying.shown(target)["failures"], notifying.shown(target)["last_error"]) == (0, None)
    notifying.passes(target)
    assert notifying.send().sent == 0


@BOTH
def test_a_worker_killed_after_sending_sends_twice_under_one_id(
    notifying: Notifying,
    patterns: Patterns,
    new_receiver: NewReceiver,
    kind: type[Receiver],
) -> None:
    """Nobody sends while its lease lasts; after it the same message goes once more."""
    receiver, pattern_id = new_receiver(kind), patterns.new()
    target = notifying.target(receiver, pattern_ids=[pattern_id])
    word = notifying.happens(pattern_id)
    worker = subprocess.Popen([sys.executable, Path(__file__).with_name("worker.py")])
    receiver.on_receipt = lambda: os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(60) == -signal.SIGKILL
    receiver.on_receipt = lambda: None
    assert len(receiver.received) == 1

    assert notifying.send().sent == 0
    notifying.database.change("notification_targets", {"lease_until": LONG_AGO}, target_id=target)
    assert notifying.send().sent == 1
    first, second = receiver.received
    assert (first.reference, first.body) == (second.reference, second.body)
    assert word in first.body
    notifying.passes(target)
    assert notifying.send().sent == 0


def test_of_workers_at_the_same_time_one_sends(
    notifying: Notifying, patterns: Patterns, new_receiver: NewReceiver
) -> None:
    """Eight workers start together: each of six targets gets its message once."""
    pattern_id = patterns.new()
    hooks = [new_receiver(Hook) for _ in range(6)]
    for hook in hooks:
        notifying.target(hook, pattern_ids=[pattern_id])
    word = notifying.happens(pattern_id)
    together = Barrier(8)

    def work(_: int) -> int:
        together.wait()
        return notifying.send().sent

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 6
    assert [len(hook.received) for hook in hooks] == [1] * 6
    assert all(word in hook.text for hook in hooks)


def test_a_target_that_is_down_blocks_no_other(
    notifying: Notifying, patterns: Patterns, new_receiver: NewReceiver, database: Sql
) -> None:
    """It is tried last, and after its pause only; the pause grows with each failure."""
    pattern_id = patterns.new()
    down, up = new_receiver(Hook, started=False), new_receiver(Hook)
    lost = notifying.target(down, pattern_ids=[pattern_id])
    notifying.target(up, pattern_ids=[pattern_id])
    pauses = []
    for count in range(1, 4):
        notifying.happens(pattern_id)
        result = notifying.send()
        assert (result.sent, result.failed, len(up.received)) == (1, 1, count)
        assert notifying.send().failed == 0
        pauses.append(
            database.value(
                """select round(extract(epoch from next_at - last_error_at))::integer
                   from ops.notification_targets where target_id = %s""",
                lost,
            )
        )
        database.change("notification_targets", {"next_at": LONG_AGO}, target_id=lost)
    assert pauses == [60, 120, 240]
    order = database.value(
        """select array_agg(target_id::text order by failures) from ops.notification_targets
           where pattern_ids = array[%s::uuid]""",
        pattern_id,
    )
    assert order[-1] == lost


def test_after_the_last_try_a_message_is_a_dead_letter_until_it_is_retried(
    notifying: Notifying,
    patterns: Patterns,
    new_receiver: NewReceiver,
    operator: Person,
    viewer: Person,
    change_setting: Callable[[str, object], dict[str, Any]],
) -> None:
    """It is shown with its reason, keeps its id, and later notifications go on without it."""
    change_setting("notification_tries", 2)
    hook, pattern_id = new_receiver(Hook, started=False), patterns.new()
    target = notifying.target(hook, pattern_ids=[pattern_id])
    lost = notifying.happens(pattern_id)
    assert notifying.send().dead == 0
    notifying.passes(target)
    assert notifying.send().dead == 1
    (dead,) = notifying.messages("dead", target)
    assert (dead["tries"], lost in dead["notifications"][0]["description"]) == (2, True)
    assert "Connection error" in dead["last_error"]
    assert notifying.shown(target)["dead"] == 1

    hook.start()
    later = notifying.happens(pattern_id)
    notifying.passes(target)
    assert notifying.send().sent == 1
    assert (later in hook.text, lost in hook.text) == (True, False)
    retried = operator.rest.call("retry_notification_v1", p_message_id=dead["message_id"])
    assert (retried["state"], retried["tries"]) == ("waiting", 0)
    assert notifying.send().sent == 1
    assert lost in hook.received[1].body
    assert dead["message_id"] in hook.received[1].reference
    for person, code in ((operator, "PL021"), (viewer, "PL001")):
        with pytest.raises(Exception, match=code):
            person.rest.call("retry_notification_v1", p_message_id=dead["message_id"])


def test_a_worker_that_dies_of_a_message_costs_it_a_try(
    notifying: Notifying,
    patterns: Patterns,
    new_receiver: NewReceiver,
    change_setting: Callable[[str, object], dict[str, Any]],
) -> None:
    """A message that ends each of its workers is a dead letter in the end, and the next one goes."""
    change_setting("notification_tries", 2)
    hook, pattern_id = new_receiver(Hook), patterns.new()
    target = notifying.target(hook, pattern_ids=[pattern_id])
    notifying.happens(pattern_id)
    for attempt in (1, 2):
        assert notifying.engine.call("take_notification_v1")["try"] == attempt
        notifying.passes(target)
    word = notifying.happens(pattern_id)
    assert notifying.send().sent == 1
    assert [word in one.body for one in hook.received] == [True]
    assert "ended each time" in notifying.messages("dead", target)[0]["last_error"]


def test_what_comes_within_the_grouping_time_is_one_message(
    notifying: Notifying, patterns: Patterns, new_receiver: NewReceiver
) -> None:
    """The first goes at once, the others follow together; a critical one does not wait."""
    hook, pattern_id = new_receiver(Hook), patterns.new()
    target = notifying.target(hook, pattern_ids=[pattern_id], digest_seconds=300)
    first = notifying.happens(pattern_id)
    assert notifying.send().sent == 1
    words = []
    for _ in range(7):
        words.append(notifying.happens(pattern_id))
        assert notifying.send().sent == 0
    notifying.passes(target)
    assert notifying.send().sent == 1
    assert [first in one.body for one in hook.received] == [True, False]
    assert all(word in hook.received[1].body for word in words)
    assert "7 notifications: A fix was taken out of use (7)" in hook.received[1].title

    notifying.database.value(
        """select ops_internal.notify('violation', 'critical', 'now',
             jsonb_build_object('pattern_id', %s::text))""",
        pattern_id,
    )
    assert notifying.send().sent == 1


def test_a_capped_target_gets_the_rest_later(
    notifying: Notifying, patterns: Patterns, new_receiver: NewReceiver
) -> None:
    """Two messages an hour, whatever happens, and then one with all that waited."""
    hook, pattern_id = new_receiver(Hook), patterns.new()
    target = notifying.target(hook, pattern_ids=[pattern_id], cap_per_hour=2)
    words = []
    for expected in (1, 1, 0, 0, 0):
        words.append(notifying.happens(pattern_id))
        assert notifying.send().sent == expected
    assert notifying.shown(target)["sent_last_hour"] == 2
    assert notifying.shown(target)["waiting"] == 3
    notifying.passes(target)
    assert notifying.send().sent == 1
    assert [word in hook.received[2].body for word in words] == [False, False, True, True, True]


def test_what_has_no_room_in_a_message_is_in_the_next_one(
    notifying: Notifying, patterns: Patterns, new_receiver: NewReceiver
) -> None:
    """250 long notifications come in several messages, each of them in exactly one."""
    mail, pattern_id = new_receiver(MailServer), patterns.new()
    notifying.target(mail, pattern_ids=[pattern_id], cap_per_hour=1000)
    words = [notifying.happens(pattern_id, description="long " * 100) for _ in range(250)]
    assert notifying.send().sent == len(mail.received) > 2
    assert [mail.text.count(word) for word in words] == [1] * 250
    assert all(len(one.body) < 32_768 for one in mail.received)
