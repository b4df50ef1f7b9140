"""Deterministic k-means for many points in few dimensions, with numpy.

Sources: k-means++ (Arthur and Vassilvitskii 2007) with greedy trials, Lloyd's algorithm, and for
large inputs a start from a lightweight coreset (Bachem, Lucic and Krause 2018): a weighted sample,
half of it drawn uniformly and half by squared distance from the mean, so that it contains outliers.
Several starts are tried on the sample, which is cheap. The best one continues over all points and
needs few iterations there. This is faster than one start over all points, and depends less on the
random numbers.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

#: Up to this number of points no sample is used, and k-means runs until no centroid moves.
EXACT_UP_TO: Final = 4_000
SAMPLE: Final = 3_000
#: The points of a second sample, on which the best start runs next.
LARGE_SAMPLE: Final = 20_000
STARTS: Final = 6
MAX_ITERATIONS: Final = 300
BLOCK: Final = 8_192
#: Above `EXACT_UP_TO`, Lloyd's algorithm ends when the squared movement of the centroids is below
#: this share of the mean variance; the value is scikit-learn's default.
TOLERANCE: Final = 1e-4
#: The factor of the tolerance while the starts are compared.
ROUGH: Final = 30.0


class Clustering(NamedTuple):
    """Labels (n), centroids (at most k, d), and inertia: the sum of squared distances."""

    labels: Labels
    centroids: Floats
    inertia: float


def standardize(matrix: Floats) -> Floats:
    """Return columns with mean 0 and deviation 1; a constant column becomes zeros."""
    centred = matrix - matrix.mean(axis=0)
    deviation = centred.std(axis=0)
    constant = deviation <= np.abs(matrix).max(axis=0, initial=0.0) * 1e-12
    deviation[constant] = 1.0
    centred[:, constant] = 0.0
    result: Floats = centred / deviation
    return result


def kmeans(matrix: Floats, k: int, seed: int = 0) -> Clustering:
    """Cluster the rows of a matrix (n, d) into at most k clusters, none of them empty.

    There are fewer than k if fewer rows differ. The same matrix and seed give the same result.

    Raises:
        ValueError: if there are no rows, k is below 1, or a number is not finite.
    """
    # (d, n): each feature is a row, so that it is contiguous in memory.
    points = np.ascontiguousarray(np.asarray(matrix, dtype=np.float64).T)
    if points.ndim != 2 or points.shape[1] == 0 or k < 1:
        raise ValueError(f"cannot make {k} clusters of a matrix of shape {matrix.shape}")
    if not np.isfinite(points).all():
        raise ValueError("the matrix contains numbers that are not finite")
    generator = np.random.default_rng(seed)
    weights = np.ones(points.shape[1])
    if points.shape[1] <= EXACT_UP_TO:
        return _result(points, _best_start(points, weights, k, 0.0, generator))
    tolerance = TOLERANCE * float(points.var(axis=1).mean())
    small, small_weights = _coreset(points, SAMPLE, generator)
    centroids = _best_start(small, small_weights, k, ROUGH * tolerance, generator)
    large, large_weights = _coreset(points, min(LARGE_SAMPLE, points.shape[1]), generator)
    centroids = _lloyd(large, large_weights, centroids, tolerance)
    return _result(points, _lloyd(points, weights, centroids, tolerance))


def _best_start(
    points: Floats, weights: Floats, k: int, tolerance: float, generator: np.random.Generator
) -> Floats:
    """Return the centroids (k, d) with the least weighted inertia of several starts."""
    best, least = np.empty((0, 0)), np.inf
    for _ in range(STARTS):
        start = _plus_plus(points, weights, k, generator)
        centroids = _lloyd(points, weights, start, tolerance)
        inertia = float(weights @ _nearest(points, centroids)[1])
        if inertia < least:
            best, least = centroids, inertia
    return best


def _plus_plus(points: Floats, weights: Floats, k: int, generator: np.random.Generator) -> Floats:
    """Return up to k start centroids, each the best of some drawn by squared distance."""
    trials = 2 + int(np.log(k))
    chosen = [int(np.searchsorted(np.cumsum(weights), generator.random() * weights.sum()))]
    distances = _squared(points, points[:, chosen[0]])
    while len(chosen) < k:
        mass = np.cumsum(weights * distances)
        if mass[-1] <= 0.0:
            break  # every point lies on a centroid
        drawn = np.searchsorted(mass, generator.random(trials) * mass[-1], side="right")
        options = [np.minimum(distances, _squared(points, points[:, each])) for each in drawn]
        best = int(np.argmin([weights @ option for option in options]))
        chosen.append(int(drawn[best]))
        distances = options[best]
    result: Floats = points[:, chosen].T.copy()
    return result


def _squared(points: Floats, centre: Floats) -> Floats:
    difference = points - centre[:, None]
    result: Floats = np.einsum("ij,ij->j", difference, difference)
    return result


def _nearest(points: Floats, centroids: Floats) -> tuple[Labels, Floats]:
    """Return each point's nearest centroid, the first of equals, and the squared distance."""
    labels = np.empty(points.shape[1], dtype=np.intp)
    best = np.empty(points.shape[1])
    for block in _blocks(points):
        labels[block], best[block] = _nearest_in_block(points[:, block], centroids)
    squared = best + np.einsum("ij,ij->j", points, points)
    return labels, np.maximum(squared, 0.0)


def _blocks(points: Floats) -> Iterator[slice]:
    """Yield slices that fit into the processor's cache.

    They are also too small for BLAS to use threads, which slow down a busy machine.
    """
    for start in range(0, points.shape[1], BLOCK):
        yield slice(start, start + BLOCK)


def _nearest_in_block(points: Floats, centroids: Floats) -> tuple[Labels, Floats]:
    """Return argmin and minimum of ‖c‖² - 2xc, the squared distance without the constant ‖x‖².

    The loop over the few centroids replaces numpy's argmin, which is slow along a short axis.
    """
    scores: Floats = (-2.0 * centroids) @ points
    scores += np.einsum("ij,ij->i", centroids, centroids)[:, None]
    best: Floats = scores[0]
    labels: Labels = np.zeros(points.shape[1], dtype=np.intp)
    for index in range(1, len(centroids)):
        np.maximum(labels, (scores[index] < best) * np.intp(index), out=labels)
        np.minimum(best, scores[index], out=best)
    return labels, best


def _lloyd(points: Floats, weights: Floats, centroids: Floats, tolerance: float) -> Floats:
    """Move the centroids until they move by no more than the tolerance, and return them."""
    for _ in range(MAX_ITERATIONS):
        moved = _means(points, weights, centroids)
        shift = float(((moved - centroids) ** 2).sum())
        centroids = moved
        if shift <= tolerance:
            break
    return centroids


def _means(points: Floats, weights: Floats, centroids: Floats) -> Floats:
    """Return the weighted mean of the points nearest to each centroid.

    A centroid without points is moved to the farthest point.
    """
    sums = np.zeros((len(points) + 1, len(centroids)))
    numbers = np.arange(len(centroids))
    for block in _blocks(points):
        part = points[:, block]
        labels, _ = _nearest_in_block(part, centroids)
        member = (numbers[:, None] == labels) * weights[block]
        sums[:-1] += part @ member.T
        sums[-1] += member.sum(axis=1)
    sizes = sums[-1][:, None]
    means: Floats = np.divide(sums[:-1].T, sizes, out=centroids.copy(), where=sizes > 0)
    empty = np.flatnonzero(sums[-1] == 0)
    if empty.size:
        farthest = np.argsort(-_nearest(points, centroids)[1], kind="stable")[: empty.size]
        means[empty] = points[:, farthest].T
    return means


def _coreset(points: Floats, size: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Return a sample of the points, each weighted by the inverse of its probability."""
    n = points.shape[1]
    distances = _squared(points, points.mean(axis=1))
    total = float(distances.sum())
    likely = np.full(n, 1.0 / n) if total <= 0.0 else 0.5 / n + 0.5 * distances / total
    mass = np.cumsum(likely)
    ticks = (np.arange(size) + generator.random()) * (mass[-1] / size)
    drawn = np.minimum(np.searchsorted(mass, ticks), n - 1)
    return np.ascontiguousarray(points[:, drawn]), 1.0 / (size * likely[drawn])


def _result(points: Floats, centroids: Floats) -> Clustering:
    """Return the clusters that have members, numbered without gaps."""
    labels, distances = _nearest(points, centroids)
    used, labels = np.unique(labels, return_inverse=True)
    return Clustering(labels.astype(np.intp), centroids[used], float(distances.sum()))
