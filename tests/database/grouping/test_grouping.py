"""The groups that the database makes are those of the algorithm, in any order, by any workers."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests import corpora
from tests.conftest import Sql
from tests.database.grouping.grouped import Learner, settings_of

from pattern_engine import grouping, settings
from pattern_engine.api.callers import ENGINE
from pattern_engine.database.database import Database
from pattern_engine.grouping import rules
from pattern_engine.grouping.v2.leaf import MIN_VALUES, wider_templates
from pattern_engine.learning import counting, learning
from pattern_engine.learning.models import LearnRequest
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import ServerName, StartStack

WIDE = "replication towards eu_3 stopped during nightly maintenance"
PLACES = ("lisbon", "berlin", "vienna", "oslo")


def _towards(place: str) -> str:
    return f"replication towards {place} stopped during nightly maintenance"


@pytest.fixture(scope="module")
def own_stack(
    server: ServerName, start_stack: StartStack, bare_project: Path
) -> Iterator[dict[str, Any]]:
    """A stack of this file's own, since a corpus is grouped with nothing else in the database."""
    with start_stack(server, bare_project) as stack:
        addresses = stack.status()
        with psycopg.connect(addresses["db_url"], autocommit=True) as connection:
            connection.execute("select cron.alter_job(jobid, active := false) from cron.job")
        yield addresses


@pytest.fixture
def learner(own_stack: dict[str, Any]) -> Iterator[Learner]:
    """Empty tables and who learns into them."""
    settings = settings_of(own_stack)
    database = Database(settings)
    with Sql(own_stack["db_url"]) as sql:
        learner = Learner(database, sql, settings)
        learner.clear()
        yield learner
    database.close()


@pytest.fixture
def environment(own_stack: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a function, for what the engine logs."""
    monkeypatch.setenv("SUPABASE_URL", own_stack["api_url"])
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", own_stack["publishable_key"])
    monkeypatch.setenv("SUPABASE_SECRET_KEY", own_stack["secret_key"])
    monkeypatch.setenv("SUPABASE_JWT_SECRET", own_stack["jwt_secret"])
    monkeypatch.setenv("PATTERN_ENGINE_WEBHOOK_SECRET", own_stack["webhook_secret"])
    yield
    settings.current.cache_clear()


def _same(learner: Learner, messages: list[str]) -> float:
    """Return the share of messages whose group in the database is that of the algorithm."""
    wanted = corpora.partition(grouping.group_messages(messages))
    found = corpora.partition(learner.groups(messages))
    return sum(map(len, wanted & found)) / len(messages)


@pytest.mark.parametrize("corpus", corpora.params())
def test_the_database_groups_as_group_messages_does(learner: Learner, corpus: str) -> None:
    """One truth: learned in order, every message is grouped as the algorithm does in memory."""
    messages = corpora.messages(corpus)
    learner.learn_all(messages)
    assert _same(learner, messages) == 1.0
    assert learner.count("pattern_incidents") == len(messages)
    counted = learner.sql.value("select sum(occurrence_count) from ops.error_patterns")
    assert counted == len(messages)


ORDERS = corpora.params("sample", "pg_errors.dev", "supabase_errors.dev")


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ORDERS)
def test_the_order_of_arrival_plays_no_part(learner: Learner, corpus: str) -> None:
    """Ten random orders make the same groups, and every error is counted in each of them."""
    messages = corpora.messages(corpus)
    for seed in range(10):
        learner.clear()
        shuffled = random.Random(seed).sample(messages, len(messages))
        learner.learn_all(shuffled)
        assert _same(learner, messages) >= 0.995, seed
        assert learner.count("pattern_incidents") == len(messages)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4, 16])
@pytest.mark.parametrize("corpus", ORDERS)
def test_the_number_of_workers_plays_no_part(learner: Learner, corpus: str, workers: int) -> None:
    """Workers that learn side by side in small batches agree on every group and every count."""
    messages = corpora.messages(corpus)
    shuffled = random.Random(workers).sample(messages, len(messages))
    learner.learn_all(shuffled, workers=workers, batch=50)
    assert _same(learner, messages) >= 0.995
    rows = learner.sql.rows("""
        select patterns.id
        from ops.error_patterns as patterns
        left join ops.pattern_incidents as incidents using (pattern_id)
        group by patterns.id
        having count(incidents.id) <> patterns.occurrence_count
    """)
    assert rows == []


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("since", [(), ("lisbon",), ("lisbon", "berlin")])
def test_what_a_database_lost_is_learned_anew(learner: Learner, since: tuple[str, ...]) -> None:
    """A process that remembers more than a restored database counts each error once, as others do.

    Alone, alike to one pattern, or alike to two, which it then makes one.
    """
    request = LearnRequest(error_message=WIDE)
    assert learning.learn(request, ENGINE, learner.database).action == "created"
    assert learning.learn(request, ENGINE, learner.database).pattern.occurrence_count == 2
    learner.clear()
    messages = [_towards(place) for place in since]
    for message in messages:
        learner.learn(message)

    learned = learning.learn(request, ENGINE, learner.database)

    assert learned.pattern.occurrence_count == len(since) + 1
    assert learner.count("pattern_incidents") == len(since) + 1
    assert _same(learner, [*messages, WIDE]) == 1.0
    assert learning.learn(request, ENGINE, learner.database).action == "updated"


@pytest.mark.usefixtures("environment")
def test_an_older_signature_does_not_do_for_a_lost_one(
    learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the older algorithm's signature is left, the current one is attached again."""
    monkeypatch.setattr(rules, "KEPT_SECONDS", 0)
    request = LearnRequest(error_message=WIDE)
    learning.learn(request, ENGINE, learner.database)
    learner.clear()
    (by_v1,) = learner.learn_by_v1(WIDE)
    learned = learning.learn(request, ENGINE, learner.database)
    assert (learned.action, learned.pattern.pattern_id) == ("updated", by_v1["pattern_id"])
    assert learner.count("pattern_incidents") == learner.count("pattern_signatures") == 2


def test_a_database_that_v1_never_wrote_to_gets_signatures_of_v2_alone(learner: Learner) -> None:
    """No error has an older signature there, so nothing is computed or stored for them."""
    learner.learn(WIDE, *map(_towards, PLACES))
    assert learner.database.grouping()["older_algorithms"] == []
    assert learner.count("pattern_signatures", "algorithm <> 'grouping/v2'") == 0
    assert record(sighted(WIDE, rule_set=rules.current(learner.database)))["older"] == []


def test_the_first_signature_of_v1_is_noticed_within_the_time_that_rules_are_kept(
    learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then a running process makes a pattern of its own; afterwards the older one decides."""
    assert rules.current(learner.database).older_algorithms == []
    (by_v1,) = learner.learn_by_v1(WIDE)
    (early,) = learner.learn(WIDE)
    assert early["pattern_id"] != by_v1["pattern_id"]
    monkeypatch.setattr(rules, "KEPT_SECONDS", 0)
    (late,) = learner.learn(WIDE)
    assert late["pattern_id"] == by_v1["pattern_id"]


def test_64_learners_of_alike_templates_make_one_pattern(learner: Learner) -> None:
    """Whoever comes first, the variable joins them all: one pattern, all errors counted once."""
    words = [f"{a}{b}ville" for a in "bcdfghlm" for b in ("a", "e", "i", "o", "u", "y", "ay", "ee")]
    messages = [*map(_towards, words[:63]), WIDE]
    assert len(set(corpora.partition(grouping.group_messages(messages)))) == 1
    for seed in range(3):
        learner.clear()
        shuffled = random.Random(seed).sample(messages, len(messages))
        with ThreadPoolExecutor(64) as pool:
            list(pool.map(learner.learn, shuffled))
        assert len(set(learner.groups(messages))) == 1
        live = learner.sql.row(
            "select count(*) as n, sum(occurrence_count) as errors "
            "from ops.error_patterns where status <> 'merged'"
        )
        assert live == {"n": 1, "errors": 64}


def test_alike_templates_join_whichever_comes_first(learner: Learner) -> None:
    """The variable first or last, in one call or in several: one pattern."""
    narrow, other = _towards("lisbon"), _towards("berlin")
    templates = [grouping.group(text).template for text in (narrow, other, WIDE)]
    assert templates[2] in wider_templates(templates[0])
    assert templates[1] not in wider_templates(templates[0])
    for calls in ([[narrow], [WIDE], [other]], [[narrow, other], [WIDE]], [[other, WIDE, narrow]]):
        learner.clear()
        for call in calls:
            learner.learn(*call)
        assert len(set(learner.groups([narrow, other, WIDE]))) == 1


def test_words_that_only_words_have_replaced_stay_apart(learner: Learner) -> None:
    """Without a variable seen in their place, fewer than five names are as many patterns."""
    learner.learn(*map(_towards, PLACES))
    assert len(set(learner.groups([_towards(place) for place in PLACES]))) == len(PLACES)


FIVE = [_towards(place) for place in (*PLACES, "madrid")]


@pytest.mark.parametrize("calls", [(5,), (4, 1), (3, 2), (1, 1, 1, 1, 1)])
def test_five_words_in_one_place_are_a_variable(learner: Learner, calls: tuple[int, ...]) -> None:
    """In one call or in several, in any order; a sixth word joins them, and so does the variable."""
    assert learner.sql.value("select ops_internal.values_of_evidence()") == MIN_VALUES == len(FIVE)
    for seed in range(3):
        learner.clear()
        rest = random.Random(seed).sample(FIVE, len(FIVE))
        for size in calls:
            learner.learn(*rest[:size])
            rest = rest[size:]
        messages = [*FIVE, _towards("paris"), WIDE]
        assert len(set(grouping.group_messages(messages[:5]))) == 1
        assert len(set(learner.groups(messages[:5]))) == 1
        for message in messages[5:]:
            learner.learn(message)
        assert len(set(learner.groups(messages))) == 1
        assert learner.sql.value("select sum(occurrence_count) from ops.error_patterns") == 7


def test_many_workers_agree_on_what_five_words_join(learner: Learner) -> None:
    """Whichever worker counts the fifth word, it is one pattern with every error counted once."""
    messages = [_towards(f"{a}{b}ville") for a in "bcdfgh" for b in "aeiou"]
    for seed in range(3):
        learner.clear()
        shuffled = random.Random(seed).sample(messages, len(messages))
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(learner.learn, shuffled))
        assert len(set(learner.groups(messages))) == 1
        counted = "select sum(occurrence_count) from ops.error_patterns where status <> 'merged'"
        assert learner.sql.value(counted) == len(messages)


def test_five_words_leave_a_pattern_with_a_fix_as_it_is(learner: Learner) -> None:
    """Words alone, without a variable, bring no error to a fix; the others are one without it."""
    fixed = learner.learn(FIVE[0])[0]["pattern_id"]
    learner.sql.run(
        "insert into ops.pattern_fixes (pattern_id, version, fix_type, script, prepared_script, "
        "parameters, timeout_ms, max_retries, max_rows, trusted_writers, target, tables, hosts, "
        "secrets, sha256, mode, approved_by) values (%s, 1, 'sql', 'select 1', 'select 1', '{}', "
        "1000, 0, 1, '{}', '{}', '{}', '{}', '{}', 'x', 'demoted', gen_random_uuid())",
        fixed,
    )
    for message in FIVE[1:]:
        learner.learn(message)
    learner.learn(_towards("paris"))
    groups = learner.groups([*FIVE, _towards("paris")])
    assert groups[0] == fixed
    assert len(set(groups[1:])) == 1
    assert fixed not in groups[1:]


def test_five_words_do_not_join_what_an_operator_separated(learner: Learner) -> None:
    """The others go to one of the two, and the two stay two."""
    one, other = (learner.learn(message)[0]["pattern_id"] for message in FIVE[:2])
    learner.sql.run(
        "insert into ops.pattern_cannot_links (pattern_a, pattern_b) "
        "values (least(%s::uuid, %s), greatest(%s::uuid, %s))",
        *(one, other, one, other),
    )
    for message in FIVE[2:]:
        learner.learn(message)
    assert learner.groups(FIVE) == [one, other, one, one, one]


def test_a_warm_error_takes_one_call_and_a_new_one_no_more(
    learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known, new, or alike to one pattern: one round trip. Alike to two: one more."""
    rules.current(learner.database)  # a process reads the rules once in a while
    calls: list[str] = []
    call = Database._call  # noqa: SLF001

    def counted(self: Database, name: str, *rest: Any) -> object:
        calls.append(name)
        return call(self, name, *rest)

    monkeypatch.setattr(Database, "_call", counted)
    learner.learn(_towards("lisbon"))
    learner.learn(_towards("lisbon"))
    learner.learn(_towards("berlin"))
    assert calls == ["learn_errors_v1"] * 3
    (joined,) = learner.learn(WIDE)
    assert calls[3:] == ["learn_errors_v1", "join_errors_v1"]
    assert joined["occurrence_count"] == 4
    learner.learn(_towards("vienna"), WIDE)
    assert calls[5:] == ["learn_errors_v1"]


def test_a_variable_that_comes_late_merges_what_names_had_split(learner: Learner) -> None:
    """The oldest pattern stays, the others' errors are its own, and that is on record."""
    oldest = learner.learn(_towards("lisbon"))[0]["pattern_id"]
    others = [learner.learn(_towards(place))[0]["pattern_id"] for place in PLACES[1:]]
    learned = learner.learn(WIDE)[0]
    assert (learned["pattern_id"], learned["occurrence_count"]) == (oldest, len(PLACES) + 1)
    assert learned["action"] == "updated"
    gone = learner.sql.rows(
        "select pattern_id::text as id, merged_into::text as kept from ops.error_patterns "
        "where status = 'merged' order by id"
    )
    assert gone == [{"id": id_, "kept": oldest} for id_ in sorted(others)]
    assert learner.count("roman_events", "event_type = 'patterns_merged'") == len(others)


def test_what_does_not_count_is_no_evidence_that_two_patterns_are_one(learner: Learner) -> None:
    """A user's error joins the oldest pattern that is alike, and no other pattern to that one."""
    oldest, other = (learner.learn(_towards(place))[0]["pattern_id"] for place in PLACES[:2])
    error = record(sighted(WIDE, claimed_by=str(uuid.uuid4())))
    (learned,) = counting.count(learner.database, [error])
    assert learned["pattern_id"] == oldest
    assert learner.groups([_towards(place) for place in PLACES[:2]]) == [oldest, other]
    assert learner.count("pattern_merges") == 0


def test_evidence_never_joins_what_an_operator_separated(learner: Learner) -> None:
    """A template that is alike to both goes to one of them, and the two stay two."""
    one, other = (learner.learn(_towards(place))[0]["pattern_id"] for place in PLACES[:2])
    learner.sql.run(
        "insert into ops.pattern_cannot_links (pattern_a, pattern_b) "
        "values (least(%s::uuid, %s), greatest(%s::uuid, %s))",
        *(one, other, one, other),
    )
    assert learner.learn(WIDE)[0]["pattern_id"] == one
    assert learner.groups([_towards("lisbon"), _towards("berlin"), WIDE]) == [one, other, one]
    assert learner.learn(_towards("vienna"))[0]["pattern_id"] == one


def test_a_trace_of_libraries_alone_is_a_message_like_others(learner: Learner) -> None:
    """Without a frame of the application's own its words count, and what is alike to them."""
    traces = [
        f"Error: {text}\n    at run (node:internal/process/task_queues:95:5)"
        for text in (_towards("lisbon"), WIDE)
    ]
    assert [grouping.group(trace).basis for trace in traces] == ["message", "message"]
    assert len(set(grouping.group_messages(traces))) == 1
    learner.learn(traces[0])
    learner.learn(traces[1])
    assert len(set(learner.groups(traces))) == 1


def test_a_new_error_is_compared_with_few_of_many_templates(learner: Learner) -> None:
    """Whatever is alike is found by index: no table of templates is read from end to end."""
    learner.learn("something else")
    learner.sql.run("""
        insert into ops.pattern_signatures (signature, pattern_id, algorithm, template, leaf, wider)
        select 'pattern_' || number, pattern_id, 'grouping/v2', 't', '7 replication',
          array['pattern_w' || number, 'pattern_v' || number]
        from ops.error_patterns, generate_series(1, 20000) as number
    """)
    learner.sql.run("analyze ops.pattern_signatures")
    errors = [dict(record(sighted(_towards(place)))) for place in PLACES]
    with learner.sql.undone():
        learner.sql.call("learn_errors_v1", errors)
        read = learner.sql.value("""
            select seq_tup_read from pg_stat_xact_user_tables
            where relid = 'ops.pattern_signatures'::regclass
        """)
    assert read < 20000


def test_traces_and_told_identities_are_alike_to_nothing(learner: Learner) -> None:
    """A fingerprint that reads like a template is compared with no template."""
    told = grouping.group("whatever", fingerprint=WIDE.removeprefix("replication "))
    assert (told.leaf, told.algorithm) == ("", "grouping/v2/fingerprint")
    trace = (
        "TypeError: x\n    at load (/srv/app/src/page.ts:1:2)\n    at run (/srv/app/src/a.ts:3:4)"
    )
    assert grouping.group(trace).leaf == ""
    learner.learn(trace, "TypeError: x")
    assert len(set(learner.groups([trace, "TypeError: x"]))) == 2
    leaves = learner.sql.rows("select leaf from ops.pattern_signatures order by leaf nulls first")
    assert leaves[0] == {"leaf": None}
    assert leaves[1]["leaf"] is not None
