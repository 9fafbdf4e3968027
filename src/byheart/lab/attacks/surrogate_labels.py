"""Surrogate labels: clusters of a model's own samples, of which the incoherent ones are dropped.

An unconditional model has no classes to guide towards. Chen et al. (arXiv 2410.02467v1) make some:
features f(g) of generated samples g, K-means, and the cohesion of each cluster,

    cohesion_k = mean over members g of cos(f(g), centroid_k).

Clusters with a cohesion below .5 are dropped, and the classifier is trained on the members of the
others. Two changes here:

* The centroid that a member is compared with is that of the *other* members, and a cluster of one
  has cohesion 0. Each sample is part of its own centroid: of j mutually orthogonal samples the
  cosine to the common centroid is 1/sqrt(j), so that any cluster of up to 4 would pass .5, noise
  too. For clusters of hundreds, as in the paper, it makes no difference.
* The cosine depends on where the origin lies: pixels in [0, 1] all point the same way, every
  cohesion is then above .5 and nothing is dropped. Features ought to be centred (`centred`), or
  come from a network that does it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError, UsageError

Array = NDArray[np.float64]
Features = Callable[[Array], Array]

MEMBERS = 50  # samples a cluster has on average, at least: a cohesion of a handful is mostly noise


@dataclass(frozen=True)
class SurrogateLabels:
    """Clusters that were kept, numbered 0 .. kept - 1.

    rows: (r,) samples in them. labels: (r,) their clusters. cohesion: (kept,). found: clusters
    before any was dropped.
    """

    rows: NDArray[np.intp]
    labels: NDArray[np.intp]
    cohesion: Array
    found: int

    @property
    def kept(self) -> int:
        """Number of clusters that were kept."""
        return len(self.cohesion)


def centred(samples: Array) -> Array:
    """Return samples, (m, d), less their mean: the simplest features with an origin of their own.

    >>> centred(np.array([[0.0], [2.0]])).tolist()
    [[-1.0], [1.0]]
    """
    moved: Array = samples - samples.mean(axis=0)
    return moved


def surrogate_labels(
    samples: Array,
    *,
    clusters: int = 100,
    cohesion: float = 0.5,
    most: int | None = None,
    features: Features | None = None,
    needed: int = 2,
    seed: int,
) -> SurrogateLabels:
    """Cluster samples, (m, d), and keep the coherent clusters.

    clusters: K, cut to m/50 (but 2) when samples are few. cohesion: the least that is kept; most:
    keep no more clusters than this, the most coherent ones. features: maps (m, d) to (m, f);
    None takes the samples as they are. Raises InputError for features of another shape, UsageError
    for other numbers and when fewer than `needed` clusters are coherent.
    Source: arXiv 2410.02467v1, K = 100 and cohesion .5 there.

    >>> rng = np.random.default_rng(0)
    >>> samples = np.repeat([[1.0, 0.0], [0.0, 1.0]], 30, axis=0) + 0.01 * rng.normal(size=(60, 2))
    >>> surrogate_labels(samples, clusters=2, seed=0).kept
    2
    """
    from sklearn.cluster import KMeans  # a second to import, needed here alone

    samples = _check.float64_matrix(samples, "samples")
    _check.integer(clusters, "clusters", 2)
    if not -1 <= cohesion <= 1:
        raise UsageError(f"cohesion must be a cosine, -1 to 1, got {cohesion!r}")
    values: Any = samples if features is None else features(samples)
    values = _check.float64_matrix(values, "features")
    if len(values) != len(samples):
        raise InputError(
            f"features: {len(values):,} rows for {len(samples):,} samples; return one row each"
        )
    found = max(2, min(clusters, len(samples) // MEMBERS))
    if len(samples) < 2 * found:
        raise UsageError(f"samples: {len(samples)} are too few to cluster; pass at least 4")
    fitted = KMeans(found, n_init=1, random_state=_check.integer(seed, "seed", 0) % 2**32)
    labels = fitted.fit_predict(values)
    sizes = np.bincount(labels, minlength=found)
    # The sum over the other members points where their mean does; alone, it is 0.
    sums = np.zeros((found, values.shape[1]))
    np.add.at(sums, labels, values)
    others = np.where(sizes[labels, None] > 1, sums[labels] - values, 0.0)
    lengths = np.linalg.norm(values, axis=1) * np.linalg.norm(others, axis=1)
    cosines = np.einsum("ij,ij->i", values, others) / np.where(lengths > 0, lengths, 1.0)
    means = np.bincount(labels, weights=cosines, minlength=found) / np.maximum(sizes, 1)
    keep = np.flatnonzero((means >= cohesion) & (sizes > 1))
    if len(keep) < needed:
        raise UsageError(
            f"{len(keep)} of {found} clusters have a mean cosine of {cohesion:g} to their centroid "
            f"(the highest: {means.max():.2f}), and guidance needs "
            f"{needed}; lower cohesion, or pass other features"
        )
    if most is not None:
        keep = keep[np.argsort(-means[keep], kind="stable")[: _check.integer(most, "most", 1)]]
    number = np.full(found, -1)
    number[keep] = np.arange(len(keep))
    rows = np.flatnonzero(number[labels] >= 0)
    return SurrogateLabels(rows, number[labels[rows]].astype(np.intp), means[keep], found)
