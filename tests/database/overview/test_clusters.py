"""A clustering session replaces all clusters at once, or leaves them as they were."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns

RESULT = {"patterns_analyzed": 7, "execution_time_ms": 12, "memory_used_mb": 34}


def _cluster(name: str, **changes: object) -> dict[str, Any]:
    return {
        "cluster_name": name,
        "cluster_description": "a description",
        "pattern_ids": [],
        "centroid_features": {"occurrence_count": 4.5},
        "cluster_size": 3,
        "avg_success_rate": 33.33,
        "total_occurrences": 12,
        "metadata": {"parts": []},
    } | changes


def _session(engine: Rest, session_id: str) -> dict[str, Any]:
    return engine.select("learning_sessions", session_id=f"eq.{session_id}")[0]


def _replace(rest: Rest, session_id: str, *clusters: dict[str, Any]) -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = rest.call(
        "replace_clusters_v1", p_session_id=session_id, p_clusters=clusters, p_result=RESULT
    )
    return stored


@pytest.mark.parametrize("who", ["engine", "operator", "administrator"])
def test_the_engine_and_operators_cluster(
    request: pytest.FixtureRequest, engine: Rest, who: str
) -> None:
    """The engine, an ops_operator and an ops_admin open and complete a session."""
    caller = request.getfixturevalue(who)
    rest: Rest = getattr(caller, "rest", caller)
    session_id = rest.call("start_clustering_v1")["session_id"]
    session = _session(engine, session_id)
    assert (session["status"], session["session_type"]) == ("running", "clustering")
    assert session["input_data"]["requested_by"] == getattr(caller, "id", None)
    stored = _replace(rest, session_id, _cluster("one"))
    assert stored[0]["cluster_name"] == "one"
    assert _session(engine, session_id)["status"] == "completed"


def test_a_viewer_does_not_cluster(viewer: Person, engine: Rest) -> None:
    """PL001: reading operators start, replace and fail nothing."""
    session_id = engine.call("start_clustering_v1")["session_id"]
    for name, arguments in (
        ("start_clustering_v1", {}),
        ("replace_clusters_v1", {"p_session_id": session_id, "p_clusters": [], "p_result": RESULT}),
        ("fail_session_v1", {"p_session_id": session_id, "p_error": "x", "p_result": RESULT}),
    ):
        with pytest.raises(RefusedError) as refused:
            viewer.rest.call(name, **arguments)
        assert refused.value.code == "PL001"
    assert _session(engine, session_id)["status"] == "running"


def test_patterns_seen_three_times_are_clustered(
    engine: Rest, database: Sql, patterns: Patterns
) -> None:
    """Those seen at least three times and not archived are answered, with their features."""
    twice, thrice, archived = (patterns.new(occurrences) for occurrences in (2, 3, 4))
    database.change("error_patterns", {"status": "archived"}, pattern_id=archived)
    answer = engine.call("start_clustering_v1")
    found = {pattern["pattern_id"]: pattern for pattern in answer["patterns"]}
    assert found[thrice] == {
        "pattern_id": thrice,
        "pattern_type": "database",
        "severity": "error",
        "occurrence_count": 3,
        "success_rate": 0,
        "confidence_score": 0.5,
    }
    assert twice not in found
    assert archived not in found


def test_patterns_come_in_the_same_order_each_time(
    engine: Rest, database: Sql, patterns: Patterns
) -> None:
    """The order is that of learning, so that a fixed seed gives the same clusters again."""
    first, second = patterns.new(3), patterns.new(3)
    database.change("error_patterns", {"metadata": {"moved": True}}, pattern_id=first)
    ids = [row["pattern_id"] for row in engine.call("start_clustering_v1")["patterns"]]
    assert ids[-2:] == [first, second]


def test_clusters_are_stored_as_given(engine: Rest, patterns: Patterns) -> None:
    """Each cluster keeps its values and its place, and names the session that made it."""
    session_id = engine.call("start_clustering_v1")["session_id"]
    member = patterns.new(3)
    given = [_cluster("first", pattern_ids=[member]), _cluster("second", metadata=None)]
    stored = _replace(engine, session_id, *given)
    assert {key: stored[0][key] for key in given[0]} == given[0] | {
        "metadata": {"parts": [], "session_id": session_id}
    }
    assert stored[1]["metadata"] == {"session_id": session_id}
    assert engine.select("pattern_clusters", order="id") == stored


def test_each_session_replaces_all_clusters(engine: Rest) -> None:
    """Of the run before nothing is left, not the ids either; an empty result leaves none."""
    for names in (["a", "b", "c"], ["d"], []):
        session_id = engine.call("start_clustering_v1")["session_id"]
        _replace(engine, session_id, *map(_cluster, names))
        rows = engine.select("pattern_clusters", order="id")
        assert [row["cluster_name"] for row in rows] == names


def test_a_completed_session_says_what_it_did(engine: Rest) -> None:
    """Time, memory, patterns and clusters are in the session's row, and an event tells of it."""
    session_id = engine.call("start_clustering_v1")["session_id"]
    _replace(engine, session_id, _cluster("a"), _cluster("b"))
    session = _session(engine, session_id)
    expected = {
        "status": "completed",
        "patterns_analyzed": 7,
        "execution_time_ms": 12,
        "memory_used_mb": 34,
        "output_data": {"clusters_created": 2},
    }
    assert {key: session[key] for key in expected} == expected
    assert session["completed_at"] >= session["started_at"]
    event = engine.select("roman_events", order="id.desc", limit="1")[0]
    assert event["event_type"] == "patterns_clustered"
    assert event["metadata"] == {"session_id": session_id, "clusters_created": 2}


def test_a_failed_session_leaves_the_clusters(engine: Rest) -> None:
    """fail_session_v1 keeps the reason in the session's row and touches no cluster."""
    _replace(engine, engine.call("start_clustering_v1")["session_id"], _cluster("kept"))
    session_id = engine.call("start_clustering_v1")["session_id"]
    engine.call("fail_session_v1", p_session_id=session_id, p_error="no memory", p_result=RESULT)
    session = _session(engine, session_id)
    assert (session["status"], session["output_data"]) == ("failed", {"error": "no memory"})
    assert session["execution_time_ms"] == 12
    assert [row["cluster_name"] for row in engine.select("pattern_clusters")] == ["kept"]


def test_clusters_that_cannot_be_stored_leave_the_former_ones(engine: Rest) -> None:
    """A cluster without a name undoes the whole replacement, and the session goes on."""
    _replace(engine, engine.call("start_clustering_v1")["session_id"], _cluster("kept"))
    session_id = engine.call("start_clustering_v1")["session_id"]
    with pytest.raises(RefusedError) as refused:
        _replace(engine, session_id, _cluster("new"), _cluster("bad", cluster_name=None))
    assert refused.value.code == "23502"
    assert [row["cluster_name"] for row in engine.select("pattern_clusters")] == ["kept"]
    assert _session(engine, session_id)["status"] == "running"


@pytest.mark.parametrize("clusters", [None, {"cluster_name": "one"}, "[]"])
def test_what_is_no_list_replaces_nothing(engine: Rest, clusters: object) -> None:
    """PL013: a caller that has lost its clusters does not delete the stored ones."""
    kept = _replace(engine, engine.call("start_clustering_v1")["session_id"], _cluster("kept"))
    session_id = engine.call("start_clustering_v1")["session_id"]
    with pytest.raises(RefusedError) as refused:
        engine.call(
            "replace_clusters_v1", p_session_id=session_id, p_clusters=clusters, p_result=RESULT
        )
    assert refused.value.code == "PL013"
    assert engine.select("pattern_clusters") == kept


def test_a_session_ends_once(engine: Rest) -> None:
    """PL015: a session that ended, or never was, neither completes nor fails."""
    session_id = engine.call("start_clustering_v1")["session_id"]
    _replace(engine, session_id)
    for ended in (session_id, "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(RefusedError) as refused:
            _replace(engine, ended, _cluster("late"))
        assert refused.value.code == "PL015"
        with pytest.raises(RefusedError) as refused:
            engine.call("fail_session_v1", p_session_id=ended, p_error="x", p_result={})
        assert refused.value.code == "PL015"
    assert engine.select("pattern_clusters") == []


def test_a_session_that_never_came_back_is_aborted(engine: Rest, database: Sql) -> None:
    """The next session gives up those that run for more than an hour, and no others."""
    lost, slow = (engine.call("start_clustering_v1")["session_id"] for _ in range(2))
    age = "update ops.learning_sessions set started_at = now() - %s::interval where session_id = %s"
    database.run(age, "61 minutes", lost)
    database.run(age, "59 minutes", slow)
    engine.call("start_clustering_v1")
    assert _session(engine, lost)["status"] == "aborted"
    assert _session(engine, lost)["completed_at"] is not None
    assert _session(engine, slow)["status"] == "running"
    with pytest.raises(RefusedError) as refused:
        _replace(engine, lost, _cluster("too late"))
    assert refused.value.code == "PL015"


def test_of_sessions_that_end_together_one_stays_whole(engine: Rest) -> None:
    """Eight sessions replace the clusters at once: what is left is all of one of them."""
    sessions = [engine.call("start_clustering_v1")["session_id"] for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda session: _replace(engine, session, *[_cluster(session)] * 3), sessions)
        )
    rows = engine.select("pattern_clusters")
    assert len(rows) == 3
    assert len({row["cluster_name"] for row in rows}) == 1
