"""Clusters of patterns, with names that a person can read.

Source: specification, "K-Means Clustering" and "Multi-Model Clustering". Differences from its code,
which calls itself simplified: features are standardised (else the occurrence count alone decides),
and k-means runs to convergence. The second, hierarchical pass divides clusters above 50 members
only, into at most 5 parts, and the parts are kept in the cluster's metadata: a part for every third
pattern would make 33,333 clusters of 100,000 patterns.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pattern_engine.learning.features import SEVERITIES, severity_from_score
from pattern_engine.overview.kmeans import Floats, kmeans, standardize

__all__ = [
    "FEATURES",
    "Cluster",
    "PatternPoint",
    "cluster",
    "cluster_count",
    "kmeans",
    "standardize",
]

#: The four dimensions, in order; confidence counts from 0 to 100 in the distance, 0 to 1 elsewhere.
FEATURES: Final = ("occurrence_count", "success_rate", "confidence_score", "severity_numeric")
#: Members above which a cluster is divided once more, into how many parts at most, and how many of
#: a part's patterns (those that occur most) its metadata names.
DIVIDED_ABOVE: Final = 50
MAX_PARTS: Final = 5
EXAMPLES: Final = 10
#: Standard deviations from the mean that make a trait worth a name, or a superlative.
LEAST_TELLING: Final = 0.1
VERY_HIGH: Final = 2.0

_TYPE_NAMES: Final = {
    "database": "Database",
    "api": "API",
    "rls": "RLS",
    "stripe": "Stripe",
    "deployment": "Deployment",
}
_TRAIT_NAMES: Final = ("Occurrence", "Success Rate", "Confidence", "Severity")


@dataclass(frozen=True, slots=True)
class PatternPoint:
    """What clustering knows of a pattern. Success rate 0 to 100, confidence 0 to 1."""

    pattern_id: str
    pattern_type: str
    severity: str
    occurrence_count: int
    success_rate: float
    confidence_score: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of patterns, as `ops.pattern_clusters` stores it."""

    cluster_name: str
    cluster_description: str
    pattern_ids: tuple[str, ...]
    centroid_features: dict[str, float]
    cluster_size: int
    avg_success_rate: float
    total_occurrences: int
    metadata: dict[str, Any]


def cluster_count(patterns: int) -> int:
    """Return k for so many patterns: one for every three, from 2 to 5, never more than patterns."""
    return min(5, max(2, patterns // 3), patterns)


def cluster(patterns: Sequence[PatternPoint], seed: int = 0) -> list[Cluster]:
    """Return the clusters, largest first; the order of the patterns does not matter.

    There are fewer than `cluster_count` where fewer patterns differ in their features.
    """
    if not patterns:
        return []
    ordered = sorted(patterns, key=lambda pattern: pattern.pattern_id)
    raw = _matrix(ordered)
    standard = standardize(raw)
    used: set[str] = set()
    return [
        _described(
            [ordered[index] for index in members],
            raw[members],
            standard[members].mean(axis=0),
            _parts([ordered[index] for index in members], raw[members], seed),
            used,
        )
        for members in _groups(standard, cluster_count(len(ordered)), seed)
    ]


def _groups(standard: Floats, k: int, seed: int) -> list[list[int]]:
    """Return the rows of each cluster, the largest cluster first."""
    labels = kmeans(standard, k, seed).labels
    groups: list[list[int]] = [
        np.flatnonzero(labels == label).tolist() for label in range(int(labels.max()) + 1)
    ]
    return sorted(groups, key=lambda members: (-len(members), members[0]))


def _matrix(patterns: Sequence[PatternPoint]) -> Floats:
    """Return the specification's features as columns (n, 4)."""
    return np.array(
        [
            (
                pattern.occurrence_count,
                pattern.success_rate,
                pattern.confidence_score * 100,
                SEVERITIES[pattern.severity],
            )
            for pattern in patterns
        ],
        dtype=np.float64,
    )


def _described(
    patterns: Sequence[PatternPoint],
    raw: Floats,
    deviation: Floats,
    parts: list[dict[str, Any]],
    used: set[str],
) -> Cluster:
    """Return a cluster with its name, which joins the used ones, and its sums."""
    types = Counter(pattern.pattern_type for pattern in patterns)
    centroid = _centroid(raw)
    total = sum(pattern.occurrence_count for pattern in patterns)
    return Cluster(
        cluster_name=_unused_name(types, deviation, used),
        cluster_description=_description(types, centroid, len(patterns), total),
        pattern_ids=tuple(pattern.pattern_id for pattern in patterns),
        centroid_features=centroid,
        cluster_size=len(patterns),
        avg_success_rate=round(centroid["success_rate"], 2),
        total_occurrences=total,
        metadata={"patterns_by_type": dict(sorted(types.items())), "parts": parts},
    )


def _centroid(rows: Floats) -> dict[str, float]:
    """Return the mean of raw rows in the units that people read."""
    occurrence, success, confidence, severity = rows.mean(axis=0).tolist()
    return dict(zip(FEATURES, (occurrence, success, confidence / 100, severity), strict=True))


def _parts(patterns: Sequence[PatternPoint], raw: Floats, seed: int) -> list[dict[str, Any]]:
    """Divide a large cluster by its own spread; return the parts, largest first."""
    if len(patterns) <= DIVIDED_ABOVE:
        return []
    groups = _groups(standardize(raw), MAX_PARTS, seed)
    return [_part([patterns[index] for index in members], raw[members]) for members in groups]


def _part(patterns: Sequence[PatternPoint], raw: Floats) -> dict[str, Any]:
    most = sorted(patterns, key=lambda pattern: (-pattern.occurrence_count, pattern.pattern_id))
    return {
        "size": len(patterns),
        "centroid_features": _centroid(raw),
        "total_occurrences": sum(pattern.occurrence_count for pattern in patterns),
        "example_pattern_ids": [pattern.pattern_id for pattern in most[:EXAMPLES]],
    }


def _unused_name(types: Counter[str], deviation: Floats, used: set[str]) -> str:
    """Return the first of the possible names that no other cluster of this run has."""
    for name in _names(types, deviation):
        if name not in used:
            used.add(name)
            return name
    raise AssertionError("names never end")  # pragma: no cover


def _names(types: Counter[str], deviation: Floats) -> Iterator[str]:
    """Yield names, the most telling first: by the trait in which the cluster differs most."""
    subject = f"{_subject(types)} Errors"
    order = np.argsort(-np.abs(deviation), kind="stable")
    # What hardly differs from the rest, such as a success rate before any fix, names nothing.
    telling = [i for i in order if abs(deviation[i]) >= LEAST_TELLING] or [order[0]]
    traits = [f"{_degree(float(deviation[i]))} {_TRAIT_NAMES[i]}" for i in telling]
    yield from (f"{subject} - {trait}" for trait in traits)
    yield from (f"{subject} - {traits[0]}, {trait}" for trait in traits[1:])
    number = 2
    while True:
        yield f"{subject} - {traits[0]} ({number})"
        number += 1


def _degree(deviation: float) -> str:
    """Return how far a mean is off, in standard deviations, as a word."""
    if deviation >= VERY_HIGH:
        return "Very High"
    if abs(deviation) < LEAST_TELLING:
        return "Average"
    return "High" if deviation > 0 else "Low"


def _subject(types: Counter[str]) -> str:
    """Return the type that most patterns share, else that they are mixed."""
    kind, count = min(types.items(), key=lambda item: (-item[1], item[0]))
    return _TYPE_NAMES.get(kind, kind.title()) if 2 * count >= types.total() else "Mixed"


def _description(types: Counter[str], centroid: dict[str, float], size: int, total: int) -> str:
    by_type = ", ".join(f"{count} {kind}" for kind, count in sorted(types.items()))
    gravity = severity_from_score(_closest_severity(centroid["severity_numeric"]))
    return (
        f"{size} {'pattern' if size == 1 else 'patterns'} ({by_type}) with {total} occurrences, "
        f"{centroid['occurrence_count']:.1f} each; success rate {centroid['success_rate']:.2f} %, "
        f"confidence {centroid['confidence_score']:.2f}, severity mostly {gravity}"
    )


def _closest_severity(score: float) -> int:
    return min(SEVERITIES.values(), key=lambda known: (abs(known - score), known))
