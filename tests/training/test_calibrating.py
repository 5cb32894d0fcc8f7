"""Learning a calibration from validation windows: which windows, which networks, what comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from forecaster.arrays import FloatArray
from forecaster.config import ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.panel import Panel
from forecaster.data.splits import split_panel
from forecaster.data.windows import WindowAddresses
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.training.calibrating import learn_calibration
from forecaster.training.datamodule import WindowDataModule
from tests.factories import panel_of, sine_panel

SPLIT = SplitConfig(num_validation_folds=10, num_test_folds=1)


def config(**changes: Any) -> ModelConfig:
    shape = {"horizon": 6, "context_length": 48, "patch_length": 8, "d_model": 8, "num_heads": 2, "num_layers": 1}
    return ModelConfig(**{**shape, "d_ff": 8, **changes})


def network(seed: int = 0, **changes: Any) -> Network:
    """Gives a fresh network: it forecasts about the mean and the spread of what it sees."""
    torch.manual_seed(seed)
    return Network(config(**changes)).eval()


def data_of(panel: Panel, model: ModelConfig) -> WindowDataModule:
    return WindowDataModule(panel, split_panel(panel, model.horizon, SPLIT), model, TrainingConfig(batch_size=64))


def waves(num_series: int = 8) -> Panel:
    return sine_panel(num_series, 400, noise=0.5, missing_share=0.05)


def widths(forecaster: Predictor, panel: Panel) -> FloatArray:
    values = forecaster.predict(panel).values
    return np.asarray(values[..., -1] - values[..., 0])


def test_intervals_that_are_too_wide_become_narrower_and_the_report_says_so() -> None:
    noise = np.random.default_rng(0)
    panel = panel_of(*[noise.uniform(-1, 1, 400) for _ in range(8)])  # its spread is larger than its 80 % interval
    calibration = learn_calibration(network(), data_of(panel, config()))
    assert calibration.coverage_before is not None
    assert calibration.coverage_after is not None
    assert abs(calibration.coverage_after - 0.8) < abs(calibration.coverage_before - 0.8) < 0.1
    assert (calibration.factors.shape, calibration.templates.shape) == ((6,), (256, 6))


def test_what_is_learned_is_what_the_predictor_applies() -> None:
    panel, model = waves(), network()
    calibration = learn_calibration(model, data_of(panel, config()))
    raw, calibrated = (Predictor(model, panel.axis.frequency, part) for part in (None, calibration))
    np.testing.assert_allclose(widths(calibrated, panel), calibration.factors * widths(raw, panel), rtol=1e-5)


def test_coverage_is_that_of_the_predictor_on_the_validation_windows() -> None:
    panel, model = waves(), network()
    data = data_of(panel, config())
    addresses: WindowAddresses = data.validation
    levels = (0.1, 0.9)
    values = Predictor(model, panel.axis.frequency).forecast_windows(
        panel, addresses.series, addresses.cutoffs, 6, levels
    )
    target = np.stack(
        [panel.target(s)[cut : cut + 6] for s, cut in zip(addresses.series, addresses.cutoffs, strict=True)]
    )
    within = (target >= values[..., 0]) & (target <= values[..., 1])
    before = learn_calibration(model, data).coverage_before
    np.testing.assert_allclose(before, within[~np.isnan(target)].mean(), atol=1e-3)


def test_an_ensemble_is_calibrated_as_the_one_it_answers_as() -> None:
    panel, members = waves(), [network(seed) for seed in range(3)]
    together = learn_calibration(members, data_of(panel, config()))
    same = learn_calibration([members[0]] * 3, data_of(panel, config()))
    alone = learn_calibration(members[0], data_of(panel, config()))
    np.testing.assert_allclose(same.factors, alone.factors, rtol=1e-5)
    assert not np.allclose(together.factors, alone.factors, rtol=1e-5)


def test_counts_keep_their_whole_numbers() -> None:
    counts = [np.random.default_rng(seed).poisson(5, 300).astype(float) for seed in range(4)]
    panel, model = panel_of(*counts), network(head="negative_binomial")
    calibration = learn_calibration(model, data_of(panel, config(head="negative_binomial")))
    assert (calibration.factors == 1).all()
    values = Predictor(model, panel.axis.frequency, calibration).predict(panel).values
    np.testing.assert_allclose(values, values.round(), atol=1e-9)


def test_a_point_model_has_no_intervals_to_widen() -> None:
    calibration = learn_calibration(network(head="mae"), data_of(waves(), config(head="mae")))
    assert (calibration.factors == 1).all()


def test_groups_are_forecast_in_company() -> None:
    panel = replace(waves(6), groups=np.arange(6) // 3)
    grouped = config(channels="group")
    model = network(channels="group")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    with_company = learn_calibration(model, data_of(panel, grouped))
    without = learn_calibration(model, data_of(replace(panel, groups=np.arange(6)), grouped))
    assert not np.allclose(with_company.factors, without.factors, rtol=1e-6)
