"""Fitting: learns, repeats itself under a seed, resumes to the same weights, and never sees what is kept back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.panel import Panel
from forecaster.errors import SeriesError, TrainingError
from forecaster.evaluation import evaluate
from forecaster.training.fit import FitResult, fit
from tests.factories import panel_of, sine_panel

CONFIG = ForecasterConfig(
    model=ModelConfig(horizon=6, context_length=24, patch_length=6, d_model=16, num_heads=2, num_layers=1, d_ff=16),
    training=TrainingConfig(max_steps=20, steps_per_validation=5, batch_size=16, learning_rate=5e-3, num_threads=1),
    split=SplitConfig(num_validation_folds=1, num_test_folds=2),
)


def with_training(**changes: object) -> ForecasterConfig:
    training = TrainingConfig(**{**CONFIG.training.model_dump(), **changes})
    return CONFIG.model_copy(update={"training": training})


def same_weights(first: FitResult, second: FitResult) -> bool:
    pairs = zip(first.predictor.network.parameters(), second.predictor.network.parameters(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


PANEL = sine_panel(3, 120, noise=0.1, missing_share=0.05)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    runs = [fit(PANEL, with_training(seed=seed), tmp_path / str(n)) for n, seed in enumerate((1, 1, 2))]
    assert same_weights(runs[0], runs[1])
    assert not same_weights(runs[0], runs[2])


class StopAfter(Callback):
    """Breaks a run off, as a kill would, once validation has run `number` times."""

    def __init__(self, number: int) -> None:
        self.left = number

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.left -= 1
        if not self.left:
            raise ZeroDivisionError("killed")


def test_a_resumed_run_ends_in_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = fit(PANEL, CONFIG, tmp_path / "unbroken")
    with pytest.raises(ZeroDivisionError, match="killed"):
        fit(PANEL, CONFIG, tmp_path / "broken", callbacks=[StopAfter(3)])
    resumed = fit(PANEL, CONFIG, tmp_path / "broken")
    assert same_weights(unbroken, resumed)
    assert unbroken.facts == resumed.facts


def test_checkpoints_of_another_fit_are_not_resumed(tmp_path: Path) -> None:
    fit(PANEL, CONFIG, tmp_path)
    with pytest.raises(TrainingError, match="another config or of other data"):
        fit(PANEL, with_training(seed=5), tmp_path)
    with pytest.raises(TrainingError, match="another config or of other data"):
        fit(sine_panel(3, 121), CONFIG, tmp_path)


def test_training_and_validation_never_see_the_test_folds(tmp_path: Path) -> None:
    kept_back = CONFIG.split.num_test_folds * CONFIG.model.horizon
    changed = [PANEL.target(i).copy() for i in range(len(PANEL))]
    for target in changed:
        target[-kept_back:] = 1e6
    other = panel_of(*changed)
    assert same_weights(fit(PANEL, CONFIG, tmp_path / "a"), fit(other, CONFIG, tmp_path / "b"))


def test_it_beats_the_mean_on_waves(tmp_path: Path) -> None:
    panel = sine_panel(3, 200)
    result = fit(panel, with_training(max_steps=150, steps_per_validation=50), tmp_path)
    predictor = result.predictor
    evaluation = evaluate(predictor, panel, result.split.test, predictor.levels)
    error = np.abs(evaluation.actual - evaluation.quantiles[:, :, 4]).mean()
    deviation = np.abs(evaluation.actual - evaluation.actual.mean(axis=1, keepdims=True)).mean()
    assert error < 0.3 * deviation


class Losses(Callback):
    """Keeps the validation loss of each epoch, by optimiser step."""

    def __init__(self) -> None:
        self.by_step: dict[int, float] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.by_step[trainer.global_step] = float(trainer.callback_metrics["validation_loss"])


def test_the_weights_are_those_of_the_lowest_validation_loss(tmp_path: Path) -> None:
    losses = Losses()
    wild = with_training(max_steps=30, learning_rate=0.5, warmup_fraction=0.0)
    facts = fit(PANEL, wild, tmp_path, callbacks=[losses]).facts
    best = min(losses.by_step, key=losses.by_step.__getitem__)
    assert len(losses.by_step) > 1
    assert (facts.num_steps, facts.validation_loss) == (best, pytest.approx(losses.by_step[best]))


def test_a_fit_that_stopped_early_stays_stopped_when_it_is_resumed(tmp_path: Path) -> None:
    hasty = with_training(max_steps=60, patience=1, learning_rate=0.3, warmup_fraction=0.0)
    first = fit(PANEL, hasty, tmp_path)
    again = fit(PANEL, hasty, tmp_path)
    assert same_weights(first, again)
    assert first.facts == again.facts


def test_the_validation_loss_does_not_depend_on_how_windows_are_cut_into_batches(tmp_path: Path) -> None:
    targets = [PANEL.target(i).copy() for i in range(3)]
    targets[1][-18:-13] = np.nan
    logged = []
    for size in (2, 1000):
        config = with_training(max_steps=1, steps_per_validation=1, batch_size=size, learning_rate=1e-12)
        logged.append(fit(panel_of(*targets), config, tmp_path / str(size)).facts.validation_loss)
    assert logged[0] == pytest.approx(logged[1], rel=1e-4)


def test_a_fit_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    fit(PANEL, with_training(num_threads=2, max_steps=1), tmp_path)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.rand(3), expected)


def test_nothing_to_validate_on_is_refused(tmp_path: Path) -> None:
    targets = [PANEL.target(i).copy() for i in range(3)]
    for target in targets:
        target[-18:-12] = np.nan
    with pytest.raises(SeriesError, match="no value is observed in the validation folds"):
        fit(panel_of(*targets), CONFIG, tmp_path)


def test_series_too_short_to_train_on_are_refused_with_the_length_they_need(tmp_path: Path) -> None:
    short: Panel = panel_of(np.arange(20.0), np.arange(15.0))
    with pytest.raises(SeriesError, match="longest series has 20 steps"):
        fit(short, CONFIG, tmp_path)
