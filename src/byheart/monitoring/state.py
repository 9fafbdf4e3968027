"""The state of a monitor as plain JSON values: what a resumed training run needs to go on.

Arrays are base64 text of their bytes: crossed columns as bits, quality terms as float64, so that
nothing changes on the way, not even the last bit. The relabellings are not stored: the seed and
the rows, which the settings name by hash, draw the same again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import UsageError
from byheart.monitoring.quality import Quality
from byheart.monitoring.result import Checkpoint, Observation

VERSION = 1


@dataclass(frozen=True)
class MonitorState:
    """What changes while a monitor watches.

    crossed: (levels, columns), of `SequentialTest`; observations and qualities: one per look.
    """

    looks: int
    crossed: NDArray[np.bool_]
    observations: list[Observation]
    qualities: list[Quality]
    checkpoints: list[Checkpoint]

    def to_dict(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state with the settings of its monitor; audits are left out."""
        return {
            "version": VERSION,
            "settings": dict(settings),
            "looks": self.looks,
            "crossed": _text(np.packbits(self.crossed)),
            "observations": [_plain(o) for o in self.observations],
            "qualities": [
                [q.value, q.variance, _text(q.heldout_terms.astype("<f8"))] for q in self.qualities
            ],
            "checkpoints": [
                {k: v for k, v in _plain(c).items() if k != "audit"} for c in self.checkpoints
            ],
        }

    @classmethod
    def from_dict(
        cls, state: Mapping[str, Any], settings: Mapping[str, Any], shape: tuple[int, ...]
    ) -> MonitorState:
        """Read a state of a monitor with these settings; shape: of `crossed`.

        Raises UsageError for other settings, naming them, and for anything that is no state.
        """
        try:
            version, stored = state["version"], dict(state["settings"])
        except (KeyError, TypeError, ValueError):
            raise UsageError(
                "this is no state of a monitor; pass what state_dict() returned"
            ) from None
        if version != VERSION:
            raise UsageError(f"the state has version {version!r}, not {VERSION}")
        for name, mine in settings.items():
            if stored.get(name) != mine:
                raise UsageError(
                    f"the state was saved with {name}={stored.get(name)!r}, and this monitor has "
                    f"{name}={mine!r}; make it with the same rows and settings"
                )
        try:
            return cls._read(state, shape)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"the state of the monitor is damaged ({error})") from None

    @classmethod
    def _read(cls, state: Mapping[str, Any], shape: tuple[int, ...]) -> MonitorState:
        bits = np.frombuffer(base64.b64decode(state["crossed"]), dtype=np.uint8)
        size = int(np.prod(shape))
        if len(bits) != -(-size // 8):
            raise ValueError(f"{len(bits)} bytes of crossed columns")
        looks = _check.integer(state["looks"], "looks", 0)
        observations = [_observation(o) for o in state["observations"]]
        qualities = [
            Quality(float(value), np.frombuffer(base64.b64decode(text), "<f8"), float(variance))
            for value, variance, text in state["qualities"]
        ]
        if not len(observations) == len(qualities) == looks:
            raise ValueError(f"{looks} looks, {len(observations)} observations")
        if len({len(q.heldout_terms) for q in qualities}) > 1:
            raise ValueError("qualities of different length")
        steps = [_check.integer(o.step, "step", 0) for o in observations]
        if sorted(set(steps)) != steps:
            raise ValueError("steps do not grow")
        return cls(
            looks,
            np.unpackbits(bits, count=size).reshape(shape).astype(bool),
            observations,
            qualities,
            [Checkpoint(**c) for c in state["checkpoints"]],
        )


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _plain(record: Any) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(record).items()}


def _observation(stored: Mapping[str, Any]) -> Observation:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return Observation(**fields)
