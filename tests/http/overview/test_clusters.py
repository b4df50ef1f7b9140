"""A clustering session over HTTP ends as completed or failed."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pattern_engine.overview.sessions import peak_memory_mebibytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import Load, Wire

SESSION = "55555555-5555-4555-8555-555555555555"


def pattern(number: int) -> dict[str, Any]:
    """Return a pattern as the database sends it to clustering."""
    return {
        "pattern_id": f"66666666-6666-4666-8666-{number:012}",
        "pattern_type": "database" if number % 2 else "api",
        "severity": "error",
        "occurrence_count": 3 + number * 10,
        "success_rate": 50.0,
        "confidence_score": 0.5,
    }


def stored(sent: dict[str, Any]) -> list[dict[str, Any]]:
    """Return clusters as the database returns them after storing."""
    return [
        {**cluster, "cluster_id": f"77777777-7777-4777-8777-{place:012}", "id": place}
        for place, cluster in enumerate(sent["p_clusters"])
    ]


@pytest.fixture(params=["engine", "job", "person"])
def caller(request: pytest.FixtureRequest) -> dict[str, str]:
    """Each kind of caller that may request clusters."""
    headers: dict[str, str] = request.getfixturevalue(request.param)
    return headers


def test_a_session_is_read_grouped_and_stored(
    load: Load, wire: Wire, caller: dict[str, str]
) -> None:
    """A session needs no body, and its answer has the specification's keys."""
    patterns = [pattern(number) for number in range(7)]
    wire.replies["start_clustering_v1"] = {"session_id": SESSION, "patterns": patterns}
    wire.replies["replace_clusters_v1"] = stored
    answer = load("cluster").post("/", headers=caller)
    assert answer.status_code == 200
    found = answer.get_json()
    assert list(found) == ["success", "clusters", "patterns_analyzed", "session_id"]
    assert (found["patterns_analyzed"], found["session_id"]) == (7, SESSION)
    for cluster in found["clusters"]:
        assert list(cluster) == [
            "cluster_id",
            "cluster_name",
            "pattern_ids",
            "cluster_size",
            "avg_success_rate",
            "total_occurrences",
        ]
    members = [one for cluster in found["clusters"] for one in cluster["pattern_ids"]]
    assert sorted(members) == [one["pattern_id"] for one in patterns]


def test_the_session_stores_its_time_and_memory(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """A session stores its milliseconds, MiB and number of patterns."""
    patterns = [pattern(number) for number in range(4)]
    wire.replies["start_clustering_v1"] = {"session_id": SESSION, "patterns": patterns}
    wire.replies["replace_clusters_v1"] = stored
    load("cluster").post("/", json={}, headers=engine)
    sent = wire.sent("replace_clusters_v1")
    assert sent["p_session_id"] == SESSION
    assert sent["p_result"]["patterns_analyzed"] == 4
    assert 0 <= sent["p_result"]["execution_time_ms"] < 10_000
    assert 10 < sent["p_result"]["memory_used_mb"] < 10_000
    assert {"cluster_description", "centroid_features", "metadata"} <= set(sent["p_clusters"][0])


def test_nothing_to_group_is_no_error(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """A session without patterns succeeds with no clusters."""
    wire.replies["start_clustering_v1"] = {"session_id": SESSION, "patterns": []}
    wire.replies["replace_clusters_v1"] = stored
    found = load("cluster").post("/", headers=engine).get_json()
    assert (found["clusters"], found["patterns_analyzed"]) == ([], 0)


def test_a_session_that_fails_is_recorded(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """An exception ends the session as failed, and the caller gets a 500."""
    broken = [{**pattern(1), "severity": "unheard of"}]
    wire.replies["start_clustering_v1"] = {"session_id": SESSION, "patterns": broken}
    wire.replies["fail_session_v1"] = None
    answer = load("cluster").post("/", headers=engine)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (500, "internal_error")
    sent = wire.sent("fail_session_v1")
    assert sent["p_session_id"] == SESSION
    assert sent["p_error"].startswith("KeyError")
    assert sent["p_result"]["patterns_analyzed"] == 1


def test_storing_that_fails_is_recorded_and_reported(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """The caller gets the first failure, even if recording it fails as well."""
    wire.replies["start_clustering_v1"] = {"session_id": SESSION, "patterns": [pattern(1)]}
    wire.replies["replace_clusters_v1"] = httpx.ReadTimeout("slow")
    wire.replies["fail_session_v1"] = httpx.ConnectError("gone")
    answer = load("cluster").post("/", headers=engine)
    assert answer.status_code == 503
    assert "broke before its answer" in answer.get_json()["error"]["message"]
    assert wire.names[-1] == "fail_session_v1"


def test_a_person_without_a_role_is_refused(
    load: Load, wire: Wire, person: dict[str, str], refusal: Callable[..., httpx.Response]
) -> None:
    """The database refuses a person without a role, and nothing is computed."""
    wire.replies["start_clustering_v1"] = refusal("PL001", "your role does not allow this")
    answer = load("cluster").post("/", headers=person)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "forbidden")
    assert wire.names == ["start_clustering_v1"]


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1024 * 1024)])
def test_memory_is_counted_in_mebibytes(
    monkeypatch: pytest.MonkeyPatch, system: str, unit: int
) -> None:
    """The peak memory is in MiB on every operating system, rounded up."""
    monkeypatch.setattr("sys.platform", system)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert peak_memory_mebibytes() == pytest.approx(peak / unit, abs=2)
