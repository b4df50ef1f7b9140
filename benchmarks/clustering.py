"""Cluster 100,000 patterns (the first pass), beside scikit-learn's KMeans with the same k."""

import os
import time
import warnings
from collections.abc import Iterator

import numpy as np
from benchmarks.result import Result

from pattern_engine.overview.clustering import cluster_count
from pattern_engine.overview.kmeans import Floats, kmeans, standardize

PATTERNS = 100_000
ROUNDS = 5


def run() -> Iterator[Result]:
    """Measure time and inertia on the same standardised matrix, in alternation."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - only `make bench` installs it

    matrix = standardize(_patterns())
    k = cluster_count(PATTERNS)
    ours, peers, inertias = [], [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(ROUNDS):
            started = time.perf_counter()
            inertias["ours"] = kmeans(matrix, k, 0).inertia
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            inertias["peer"] = float(KMeans(k, n_init=1, random_state=0).fit(matrix).inertia_)
            peers.append(time.perf_counter() - started)
    peer = "scikit-learn's KMeans, same k"
    if os.environ.get("OPENBLAS_CORETYPE"):
        peer += " (OPENBLAS_CORETYPE is set)"
    yield Result(
        "cluster 100,000 patterns",
        np.median(ours) * 1000,
        "ms",
        peer,
        np.median(peers) * 1000,
        "≤ 1",
    )
    yield Result(
        "inertia of 100,000 patterns", inertias["ours"], "", peer, inertias["peer"], "≤ 1.01"
    )


def _patterns() -> Floats:
    """Return invented patterns whose features are distributed as in real ones.

    Occurrences follow a power law, most patterns have no fix yet, confidence takes the values of
    its table, and the severity is mostly error.
    """
    generator = np.random.default_rng(0)
    occurrences = np.minimum(3 + generator.pareto(1.2, PATTERNS) * 5, 1e6).round()
    has_fix = generator.random(PATTERNS) < 0.3
    success = np.where(has_fix, (generator.beta(5, 2, PATTERNS) * 100).round(2), 0.0)
    steps = np.array([50.0, 60.0, 70.0, 85.0, 95.0])
    confidence = np.where(has_fix, generator.choice(steps, PATTERNS), 50.0)
    severity = generator.choice([1.0, 2.0, 3.0, 5.0], PATTERNS, p=[0.05, 0.1, 0.7, 0.15])
    return np.column_stack([occurrences, success, confidence, severity])
