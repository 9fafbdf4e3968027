"""Training of a neural denoiser, as a generator that yields its state.

Symbols as in `byheart.lab.diffusion.neural`. Each step takes a batch of points, a step k uniform in
1 .. K and a noise vector eta for each, and follows the gradient of the mean squared error (Ho et
al. 2020, eq. 14, the mean over entries)

    |eta - network(sqrt(alphabar_k) (x - m)/v + sqrt(1 - alphabar_k) eta, k - 1)|^2

with Adam. Whatever else a training run wants (progress, early stopping, checkpoints, an audit of
the samples) stands in the caller's loop over the states.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from byheart import _check
from byheart.errors import InputError, UsageError
from byheart.lab.diffusion.neural import NeuralDenoiser, torch, torch_seed


@dataclass(frozen=True)
class TrainingState:
    """What an epoch leaves: its number from 1, steps so far, mean loss, and the denoiser itself.

    The denoiser is the one in training, not a copy: the next epoch changes it. Save it to keep it.
    """

    epoch: int
    step: int
    loss: float
    denoiser: NeuralDenoiser


def train(
    denoiser: NeuralDenoiser,
    points: Any,
    *,
    epochs: int,
    batch_size: int = 128,
    learning_rate: float = 2e-4,
    seed: int,
) -> Iterator[TrainingState]:
    """Train the denoiser's network on `points`, (n, d), and yield its state after every epoch.

    An epoch visits every point once, in batches of min(batch_size, n); the last one may be
    smaller. learning_rate: Adam's, in network units. On one machine's CPU with one number of
    threads, the same seed gives the same weights.
    Raises InputError for points that are not a finite (n, d) array, UsageError for other arguments
    out of range, and for a loss that is no longer finite.

    >>> import numpy as np
    >>> from byheart.lab.diffusion.neural import mlp
    >>> points = np.random.default_rng(0).normal(size=(300, 2))
    >>> denoiser = NeuralDenoiser.for_points(mlp(2, width=16, depth=1, seed=0), points)
    >>> [state.step for state in train(denoiser, points, epochs=2, seed=0)]
    [3, 6]
    """
    points = _check.float64_matrix(points, "points")
    if points.shape[1] != denoiser.dimension:
        raise InputError(
            f"points: expected shape (n, {denoiser.dimension}) for this network, got {points.shape}"
        )
    _check.integer(epochs, "epochs", 1)
    _check.integer(batch_size, "batch_size", 1)
    _check.positive(learning_rate, "learning_rate")
    generator = torch.Generator(denoiser.device).manual_seed(torch_seed(seed, 1))
    data = denoiser.tensor((points - denoiser.shift) / denoiser.schedule.scale)
    weights = denoiser.network.parameters()
    optimiser = torch.optim.Adam(weights, lr=learning_rate, fused=True)  # one pass: 4 times faster
    return _epochs(denoiser, data, epochs, batch_size, optimiser, generator)


def _epochs(
    denoiser: NeuralDenoiser,
    data: torch.Tensor,
    epochs: int,
    batch_size: int,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> Iterator[TrainingState]:
    network, device = denoiser.network, data.device
    schedule = denoiser.schedule
    levels = schedule.noise_levels(schedule.length - 1)[::-1].copy() / schedule.scale
    columns = torch.from_numpy(levels).reshape(-1, *[1] * (data.ndim - 1)).to(device)
    signal = (1 + columns**2).rsqrt().float()  # sqrt(alphabar), steps 1 to K
    noise = (columns * (1 + columns**2).rsqrt()).float()
    step = 0
    for epoch in range(1, epochs + 1):
        network.train()
        total = torch.zeros((), device=device)
        for rows in torch.randperm(len(data), generator=generator, device=device).split(batch_size):
            x = data[rows]
            label = torch.randint(len(signal), (len(x),), generator=generator, device=device)
            eta = torch.randn(x.shape, generator=generator, device=device)
            estimate = network(signal[label] * x + noise[label] * eta, label.float())
            loss = torch.nn.functional.mse_loss(estimate, eta)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(x)
            step += 1
        mean = float(total) / len(data)
        if not math.isfinite(mean):
            raise UsageError(
                f"the loss is {mean} in epoch {epoch}; train again with a learning_rate below "
                f"{optimiser.param_groups[0]['lr']:g}"
            )
        yield TrainingState(epoch, step, mean, denoiser)
