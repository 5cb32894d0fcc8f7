"""The predictor: nothing after the cutoff matters, company does not matter, scale and padding do not matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.calibration import Calibration
from forecaster.config import CovariateConfig, ModelConfig
from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.errors import ColumnError, FrequencyError, RequestError, SeriesError
from forecaster.metrics import score
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from tests.factories import panel_of, random_panel, sine_panel

LEVELS = (0.1, 0.5, 0.9)


def network(seed: int = 0, **changes: Any) -> Network:
    torch.manual_seed(seed)
    shape = {"horizon": 8, "context_length": 32, "patch_length": 8, "d_model": 16, "num_heads": 2, "num_layers": 2}
    made = Network(ModelConfig(**{**shape, "d_ff": 32, **changes}))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def predictor(head: str = "quantile", positions: str = "rotary", frequency: str = "h") -> Predictor:
    return Predictor(network(head=head, positions=positions), Frequency.parse(frequency))


@pytest.mark.parametrize(
    ("head", "positions", "frequency"),
    [("quantile", "rotary", "h"), ("student_t", "rotary", "h"), ("quantile", "time", "B")],
)
def test_nothing_after_the_cutoff_can_change_a_forecast(head: str, positions: str, frequency: str) -> None:
    model = predictor(head, positions, frequency)
    panel = sine_panel(3, 60, noise=0.3, missing_share=0.1, frequency=frequency)
    series, cutoffs = np.arange(3), np.array([40, 20, 5])
    before = model.forecast_windows(panel, series, cutoffs, 8, LEVELS)
    changed = [panel.target(i).copy() for i in range(3)]
    for target, cutoff in zip(changed, cutoffs, strict=True):
        target[cutoff:] = 1e9
    after = model.forecast_windows(panel_of(*changed, frequency=frequency), series, cutoffs, 8, LEVELS)
    np.testing.assert_array_equal(before, after)
    alone = model.forecast_windows(panel.head(cutoffs), series, cutoffs, 8, LEVELS)
    np.testing.assert_array_equal(before, alone)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
def test_forecasts_follow_scale_and_shift_of_the_series(scale: float, shift: float) -> None:
    model = predictor()
    history = sine_panel(1, 50, noise=0.5).target(0)
    plain = model.predict(panel_of(history)).values
    moved = model.predict(panel_of(scale * history + shift)).values
    spread = scale * history.std()
    np.testing.assert_allclose(moved, scale * plain + shift, atol=1e-4 * spread + 1e-12 * abs(shift))


@pytest.mark.parametrize(
    ("positions", "frequency"),
    [("sinusoidal", "h"), ("learned", "h"), ("rotary", "h"), ("none", "h"), ("time", "h"), ("time", "B")],
)
def test_missing_history_before_a_series_changes_nothing(positions: str, frequency: str) -> None:
    model = predictor(positions=positions, frequency=frequency)
    history = sine_panel(1, 13, noise=0.5).target(0)
    # 40 steps and one more: with those of the series they end on the same day of the week.
    padded = panel_of(np.concatenate([[1.0], np.full(39, np.nan), history]), frequency=frequency)
    alone = model.predict(panel_of(history, frequency=frequency)).values
    after_gap = model.forecast_windows(padded, np.array([0]), padded.lengths, 8, model.levels)
    np.testing.assert_allclose(alone, after_gap, rtol=1e-6)


@pytest.mark.parametrize("frequency", ["step", "15min", "h", "D", "W-MON"])
def test_where_all_steps_last_equally_long_positions_by_time_are_rotary_ones(frequency: str) -> None:
    panel = sine_panel(3, 60, noise=0.3, missing_share=0.1, frequency=frequency)
    by_steps, by_time = (
        predictor(positions=kind, frequency=frequency).predict(panel, 20, roll_out=True).values
        for kind in ("rotary", "time")
    )
    np.testing.assert_array_equal(by_steps, by_time)


def beginning(start: str, frequency: str) -> Panel:
    """Gives the same two series from another timestamp on."""
    panel = sine_panel(2, 60, noise=0.3, frequency=frequency)
    return replace(panel, starts=np.full(2, np.datetime64(start, "us")))


@pytest.mark.parametrize(
    ("frequency", "starts"),
    [("B", ("2024-01-01", "2024-01-03", "2024-03-04")), ("MS", ("2000-01-01", "2000-04-01", "2400-01-01"))],
)
def test_where_they_do_not_the_time_of_the_window_moves_the_forecast(frequency: str, starts: tuple[str, ...]) -> None:
    for kind, is_moved in (("rotary", False), ("time", True)):
        model = predictor(positions=kind, frequency=frequency)
        one, other, cycle_later = (
            model.predict(beginning(start, frequency), 20, roll_out=True).values for start in starts
        )
        assert [bool((one[:, block] != other[:, block]).any()) for block in np.split(np.arange(16), 2)] == [
            is_moved
        ] * 2
        np.testing.assert_array_equal(one, cycle_later)


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


COVARIATES = CovariateConfig(past=("rain",), known=("price",))


def panel_with_covariates(num_ahead: int = 8, num_series: int = 2) -> Panel:
    """Gives noisy sines with one past covariate and one known `num_ahead` steps ahead."""
    panel, rng = sine_panel(num_series, 60, noise=0.3), np.random.default_rng(1)
    covariates = PanelCovariates.from_arrays(
        past={"rain": [rng.standard_normal(60) for _ in range(num_series)]},
        known={"price": [rng.standard_normal(60 + num_ahead) for _ in range(num_series)]},
    )
    return replace(panel, covariates=covariates)


def with_known(panel: Panel, step: int, value: float) -> Panel:
    """Gives the panel with another price of s0, `step` steps after its end (0 is the first)."""
    known = panel.covariates.known.copy()
    known[60 + step] = value
    return replace(panel, covariates=replace(panel.covariates, known=known))


def covariate_model(**changes: Any) -> Predictor:
    return Predictor(network(covariates=COVARIATES, **changes), Frequency.parse("h"))


def test_known_covariates_of_the_horizon_reach_the_forecast() -> None:
    model, panel = covariate_model(), panel_with_covariates()
    before, after = model.predict(panel).values, model.predict(with_known(panel, 7, 9.0)).values
    assert np.abs(after[0] - before[0]).max() > 1e-3
    np.testing.assert_allclose(after[1], before[1], rtol=1e-5)


def test_what_is_known_beyond_the_horizon_does_not() -> None:
    model, panel = covariate_model(), panel_with_covariates(num_ahead=12)
    np.testing.assert_array_equal(model.predict(panel).values, model.predict(with_known(panel, 8, 9.0)).values)


def test_a_known_covariate_that_ends_too_early_is_refused_by_name_series_and_time() -> None:
    model = covariate_model()
    message = r"'price' of series 's0' is missing from 2024-01-03T17:00.* on: the 8 steps after the end"
    with pytest.raises(RequestError, match=message) as caught:
        model.predict(panel_with_covariates(num_ahead=5))
    assert caught.value.code == "unknown-ahead"
    with pytest.raises(RequestError, match=r"missing from 2024-01-03T19:00"):
        model.predict(with_known(panel_with_covariates(), 7, np.nan))
    assert model.predict(panel_with_covariates(num_ahead=5), horizon=5).horizon == 5


def test_a_known_value_missing_within_the_horizon_is_a_missing_value() -> None:
    values = covariate_model().predict(with_known(panel_with_covariates(), 3, np.nan)).values
    assert np.isfinite(values).all()


def test_a_panel_without_a_covariate_of_the_model_is_refused() -> None:
    with pytest.raises(ColumnError, match="'rain'"):
        covariate_model().predict(sine_panel(1, 40))


def test_a_group_is_forecast_the_same_however_many_other_windows_there_are() -> None:
    model = Predictor(network(channels="group"), Frequency.parse("h"))
    panel = sine_panel(300, 40, noise=0.3)
    panel = replace(panel, groups=np.arange(300) % 100)
    together = model.predict(panel).values
    company = [7, 107, 207]
    alone = model.predict(panel.select(company)).values
    np.testing.assert_allclose(alone, together[company], rtol=1e-4, atol=1e-4)
    single = model.predict(panel.select([7])).values[0]
    assert np.abs(single - together[7]).max() > 1e-3


def test_an_ensemble_answers_with_the_mean_of_its_networks() -> None:
    networks, panel = [network(seed) for seed in range(3)], sine_panel(2, 50, noise=0.2)
    model = Predictor(networks, Frequency.parse("h"))
    each = [Predictor(one, Frequency.parse("h")).predict(panel).values for one in networks]
    np.testing.assert_allclose(model.predict(panel).values, np.mean(each, axis=0), rtol=1e-6)
    assert model.networks == tuple(networks)
    assert model.network is networks[0]


CALIBRATION = Calibration(0.5, np.linspace(1.2, 2.0, 8), np.random.default_rng(0).random((40, 8), dtype=np.float32))


@pytest.mark.parametrize("num_networks", [1, 2])
@pytest.mark.parametrize("head", ["quantile", "student_t"])
def test_a_roll_out_begins_with_the_plain_forecast_and_goes_on_in_order(head: str, num_networks: int) -> None:
    networks = [network(seed, head=head) for seed in range(num_networks)]
    model, panel = Predictor(networks, Frequency.parse("h"), CALIBRATION), sine_panel(3, 50, noise=0.2)
    rolled = model.predict(panel, 21, LEVELS, roll_out=True)
    assert rolled.values.shape == (3, 21, 3)
    np.testing.assert_array_equal(rolled.values[:, :8], model.predict(panel, levels=LEVELS).values)
    assert (np.diff(rolled.values, axis=2) >= 0).all()
    assert len(rolled.timestamps(0)) == 21
    shorter = model.predict(panel, 12, LEVELS, roll_out=True)
    np.testing.assert_array_equal(shorter.values, rolled.values[:, :12])


def test_a_roll_out_of_an_untrained_network_does_not_narrow() -> None:
    torch.manual_seed(0)
    fresh = Network(network().config)  # forecasts about the mean and spread of what it sees
    panel = sine_panel(3, 50, noise=0.2)
    values = Predictor(fresh, Frequency.parse("h")).predict(panel, 40, roll_out=True).values
    widths = values[:, :, -1] - values[:, :, 0]
    assert (widths[:, 8:].mean(axis=1) >= 0.95 * widths[:, :8].mean(axis=1)).all()


def test_a_roll_out_in_logarithms_stays_above_0() -> None:
    model = Predictor(network(scaling="log"), Frequency.parse("h"))
    panel = panel_of(np.exp(1.5 * np.random.default_rng(0).normal(size=60)))
    assert (model.predict(panel, 100, roll_out=True).values > 0).all()


def test_a_roll_out_of_counts_is_counts() -> None:
    model = Predictor(network(head="negative_binomial"), Frequency.parse("h"))
    values = model.predict(panel_of(np.random.default_rng(0).poisson(2.0, 60)), 30, roll_out=True).values
    np.testing.assert_array_equal(values, np.rint(values))
    assert values.min() >= 0


def test_a_roll_out_follows_scale_and_shift() -> None:
    model, history = predictor(), sine_panel(1, 50, noise=0.5).target(0)
    plain = model.predict(panel_of(history), 20, roll_out=True).values
    moved = model.predict(panel_of(100.0 * history + 7), 20, roll_out=True).values
    np.testing.assert_allclose(moved, 100.0 * plain + 7, atol=1e-2 * history.std())


def test_a_roll_out_needs_what_is_known_as_far_ahead() -> None:
    model = covariate_model()
    with pytest.raises(RequestError, match=r"the 20 steps after the end of the series are needed"):
        model.predict(panel_with_covariates(num_ahead=19), 20, roll_out=True)
    panel = panel_with_covariates(num_ahead=20)
    before = model.predict(panel, 20, roll_out=True).values
    after = model.predict(with_known(panel, 19, 9.0), 20, roll_out=True).values
    np.testing.assert_array_equal(after[0, :16], before[0, :16])
    assert np.abs(after[0, 16:] - before[0, 16:]).max() > 1e-3


def test_a_horizon_beyond_the_model_is_refused_unless_a_roll_out_is_declared() -> None:
    with pytest.raises(RequestError, match=r"horizon 9 is outside 1\.\.8, the range this model was trained for"):
        predictor().predict(sine_panel(1, 40), 9)
    with pytest.raises(RequestError, match=r"; a roll-out, if one is asked for, goes up to 16384$"):
        predictor().predict(sine_panel(1, 40), 9)
    with pytest.raises(RequestError, match=r"horizon 0 is outside 1\.\.8, the range this model was trained for$"):
        predictor().predict(sine_panel(1, 40), 0)
    with pytest.raises(RequestError, match=r"outside 1\.\.16384, the range of a roll-out$"):
        predictor().predict(sine_panel(1, 40), 100_000, roll_out=True)


def test_a_point_model_is_rolled_out_along_its_own_path() -> None:
    model, panel = predictor("mse"), sine_panel(1, 50, noise=0.2)
    rolled = model.predict(panel, 16, roll_out=True).values[0, :, 0]
    longer = panel_of(np.concatenate([panel.target(0), rolled[:8]]))
    np.testing.assert_allclose(rolled[8:], model.predict(longer).values[0, :, 0], rtol=1e-5)


def test_paths_lie_as_the_forecast_says_and_start_where_it_starts() -> None:
    model, panel = Predictor(network(), Frequency.parse("h"), CALIBRATION), sine_panel(2, 50, noise=0.2)
    paths, forecast = model.sample_paths(panel, 2000, seed=1), model.predict(panel)
    assert paths.values.shape == (2, 2000, 8)
    assert paths.starts.tolist() == forecast.starts.tolist()
    found = np.moveaxis(np.quantile(paths.values, forecast.levels, axis=1), 0, 2)
    spread = forecast.values[..., -1] - forecast.values[..., 0]
    assert (np.abs(found - forecast.values) < 0.01 * spread[..., None]).all()
    np.testing.assert_array_equal(model.sample_paths(panel, 2000, seed=1, horizon=3).values, paths.values[..., :3])


def test_paths_without_templates_are_refused() -> None:
    panel = sine_panel(1, 40)
    with pytest.raises(RequestError, match="no rank templates") as caught:
        predictor().sample_paths(panel)
    assert caught.value.code == "no-templates"
    with pytest.raises(RequestError, match="num_paths must be 1 or more, got 0"):
        predictor().sample_paths(panel, 0)
    with pytest.raises(RequestError, match="seed must be 0 or more, got -1"):
        predictor().sample_paths(panel, seed=-1)


def test_calibrated_forecasts_follow_scale_and_shift_and_keep_their_levels_apart_from_others_asked() -> None:
    model, history = Predictor(network(), Frequency.parse("h"), CALIBRATION), sine_panel(1, 50, noise=0.5).target(0)
    plain = model.predict(panel_of(history)).values
    moved = model.predict(panel_of(1e3 * history - 5e4)).values
    np.testing.assert_allclose(moved, 1e3 * plain - 5e4, atol=1e-1 * history.std())
    alone = model.predict(panel_of(history), levels=(0.25,)).values
    together = model.predict(panel_of(history), levels=(0.1, 0.25, 0.7)).values
    np.testing.assert_array_equal(alone[..., 0], together[..., 1])


def test_a_series_without_a_value_in_sight_is_refused_in_a_roll_out_too() -> None:
    blind = np.concatenate([np.arange(40.0), np.full(40, np.nan)])
    with pytest.raises(SeriesError, match="'s1' has no value in its last 32 steps"):
        predictor().predict(panel_of(sine_panel(1, 80).target(0), blind), 20, roll_out=True)


def test_the_first_block_is_forecast_once(monkeypatch: pytest.MonkeyPatch) -> None:
    panels: list[int] = []
    real = Predictor.forecast_windows

    def counted(model: Predictor, panel: Panel, *given: Any) -> Any:
        panels.append(len(panel))
        return real(model, panel, *given)

    monkeypatch.setattr(Predictor, "forecast_windows", counted)
    model, panel = predictor(), panel_of(np.sin(np.arange(40.0)), np.cos(np.arange(40.0)))
    model.predict(panel, 2 * model.horizon, roll_out=True)
    assert panels == [2, 2 * len(model.levels)]
