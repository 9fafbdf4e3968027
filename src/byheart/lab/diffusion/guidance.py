"""Guidance: a denoiser pulled towards one class by a classifier of noisy points.

Symbols: y = x + s eta, noise level s, D(y, s) = E[x | y], c a class with p(c | y, s) its
probability given the *noisy* point. Tilt the noisy law by a power lambda of that probability,

    rho_s^lambda(y)  proportional to  rho_s(y) p(c | y, s)^lambda.

Its score is the sum of two, and with Tweedie's formula s^2 grad log rho_s = D - y the denoiser
that belongs to it is

    D_lambda(y, s) = D(y, s) + lambda s^2 grad_y log p(c | y, s).

(Dhariwal and Nichol 2021, algorithm 1, in these variables; the factor s^2 turns a score into a
displacement.) By Bayes' rule rho_s(y) p(c | y, s) = p(c) rho_s(y | c), so

    lambda = 1:  D_1(y, s) = E[x | y, c],  exactly the denoiser of the class alone,

and grad log p(c | y, s) = [E[x | y, c] - E[x | y]]/s^2 for every law: the exact classifier of a
mixture needs no derivative. Then D_lambda = (1 - lambda) D + lambda D_1. For lambda > 1 it
extrapolates beyond the class, and the tilted laws at different s are no longer noisy versions of
one law: a sampler has no target in closed form, and the effect of lambda need not be monotone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from byheart.errors import UsageError
from byheart.lab.diffusion.denoisers import Denoiser, check_query

Array = NDArray[np.float64]
Labels = NDArray[np.intp]


class Classifier(ABC):
    """The probabilities p(c | y, s) of classes 0 .. K - 1 for noisy points y = x + s eta."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number d of coordinates of a point."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number K of classes."""

    @abstractmethod
    def log_probabilities(self, y: Array, noise_level: float) -> Array:
        """Return log p(c | y, s), (m, K), for y, (m, d).

        Raises UsageError for another shape or a noise level that is not finite and above 0.
        """

    @abstractmethod
    def log_gradient(self, y: Array, noise_level: float, labels: Any) -> Array:
        """Return grad_y log p(c_i | y_i, s), (m, d), for a class or one class a row.

        Raises UsageError as `log_probabilities`, and for labels that are not classes.
        """


class NoisyLaw(Protocol):
    """A law with its posterior mean and its noisy log density in closed form."""

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y], (m, d)."""

    def log_density(self, y: Array, noise_level: float) -> Array:
        """Return log rho_s(y), (m,)."""


@final
class BayesClassifier(Classifier):
    """The exact classifier of a mixture of laws, one a class.

    laws: K of them, such as `IsotropicMixtureDenoiser`s. priors: (K,), above 0, sum 1 within 1e-9.
    Raises UsageError for other numbers or laws of different dimensions.
    Source: Bayes' rule; the gradient is derived in the module's introduction.

    >>> from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser
    >>> laws = [IsotropicMixtureDenoiser([[x]], 0.1) for x in (-1.0, 1.0)]
    >>> classifier = BayesClassifier(laws, [0.5, 0.5])
    >>> np.exp(classifier.log_probabilities(np.array([[0.0]]), 1.0)).round(6).tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, laws: Sequence[NoisyLaw], priors: Any) -> None:
        priors = np.asarray(priors, dtype=np.float64)
        if not laws or priors.shape != (len(laws),):
            raise UsageError(
                f"priors must be one for each of the {len(laws)} laws, got shape {priors.shape}"
            )
        if not (priors > 0).all() or abs(priors.sum() - 1) > 1e-9:
            raise UsageError(
                "priors must be above 0 and sum to 1; pass priors / priors.sum() and leave empty "
                "classes out"
            )
        if len({law.dimension for law in laws}) > 1:
            raise UsageError("laws must have the same dimension; fit all to the same columns")
        self._laws, self._log_priors = tuple(laws), np.log(priors)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return self._laws[0].dimension

    @property
    def classes(self) -> int:
        """Number K of classes."""
        return len(self._laws)

    def log_probabilities(self, y: Array, noise_level: float) -> Array:
        """Return log p(c | y, s); see `Classifier.log_probabilities`."""
        logs = np.stack([law.log_density(y, noise_level) for law in self._laws], axis=1)
        logs += self._log_priors
        return np.asarray(logs - logsumexp(logs, axis=1, keepdims=True), dtype=np.float64)

    def log_gradient(self, y: Array, noise_level: float, labels: Any) -> Array:
        """Return [E[x | y, c] - E[x | y]]/s^2; see `Classifier.log_gradient`."""
        y = np.asarray(y, dtype=np.float64)
        labels = class_labels(labels, len(y), self.classes)
        shares = np.exp(self.log_probabilities(y, noise_level))
        total, chosen = np.zeros_like(y), np.zeros_like(y)
        for k, law in enumerate(self._laws):
            mean = law.mean(y, noise_level)
            total += shares[:, k, None] * mean
            chosen[labels == k] = mean[labels == k]
        gradient: Array = (chosen - total) / noise_level**2
        return gradient


@final
class GuidedDenoiser(Denoiser):
    """The denoiser of rho_s(y) p(c | y, s)^strength, for any sampler.

    denoiser: the model. classifier: of its noisy points. label: the class, or one class for each
    row of the batch that will be sampled. strength: lambda of at least 0; 0 is the model itself.
    Raises UsageError for another strength, other classes, or different dimensions.
    Source: derived in the module's introduction.

    >>> from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser
    >>> model = IsotropicMixtureDenoiser([[-1.0], [1.0]], 0.1)
    >>> parts = [model.restrict([0]), model.restrict([1])]
    >>> guided = GuidedDenoiser(model, BayesClassifier(parts, [0.5, 0.5]), label=1)
    >>> y = np.array([[0.3]])
    >>> bool(np.isclose(guided.mean(y, 1.0), parts[1].mean(y, 1.0))[0, 0])
    True
    """

    def __init__(
        self, denoiser: Denoiser, classifier: Classifier, label: Any, strength: float = 1.0
    ) -> None:
        if not 0 <= strength < math.inf:
            raise UsageError(f"strength must be finite and at least 0, got {strength!r}")
        if denoiser.dimension != classifier.dimension:
            raise UsageError(
                f"the classifier sees {classifier.dimension} coordinates and the denoiser "
                f"{denoiser.dimension}; train it on samples of this denoiser"
            )
        self._denoiser, self._classifier = denoiser, classifier
        rows = 1 if np.ndim(label) == 0 else len(label)
        self._labels = class_labels(label, rows, classifier.classes)
        self._one_for_all = np.ndim(label) == 0
        self._strength = float(strength)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return self._denoiser.dimension

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return D + lambda s^2 grad log p(c | y, s); see `Denoiser.mean`.

        Raises UsageError, too, unless y has one row for each label where labels are many.
        """
        y, s = check_query(self, y, noise_level)
        if not self._one_for_all and len(y) != len(self._labels):
            raise UsageError(
                f"y has {len(y)} rows and there are {len(self._labels)} labels; sample as many "
                "rows as labels, or pass a single label"
            )
        mean = self._denoiser.mean(y, s)
        if self._strength == 0:
            return mean
        labels = np.full(len(y), self._labels[0]) if self._one_for_all else self._labels
        return mean + self._strength * s**2 * self._classifier.log_gradient(y, s, labels)


def class_labels(labels: Any, rows: int, classes: int) -> Labels:
    """Return one class for each of `rows`, (rows,); UsageError for anything else.

    >>> class_labels(2, 3, classes=4).tolist()
    [2, 2, 2]
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iu" or array.shape not in [(), (rows,)]:
        raise UsageError(
            f"labels must be one whole number or one for each of {rows} rows, got "
            f"{array.dtype} of shape {array.shape}"
        )
    if array.size and (array.min() < 0 or array.max() >= classes):
        raise UsageError(
            f"labels must be classes 0 to {classes - 1}, got {array.min()} to {array.max()}"
        )
    return np.broadcast_to(array, (rows,)).astype(np.intp)
