"""Several processes: the same curve as one, one report, and an end in the same weights after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import distributed

from forecaster.config import ForecasterConfig
from forecaster.errors import TrainingError
from forecaster.training import workers as workers_module
from forecaster.training.callbacks import ReportMetrics
from forecaster.training.fit import FitResult, fit
from forecaster.training.start import fine_tune
from tests.training.factories import PANEL, grouped, same_weights, with_model, with_training
from tests.training.test_start import bundled

Curve = list[tuple[int, Mapping[str, float]]]

EXACT = with_training(with_model(dropout=0.0), precision="float32")


def fitted(config: ForecasterConfig, folder: Path, **arguments: object) -> tuple[FitResult, Curve]:
    curve: Curve = []
    callbacks = [ReportMetrics(lambda metrics, step: curve.append((step, metrics)))]
    return fit(PANEL, config, folder, callbacks=callbacks, **arguments), curve  # type: ignore[arg-type]


def assert_same_curve(one: Curve, other: Curve) -> None:
    assert [step for step, _ in one] == [step for step, _ in other]
    for (_, metrics), (_, others) in zip(one, other, strict=True):
        assert dict(metrics) == pytest.approx(dict(others), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"accumulate_batches": 2, "ema_decay": 0.8, "augmentations": ("flip",)}, {"num_members": 2}],
    ids=["plain", "in parts", "several"],
)
def test_two_processes_follow_the_curve_of_one(changes: dict[str, object], tmp_path: Path) -> None:
    alone, curve = fitted(with_training(EXACT, **changes), tmp_path / "alone")
    together, other = fitted(with_training(EXACT, **changes, num_processes=2), tmp_path / "together")
    assert_same_curve(curve, other)
    for one, two in zip(alone.predictor.networks, together.predictor.networks, strict=True):
        for a, b in zip(one.parameters(), two.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    assert not distributed.is_initialized()


@pytest.mark.slow
def test_two_processes_share_groups_and_fine_tuning(tmp_path: Path) -> None:
    panel = grouped(PANEL, [0, 0, 1])
    config = with_model(EXACT, channels="group", skip="ridge")
    first = bundled(fit(panel, config, tmp_path / "first"), tmp_path / "bundle")
    start = fine_tune(first, 0.5, trained_blocks=1)
    whole, in_parts, together = (
        fit(panel, with_training(config, **sharing), tmp_path / name, start=start).facts.validation_loss
        for name, sharing in (
            ("whole", {}),
            ("parts", {"accumulate_batches": 2}),
            ("processes", {"num_processes": 2}),
        )
    )
    assert together == pytest.approx(in_parts, rel=1e-6)  # the same sums, over time or over processes
    assert together == pytest.approx(whole, rel=2e-3)  # sums in float32 in another order, which Adam makes larger


KILLED_FIT = """
import os, signal, sys
from pathlib import Path
from pytorch_lightning import Callback
from forecaster.training.fit import fit
from tests.training.factories import PANEL, with_training

class KillAll(Callback):
    left = 2

    def on_train_epoch_end(self, trainer, pl_module):
        self.left -= 1

    def on_train_batch_end(self, *_):
        if not self.left:
            os.killpg(0, signal.SIGKILL)

fit(PANEL, with_training(num_processes=2, ema_decay=0.9), Path(sys.argv[1]), callbacks=[KillAll()])
"""


@pytest.mark.long
@pytest.mark.slow
def test_after_a_kill_of_all_processes_training_ends_in_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    config = with_training(num_processes=2, ema_decay=0.9)
    unbroken = fit(PANEL, config, tmp_path / "unbroken")
    command = [sys.executable, "-c", KILLED_FIT, str(tmp_path / "killed")]
    killed = subprocess.run(command, start_new_session=True, timeout=250)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed" / "member-0" / "last.ckpt").exists()
    resumed, curve = fitted(config, tmp_path / "killed")
    assert [step for step, _ in curve] == [15, 20]
    assert same_weights(unbroken, resumed)
    assert unbroken.facts == resumed.facts


@pytest.mark.slow
def test_a_worker_that_does_not_come_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "PANEL", "elsewhere")
    with pytest.raises(TrainingError, match=r"training process 1 ended with code 1: .*DataError"):
        fit(PANEL, with_training(num_processes=2), tmp_path)
    assert not distributed.is_initialized()


def test_more_processes_than_windows_in_a_step_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 3 cannot be shared by 4 parts"):
        with_training(batch_size=3, num_processes=2, accumulate_batches=2)
