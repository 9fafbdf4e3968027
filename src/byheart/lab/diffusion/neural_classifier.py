"""A classifier of noisy points as a small network: p(c | y, s) for guidance.

Symbols: y = x + s eta, class c of x, m and v the mean and the deviation of all entries of x
together. The network sees the point in its own units and the noise level on a log scale,

    z = (y - m)/sqrt(v^2 + s^2),      t = log(s/v),

and returns K logits. It minimises the mean of -log p(c | x + s eta, s) over labelled points x,
noise eta ~ N(0, I) and log s uniform in [log s_min, log s_max]; over all functions the minimiser is
the true p(c | y, s) (cross-entropy is a proper score). At noise far above the data it can but
return the shares of the classes, and its gradient vanishes there.

The gradient in y is that of the network in z, by automatic differentiation, over sqrt(v^2 + s^2).
Float32: with z and the gradient of order 1 the error of a gradient is about 1e-6 of its size.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError, UsageError
from byheart.lab.diffusion.guidance import Classifier, class_labels
from byheart.lab.diffusion.neural import torch, torch_seed

Array = NDArray[np.float64]

_ROWS = 4096  # rows of one evaluation
_WAVES = 16  # pairs of sine and cosine of log s


@final
class NeuralClassifier(Classifier):
    """A trained network that tells classes of noisy points apart; `train_classifier` makes one.

    network: maps z, (m, d), and t, (m,), to logits, (m, classes). shift, scale: m and v above.
    """

    def __init__(self, network: Any, dimension: int, classes: int, shift: float, scale: float):
        self._network, self._dimension, self._classes = network, dimension, classes
        self._shift, self._scale = shift, scale

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return self._dimension

    @property
    def classes(self) -> int:
        """Number K of classes."""
        return self._classes

    def log_probabilities(self, y: Array, noise_level: float) -> Array:
        """Return log p(c | y, s); see `Classifier.log_probabilities`."""
        y, s = self._query(y, noise_level)
        result = np.empty((len(y), self._classes))
        with torch.inference_mode():
            for start in range(0, len(y), _ROWS):
                block = slice(start, start + _ROWS)
                z, t = self._inputs(y[block], s)
                result[block] = self._network(z, t).double().log_softmax(1).numpy()
        return result

    def log_gradient(self, y: Array, noise_level: float, labels: Any) -> Array:
        """Return grad_y log p(c | y, s); see `Classifier.log_gradient`."""
        y, s = self._query(y, noise_level)
        chosen = torch.from_numpy(class_labels(labels, len(y), self._classes))
        result = np.empty_like(y)
        for start in range(0, len(y), _ROWS):
            block = slice(start, start + _ROWS)
            z, t = self._inputs(y[block], s)
            z.requires_grad_(True)
            logs = self._network(z, t).log_softmax(1)
            picked = logs.gather(1, chosen[block, None]).sum()
            (gradient,) = torch.autograd.grad(picked, z)
            result[block] = gradient.numpy()
        result /= math.hypot(self._scale, s)
        return result

    def _query(self, y: Any, noise_level: float) -> tuple[Array, float]:
        y = np.asarray(y, dtype=np.float64)
        if y.ndim != 2 or y.shape[1] != self._dimension:
            raise UsageError(f"y must have shape (m, {self._dimension}), got {y.shape}")
        return y, _check.positive(noise_level, "noise_level")

    def _inputs(self, y: Array, s: float) -> tuple[Any, Any]:
        z = torch.from_numpy(((y - self._shift) / math.hypot(self._scale, s)).astype(np.float32))
        return z, torch.full((len(y),), math.log(s / self._scale))


class _Network(torch.nn.Module):
    """Two hidden layers; log s enters each through a learned embedding."""

    def __init__(self, dimension: int, classes: int, width: int) -> None:
        super().__init__()
        self.time = torch.nn.Linear(2 * _WAVES, width)
        self.first = torch.nn.Linear(dimension, width)
        self.second = torch.nn.Linear(width, width)
        self.last = torch.nn.Linear(width, classes)
        # Periods of log s from about 25 (the whole range of a schedule) down to 1.
        self.register_buffer("waves", torch.linspace(0.25, 6.0, _WAVES), persistent=False)

    def forward(self, z: Any, t: Any) -> Any:
        angles = t[:, None] * self.waves
        time = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        silu = torch.nn.functional.silu
        hidden = silu(self.first(z) + time)
        return self.last(hidden + silu(self.second(hidden) + time))


def train_classifier(
    points: Any,
    labels: Any,
    *,
    s_min: float,
    s_max: float,
    steps: int = 1000,
    batch_size: int = 256,
    width: int = 128,
    learning_rate: float = 2e-3,
    seed: int,
) -> NeuralClassifier:
    """Train a classifier of noisy points on labelled points and return it.

    points: (n, d). labels: (n,) classes 0 .. K - 1, each of them used. s_min, s_max: the noise
    levels that a sampler will visit. steps: of Adam, each on batch_size points with fresh noise,
    the learning rate falling to 0 along a cosine. On one machine's CPU with one number of threads
    the same seed gives the same network.
    Raises InputError for points that are not a finite (n, d) array or constant, UsageError for
    labels or numbers out of range. Source: derived in the module's introduction.

    >>> points = np.concatenate([np.full((50, 2), -1.0), np.full((50, 2), 1.0)])
    >>> classifier = train_classifier(
    ...     points, np.repeat([0, 1], 50), s_min=0.1, s_max=10.0, steps=100, width=16, seed=0
    ... )
    >>> bool(classifier.log_probabilities(np.array([[1.0, 1.0]]), 0.2)[0, 1] > np.log(0.9))
    True
    """
    x = _check.float64_matrix(points, "points")
    labels = np.asarray(labels)
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
        raise UsageError(f"labels must be {len(x)} whole numbers, one a point")
    classes = int(labels.max()) + 1
    if labels.min() < 0 or len(np.unique(labels)) != classes:
        raise UsageError(
            "labels must be 0 to K - 1, each used; pass np.unique(labels, return_inverse=True)[1]"
        )
    if _check.positive(s_max, "s_max") <= _check.positive(s_min, "s_min"):
        raise UsageError(f"s_min must be below s_max, got s_min={s_min:g}, s_max={s_max:g}")
    _check.integer(steps, "steps", 1)
    _check.integer(batch_size, "batch_size", 1)
    _check.integer(width, "width", 1)
    _check.positive(learning_rate, "learning_rate")
    shift, scale = float(x.mean()), float(x.std())
    if scale == 0:
        raise InputError("points: all entries are equal; pass data that varies")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch_seed(seed, 0))
        network = _Network(x.shape[1], classes, width)
    generator = torch.Generator().manual_seed(torch_seed(seed, 1))
    data = torch.from_numpy(((x - shift) / scale).astype(np.float32))
    target = torch.from_numpy(labels.astype(np.int64))
    low, high = math.log(s_min / scale), math.log(s_max / scale)
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = (
            learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        )
        rows = torch.randint(len(data), (batch_size,), generator=generator)
        t = low + (high - low) * torch.rand(batch_size, generator=generator)
        s = t.exp()[:, None]
        noise = torch.randn(batch_size, x.shape[1], generator=generator)
        logits = network((data[rows] + s * noise) * (1 + s**2).rsqrt(), t)
        loss = torch.nn.functional.cross_entropy(logits, target[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.requires_grad_(False)
    return NeuralClassifier(network, x.shape[1], classes, shift, scale)
