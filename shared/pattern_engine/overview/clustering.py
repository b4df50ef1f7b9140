"""Clustering patterns, and naming the clusters.

Source: specification, "K-Means Clustering" and "Multi-Model Clustering". There are three
differences from the simplified code of the specification. The features are standardised, because
otherwise the occurrence count would outweigh the others. K-means runs until it converges. The
second, hierarchical pass divides only clusters of more than 50 patterns, into at most 5 parts that
are stored in the cluster's metadata: a part for every third pattern would make 33,333 clusters of
100,000 patterns.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pattern_engine.learning.features import SEVERITIES, severity_from_score
from pattern_engine.overview.kmeans import Floats, kmeans, standardize

#: The four features, in order. The confidence is 0 to 100 in the matrix and 0 to 1 elsewhere.
FEATURES: Final = ("occurrence_count", "success_rate", "confidence_score", "severity_numeric")
#: A cluster with more patterns is divided into parts.
DIVIDED_ABOVE: Final = 50
MAX_PARTS: Final = 5
#: How many patterns of a part its metadata lists: those that occur most.
EXAMPLES: Final = 10
#: The standard deviations from the mean from which a feature names a cluster, or is "Very High".
MIN_DEVIATION: Final = 0.1
VERY_HIGH: Final = 2.0
#: Digits after the point of a mean that tells two clusters apart.
MAX_DIGITS: Final = 2

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
    """The features of a pattern. The success rate is 0 to 100, the confidence 0 to 1."""

    pattern_id: str
    pattern_type: str
    severity: str
    occurrence_count: int
    success_rate: float
    confidence_score: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of patterns, the most frequent first, as `ops.pattern_clusters` stores it."""

    cluster_name: str
    cluster_description: str
    pattern_ids: tuple[str, ...]
    centroid_features: dict[str, float]
    cluster_size: int
    avg_success_rate: float
    total_occurrences: int
    metadata: dict[str, Any]


_MEANS: Final = (
    "about {occurrence_count:.{digits}f} each",
    "about {success_rate:.{digits}f} %",
    "about {confidence_score:.{digits}f}",
    "about {severity_numeric:.{digits}f}",
)


def cluster_count(patterns: int) -> int:
    """Return k for a number of patterns: a third of it, from 2 to 5, but no more than it."""
    return min(5, max(2, patterns // 3), patterns)


def cluster(patterns: Sequence[PatternPoint]) -> list[Cluster]:
    """Return the clusters, largest first; the order of the patterns does not matter.

    There are fewer than `cluster_count` if fewer patterns differ in their features.
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
            _parts([ordered[index] for index in members], raw[members]),
            used,
        )
        for members in _groups(standard, cluster_count(len(ordered)))
    ]


def _groups(standard: Floats, k: int) -> list[list[int]]:
    """Return the rows of each cluster, the largest cluster first."""
    labels = kmeans(standard, k).labels
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
    """Return a cluster with its name, which is added to `used`, and its sums."""
    types = Counter(pattern.pattern_type for pattern in patterns)
    centroid = _centroid(raw)
    total = sum(pattern.occurrence_count for pattern in patterns)
    return Cluster(
        cluster_name=_unused_name(types, deviation, centroid, used),
        cluster_description=_description(types, centroid, len(patterns), total),
        pattern_ids=tuple(pattern.pattern_id for pattern in _most_frequent(patterns)),
        centroid_features=centroid,
        cluster_size=len(patterns),
        avg_success_rate=round(centroid["success_rate"], 2),
        total_occurrences=total,
        metadata={"patterns_by_type": dict(sorted(types.items())), "parts": parts},
    )


def _centroid(rows: Floats) -> dict[str, float]:
    """Return the mean of unstandardised rows, with the confidence as 0 to 1."""
    occurrence, success, confidence, severity = rows.mean(axis=0).tolist()
    return dict(zip(FEATURES, (occurrence, success, confidence / 100, severity), strict=True))


def _parts(patterns: Sequence[PatternPoint], raw: Floats) -> list[dict[str, Any]]:
    """Divide a large cluster, standardised anew; return its parts, largest first."""
    if len(patterns) <= DIVIDED_ABOVE:
        return []
    groups = _groups(standardize(raw), MAX_PARTS)
    return [_part([patterns[index] for index in members], raw[members]) for members in groups]


def _part(patterns: Sequence[PatternPoint], raw: Floats) -> dict[str, Any]:
    most = _most_frequent(patterns)
    return {
        "size": len(patterns),
        "centroid_features": _centroid(raw),
        "total_occurrences": sum(pattern.occurrence_count for pattern in patterns),
        "example_pattern_ids": [pattern.pattern_id for pattern in most[:EXAMPLES]],
    }


def _most_frequent(patterns: Sequence[PatternPoint]) -> list[PatternPoint]:
    """Return patterns in the order in which people read them: the most frequent first."""
    return sorted(patterns, key=lambda pattern: (-pattern.occurrence_count, pattern.pattern_id))


def _unused_name(
    types: Counter[str], deviation: Floats, centroid: dict[str, float], used: set[str]
) -> str:
    """Return the first possible name that no other cluster of this run has."""
    name = next(name for name in _names(types, deviation, centroid) if name not in used)
    used.add(name)
    return name


def _names(types: Counter[str], deviation: Floats, centroid: dict[str, float]) -> Iterator[str]:
    """Yield names, beginning with the feature in which the cluster differs most from the others.

    Where words do not tell two clusters apart, the mean of that feature does.
    """
    subject = f"{_subject(types)} Errors"
    order = np.argsort(-np.abs(deviation), kind="stable")
    # A feature that hardly differs, such as the success rate before there is a fix, names nothing.
    distinct = [i for i in order if abs(deviation[i]) >= MIN_DEVIATION] or [order[0]]
    traits = [f"{_degree(float(deviation[i]))} {_TRAIT_NAMES[i]}" for i in distinct]
    yield from (f"{subject} - {trait}" for trait in traits)
    yield from (f"{subject} - {traits[0]}, {trait}" for trait in traits[1:])
    mean = _MEANS[distinct[0]]
    told = [mean.format(digits=digits, **centroid) for digits in range(MAX_DIGITS + 1)]
    yield from (f"{subject} - {traits[0]}, {text}" for text in told)
    yield from (f"{subject} - {traits[0]}, {told[0]} ({number})" for number in itertools.count(2))


def _degree(deviation: float) -> str:
    """Return a deviation from the mean, in standard deviations, as a word."""
    if deviation >= VERY_HIGH:
        return "Very High"
    if abs(deviation) < MIN_DEVIATION:
        return "Average"
    return "High" if deviation > 0 else "Low"


def _subject(types: Counter[str]) -> str:
    """Return the name of the type that at least half of the patterns have, else "Mixed"."""
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
