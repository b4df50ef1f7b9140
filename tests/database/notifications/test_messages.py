"""What a message says, and that nothing in it does anything but be read."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

import pytest
from tests.database.approval.proposing import mend, message, word
from tests.database.notifications.receivers import Hook, MailServer

if TYPE_CHECKING:
    from tests.conftest import Person
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns
    from tests.database.notifications.conftest import Notifying
    from tests.database.notifications.receivers import NewReceiver, Receiver

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "formula": '=HYPERLINK("https://evil.example/x","Approve")',
    "ansi": "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "bidi": "safe \u202egnp.exe\u202c and \u2066isolated\u2069",
    "invisible": "ap\u200bprove\u2060d \ufeff",
    "mention": "@everyone @here <!channel> <@U123>",
    "header": "x\r\nBcc: all@example.com\r\nSubject: approved",
    "markdown": "[approve](https://evil.example) **now** `x`",
    "long": "x" * 60_000,
}


def test_a_request_for_approval_says_what_the_fix_does_and_leads_to_it(
    notifying: Notifying,
    desk: Desk,
    operator: Person,
    orders: Orders,
    new_receiver: NewReceiver,
) -> None:
    """Template, count, what the fix does, its dry-run, the short digest, and the page of this request."""
    mail, text = new_receiver(MailServer), message()
    pattern_id, _ = desk.occur(text, source="billing", release="2.1.0")
    notifying.target(mail, pattern_ids=[pattern_id])
    proposal = desk.propose(pattern_id, operator, mend(orders))
    assert notifying.send().sent == 1
    (received,) = mail.received
    body = received.body
    assert received.title.startswith("[warning] A fix waits for approval: order ")
    assert f"Error: {text}\n" in body
    assert "Seen: 1 times, last " in body
    assert "source billing, release 2.1.0\n" in body
    assert f"The fix (sql): update {orders.name}\n" in body
    assert f"Dry-run: 10 rows touched ({orders.name} 10); EVERY ROW of {orders.name}\n" in body
    assert f"Digest: {proposal.sha256[:12]}, until " in body
    assert f"\nhttps://console.example.com/ops/proposals/{proposal.proposal_id}\n" in body
    assert "nobody reads answers" in body
    assert "broken'" not in body, "no value of a row leaves the database"


def test_a_request_that_was_decided_meanwhile_says_so(
    notifying: Notifying,
    desk: Desk,
    operator: Person,
    administrator: Person,
    orders: Orders,
    new_receiver: NewReceiver,
) -> None:
    """A message that comes late asks for nothing."""
    hook = new_receiver(Hook)
    pattern_id, _ = desk.occur(message())
    notifying.target(hook, pattern_ids=[pattern_id])
    proposal = desk.propose(pattern_id, operator, mend(orders))
    desk.decide(proposal, administrator, decision="reject", reason="no")
    assert notifying.send().sent == 1
    assert "No decision is needed any more: it was rejected" in hook.text


def test_each_kind_leads_to_its_page(
    notifying: Notifying, patterns: Patterns, new_receiver: NewReceiver
) -> None:
    """A run to the run, a pattern to the pattern, what is about the project to its page."""
    hook, pattern_id = new_receiver(Hook), patterns.new()
    notifying.target(hook, pattern_ids=[pattern_id], kinds=["fix_failed", "violation"])
    patterns.approve(pattern_id, "select 1 / (select 0)")
    run = patterns.claim(pattern_id)["application_id"]
    patterns.run(run)
    notifying.happens(pattern_id, "violation")
    assert notifying.send().sent == 1
    links = re.findall(r"^https://console\.example\.com/ops/(.*)$", hook.text, re.MULTILINE)
    assert links == [f"applications/{run}", f"patterns/{pattern_id}"]
    assert "division by zero" in hook.text
    assert "The fix: sql, version 1, digest " in hook.text


@pytest.mark.parametrize("kind", [MailServer, Hook])
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_harmless(
    notifying: Notifying,
    desk: Desk,
    new_receiver: NewReceiver,
    kind: type[Receiver],
    hostile: str,
) -> None:
    """It is one visible line behind a label, cut, without a link, a mention or a control character."""
    receiver = new_receiver(kind)
    pattern_id, _ = desk.occur(f"order {word()} {hostile}")
    notifying.target(receiver, pattern_ids=[pattern_id])
    for description in (hostile, "usual"):
        notifying.happens(pattern_id, description=description)
    assert notifying.send().sent == 1
    (received,) = receiver.received
    for text in (received.title, received.body):
        odd = [char for char in text if char != "\n" and unicodedata.category(char)[0] == "C"]
        assert odd == []
        assert not re.search(r"@(everyone|here)|<[!@]", text)
        assert "://evil" not in text
    assert "\n" not in received.title
    assert len(received.title) <= 200
    assert all(len(line) <= 400 for line in received.body.splitlines())
    starts = (
        r"\[error\] A fix was taken|What happened: \w|Error: order |Seen: 1 times|https://console"
        r"|--|Decide in|Message [0-9a-f-]{36}$|$"
    )
    assert [line for line in received.body.splitlines() if not re.match(starts, line)] == []
    if kind is MailServer:
        head = received.raw.partition("\r\n\r\n")[0]
        assert "Bcc" not in head
        assert len(re.findall(r"^Subject:", head, re.MULTILINE)) == 1
    else:
        assert json.loads(received.raw)["type"] == "failure"
