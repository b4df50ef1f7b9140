"""Running a clustering session: reading the patterns, clustering them, storing the clusters.

Source: specification, "ML Clustering". A session ends as completed or failed; its duration and peak
memory are stored.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from pattern_engine import logs
from pattern_engine.exceptions import PatternEngineError
from pattern_engine.overview.models import Cluster, ClusterResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Json


def run(caller: Caller, database: Database) -> ClusterResponse:
    """Cluster the patterns with three or more occurrences.

    Raises:
        Forbidden: if the role of a person does not allow it.
        PatternEngineError: if the session failed, after the failure was recorded.
    """
    started = time.monotonic()
    session = database.start_clustering(caller)
    session_id, patterns = str(session["session_id"]), session["patterns"]
    try:
        made = _clustered(patterns)
        stored = database.replace_clusters(
            session_id, made, _result(started, len(patterns)), caller
        )
    except Exception as problem:
        _record_failure(database, session_id, problem, _result(started, len(patterns)), caller)
        raise
    return ClusterResponse(
        clusters=[Cluster.model_validate(cluster) for cluster in stored],
        patterns_analyzed=len(patterns),
        session_id=session_id,
    )


def _clustered(patterns: list[Json]) -> list[Json]:
    """Return the clusters of patterns, as the database stores them."""
    from pattern_engine.overview import clustering  # noqa: PLC0415  numpy is loaded only here

    points = [clustering.PatternPoint(**pattern) for pattern in patterns]
    return [asdict(cluster) for cluster in clustering.cluster(points)]


def _result(started: float, patterns: int) -> Json:
    """Return the duration and memory of the session so far."""
    return {
        "execution_time_ms": round((time.monotonic() - started) * 1000),
        "memory_used_mb": peak_memory_mebibytes(),
        "patterns_analyzed": patterns,
    }


def peak_memory_mebibytes() -> int:
    """Return the peak resident memory of this process since its start, in MiB, rounded up.

    The kernel counts KiB on Linux and bytes on macOS; see getrusage(2).
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    per_mebibyte = 1024 * 1024 if sys.platform == "darwin" else 1024
    return -(-peak // per_mebibyte)


def _record_failure(
    database: Database, session_id: str, problem: Exception, result: Json, caller: Caller
) -> None:
    """Record that a session failed; if recording fails as well, only log that."""
    reason = (
        problem.message
        if isinstance(problem, PatternEngineError)
        else f"{type(problem).__name__}: {problem}"
    )
    try:
        database.fail_session(session_id, reason, result, caller)
    except PatternEngineError as second:
        logs.warning("session_not_closed", session_id=session_id, reason=second.message)
