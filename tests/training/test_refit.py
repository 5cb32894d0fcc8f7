"""Refit: the second training sees the validation folds, never the test folds, and stops where the first was best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from forecaster.data.panel import Panel
from forecaster.errors import TrainingError
from forecaster.model.skips.linear import LinearSkip
from forecaster.training.fit import fit
from forecaster.training.member import member_data
from forecaster.training.module import ForecastModule
from forecaster.training.parts import Part
from tests.training.factories import CONFIG, PANEL, same_weights, with_model, with_training

REFIT = with_training(refit=True, calibration="off")


def changed(first_from_end: int, last_from_end: int) -> Panel:
    """Gives the panel with other values in those steps before the end of each series."""
    values = PANEL.values.copy()
    for end in PANEL.offsets[1:]:
        values[end - first_from_end : end - last_from_end] += 3.0
    return Panel(PANEL.series_ids, PANEL.offsets, values, PANEL.starts, PANEL.axis)


def test_it_trains_on_the_validation_folds_too_and_never_on_test_folds() -> None:
    whole = member_data(PANEL, CONFIG, CONFIG.training, with_validation=True)
    part = member_data(PANEL, CONFIG, CONFIG.training)
    horizon = CONFIG.model.horizon
    np.testing.assert_array_equal(whole.training.last, part.training.last + horizon)
    np.testing.assert_array_equal(whole.training.last + horizon, PANEL.lengths - 2 * horizon)


def test_what_happened_in_the_validation_folds_moves_its_weights_and_the_test_folds_do_not(tmp_path: Path) -> None:
    plain = fit(PANEL, REFIT, tmp_path / "plain")
    after = fit(changed(12, 0), REFIT, tmp_path / "test")
    assert same_weights(plain, after)
    before = fit(changed(15, 13), REFIT, tmp_path / "validation")
    assert not same_weights(plain, before)


def test_without_it_the_weights_are_those_that_validated_best(tmp_path: Path) -> None:
    assert not same_weights(
        fit(PANEL, REFIT, tmp_path / "again"),
        fit(PANEL, with_training(calibration="off"), tmp_path / "once"),
    )


def test_a_repeated_refit_ends_in_the_same_weights(tmp_path: Path) -> None:
    first = fit(PANEL, REFIT, tmp_path / "fit")
    assert same_weights(first, fit(PANEL, REFIT, tmp_path / "fit"))


# Its validation loss is lowest after 25 steps, and 15 more without a gain end it; that of its refit is lowest after 20.
UNSTEADY = with_training(
    with_model(skip="none"), refit=True, max_steps=60, patience=3, learning_rate=0.1, calibration="off"
)


def test_it_ends_at_its_last_step_though_an_earlier_one_validated_better(tmp_path: Path) -> None:
    result = fit(PANEL, UNSTEADY, tmp_path)
    best, last = (torch.load(tmp_path / f"member-0/refit/{name}.ckpt", weights_only=True) for name in ("best", "last"))
    assert best["global_step"] < last["global_step"] == result.facts.num_steps
    for name, weights in result.predictor.network.state_dict().items():
        assert torch.equal(weights, last["state_dict"][f"network.{name}"]), name


def test_a_finished_training_that_is_opened_again_trains_nothing_and_gives_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit(PANEL, UNSTEADY, tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("it trains")

    monkeypatch.setattr(ForecastModule, "training_step", refuse)
    again = fit(PANEL, UNSTEADY, tmp_path)
    assert same_weights(first, again)
    assert first.facts == again.facts


def test_one_that_does_not_stay_finite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finite = ForecastModule.training_step

    def endless(module: ForecastModule, batch: Part, number: int) -> torch.Tensor:
        is_refit = module.config.max_steps < UNSTEADY.training.max_steps
        return finite(module, batch, number) * (torch.inf if is_refit else 1.0)

    monkeypatch.setattr(ForecastModule, "training_step", endless)
    with pytest.raises(TrainingError, match=r"the refit broke down by step 5 of 25; try a learning_rate below 0\.1"):
        fit(PANEL, UNSTEADY, tmp_path)


def test_the_calibration_comes_from_the_network_that_has_not_seen_the_validation_folds(tmp_path: Path) -> None:
    refitted = fit(PANEL, with_training(refit=True), tmp_path / "refit").predictor.calibration
    plain = fit(PANEL, with_training(), tmp_path / "plain").predictor.calibration
    assert refitted is not None
    assert plain is not None
    assert torch.equal(torch.as_tensor(refitted.factors), torch.as_tensor(plain.factors))


def test_its_ridge_has_seen_the_validation_folds_as_that_of_any_fit_has(tmp_path: Path) -> None:
    skips = [
        fit(PANEL, with_training(refit=refit, calibration="off"), tmp_path / str(refit)).predictor.network.skip
        for refit in (True, False)
    ]
    assert isinstance(skips[0], LinearSkip)
    assert isinstance(skips[1], LinearSkip)
    assert torch.equal(skips[0].weight, skips[1].weight)


def test_its_encoder_is_trained_beside_the_ridge_that_is_served(tmp_path: Path) -> None:
    skip = fit(PANEL, REFIT, tmp_path).predictor.network.skip
    trained = torch.load(tmp_path / "member-0" / "refit" / "last.ckpt", weights_only=True)["state_dict"]
    assert isinstance(skip, LinearSkip)
    assert torch.equal(trained["network.skip.weight"], skip.weight)


def test_what_is_told_of_validation_is_told_by_networks_that_have_not_seen_it(tmp_path: Path) -> None:
    once = with_training(with_model(skip="none"), refit=True, max_steps=5)  # one validation: nothing to pick from
    plain = fit(PANEL, once, tmp_path / "plain")
    before = fit(changed(15, 13), once, tmp_path / "validation")
    assert same_weights(plain.validated, before.validated)
    assert not same_weights(plain.validated, plain.predictor)
    assert plain.validated.calibration is None
