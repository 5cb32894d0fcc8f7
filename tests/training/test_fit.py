"""Fitting: learns, repeats itself under a seed, resumes to the same weights, and never sees what is kept back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from forecaster.data.panel import Panel
from forecaster.errors import ConfigError, SeriesError, TrainingError
from forecaster.evaluation import evaluate
from forecaster.training.callbacks import ReportMetrics
from forecaster.training.fit import fit
from tests.factories import panel_of, sine_panel
from tests.training.factories import CONFIG, PANEL, same_weights, with_model, with_training


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


VARIANTS = {
    "plain": {},
    "averaged": {"ema_decay": 0.9},
    "in parts": {"accumulate_batches": 4},
    "augmented": {"augmentations": ("flip",), "recency_half_life": 20},
    "several": {"num_members": 2, "ema_decay": 0.5},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_resumed_run_ends_in_the_weights_of_an_unbroken_one(changes: dict[str, object], tmp_path: Path) -> None:
    config = with_training(**changes)
    unbroken = fit(PANEL, config, tmp_path / "unbroken")
    for number in (3, 2):  # the second time it is broken off in its second network, if it has one
        with suppress(ZeroDivisionError):
            fit(PANEL, config, tmp_path / "broken", callbacks=[StopAfter(number)])
    resumed = fit(PANEL, config, tmp_path / "broken")
    assert same_weights(unbroken, resumed)
    assert unbroken.facts == resumed.facts


def test_a_step_computed_in_parts_is_the_same_step(tmp_path: Path) -> None:
    """With missing values and targets beyond the end: parts do not have the same number of targets."""
    panel = panel_of(PANEL.target(0), PANEL.target(1)[:30], np.r_[np.full(25, 3.0), PANEL.target(2)[:40]])
    losses = []
    for num_parts in (1, 3):
        config = with_training(with_model(dropout=0.0), accumulate_batches=num_parts, precision="float32")
        curve = Losses()
        fit(panel, config, tmp_path / str(num_parts), callbacks=[curve])
        losses.append([curve.by_step, curve.training])
    for other in losses[1:]:
        for one, two in zip(losses[0], other, strict=True):
            assert one == pytest.approx(two, rel=1e-5)


def test_where_all_steps_last_equally_long_positions_by_time_learn_what_rotary_ones_do(tmp_path: Path) -> None:
    changes = {"augmentations": ("flip",), "accumulate_batches": 2, "num_members": 2}
    rotary, timed = (
        fit(PANEL, with_training(with_model(positions=kind), **changes), tmp_path / kind) for kind in ("rotary", "time")
    )
    assert same_weights(rotary, timed)


def test_a_fit_over_unequal_steps_reads_their_lengths(tmp_path: Path) -> None:
    panel = sine_panel(3, 120, noise=0.1, missing_share=0.05, frequency="B")
    rotary, timed = (
        fit(panel, with_training(with_model(positions=kind)), tmp_path / kind) for kind in ("rotary", "time")
    )
    assert not same_weights(rotary, timed)
    assert np.isfinite(timed.facts.validation_loss)


def test_the_averaged_weights_are_what_is_validated_and_kept(tmp_path: Path) -> None:
    config = with_training(with_model(skip="none"), ema_decay=0.9, max_steps=10, steps_per_validation=5)
    average = Average(decay=0.9)
    result = fit(PANEL, config, tmp_path, callbacks=[average])
    assert result.facts.num_steps in average.by_step
    kept = average.by_step[result.facts.num_steps]
    for one, other in zip(kept, result.predictor.network.parameters(), strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-5, atol=1e-7)
    assert not same_weights(
        result, fit(PANEL, with_training(with_model(skip="none"), max_steps=10), tmp_path / "plain")
    )


class Average(Callback):
    """The moving average by its definition, at each step."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.by_step: dict[int, list[torch.Tensor]] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: object) -> None:
        now = [p.detach().clone() for p in pl_module.parameters()]
        step = trainer.global_step
        if self.by_step:
            kept = min(self.decay, (1 + step - 1) / (10 + step - 1))
            now = [kept * old + (1 - kept) * new for old, new in zip(self.by_step[step - 1], now, strict=True)]
        self.by_step[step] = now


def test_each_network_of_several_is_that_of_its_own_seed(tmp_path: Path) -> None:
    several = fit(PANEL, with_training(num_members=2, seed=4), tmp_path / "several")
    alone = [fit(PANEL, with_training(seed=seed), tmp_path / str(seed)) for seed in (4, 5)]
    for network, result in zip(several.predictor.networks, alone, strict=True):
        assert all(map(torch.equal, network.parameters(), result.predictor.network.parameters()))
    assert several.facts.validation_loss == pytest.approx(np.mean([r.facts.validation_loss for r in alone]))
    assert several.facts.num_steps == max(r.facts.num_steps for r in alone)


def test_metrics_of_each_network_have_their_own_names(tmp_path: Path) -> None:
    names: set[str] = set()
    fit(
        PANEL,
        with_training(num_members=2, max_steps=2),
        tmp_path,
        callbacks=[ReportMetrics(lambda metrics, step: names.update(metrics))],
    )
    assert names == {
        f"{prefix}{name}"
        for prefix in ("", "member_1/")
        for name in ("training_loss", "validation_loss", "learning_rate")
    }


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
    """Keeps the losses of each epoch, by optimiser step."""

    def __init__(self) -> None:
        self.by_step: dict[int, float] = {}
        self.training: dict[int, float] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.training[trainer.global_step] = float(trainer.callback_metrics["training_loss"])

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
    targets += [np.full(120, 5.0) for _ in range(3)]  # what follows a constant history is no part of the loss
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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"patch_length": None, "context_length": None, "patch_stride": 3}, "8 is not a multiple of patch_stride 3"),
        ({"patch_length": 1000, "context_length": None, "coarse_patch_length": 4001}, "less than or equal to 16384"),
    ],
)
def test_a_setting_that_contradicts_a_default_is_refused(changes: dict[str, int], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"left out do not go with those given: .*{reason}"):
        fit(PANEL, with_model(**changes), tmp_path)


@pytest.mark.parametrize("wrong", [-1.0, 0.5])
def test_what_is_no_count_is_refused_where_counts_are_forecast(wrong: float, tmp_path: Path) -> None:
    counts = [np.random.default_rng(0).poisson(5.0, 120).astype(float) for _ in range(3)]
    counts[0][7] = np.nan
    config = with_model(head="negative_binomial")
    fit(panel_of(*counts), config, tmp_path / "counts")
    counts[1][10] = wrong
    with pytest.raises(SeriesError, match=rf"'s1' has the value {wrong:g} at step 10, but .* \(1 such values\)"):
        fit(panel_of(*counts), config, tmp_path / "none")


def test_checkpoints_that_were_moved_are_taken_up_where_they_are(tmp_path: Path) -> None:
    unbroken = fit(PANEL, CONFIG, tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "second")
    moved = fit(PANEL, CONFIG, tmp_path / "second")
    assert moved.facts == unbroken.facts
    assert same_weights(moved, unbroken)
