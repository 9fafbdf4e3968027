"""A callback of Lightning that watches a training run for memorization.

With several processes each samples and looks for itself, at the same steps: no process waits for
another one longer than it would for the first. Process 0 logs, and it alone decides about stopping.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from byheart.errors import MissingExtraError, UsageError
from byheart.integrations.tensorboard import scalars
from byheart.monitoring.monitor import MemorizationMonitor

try:
    try:
        from lightning.pytorch import Callback
    except ModuleNotFoundError:
        from pytorch_lightning import Callback
    import torch
except ImportError as _error:
    raise MissingExtraError(
        'the callback needs lightning, which is missing; pip install "byheart[lightning]"'
    ) from _error


class MemorizationCallback(Callback):
    """Look at samples of the model while a `Trainer` trains it.

    monitor: its `every` counts the trainer's global steps. sample: a function of the
    LightningModule and a count, whose result `byheart.audit` takes; it runs in evaluation mode
    without gradients. stop: end the training when the monitor raises its alarm.

    Figures go to the trainer's loggers at the step of the look, and into
    `trainer.callback_metrics`, where ModelCheckpoint finds them ("memorization/quality", say). The
    state of the monitor is part of the trainer's checkpoints. Raises UsageError for a `sample`
    that cannot be called; whatever `sample` raises passes through, and so do the errors of
    `MemorizationMonitor.observe`.

    >>> import byheart
    >>> train, heldout = torch.randn(2, 100, 4)
    >>> monitor = byheart.MemorizationMonitor(train, heldout, every=500)
    >>> callback = MemorizationCallback(monitor, lambda model, count: model.sample(count))
    >>> callback.monitor.alarm
    False
    """

    def __init__(
        self,
        monitor: MemorizationMonitor,
        sample: Callable[[Any, int], Any],
        *,
        stop: bool = False,
    ) -> None:
        if not callable(sample):
            raise UsageError(
                "sample must be a function (model, count) -> samples, such as "
                f"lambda model, count: model.sample(count); got {type(sample).__name__}"
            )
        self.monitor = monitor
        self._sample = sample
        self._stop = stop

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if not self.monitor.due(step):
            return
        modes = {module: module.training for module in pl_module.modules()}
        pl_module.eval()
        try:
            with torch.no_grad():
                observation = self.monitor.observe(step, partial(self._sample, pl_module))
        finally:  # not .train(): parts that the user keeps in evaluation mode stay there
            for module, mode in modes.items():
                module.training = mode
        figures = scalars(observation)
        pl_module.log_dict(figures, logger=False)
        # A look need not fall on a multiple of log_every_n_steps, and log_dict drops it elsewhere.
        for logger in trainer.loggers:
            logger.log_metrics(figures, step=step)
        if self._stop and trainer.strategy.broadcast(self.monitor.alarm):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state_dict)
