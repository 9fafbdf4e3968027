"""The callback against a monitor that is called by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import byheart

pytest.importorskip("lightning")
# Lightning warns about its own dependencies, few workers and short epochs.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def kit():
    import lightning.pytorch as lightning
    import torch

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5))
            self.frozen = torch.nn.Dropout(0.5).eval()

        def training_step(self, batch, index):
            return self.net(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    from byheart.integrations.lightning import MemorizationCallback

    return SimpleNamespace(
        lightning=lightning, torch=torch, Model=Model, Callback=MemorizationCallback
    )


TRAIN, HELDOUT = np.random.default_rng(0).normal(size=(2, 60, 3)).astype(np.float32)


def monitor(every=5):
    options = {"every": every, "samples": 60, "permutations": 199, "looks": 5}
    return byheart.MemorizationMonitor(TRAIN, HELDOUT, **options)


def honest(model, count):
    return np.random.default_rng(7).normal(size=(count, 3)).astype(np.float32)


def copying(model, count):
    return np.resize(TRAIN, (count, 3)) + np.float32(1e-3)


def fit(kit, callbacks, steps, path=None, **options):
    trainer = kit.lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        devices=1,
        callbacks=callbacks,
        **{
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            **options,
        },
    )
    loader = kit.torch.utils.data.DataLoader(kit.torch.from_numpy(TRAIN), batch_size=12)
    trainer.fit(kit.Model(), loader, ckpt_path=path)
    return trainer


def test_looks_are_those_of_the_monitor_by_hand(kit):
    callback = kit.Callback(monitor(), honest)
    trainer = fit(kit, [callback], 13)
    by_hand = monitor()
    for step in range(1, 14):
        by_hand.update(step, lambda count: honest(None, count))
    assert callback.monitor.result() == by_hand.result()
    assert [o.step for o in callback.monitor.result().observations] == [5, 10]
    last = by_hand.result().observations[-1]
    # callback_metrics are float32
    assert float(trainer.callback_metrics["memorization/quality"]) == np.float32(last.quality)


def test_samples_are_drawn_in_evaluation_mode_and_modes_come_back(kit):
    seen = []

    def sample(model, count):
        seen.append((model.training, model.net[1].training, kit.torch.is_grad_enabled()))
        return honest(model, count)

    def modes(trainer, model, *_):
        after.append((model.training, model.net[1].training, model.frozen.training))

    after = []
    probe = kit.lightning.callbacks.LambdaCallback(on_train_batch_end=modes)
    fit(kit, [kit.Callback(monitor(every=2), sample), probe], 4)
    assert seen == [(False, False, False)] * 2
    assert after == [(True, True, False)] * 4


def test_modes_come_back_when_sampling_fails(kit):
    callback, model = kit.Callback(monitor(every=1), lambda model, count: 1 / 0), kit.Model()
    with pytest.raises(ZeroDivisionError):
        callback.on_train_batch_end(SimpleNamespace(global_step=1), model, None, None, 0)
    assert model.training
    assert not model.frozen.training


@pytest.mark.parametrize("stop", [True, False])
def test_the_alarm_stops_the_training_on_request(kit, stop):
    callback = kit.Callback(monitor(), copying, stop=stop)
    trainer = fit(kit, [callback], 15)
    assert callback.monitor.alarm
    assert trainer.global_step == (5 if stop else 15)


def test_loggers_get_every_look_whatever_their_interval(kit, tmp_path):
    logger = kit.lightning.loggers.CSVLogger(tmp_path)
    callback = kit.Callback(monitor(every=3), honest)
    fit(kit, [callback], 10, logger=logger, log_every_n_steps=4)
    import pandas as pd

    logged = pd.read_csv(f"{logger.log_dir}/metrics.csv").dropna(subset="memorization/auc")
    rows = callback.monitor.result().to_rows()
    assert list(logged["step"]) == [row["step"] for row in rows] == [3, 6, 9]
    assert list(logged["memorization/auc"]) == pytest.approx([row["auc"] for row in rows])


def test_a_resumed_training_goes_on_with_the_monitor(kit, tmp_path):
    first = kit.Callback(monitor(), honest)
    fit(kit, [first], 7).save_checkpoint(tmp_path / "model.ckpt")
    json.dumps(first.state_dict())  # plain values: torch loads them with weights_only
    second, whole = kit.Callback(monitor(), honest), kit.Callback(monitor(), honest)
    fit(kit, [second], 13, path=tmp_path / "model.ckpt")
    fit(kit, [whole], 13)
    assert second.monitor.result() == whole.monitor.result()


def test_the_quality_can_choose_the_checkpoint(kit, tmp_path):
    keep = kit.lightning.callbacks.ModelCheckpoint(
        tmp_path, monitor="memorization/quality", every_n_train_steps=5
    )
    callback = kit.Callback(monitor(), honest)
    fit(kit, [callback, keep], 10, enable_checkpointing=True)
    best = min(o.quality for o in callback.monitor.result().observations)
    assert float(keep.best_model_score) == np.float32(best)


def test_a_sample_that_is_no_function_is_refused(kit):
    with pytest.raises(byheart.UsageError, match="lambda model, count"):
        kit.Callback(monitor(), TRAIN)
