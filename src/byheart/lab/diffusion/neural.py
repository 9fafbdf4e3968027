"""Neural denoisers: a network that predicts the noise, and its posterior mean.

A network works in its own units. With data standardised by a scalar shift m and scale v it sees

    z = sqrt(alphabar_k) (x - m)/v + sqrt(1 - alphabar_k) eta,

the variance-preserving point of step k of a DDPM chain, and returns an estimate of eta. For a
noisy point y = x + s eta in the data's units this is

    z = (y - m) / sqrt(v^2 + s^2),    k = the chain's fractional step of s,    E[x | y] = y - s eta,

because 1 - alphabar = s^2/(v^2 + s^2) and, by linearity, E[eta | y] = (y - E[x | y])/s. Networks
are called with the label k - 1, 0 to K - 1, as in Ho et al. 2020 and in diffusers, which may be
fractional. They compute in float32: with |eta| of order 1 the error of E[x | y] is about 1e-6 s.

Two networks: `mlp` for vectors, `unet` for images. A denoiser is saved as safetensors: weights,
and in the metadata its architecture and constants as JSON. Nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError, MissingExtraError, UsageError
from byheart.lab.diffusion.denoisers import Denoiser, check_query
from byheart.lab.diffusion.schedules import DiscreteBeta
from byheart.lab.diffusion.start import Start
from byheart.samples.record import one_line

try:
    import torch as torch  # training takes it from here, and with it the error below
    from torch import Tensor, nn
except ImportError as _error:
    raise MissingExtraError(
        'neural denoisers need torch, which is missing; pip install "byheart[neural]"'
    ) from _error

Array = NDArray[np.float64]

_FORMAT = "byheart denoiser 1"
_ROWS = 256  # rows of one evaluation: activations of a U-Net stay in the tens of megabytes
_FREQUENCIES = 32  # pairs of sine and cosine in the time embedding of the MLP


class Network(nn.Module):
    """What a denoiser needs of its network: `forward(z, label)` estimates the noise in z.

    shape: of one sample, (d,) or (channels, height, width). z and the result are
    (m, *shape), label is (m,), the step k - 1. architecture: what `load` rebuilds it from, a JSON
    object with its "kind"; a network of your own leaves it empty and cannot be saved.
    """

    shape: tuple[int, ...]
    architecture: dict[str, Any]


class _MLP(Network):
    def __init__(self, dimension: int, width: int, depth: int) -> None:
        super().__init__()
        dimension = _check.integer(dimension, "dimension", 1)
        width = _check.integer(width, "width", 1)
        depth = _check.integer(depth, "depth", 1, 1000)
        self.shape = (dimension,)
        self.architecture = {"kind": "mlp", "dimension": dimension, "width": width, "depth": depth}
        self.entry = nn.Linear(dimension, width)
        self.time = nn.Linear(2 * _FREQUENCIES, width)
        self.blocks = nn.ModuleList(_Residual(width) for _ in range(depth))
        self.exit = nn.Linear(width, dimension)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        powers = torch.arange(_FREQUENCIES, device=z.device) / _FREQUENCIES
        angles = label[:, None] * torch.exp(-math.log(1e4) * powers)
        time = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        h = self.entry(z)
        for block in self.blocks:
            h = block(h, time)
        result: Tensor = self.exit(h)
        return result


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        result: Tensor = h + self.second(nn.functional.silu(self.first(self.norm(h)) + time))
        return result


class _UNet(Network):
    def __init__(self, shape: Sequence[int], block_channels: Sequence[int]) -> None:
        super().__init__()
        if len(shape) != 3:
            raise UsageError(f"shape must be (channels, height, width), got {tuple(shape)}")
        channels, height, width = (_check.integer(size, "shape", 1) for size in shape)
        blocks = tuple(_check.integer(size, "block_channels", 1) for size in block_channels)
        if len(blocks) < 2:
            raise UsageError(f"block_channels must name at least 2 levels, got {blocks}")
        factor = 2 ** (len(blocks) - 1)
        if height % factor or width % factor:
            raise UsageError(
                f"shape: {height} x {width} cannot be halved {len(blocks) - 1} times; "
                f"pass fewer block_channels or pad the images to a multiple of {factor}"
            )
        try:
            from diffusers import UNet2DModel
        except ImportError as error:
            raise MissingExtraError(
                'unet needs diffusers, which is missing; pip install "byheart[neural]"'
            ) from error
        self.shape = (channels, height, width)
        self.architecture = {"kind": "unet", "shape": self.shape, "block_channels": blocks}
        lower = len(blocks) - 1
        self.body: Any = UNet2DModel(
            sample_size=(height, width),
            in_channels=channels,
            out_channels=channels,
            block_out_channels=blocks,
            down_block_types=("DownBlock2D", *["AttnDownBlock2D"] * lower),
            up_block_types=(*["AttnUpBlock2D"] * lower, "UpBlock2D"),
            # Both must divide the channels of every level.
            norm_num_groups=math.gcd(32, *blocks),
            attention_head_dim=math.gcd(8, *blocks),
        )

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        result: Tensor = self.body(z, label, return_dict=False)[0]
        return result


def mlp(dimension: int, *, width: int = 256, depth: int = 3, seed: int) -> Network:
    """Return a residual network for vectors of d entries, with fresh weights.

    width: of every layer; depth: how many residual blocks of two layers. The same seed gives the
    same weights. Raises UsageError for numbers that are not whole and positive.

    >>> mlp(2, width=16, depth=1, seed=0).shape
    (2,)
    """
    with _initialising(seed):
        return _MLP(dimension, width, depth)


def unet(
    shape: Sequence[int], *, block_channels: Sequence[int] = (64, 128, 256), seed: int
) -> Network:
    """Return diffusers' UNet2DModel for images, with fresh weights.

    shape: (channels, height, width) of the data. block_channels: channels of each level, the
    finest first; every level but the finest has attention, and each halves the image. The same
    seed gives the same weights. Raises UsageError for a size that cannot be halved so often,
    MissingExtraError without diffusers.

    >>> unet((1, 8, 8), block_channels=(8, 16), seed=0).shape
    (1, 8, 8)
    """
    with _initialising(seed):
        return _UNet(shape, block_channels)


@final
class NeuralDenoiser(Denoiser):
    """The posterior mean that a noise-predicting network stands for.

    network: see `Network`; it is moved to `device` ("cpu", "cuda", "cuda:0", ...). schedule: the
    chain that it is, or will be, trained on; its scale is the deviation v that standardises the
    data. shift: m. Rows are points, images flattened to (n, channels * height * width).
    Raises UsageError for a device that is not there.
    Source: Ho et al. 2020, section 3; units derived in the module's introduction.

    >>> points = np.random.default_rng(0).normal(5.0, 2.0, size=(30, 2))
    >>> denoiser = NeuralDenoiser.for_points(mlp(2, width=16, depth=1, seed=0), points)
    >>> denoiser.mean(points, 1.0).shape
    (30, 2)
    """

    precision = 1e-6  # float32 through some ten layers

    def __init__(
        self,
        network: Network,
        schedule: DiscreteBeta,
        shift: float = 0.0,
        device: str = "cpu",
    ) -> None:
        if not math.isfinite(shift):
            raise UsageError(f"shift must be finite, got {shift!r}")
        self.network = network.to(_device(device))
        self.schedule = schedule
        self.shift = float(shift)
        self.device = device

    @classmethod
    def for_points(
        cls,
        network: Network,
        points: Any,
        chain: DiscreteBeta | None = None,
        device: str = "cpu",
    ) -> NeuralDenoiser:
        """Return a denoiser for data like `points`, (n, d): shift and scale are taken from it.

        They are the mean and the deviation of all entries together. chain: its length and betas
        are kept, its scale is replaced; by default the chain of arXiv 2411.17807.
        Raises InputError for points that are not a finite (n, d) array, or constant.
        """
        points = _check.float64_matrix(points, "points")
        scale = float(points.std())
        if scale == 0:
            raise InputError("points: all entries are equal; pass data that varies")
        schedule = dataclasses.replace(chain or DiscreteBeta(), scale=scale)
        return cls(network, schedule, float(points.mean()), device)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return math.prod(self.network.shape)

    @property
    def start(self) -> Start:
        """DDPM's start law in the data's units, N(m, (v^2 + s^2) I): z ~ N(0, I)."""
        return Start(self.shift, self.schedule.scale)

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y] as the network sees it; see `Denoiser.mean`.

        Raises UsageError for a noise level outside of the schedule's, too.
        """
        y, s = check_query(self, y, noise_level)
        label = self.schedule.step(s) - 1
        z = (y - self.shift) / math.hypot(self.schedule.scale, s)
        result = np.empty_like(y)
        self.network.eval()
        with torch.inference_mode():
            for first in range(0, len(y), _ROWS):
                block = slice(first, first + _ROWS)
                batch = self.tensor(z[block])
                labels = torch.full((len(batch),), label, device=batch.device)
                noise = self.network(batch, labels).reshape(len(batch), -1)
                result[block] = y[block] - s * noise.cpu().numpy().astype(np.float64)
        return result

    def tensor(self, rows: Array) -> Tensor:
        """Return rows, (m, d), as float32 of shape (m, *network.shape) on the device."""
        batch = torch.from_numpy(rows.astype(np.float32))
        return batch.reshape(-1, *self.network.shape).to(self.device)

    def save(self, path: str | PathLike[str]) -> None:
        """Write weights, architecture and constants to a .safetensors file.

        Raises UsageError for a network that `mlp` or `unet` did not build, or a path that cannot
        be written.
        """
        from safetensors.torch import save_file

        architecture = getattr(self.network, "architecture", {})
        if architecture.get("kind") not in _NETWORKS:
            raise UsageError("save: only networks built by mlp(...) or unet(...) can be saved")
        description = {
            "format": _FORMAT,
            "network": architecture,
            "schedule": dataclasses.asdict(self.schedule),
            "shift": self.shift,
        }
        tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        text = json.dumps(description, default=lambda number: number.item())  # numpy's numbers
        try:
            save_file(tensors, str(path), metadata={"byheart": text})
        except Exception as error:
            raise UsageError(f"save: cannot write {path}, {one_line(error)}") from error

    @classmethod
    def load(cls, path: str | PathLike[str], device: str = "cpu") -> NeuralDenoiser:
        """Read a denoiser that `save` wrote.

        Raises InputError for any other file, UsageError for a device that is not there.
        """
        import safetensors

        _device(device)
        try:
            with safetensors.safe_open(str(path), framework="pt") as file:
                text = (file.metadata() or {}).get("byheart")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception as error:
            raise InputError(
                f"{path}: cannot be read as .safetensors, {one_line(error)}"
            ) from error
        if text is None:
            raise InputError(f"{path}: is not a denoiser saved by NeuralDenoiser.save")
        try:
            description = json.loads(text)
            if description["format"] != _FORMAT:
                raise ValueError(f"format {description['format']!r}, expected {_FORMAT!r}")
            if any(tensor.dtype != torch.float32 for tensor in tensors.values()):
                raise ValueError("weights that are not float32")
            architecture = dict(description["network"])
            build = _NETWORKS[architecture.pop("kind")]
            with torch.device("meta"):  # no memory, whatever sizes the file claims
                network = build(**architecture)
            network.load_state_dict(tensors, assign=True)
            schedule = DiscreteBeta(**description["schedule"])
            return cls(network, schedule, float(description["shift"]), device)
        except MissingExtraError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {one_line(error)}"
            raise InputError(f"{path}: is a damaged denoiser, {reason}") from error


_NETWORKS: dict[str, Callable[..., Network]] = {"mlp": _MLP, "unet": _UNet}


def torch_seed(seed: int, purpose: int) -> int:
    """Return a seed for torch; each purpose (0 weights, 1 training) has its own stream."""
    sequence = np.random.SeedSequence(_check.integer(seed, "seed", 0), spawn_key=(purpose,))
    return int(sequence.generate_state(1, np.uint64)[0])


@contextmanager
def _initialising(seed: int) -> Iterator[None]:
    """Layers draw their weights from torch's global generator: lend it a seed, then restore it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch_seed(seed, 0))
        yield


def _device(name: str) -> str:
    try:
        torch.zeros(1, device=name).item()
    except Exception as error:  # each backend raises its own
        raise UsageError(f"device {name!r} is not available here; pass device='cpu'") from error
    return name
