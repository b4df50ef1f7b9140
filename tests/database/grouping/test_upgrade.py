"""A new grouping algorithm moves no pattern, kills no approved fix, and raises no alarm."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import corpora
from tests.conftest import Sql
from tests.database.grouping.grouped import Learner, settings_of

from pattern_engine import grouping
from pattern_engine.database.database import Database
from pattern_engine.grouping import rules
from pattern_engine.grouping.rules import RuleSet
from pattern_engine.healing.candidates import Match, find
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Rest
    from tests.database.conftest import Patterns

    from pattern_engine.database.records import RuleRecord


@pytest.fixture
def learner(addresses: dict[str, Any]) -> Iterator[Learner]:
    """Learns into the stack that all tests share."""
    settings = settings_of(addresses)
    database = Database(settings)
    with Sql(addresses["db_url"]) as sql:
        yield Learner(database, sql, settings)
    database.close()


@pytest.fixture
def word() -> str:
    """A word of letters that no other message has."""
    return "".join(chr(97 + int(digit, 16)) for digit in uuid.uuid4().hex)


def _fix(learner: Learner, message: str) -> dict[str, Any] | None:
    sighting = sighted(message, rule_set=rules.current(learner.database))
    (found,) = find(learner.database, [sighting])
    return dict(found.fix) if isinstance(found, Match) else None


def test_an_upgrade_is_no_storm(learner: Learner, patterns: Patterns) -> None:
    """Learned by v1 and again by v2, the sample has the same patterns, fixes and no new event."""
    messages = corpora.messages(corpora.SAMPLE)
    before = [one["pattern_id"] for one in learner.learn_by_v1(*messages)]
    largest = max(set(before), key=before.count)
    patterns.approve(largest)
    counts = (
        "(select count(*) from ops.error_patterns)",
        "(select count(*) from ops.roman_events where event_type = 'pattern_learned')",
        "(select count(*) from ops.roman_events where event_type = 'patterns_merged')",
    )
    state = learner.sql.row(f"select {', '.join(f'{c} as c{n}' for n, c in enumerate(counts))}")
    held = {
        row["pattern_id"]
        for row in learner.sql.rows(
            "select pattern_id::text from ops.pattern_signatures where algorithm <> 'grouping/v1'"
        )
    }

    after = [one["pattern_id"] for one in learner.learn(*messages)]

    assert after == before
    assert {one["pattern_id"] for one in learner.learn(*messages)} == set(before)
    now = learner.sql.row(f"select {', '.join(f'{c} as c{n}' for n, c in enumerate(counts))}")
    assert now == state
    healed = [text for text, one in zip(messages, before, strict=True) if one == largest]
    assert all(_fix(learner, text) for text in set(healed))
    attached = set(learner.groups(messages))
    assert attached - held <= set(before)  # other tests may have learned one of the messages before
    assert attached & set(before)


def test_the_new_signature_alone_fires_nothing_until_confirmed(
    learner: Learner, patterns: Patterns, word: str
) -> None:
    """A coarser signature brings new errors to the pattern, and the fix only once a person says so."""
    known, new = f"{word} lost node /a/b.txt", f"{word} lost node /c/d.txt"
    assert grouping.normalize(known) != grouping.normalize(new)
    assert grouping.group(known).signature == grouping.group(new).signature
    pattern_id = learner.learn_by_v1(known)[0]["pattern_id"]
    patterns.approve(pattern_id)
    assert learner.learn(known)[0]["pattern_id"] == pattern_id
    assert learner.learn(new)[0]["pattern_id"] == pattern_id
    assert _fix(learner, known) is not None
    assert _fix(learner, new) is None

    signature = grouping.group(new).signature
    learner.sql.run(
        "update ops.pattern_signatures set confirmed_at = now() where signature = %s", signature
    )
    assert _fix(learner, new) is not None
    other = patterns.new()
    for id_ in (other, pattern_id):
        learner.sql.run(
            "update ops.pattern_signatures set pattern_id = %s where signature = %s", id_, signature
        )
    assert _fix(learner, new) is None, "a confirmation outlived a move"


def test_the_secret_key_confirms_nothing(
    engine: Rest, learner: Learner, patterns: Patterns, word: str
) -> None:
    """Trust is a person's to give: the columns that say so are closed to the engine."""
    learner.learn(word)
    key = f"eq.{grouping.group(word).signature}"
    changes = {"confirmed_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(Exception, match="42501"):
        engine.update("pattern_signatures", changes, signature=key)
    row = {"signature": patterns.word(), "pattern_id": patterns.new(), "algorithm": "a"}
    with pytest.raises(Exception, match="42501"):
        engine.insert("pattern_signatures", row | {"template": "t"} | changes)


def test_an_older_signature_that_is_known_decides(learner: Learner, word: str) -> None:
    """Two patterns that v1 kept apart stay two, though v2 has one template for both."""
    one, other = f"{word} lost node /a/b.txt", f"{word} lost node /c/d.txt"
    before = [learner.learn_by_v1(text)[0]["pattern_id"] for text in (one, other)]
    assert len(set(before)) == 2
    after = [learner.learn(text)[0]["pattern_id"] for text in (one, other, one, other)]
    assert after == before * 2
    # What v1 never saw goes where the new signature is.
    assert learner.learn(f"{word} lost node /e/f.txt")[0]["pattern_id"] == before[0]


def test_v2_adds_no_key_of_v1(learner: Learner, word: str) -> None:
    """Older algorithms' signatures exist for what they made alone."""
    learner.learn(f"{word} lost node /a/b.txt")
    rows = learner.sql.rows(
        "select algorithm from ops.pattern_signatures where template like %s", f"%{word}%"
    )
    assert rows == [{"algorithm": "grouping/v2"}]


def test_a_rule_beats_an_older_signature(learner: Learner, word: str) -> None:
    """An operator's rule moves errors: the preview showed which. A fingerprint moves none that v1 knew."""
    pattern_id = learner.learn_by_v1(word)[0]["pattern_id"]
    rule: RuleRecord = {
        "rule_id": "1",
        "expression": word,
        "conditions": {},
        "fingerprint": f"rule of {word}",
        "priority": 1,
    }
    sighting = sighted(word, rule_set=RuleSet([rule]))
    assert sighting.signatures == [grouping.group(word, rule=rule["fingerprint"]).signature]
    assert learner.learn(word)[0]["pattern_id"] == pattern_id
