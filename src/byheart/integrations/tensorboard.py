"""What a monitor sees, as scalars of TensorBoard."""

from __future__ import annotations

from typing import Protocol

from byheart.monitoring.result import Observation


class Writer(Protocol):
    """What is asked of a writer; `torch.utils.tensorboard.SummaryWriter` has it."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object: ...


def scalars(observation: Observation, prefix: str = "memorization") -> dict[str, float]:
    """Return the figures of one look by tag, such as "memorization/auc"; flags are 0 or 1."""
    row = observation.to_row()
    del row["step"]
    return {f"{prefix}/{name}": float(value) for name, value in row.items()}


def write_scalars(
    writer: Writer, observation: Observation | None, prefix: str = "memorization"
) -> None:
    """Write the figures of one look at its step; None, when no look was due, writes nothing.

    >>> class Printer:
    ...     def add_scalar(self, tag, scalar_value, global_step):
    ...         if tag.endswith("p_joint"):
    ...             print(tag, global_step, scalar_value > 0.05)
    >>> import byheart, numpy as np
    >>> train, heldout, generated = np.random.default_rng(0).normal(size=(3, 100, 4))
    >>> monitor = byheart.MemorizationMonitor(train, heldout, every=10)
    >>> write_scalars(Printer(), monitor.update(10, generated))
    memorization/p_joint 10 True
    """
    if observation is None:
        return
    for tag, value in scalars(observation, prefix).items():
        writer.add_scalar(tag, value, observation.step)
