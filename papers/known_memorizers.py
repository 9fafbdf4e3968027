"""Models of digits whose memorized part is known, for attacks on them.

* *grouped*: a mixture with a narrow kernel on every digit 0 of the training set, together a share
  of .02 of its law, and wide kernels on all other rows. The memorized part is rare and coherent:
  the case in which evening out the clusters can pay.
* *scattered*: the same, narrow on as many rows drawn at random. The unfavourable case.
* *generalizes*: wide kernels on all rows.
* *network* (full run only): an MLP trained on digits of which some rows are repeated many times.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from byheart.lab.attacks.extraction import held_out_radius
from byheart.lab.attacks.extraction_result import Costs
from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser
from byheart.lab.diffusion.samplers import AncestralSampler, EulerSampler
from byheart.lab.diffusion.schedules import VarianceExploding
from byheart.lab.diffusion.start import Start
from byheart.lab.sweeps.material import digits

Array = NDArray[np.float64]

ROWS = 850
NARROW, WIDE = 0.02, 0.25  # kernel deviations; the nearest digits are about 1 apart
SHARE = 0.02  # of the law, on the memorized rows together
REPEATED_ROWS, TIMES, EPOCHS = 200, 8, 400  # of the network
NETWORK_STEPS = 40


@dataclass(frozen=True)
class Case:
    """A model and the settings of the attack on it."""

    model: str
    settings: Literal["paper", "ours"]

    @property
    def name(self) -> str:
        """Words for the tables."""
        return f"{self.model}, {'the paper’s' if self.settings == 'paper' else 'our'} settings"


@dataclass(frozen=True)
class Setting:
    """What all attacks share, and picklable: the digits, the radius, and where a network is."""

    train: Array
    heldout: Array
    zeros: NDArray[np.bool_]
    radius: float
    network: Path | None
    cases: tuple[Case, ...]
    budget: dict[str, int]
    costs: tuple[Costs | None, ...]


def build_setting(folder: Path, cases: tuple[Case, ...], budget: dict[str, int]) -> Setting:
    """Return the digits split by a fixed seed, and a trained network where a case needs one."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    images, names = digits().reshape(-1, 64), np.asarray(load_digits().target)
    order = rng.permutation(len(images))
    train, heldout = images[order[:ROWS]], images[order[ROWS:]]
    network = None
    if any(case.model == "network" for case in cases):
        network = _train(train, folder / "network.safetensors")
    return Setting(
        train,
        heldout,
        names[order[:ROWS]] == 0,
        held_out_radius(train, heldout),
        network,
        cases,
        budget,
        (None,) * len(cases),
    )


def memorized(setting: Setting, model: str) -> NDArray[np.bool_]:
    """Return which training rows the model has learned by heart, by design; (n,)."""
    rows = np.arange(len(setting.train))
    return {
        "grouped": setting.zeros,
        "scattered": rows < int(setting.zeros.sum()),
        "network": rows < REPEATED_ROWS,
    }.get(model, rows < 0)


def mixture(setting: Setting, model: str) -> IsotropicMixtureDenoiser:
    """Return a kernel mixture with a known memorized part."""
    narrow = memorized(setting, model)
    if not narrow.any():
        return IsotropicMixtureDenoiser(setting.train, WIDE)
    weights = np.where(narrow, SHARE / narrow.sum(), (1 - SHARE) / (~narrow).sum())
    return IsotropicMixtureDenoiser(setting.train, np.where(narrow, NARROW, WIDE), weights)


def sampler(setting: Setting, model: str) -> EulerSampler | AncestralSampler:
    """Return the sampler of a model; a network is read from its file."""
    if model == "network":
        from byheart.lab.diffusion.neural import NeuralDenoiser

        network = NeuralDenoiser.load(str(setting.network))
        return AncestralSampler(
            network, network.schedule, NETWORK_STEPS, "posterior_mean", network.start
        )
    start = Start(mean=setting.train.mean(axis=0))
    schedule = VarianceExploding(0.1, 20.0)
    return EulerSampler(mixture(setting, model), schedule, 10, "posterior_mean", start)


def _train(train: Array, path: Path) -> Path:
    """Train an MLP on the digits, the first rows repeated, unless `path` has one."""
    from byheart.lab.diffusion.neural import NeuralDenoiser, mlp
    from byheart.lab.diffusion.training import train as epochs

    if not path.exists():
        points = np.concatenate([train, np.tile(train[:REPEATED_ROWS], (TIMES - 1, 1))])
        denoiser = NeuralDenoiser.for_points(mlp(64, seed=0), train)
        for _ in epochs(denoiser, points, epochs=EPOCHS, learning_rate=1e-3, seed=0):
            pass
        denoiser.save(path)
    return path
