"""The running stack tells people: from an error in the log to a message with a link, by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.database.notifications.receivers import Hook, MailServer, Receiver
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.scenarios.conftest import Fault


@pytest.fixture
def receivers() -> Iterator[list[Receiver]]:
    """A mail server and a webhook receiver; neither is up yet."""
    receivers: list[Receiver] = [MailServer(), Hook()]
    yield receivers
    for receiver in receivers:
        receiver.stop()


def test_what_happens_reaches_people_who_could_not_be_reached(
    receivers: list[Receiver],
    administrator: Person,
    engine: Rest,
    database: Sql,
    fault: Fault,
    occur: Callable[[str], int],
    post: Callable[..., dict[str, Any]],
    addresses: dict[str, Any],
) -> None:
    """Five errors ask for a review, a proposal for approval; both wait until somebody listens."""
    call = administrator.rest.call
    targets = []
    for receiver in receivers:
        name = f"notify_{type(receiver).__name__.lower()}_{fault.word}"
        database.run("select vault.create_secret(%s, %s)", receiver.url, name)
        target = {"name": name, "url_secret": name, "sources": ["shop"], "digest_seconds": 0}
        targets.append(call("set_notification_target_v1", p_target=target)["target_id"])

    log_ids = [occur(fault.message(number)) for number in range(5)]

    def pattern() -> list[dict[str, Any]]:
        told = engine.select(
            "notifications", kind="eq.threshold_reached", order="id.desc", limit="1"
        )
        rows = engine.select("pattern_incidents", system_log_id=f"eq.{log_ids[0]}")
        return [one for one in told for row in rows if one["pattern_id"] == row["pattern_id"]]

    pattern_id = eventually(pattern)[0]["pattern_id"]
    proposal = post(
        "propose",
        pattern_id=pattern_id,
        auto_fix_type="sql",
        auto_fix_script=fault.fix,
        auto_fix_parameters={"status": "new"},
    )["proposal"]

    def failures() -> bool:
        rows = [one for one in call("list_notification_targets_v1") if one["target_id"] in targets]
        return all(row["failures"] for row in rows)

    # What the job of each minute runs.
    database.value("select ops_internal.send_notifications()")
    assert eventually(failures)
    for receiver in receivers:
        receiver.start()
    for target in targets:
        # A test goes at once, with what waits.
        call("test_notification_target_v1", p_target_id=target)
    base = f"{addresses['functions_url']}/console"
    for receiver in receivers:

        def arrived(receiver: Receiver = receiver) -> bool:
            return "Test of a notification target" in receiver.text

        assert eventually(arrived)
        text = receiver.text
        assert text.count("An error needs a review, ") == 1
        assert text.count("A fix waits for approval, ") == 1
        assert f"\n{base}/patterns/{pattern_id}\n" in text
        assert f"\n{base}/proposals/{proposal['proposal_id']}\n" in text
        assert f"Digest: {proposal['sha256'][:12]}" in text
        references = [one.reference for one in receiver.received]
        assert len(set(references)) == len(references)
    for target in targets:
        call("delete_notification_target_v1", p_target_id=target)
