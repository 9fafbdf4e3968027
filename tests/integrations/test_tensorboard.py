"""Every figure of a look becomes one scalar at its step."""

import numpy as np
import pytest

from byheart import MemorizationMonitor
from byheart.integrations.tensorboard import scalars, write_scalars


@pytest.fixture
def monitor():
    train, heldout = np.random.default_rng(0).normal(size=(2, 60, 3))
    return MemorizationMonitor(train, heldout, every=10, samples=60, permutations=199, looks=5)


class Writer:
    def __init__(self):
        self.written = []

    def add_scalar(self, tag, scalar_value, global_step):
        self.written.append((tag, scalar_value, global_step))


def test_scalars_are_the_row_without_the_step(monitor):
    observation = monitor.observe(10, np.random.default_rng(1).normal(size=(60, 3)))
    writer = Writer()
    write_scalars(writer, observation, prefix="seen")
    (row,) = monitor.result().to_rows()
    assert row.pop("step") == 10
    assert writer.written == [(f"seen/{name}", value, 10) for name, value in row.items()]
    assert all(type(value) is float for value in scalars(observation).values())


def test_no_look_writes_nothing(monitor):
    writer = Writer()
    write_scalars(writer, monitor.update(9, None))
    assert writer.written == []


@pytest.mark.filterwarnings("ignore")  # of tensorboard's own imports
def test_the_files_of_tensorboard_hold_the_scalars(monitor, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    rng = np.random.default_rng(1)
    with SummaryWriter(tmp_path) as writer:
        for step in range(1, 31):
            write_scalars(writer, monitor.update(step, lambda count: rng.normal(size=(count, 3))))
    events = EventAccumulator(str(tmp_path)).Reload()
    kept = [(event.step, event.value) for event in events.Scalars("memorization/quality")]
    seen = [(o.step, np.float32(o.quality)) for o in monitor.result().observations]
    assert kept == seen
    assert [step for step, _ in kept] == [10, 20, 30]
