"""The predictor: nothing after the cutoff matters, company does not matter, scale and padding do not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelConfig
from forecaster.errors import FrequencyError, RequestError, SeriesError
from forecaster.metrics import score
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from tests.factories import panel_of, random_panel, sine_panel

LEVELS = (0.1, 0.5, 0.9)


def predictor(head: str = "quantile", positions: str = "rotary") -> Predictor:
    torch.manual_seed(0)
    config = ModelConfig(
        horizon=8, context_length=32, patch_length=8, d_model=16, num_heads=2, num_layers=2, d_ff=32,
        head=head, positions=positions,
    )  # fmt: skip
    network = Network(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return Predictor(network, Frequency.parse("h"))


@pytest.mark.parametrize("head", ["quantile", "student_t"])
def test_nothing_after_the_cutoff_can_change_a_forecast(head: str) -> None:
    model = predictor(head)
    panel = sine_panel(3, 60, noise=0.3, missing_share=0.1)
    series, cutoffs = np.arange(3), np.array([40, 20, 5])
    before = model.forecast_windows(panel, series, cutoffs, 8, LEVELS)
    changed = [panel.target(i).copy() for i in range(3)]
    for target, cutoff in zip(changed, cutoffs, strict=True):
        target[cutoff:] = 1e9
    after = model.forecast_windows(panel_of(*changed), series, cutoffs, 8, LEVELS)
    np.testing.assert_array_equal(before, after)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
def test_forecasts_follow_scale_and_shift_of_the_series(scale: float, shift: float) -> None:
    model = predictor()
    history = sine_panel(1, 50, noise=0.5).target(0)
    plain = model.predict(panel_of(history)).values
    moved = model.predict(panel_of(scale * history + shift)).values
    spread = scale * history.std()
    np.testing.assert_allclose(moved, scale * plain + shift, atol=1e-4 * spread + 1e-12 * abs(shift))


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "none"])
def test_missing_history_before_a_series_changes_nothing(positions: str) -> None:
    model = predictor(positions=positions)
    history = sine_panel(1, 13, noise=0.5).target(0)
    padded = panel_of(np.concatenate([[1.0], np.full(40, np.nan), history]))
    alone = model.predict(panel_of(history)).values
    after_gap = model.forecast_windows(padded, np.array([0]), padded.lengths, 8, model.levels)
    np.testing.assert_allclose(alone, after_gap, rtol=1e-6)


def test_a_series_alone_equals_the_series_in_company_in_any_order() -> None:
    model = predictor()
    panel = random_panel(np.random.default_rng(3), num_series=300, shortest=2, longest=80, missing_share=0.1)
    together = model.predict(panel).values
    order = np.random.default_rng(1).permutation(len(panel))
    shuffled = model.predict(panel.select(order)).values
    np.testing.assert_allclose(shuffled, together[order], rtol=1e-5, atol=1e-5)
    for position in (0, 17, 299):
        alone = model.predict(panel.select([position])).values[0]
        np.testing.assert_allclose(alone, together[position], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head", ["quantile", "student_t"])
def test_quantiles_never_cross(head: str) -> None:
    panel = random_panel(np.random.default_rng(0), num_series=200, shortest=1, longest=90, missing_share=0.3)
    levels = tuple(np.linspace(0.1, 0.9, 41))
    values = predictor(head).predict(panel, levels=levels).values
    assert (np.diff(values, axis=2) >= 0).all()


def test_the_forecast_starts_right_after_the_last_timestamp() -> None:
    panel = sine_panel(1, 48, timezone="UTC")
    forecast = predictor().predict(panel, horizon=2)
    assert [stamp.isoformat() for stamp in forecast.timestamps(0)] == [f"2024-01-03T0{h}:00:00+00:00" for h in (0, 1)]
    frame = forecast.to_frame()
    assert list(frame.columns) == ["unique_id", "ds", *(f"0.{tenth}" for tenth in range(1, 10))]
    assert len(frame) == 2


@pytest.mark.parametrize(
    ("horizon", "levels", "code"),
    [
        (0, None, "horizon-out-of-range"),
        (9, None, "horizon-out-of-range"),
        (None, (0.05,), "level-out-of-range"),
        (None, (0.95,), "level-out-of-range"),
        (None, (0.5, 0.5), "invalid-levels"),
        (None, (), "invalid-levels"),
    ],
)
def test_what_the_model_cannot_give_is_refused(horizon: int | None, levels: tuple[float, ...], code: str) -> None:
    with pytest.raises(RequestError) as caught:
        predictor().predict(sine_panel(1, 40), horizon, levels)
    assert caught.value.code == code


def test_another_frequency_is_refused() -> None:
    with pytest.raises(FrequencyError, match=r"'D'.*trained on 'h'"):
        predictor().predict(sine_panel(1, 40, frequency="D"))


def test_a_series_without_a_value_in_sight_is_refused_and_takes_no_part_in_scores() -> None:
    model = predictor()
    blind = np.concatenate([np.arange(40.0), np.full(40, np.nan)])
    panel = panel_of(sine_panel(1, 80).target(0), blind)
    with pytest.raises(SeriesError, match="'s1' has no value in its last 32 steps"):
        model.predict(panel)
    values = model.forecast_windows(panel, np.arange(2), panel.lengths, 8, LEVELS)
    assert np.isfinite(values[0]).all()
    assert np.isnan(values[1]).all()
    scores = score(np.ones((2, 8)), values, LEVELS, np.ones(2))
    assert np.isfinite(scores.mase)
    assert np.isnan(scores.mase_by_window[1])
