"""Training: what an epoch is, exactly; and that networks learn what they should."""

import math

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.diffusion import AncestralSampler, DiscreteBeta, GaussianDenoiser

torch = pytest.importorskip("torch")

from byheart.lab.diffusion.neural import Network, NeuralDenoiser, mlp, unet  # noqa: E402
from byheart.lab.diffusion.training import train  # noqa: E402

POINTS = np.random.default_rng(0).normal(size=(1000, 2)) @ [[1.0, 0.4], [0.0, 0.6]] * 3 + 10


class Silent(Network):
    """Estimates no noise at all, whatever its one weight; remembers what it was shown."""

    def __init__(self, d):
        super().__init__()
        self.shape = (d,)
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.shown, self.labels = [], []

    def forward(self, z, label):
        self.shown.append(z)
        self.labels.append(label)
        return 0 * self.weight * z


def weights(network):
    return torch.cat([weight.detach().ravel() for weight in network.parameters()])


def test_an_epoch_shows_every_point_once_with_a_uniform_step():
    points = np.random.default_rng(1).normal(5.0, 2.0, size=(1000, 1))
    # Noise of variance 1e-8 a step: what the network is shown is the point, to 3e-4.
    denoiser = NeuralDenoiser.for_points(Silent(1), points, DiscreteBeta(4, 1e-8, 1e-8))
    states = list(train(denoiser, points, epochs=3, batch_size=300, seed=0))
    assert [(state.epoch, state.step) for state in states] == [(1, 4), (2, 8), (3, 12)]
    network = denoiser.network
    assert [len(batch) for batch in network.shown] == [300, 300, 300, 100] * 3
    standardised = np.sort((points - points.mean()) / points.std(), axis=0)
    for first in (0, 4, 8):
        shown = torch.cat(network.shown[first : first + 4]).numpy()
        np.testing.assert_allclose(np.sort(shown, axis=0), standardised, atol=1e-3)
    assert not torch.allclose(network.shown[0], network.shown[4], atol=1e-2)  # another order
    labels, counts = np.unique(torch.cat(network.labels).numpy(), return_counts=True)
    assert labels.tolist() == [0, 1, 2, 3]
    # Binomial(3000, 1/4); z = 4.5 on 4 of them: false alarms below 3e-5.
    assert (np.abs(counts - 750) < 4.5 * math.sqrt(3000 * 3 / 16)).all()


def test_the_loss_is_the_mean_square_of_what_is_left_of_the_noise():
    denoiser = NeuralDenoiser.for_points(Silent(2), POINTS)
    (state,) = train(denoiser, POINTS, epochs=1, batch_size=300, seed=0)
    # Nothing is estimated, so the loss is a mean of 2000 squared normals: 1, deviation
    # sqrt(2/2000); z = 4.5: false alarms below 1e-5.
    assert state.loss == pytest.approx(1, abs=4.5 * math.sqrt(2 / 2000))
    assert state.denoiser is denoiser


def test_the_noisy_points_have_the_chain_s_law():
    """For N(0, 1) data, z is N(0, 1) at every step, and its regression on x is sqrt(alphabar)."""
    x = np.repeat([[-1.0], [1.0]], 5000, axis=0)
    chain = DiscreteBeta(3, 0.1, 0.5)
    denoiser = NeuralDenoiser(Silent(1), chain)
    list(train(denoiser, x, epochs=1, batch_size=10_000, seed=0))
    z, label = denoiser.network.shown[0].numpy()[:, 0], denoiser.network.labels[0].numpy()
    products = np.cumprod(1 - np.linspace(0.1, 0.5, 3))
    for k in range(3):
        chosen = z[label == k]
        # z = +-sqrt(a) + sqrt(1 - a) eta: z^2 has mean 1 and variance 2 (1 - a^2), and z^4 mean
        # a^2 + 6 a (1 - a) + 3 (1 - a)^2, variance below 96; 3300 each, z = 4.5.
        a = products[k]
        assert np.mean(chosen**2) == pytest.approx(1, abs=4.5 * math.sqrt(2 / 3300))
        fourth = a**2 + 6 * a * (1 - a) + 3 * (1 - a) ** 2
        assert np.mean(chosen**4) == pytest.approx(fourth, abs=4.5 * math.sqrt(96 / 3300))


def test_the_same_seeds_give_the_same_weights():
    def run(initial, seed):
        network = mlp(2, width=32, depth=2, seed=initial)
        denoiser = NeuralDenoiser.for_points(network, POINTS)
        losses = [state.loss for state in train(denoiser, POINTS, epochs=2, seed=seed)]
        return weights(network), losses

    before = torch.get_rng_state()
    (first, losses), (again, losses_again) = run(1, 1), run(1, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert losses == losses_again
    assert not torch.equal(first, run(1, 2)[0])
    assert not torch.equal(first, run(2, 1)[0])


def trained(points, epochs, seed):
    """A small network after a coarse and a fine pass."""
    denoiser = NeuralDenoiser.for_points(mlp(2, width=64, depth=2, seed=seed), points)
    for rate in (3e-3, 3e-4):
        for _ in train(denoiser, points, epochs=epochs, learning_rate=rate, seed=seed):
            pass
    return denoiser


@pytest.mark.slow
def test_learns_the_posterior_mean_of_a_gaussian():
    denoiser = trained(POINTS, 150, seed=3)
    mean, covariance = POINTS.mean(axis=0), np.cov(POINTS.T)
    exact = GaussianDenoiser(mean, covariance)
    rng = np.random.default_rng(5)
    for s in denoiser.schedule.noise_levels(5):
        x = mean + rng.standard_normal((2000, 2)) @ np.linalg.cholesky(covariance).T
        y = x + s * rng.standard_normal(x.shape)
        best = ((exact.mean(y, s) - x) ** 2).mean()
        excess = ((denoiser.mean(y, s) - exact.mean(y, s)) ** 2).mean()
        # Measured: 1.7% of the unavoidable error at the highest noise, below 1% elsewhere.
        # Without training it is about 1/alphabar - 1 and more.
        assert excess < 0.05 * best


def test_learns_four_points_by_heart():
    corners = np.array([[0.0, 0.0], [0.0, 4.0], [4.0, 0.0], [4.0, 4.0]])
    denoiser = trained(np.repeat(corners, 64, axis=0), 400, seed=6)
    sampler = AncestralSampler(denoiser, denoiser.schedule, 199, "posterior_mean", denoiser.start)
    samples = sampler.sample(400, np.random.default_rng(8))
    distances = np.sqrt(((samples[:, None] - corners) ** 2).sum(axis=2))
    # Measured: 95% within .05, all within .25; corners 4 apart, 93 to 114 samples at each.
    assert np.quantile(distances.min(axis=1), 0.95) < 0.2
    assert np.bincount(distances.argmin(axis=1), minlength=4).min() > 50


def test_a_unet_learns_digits():
    pytest.importorskip("diffusers")
    from sklearn.datasets import load_digits

    digits = load_digits().data[:256]
    denoiser = NeuralDenoiser.for_points(
        unet((1, 8, 8), block_channels=(16, 32, 32), seed=9), digits
    )
    states = train(denoiser, digits, epochs=2, batch_size=32, learning_rate=1e-3, seed=10)
    losses = [state.loss for state in states]
    # Estimating nothing costs 1; measured: .84 and .56.
    assert losses[1] < losses[0] < 1
    assert losses[1] < 0.75
    sampler = AncestralSampler(denoiser, denoiser.schedule, 5, "posterior_mean", denoiser.start)
    samples = sampler.sample(3, np.random.default_rng(11))
    assert samples.shape == (3, 64)
    # Pixels are 0 to 16, mean 5, deviation 6; far from trained, but on that scale.
    assert np.abs(samples).max() < 100


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"points": POINTS[:, :1]}, InputError, r"expected shape \(n, 2\)"),
        ({"points": np.full((3, 2), math.nan)}, InputError, "row 0, column 0"),
        ({"epochs": 0}, UsageError, "epochs"),
        ({"batch_size": 0}, UsageError, "batch_size"),
        ({"learning_rate": 0.0}, UsageError, "learning_rate"),
        ({"seed": -1}, UsageError, "seed"),
    ],
)
def test_refuses_before_the_first_epoch(change, error, message):
    denoiser = NeuralDenoiser(mlp(2, width=8, depth=1, seed=0), DiscreteBeta())
    with pytest.raises(error, match=message):
        train(denoiser, **{"points": POINTS, "epochs": 1, "seed": 0} | change)


def test_stops_when_the_loss_is_not_finite():
    denoiser = NeuralDenoiser.for_points(mlp(2, width=8, depth=1, seed=0), POINTS)
    with pytest.raises(UsageError, match=r"the loss is nan in epoch .*learning_rate below 1e\+30"):
        list(train(denoiser, POINTS, epochs=3, learning_rate=1e30, seed=0))
