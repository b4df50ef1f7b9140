"""Clusters of patterns: their number, names and descriptions."""

import json
import random
from dataclasses import asdict

import pytest

from pattern_engine.overview.clustering import (
    DIVIDED_ABOVE,
    FEATURES,
    MAX_PARTS,
    Cluster,
    PatternPoint,
    cluster,
    cluster_count,
)


def _pattern(
    number: int,
    kind: str = "database",
    severity: str = "error",
    occurrences: int = 5,
    success: float = 0.0,
    confidence: float = 0.5,
) -> PatternPoint:
    return PatternPoint(f"{number:08}", kind, severity, occurrences, success, confidence)


def _many(count: int, seed: int = 1) -> list[PatternPoint]:
    draw = random.Random(seed)
    return [
        _pattern(
            number,
            draw.choice(["database", "api", "rls", "stripe", "deployment"]),
            draw.choice(["warning", "error", "critical"]),
            draw.randint(3, 500),
            draw.choice([0.0, 33.33, 78.5, 100.0]),
            draw.choice([0.5, 0.7, 0.95]),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("patterns", "k"),
    [(0, 0), (1, 1), (2, 2), (3, 2), (8, 2), (9, 3), (14, 4), (15, 5), (16, 5), (100_000, 5)],
)
def test_k_follows_the_specification(patterns: int, k: int) -> None:
    """The number k is min(5, max(2, n / 3)), and never more than the number of patterns."""
    assert cluster_count(patterns) == k


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 15, 60, 200])
def test_every_pattern_is_in_one_cluster(count: int) -> None:
    """Every pattern is in exactly one cluster, and the sums are right."""
    patterns = _many(count)
    clusters = cluster(patterns)
    ids = [identity for each in clusters for identity in each.pattern_ids]
    assert sorted(ids) == sorted(pattern.pattern_id for pattern in patterns)
    assert all(each.cluster_size == len(each.pattern_ids) > 0 for each in clusters)
    assert sum(each.total_occurrences for each in clusters) == sum(
        pattern.occurrence_count for pattern in patterns
    )
    assert len(clusters) <= cluster_count(count)


def test_the_order_of_patterns_does_not_matter() -> None:
    """Clusters depend on the patterns, not on the order in which the database returns them."""
    patterns = _many(300)
    expected = cluster(patterns)
    random.Random(5).shuffle(patterns)
    assert cluster(patterns) == expected


def test_patterns_that_do_not_differ_are_one_cluster() -> None:
    """Patterns with equal features are in the same cluster, even if there are fewer than k."""
    (only,) = cluster([_pattern(number) for number in range(30)])
    assert only.cluster_size == 30


def _by_name(clusters: list[Cluster]) -> dict[str, Cluster]:
    return {each.cluster_name: each for each in clusters}


def test_a_cluster_is_named_by_type_and_trait() -> None:
    """A name has the form of the specification's "Database Errors - High Occurrence"."""
    patterns = [_pattern(n, occurrences=900) for n in range(3)] + [
        _pattern(n, "api", occurrences=4) for n in range(10, 13)
    ]
    assert set(_by_name(cluster(patterns))) == {
        "Database Errors - High Occurrence",
        "API Errors - Low Occurrence",
    }


def test_a_trait_in_which_no_pattern_differs_names_no_cluster() -> None:
    """A feature that is equal in all patterns names no cluster."""
    occurrences = [3] * 40 + [20] * 10 + [22] * 10 + [60] * 3 + [900]
    clusters = cluster([_pattern(n, occurrences=count) for n, count in enumerate(occurrences)])
    names = " ".join(each.cluster_name for each in clusters)
    assert "Success Rate" not in names
    assert "Confidence" not in names
    assert clusters[-1].cluster_name == "Database Errors - Very High Occurrence"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("rls", "RLS"), ("stripe", "Stripe"), ("deployment", "Deployment"), ("api", "API")],
)
def test_types_are_shown_as_people_write_them(kind: str, shown: str) -> None:
    """Names show abbreviations in capitals, and other types with an initial capital."""
    (only,) = cluster([_pattern(1, kind)])
    assert only.cluster_name.startswith(f"{shown} Errors - ")


def test_a_cluster_without_a_prevailing_type_is_mixed() -> None:
    """A cluster in which no type has half of the patterns is called Mixed."""
    kinds = ["database", "api", "rls", "stripe", "deployment"]
    (only,) = cluster([_pattern(n, kind) for n, kind in enumerate(kinds)])
    assert only.cluster_name.startswith("Mixed Errors - ")


def test_clusters_that_words_do_not_tell_apart_are_told_apart_by_a_mean() -> None:
    """A bare number would say nothing to whoever reads the name."""
    counts = [3] * 40 + [40] * 10 + [80] * 10 + [120] * 10 + [5000]
    clusters = cluster([_pattern(n, occurrences=count) for n, count in enumerate(counts)])
    names = [each.cluster_name for each in clusters]
    assert len(set(names)) == len(names) == 5
    assert "Database Errors - Low Occurrence, about 40 each" in names


@pytest.mark.parametrize("seed", range(20))
def test_names_are_unique(seed: int) -> None:
    """Two clusters of one run never share a name."""
    clusters = cluster([pattern for pattern in _many(90, seed) if pattern.pattern_type == "api"])
    assert len(_by_name(clusters)) == len(clusters)


def test_a_centroid_is_in_the_units_that_people_read() -> None:
    """A centroid has the specification's keys, confidence from 0 to 1, and severity as a number."""
    clusters = cluster(
        [
            _pattern(1, occurrences=10, success=50.0, confidence=0.6),
            _pattern(2, occurrences=10, success=50.0, confidence=0.6),
            _pattern(3, severity="critical", occurrences=900, success=100.0, confidence=0.95),
        ]
    )
    centroids = {each.cluster_size: each.centroid_features for each in clusters}
    assert tuple(centroids[1]) == FEATURES
    assert centroids[1] == pytest.approx(
        {
            "occurrence_count": 900.0,
            "success_rate": 100.0,
            "confidence_score": 0.95,
            "severity_numeric": 5.0,
        }
    )
    assert centroids[2]["confidence_score"] == pytest.approx(0.6)
    assert {each.cluster_size: each.avg_success_rate for each in clusters} == {1: 100.0, 2: 50.0}


def test_a_description_says_what_a_cluster_contains() -> None:
    """A description contains patterns by type, occurrences, rates and severity."""
    (only,) = cluster([_pattern(1, "rls", "critical", 7, 50.0, 0.6)])
    assert only.cluster_description == (
        "1 pattern (1 rls) with 7 occurrences, 7.0 each; success rate 50.00 %, confidence 0.60, "
        "severity mostly critical"
    )


def test_a_large_cluster_is_divided_in_its_metadata() -> None:
    """A cluster of more than fifty patterns is divided into at most five parts that cover it."""
    for each in cluster(_many(600)):
        parts = each.metadata["parts"]
        if each.cluster_size <= DIVIDED_ABOVE:
            assert parts == []
            continue
        assert 2 <= len(parts) <= MAX_PARTS
        assert sum(part["size"] for part in parts) == each.cluster_size
        assert sum(part["total_occurrences"] for part in parts) == each.total_occurrences
        for part in parts:
            assert tuple(part["centroid_features"]) == FEATURES
            assert set(part["example_pattern_ids"]) <= set(each.pattern_ids)
            assert 1 <= len(part["example_pattern_ids"]) <= 10


def test_fifty_members_are_not_divided() -> None:
    """A cluster of exactly fifty patterns is not divided."""
    (fifty,) = cluster([_pattern(n) for n in range(50)])
    (more,) = cluster([_pattern(n) for n in range(51)])
    assert fifty.metadata["parts"] == []
    assert len(more.metadata["parts"]) == 1


def test_a_cluster_is_json() -> None:
    """A cluster contains only plain numbers and texts, so that it can be stored."""
    clusters = cluster(_many(200))
    assert json.loads(json.dumps([asdict(each) for each in clusters]))
