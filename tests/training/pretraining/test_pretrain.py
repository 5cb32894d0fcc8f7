"""Pretraining: repeats itself under a seed, learns, and ends in the same weights however often it is broken off."""

from __future__ import annotations

import math
import multiprocessing
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from forecaster.config.pretraining import PretrainingConfig
from forecaster.errors import ConfigError, TrainingError
from forecaster.training.pretraining import pretrain, windows
from tests.training.pretraining.factories import same_weights, small_config
from tests.training.test_fit import Average, Losses, StopAfter


@pytest.fixture(autouse=True)
def few_to_validate_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the time of so small a pretraining is that of its validation windows."""
    monkeypatch.setattr(windows, "_NUM_VALIDATION", 24)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    networks = [pretrain(small_config(seed=seed), tmp_path / str(n)).network for n, seed in enumerate((1, 1, 2))]
    assert same_weights(networks[0], networks[1])
    assert not same_weights(networks[0], networks[2])


def test_it_takes_the_steps_of_its_config_and_validates_on_the_way(tmp_path: Path) -> None:
    losses = Losses()
    found = pretrain(small_config(), tmp_path, callbacks=[losses])
    assert list(losses.by_step) == list(losses.training) == [2, 4, 6, 7]
    assert (found.num_steps, found.validation_loss) == (7, losses.by_step[7])
    assert all(map(math.isfinite, [*losses.by_step.values(), *losses.training.values()]))
    assert not found.network.training
    assert (found.network.config.context_length, found.network.config.horizon) == (64, 16)


# Blocks of steps end elsewhere than epochs do, and the last epoch is a shorter one.
VARIANTS = [
    pytest.param({}, id="plain"),
    pytest.param({"model": {"dropout": 0.2}}, id="with dropout"),
    pytest.param({"ema_decay": 0.99, "max_steps": 6}, id="averaged slowly", marks=pytest.mark.slow),
    pytest.param({"num_orders": 1, "steps_per_block": 16}, id="of one order", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_a_resumed_run_ends_in_the_weights_of_an_unbroken_one(changes: dict[str, Any], tmp_path: Path) -> None:
    config = small_config(**changes)
    unbroken = pretrain(config, tmp_path / "unbroken")
    for _ in range(2):  # each time an epoch is kept, and the next one broken off
        with suppress(ZeroDivisionError):
            pretrain(config, tmp_path / "broken", callbacks=[StopAfter(2)])
    curve = Losses()
    resumed = pretrain(config, tmp_path / "broken", callbacks=[curve])
    assert list(curve.by_step) == [6, 7][: config.max_steps - 5]
    assert same_weights(unbroken.network, resumed.network)
    assert (unbroken.num_steps, unbroken.validation_loss) == (resumed.num_steps, resumed.validation_loss)


def test_workers_that_make_the_windows_change_no_bit(tmp_path: Path) -> None:
    alone, helped = (pretrain(small_config(num_workers=workers), tmp_path / str(workers)) for workers in (0, 2))
    assert same_weights(alone.network, helped.network)
    assert not multiprocessing.active_children()


KILLED = """
import os, signal, sys
from pathlib import Path
from pytorch_lightning import Callback
from forecaster.training.pretraining import pretrain
from tests.training.pretraining.factories import small_config

class Kill(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 5:
            os.kill(os.getpid(), signal.SIGKILL)

pretrain(small_config(), Path(sys.argv[1]), callbacks=[Kill()])
"""


@pytest.mark.slow
def test_after_a_kill_it_ends_in_the_weights_of_an_unbroken_run(tmp_path: Path) -> None:
    unbroken = pretrain(small_config(), tmp_path / "unbroken")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "killed")], timeout=250)
    assert killed.returncode == -signal.SIGKILL
    curve = Losses()
    resumed = pretrain(small_config(), tmp_path / "killed", callbacks=[curve])
    assert list(curve.by_step) == [6, 7]  # steps 1 to 4 were kept, the fifth is taken again
    assert same_weights(unbroken.network, resumed.network)


def test_a_run_that_is_over_is_given_again(tmp_path: Path) -> None:
    first = pretrain(small_config(), tmp_path)
    curve = Losses()
    again = pretrain(small_config(), tmp_path, callbacks=[curve])
    assert not curve.by_step
    assert same_weights(first.network, again.network)
    assert (again.num_steps, again.validation_loss) == (first.num_steps, first.validation_loss)


def test_a_folder_that_was_moved_is_gone_on_from_where_it_is(tmp_path: Path) -> None:
    unbroken = pretrain(small_config(), tmp_path / "unbroken")
    with suppress(ZeroDivisionError):
        pretrain(small_config(), tmp_path / "first", callbacks=[StopAfter(3)])
    (tmp_path / "first").rename(tmp_path / "second")
    assert same_weights(pretrain(small_config(), tmp_path / "second").network, unbroken.network)
    assert not (tmp_path / "first").exists()


def test_a_folder_of_another_config_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    first = pretrain(small_config(), tmp_path)
    for other in (small_config(seed=5), small_config(max_steps=8), small_config({"d_model": 16})):
        with pytest.raises(TrainingError, match="another config or of other data"):
            pretrain(other, tmp_path)
    assert same_weights(pretrain(small_config(), tmp_path).network, first.network)


def test_the_averaged_weights_are_what_is_kept(tmp_path: Path) -> None:
    average = Average(decay=0.5)
    found = pretrain(small_config(ema_decay=0.5), tmp_path, callbacks=[average])
    for kept, weight in zip(average.by_step[7], found.network.parameters(), strict=True):
        torch.testing.assert_close(kept, weight.detach(), rtol=1e-5, atol=1e-7)


class Spoil(Callback):
    """Does to a network what a learning rate far too high does."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: object) -> None:
        with torch.no_grad():
            next(pl_module.parameters()).fill_(torch.nan)


def test_a_loss_that_does_not_stay_finite_is_an_error_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(TrainingError, match=r"validation loss ended at nan; try a learning_rate below 0\.002"):
            pretrain(small_config(max_steps=2), tmp_path, callbacks=[Spoil()])


def test_the_loss_falls(tmp_path: Path) -> None:
    losses = Losses()
    schedule = {"max_steps": 45, "steps_per_validation": 15, "learning_rate": 0.01, "ema_decay": 0.8}
    config = small_config({"context_length": 32, "horizon": 8}, num_orders=4, windows_per_order=32, **schedule)
    pretrain(config, tmp_path, callbacks=[losses])
    first, second, third = losses.by_step.values()
    assert third < second < first
    assert third < 0.985 * first


def test_a_pretraining_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    num_threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        torch.set_num_threads(num_threads + 1)
        pretrain(small_config(num_threads=1, max_steps=1), tmp_path)
        assert torch.get_num_threads() == num_threads + 1
    finally:
        torch.set_num_threads(num_threads)
    assert torch.are_deterministic_algorithms_enabled() == deterministic
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("model", [{"decoder": "flattened"}, {"skip": "ridge"}, {"positions": "learned"}], ids=str)
def test_a_network_whose_weights_depend_on_the_lengths_is_not_pretrained(model: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises((ConfigError, ValueError), match="decoder 'queries', no skip"):
        pretrain(small_config(model), tmp_path)


def test_the_settings_of_the_encoder_in_the_box_are_the_default() -> None:
    config = PretrainingConfig()
    assert (config.model.context_length, config.model.horizon, config.model.patch_length) == (1024, 64, 16)
    assert config.model.is_length_free
    assert config.model.dropout == 0.0
    assert PretrainingConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": {"context_length": None}}, "context_length and patch_length of the model must be set"),
        ({"model": {"patch_length": None}}, "context_length and patch_length of the model must be set"),
        ({"min_context": 80}, "min_context 80 must be whole patches of 16, at most 64"),
        ({"min_context": 24}, "min_context 24 must be whole patches of 16, at most 64"),
        ({"min_horizon": 17}, "min_horizon 17 is above the horizon 16"),
        ({"model": {"lags": (1, 2)}}, "must read 6 lags, got 2"),
        ({"model": {"lags": "cycles"}}, "must read 6 lags, got 0"),
        ({"model": {"head": "gaussian"}}, "must have head 'quantile', got 'gaussian'"),
        ({"model": {"positions": "time"}}, "no covariates, and no positions by time"),
        ({"model": {"covariates": {"past": ("x",)}}}, "must read its context alone"),
        ({"model": {"calendar": "auto"}}, "must have calendar 'off' and no holidays, got 'auto' and None"),
        ({"model": {"holidays": "DE"}}, "must have calendar 'off' and no holidays, got 'off' and 'DE'"),
        ({"model": {"coarse_patch_length": 32}}, "must have no coarse_patch_length, got 32"),
        ({"seed": 2**31}, "less than 2147483648"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_pretrained_with_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        small_config(**changes)
