"""Explanations: of the forecast that is given, at real timestamps, and blind to what comes after the cutoff."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.errors import ColumnError, FrequencyError, RequestError, SeriesError
from forecaster.explain import ExplainConfig, Explanation, explain, explaining
from forecaster.explain.question import ask
from tests.explain.factories import COVARIATES, predictor_of, trained_predictor, waves
from tests.factories import START, covariate_panel, panel_of

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ensemble": {"num_networks": 3},
    "student_t": {"head": "student_t"},
    "gaussian": {"head": "gaussian", "skip": "ridge"},
    "theta": {"skip": "theta", "season_length": 12},
    "point": {"head": "mse", "levels": (0.5,)},
    "time": {"positions": "time", "channels": "group"},
    "asinh": {"scaling": "asinh", "decoder": "queries"},
    "two resolutions": {"coarse_patch_length": 8, "patch_stride": 2, "causal": True},
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


@EACH_KIND
@pytest.mark.parametrize("step", [None, 1, 4])
def test_the_number_explained_is_the_median_that_is_forecast(kind: str, step: int | None) -> None:
    predictor, panel = predictor_of(**KINDS[kind]), waves()
    median = predictor.predict(panel, levels=(0.5,)).values[1, :, 0]
    expected = median.mean() if step is None else median[step - 1]
    explanation = explain(predictor, panel, "s1", config=ExplainConfig(step=step, num_random_draws=1))
    assert explanation.forecast == pytest.approx(expected, rel=1e-6)


@EACH_KIND
def test_gradients_add_up_to_the_forecast_minus_that_of_a_flat_context(kind: str) -> None:
    config = ExplainConfig(num_path_points=256, num_random_draws=1)
    explanation = explain(predictor_of(**KINDS[kind]), waves(), "s1", config=config)
    difference = explanation.forecast - explanation.flat_forecast
    assert explanation.gradients.values.sum() == pytest.approx(difference, rel=0.01, abs=1e-3)


def test_an_explanation_follows_shift_and_stretch_of_its_series() -> None:
    predictor, target = predictor_of(), waves().target(0)
    plain, moved = (explain(predictor, panel_of(series), 0) for series in (target, 1e3 * target - 7))
    assert moved.forecast == pytest.approx(1e3 * plain.forecast - 7, rel=1e-5)
    np.testing.assert_allclose(moved.occlusion.values, 1e3 * plain.occlusion.values, atol=1e-2)
    np.testing.assert_allclose(moved.gradients.values, 1e3 * plain.gradients.values, atol=1e-2)
    np.testing.assert_allclose(moved.attention, plain.attention, atol=1e-5)
    assert moved.occlusion.faithfulness.top_change == pytest.approx(
        1e3 * plain.occlusion.faithfulness.top_change, rel=1e-3
    )


def test_nothing_after_the_cutoff_changes_an_explanation_but_the_loss_it_is_tested_by() -> None:
    predictor, target = predictor_of(), waves().target(0)
    changed = target.copy()
    changed[40:] = 1e6
    first, second = (explain(predictor, panel_of(series), 0, cutoff=40) for series in (target, changed))
    assert first.forecast == second.forecast
    np.testing.assert_array_equal(first.occlusion.values, second.occlusion.values)
    np.testing.assert_array_equal(first.gradients.values, second.gradients.values)
    np.testing.assert_array_equal(first.attention, second.attention)
    assert first.occlusion.faithfulness.top_change == second.occlusion.faithfulness.top_change
    assert first.occlusion.faithfulness.top_loss_rise != second.occlusion.faithfulness.top_loss_rise


def test_without_actuals_there_is_no_rise_of_the_loss() -> None:
    frame = explain(predictor_of(), waves(), 0).faithfulness_frame()
    assert list(frame["method"]) == ["occlusion", "gradients"]
    assert frame[["top_loss_rise", "random_loss_rise"]].isna().all(axis=None)
    assert frame[["top_change", "random_change"]].gt(0).all(axis=None)


def test_attributions_of_a_trained_model_are_true_to_it() -> None:
    predictor, panel = trained_predictor()
    config = ExplainConfig(num_random_draws=10)
    frames = [
        explain(predictor, panel, series, cutoff, config).faithfulness_frame()
        for series in range(3)
        for cutoff in (150, 165)
    ]
    means = pd.concat(frames).groupby("method").mean(numeric_only=True)
    assert (means["top_change"] > 2 * means["random_change"]).all()
    assert (means["top_loss_rise"] > means["random_loss_rise"]).all()


def test_the_same_seed_gives_the_same_explanation_and_another_one_other_draws() -> None:
    predictor, panel = predictor_of(), waves()
    first, again, other = (
        explain(predictor, panel, 0, config=ExplainConfig(seed=seed, num_random_draws=3)).occlusion
        for seed in (0, 0, 1)
    )
    assert first.faithfulness.random_change == again.faithfulness.random_change
    assert first.faithfulness.random_change != other.faithfulness.random_change
    np.testing.assert_array_equal(first.values, other.values)


def explanation_at(timezone: str | None = None, **changes: Any) -> tuple[Panel, Explanation]:
    panel = waves(timezone=timezone)
    return panel, explain(predictor_of(**changes), panel, "s2", cutoff=50)


@pytest.mark.parametrize("timezone", [None, "Europe/Berlin"])
def test_patches_and_steps_stand_at_the_timestamps_of_their_values(timezone: str | None) -> None:
    panel, explanation = explanation_at(timezone)
    stamps = panel.axis.show(panel.starts[2], 60)
    patches, steps = explanation.patch_frame(), explanation.step_frame()
    assert list(steps["timestamp"]) == list(stamps[26:50])
    assert list(patches["first"]) == list(stamps[26:50:4])
    assert list(patches["last"]) == list(stamps[29:50:4])
    assert set(patches["num_steps"]) == {4}
    np.testing.assert_allclose(patches["gradients"], steps["gradients"].to_numpy().reshape(6, 4).sum(axis=1))


def test_tokens_of_each_resolution_and_of_the_future_stand_at_their_timestamps_up_to_the_horizon() -> None:
    panel, explanation = explanation_at(coarse_patch_length=12, decoder="queries")
    stamps, frame = panel.axis.show(panel.starts[2], 60), explanation.token_frame()
    assert list(frame["num_steps"]) == [12, 12] + [4] * 7 + [1]
    assert list(frame["is_future"]) == [False] * 8 + [True] * 2
    assert list(frame["first"]) == list(stamps[[26, 38, 26, 30, 34, 38, 42, 46, 50, 54]])
    assert frame["last"].iloc[-1] == stamps[54]
    assert frame["attention_roll_out"].sum() == pytest.approx(1.0)


def test_integer_steps_count_on_before_the_start_of_a_short_series() -> None:
    panel = panel_of(waves(missing_share=0.0).target(0)[:10], frequency="step")
    explanation = explain(predictor_of(frequency="step"), panel, 0)
    frame = explanation.patch_frame()
    assert list(frame["first"]) == [-14, -10, -6, -2, 2, 6]
    assert not frame.loc[:2, ["occlusion", "gradients"]].any(axis=None)
    assert frame.loc[3:, "occlusion"].all()
    assert not explanation.token_frame()["attention_roll_out"][:3].any()


def test_the_attention_table_is_that_of_each_network_layer_and_head() -> None:
    _, explanation = explanation_at(num_networks=2)
    frame = explanation.attention_frame()
    assert len(frame) == 2 * 2 * 2 * 6 * 6
    sums = frame.groupby(["network", "layer", "head", "from_token"])["weight"].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=1e-5)
    row = frame.iloc[[2 * 36 * 2 + 36 + 6 * 3 + 5]].iloc[0]
    assert row[["network", "layer", "head", "from_token", "to_token"]].tolist() == [1, 0, 1, 3, 5]
    assert row["weight"] == explanation.attention[1, 0, 1, 3, 5]
    tokens = explanation.token_frame()
    assert (row["from_first"], row["to_last"]) == (tokens["first"][3], tokens["last"][5])


@pytest.mark.parametrize("channels", ["independent", "group"])
def test_a_model_with_covariates_is_explained_with_them(channels: str) -> None:
    predictor = predictor_of(covariates=COVARIATES, channels=channels, num_networks=2)
    panel = covariate_panel(np.random.default_rng(1), longest=40, most_ahead=9)
    position, cutoff = int(panel.lengths.argmax()), int(panel.lengths.max()) - 6
    time = panel.axis.frequency.advance(panel.starts[[position]], cutoff)
    company = panel.axis.frequency.positions(panel.starts, np.repeat(time, len(panel)))
    there = np.flatnonzero((company >= 0) & (company <= panel.lengths))
    forecasts = predictor.forecast_windows(panel, there, company[there], 5, (0.5,))
    expected = forecasts[list(there).index(position)].mean()
    assert explain(predictor, panel, position, cutoff).forecast == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("channels", ["independent", "group"])
def test_a_model_that_reads_the_elapsed_time_is_explained_at_the_time_of_its_window(channels: str) -> None:
    predictor = predictor_of(positions="time", channels=channels, num_networks=2, frequency="B")
    panel = waves(frequency="B")
    cutoffs = np.full(1, 40)
    expected = predictor.forecast_windows(panel, np.ones(1, dtype=np.int64), cutoffs, 5, (0.5,)).mean()
    explanation = explain(predictor, panel, "s1", 40)
    assert explanation.forecast == pytest.approx(expected, rel=1e-6)
    assert explanation.attention.shape == (2, 2, 2, 6, 6)
    assert explanation.token_frame()["last"].iloc[-1] == pd.Timestamp("2024-02-23")  # a Friday, the 40th business day


def grouped(*targets: np.ndarray[Any, np.dtype[np.float64]]) -> Panel:
    plain = panel_of(*targets)
    return replace(plain, groups=np.zeros(len(plain), dtype=np.int64))


def test_a_series_of_a_group_is_explained_in_the_company_that_ends_with_it() -> None:
    predictor, panel = predictor_of(channels="group"), waves()
    target = [panel.target(position) for position in range(3)]
    together, shorter = grouped(*target), grouped(target[0], target[1], target[2][:-1])
    for position, company in ((0, together), (0, shorter), (2, together), (2, shorter)):
        median = predictor.predict(company, levels=(0.5,)).values[position, :, 0].mean()
        assert explain(predictor, company, position).forecast == pytest.approx(median, rel=1e-6)
    assert explain(predictor, together, 0).forecast != pytest.approx(explain(predictor, shorter, 0).forecast, rel=1e-5)


@pytest.mark.parametrize("position", [0, 2])
def test_gradients_in_company_are_those_of_the_series_itself(position: int) -> None:
    predictor, panel = predictor_of(channels="group"), waves()
    company = grouped(*(panel.target(row) for row in range(3)))
    config = ExplainConfig(num_path_points=256, num_random_draws=1)
    explanation = explain(predictor, company, position, config=config)
    difference = explanation.forecast - explanation.flat_forecast
    assert explanation.gradients.values.sum() == pytest.approx(difference, rel=0.01, abs=1e-3)


def test_hiding_a_patch_hides_it_from_the_company_too() -> None:
    predictor, panel = predictor_of(channels="group"), waves(missing_share=0.0)
    target = [panel.target(position) for position in range(3)]
    without = target[1].copy()
    without[-8:-4] = np.nan
    change = [
        predictor.predict(grouped(target[0], own, target[2]), levels=(0.5,)).values[1].mean()
        for own in (target[1], without)
    ]
    explanation = explain(predictor, grouped(*target), 1)
    assert explanation.occlusion.values[-2] == pytest.approx(change[0] - change[1], rel=1e-4)


@pytest.mark.parametrize(
    ("series", "cutoff", "step", "error", "message"),
    [
        ("nobody", None, None, SeriesError, "no series 'nobody'"),
        (3, None, None, SeriesError, r"position 3 is not in 0 \.\. 2"),
        (-1, None, None, SeriesError, "position -1 is not in"),
        (0, 0, None, RequestError, r"cutoff 0 of series 's0' is outside 1 \.\. 60"),
        (0, 61, None, RequestError, "cutoff 61 of series 's0' is outside"),
        (0, None, 6, RequestError, r"step 6 is outside 1\.\.5, the horizon of this model"),
    ],
)
def test_what_is_not_there_is_not_explained(
    series: str | int, cutoff: int | None, step: int | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        explain(predictor_of(), waves(), series, cutoff, ExplainConfig(step=step))


def test_another_frequency_is_refused() -> None:
    with pytest.raises(FrequencyError, match=r"'D'.*trained on 'h'"):
        explain(predictor_of(), waves(frequency="D"), 0)


def test_a_context_without_a_value_is_refused() -> None:
    panel = panel_of(np.concatenate([np.arange(10.0), np.full(24, np.nan)]))
    with pytest.raises(SeriesError, match="'s0' has no value in the 24 steps that this model looks at"):
        explain(predictor_of(), panel, 0)


def test_covariates_that_are_missing_or_not_known_ahead_are_refused() -> None:
    predictor, values = (
        predictor_of(covariates=COVARIATES.model_copy(update={"past": (), "static": (), "categories": {}})),
        waves(),
    )
    with pytest.raises(ColumnError, match="'k0'"):
        explain(predictor, values, 0)
    known = [np.arange(63.0)] * 3
    covariates = PanelCovariates.from_arrays(known={"k0": known, "k1": known})
    panel = Panel.from_arrays(
        values.series_ids,
        np.full(3, START),
        [values.target(row) for row in range(3)],
        values.axis,
        covariates=covariates,
    )
    with pytest.raises(RequestError, match="known covariate 'k0' of series 's0' is missing from"):
        explain(predictor, panel, 0)


def test_explaining_in_parts_refuses_at_once_and_gives_the_explanation_last() -> None:
    predictor, config = predictor_of(), ExplainConfig(num_random_draws=1)
    with pytest.raises(RequestError, match=r"step 6 is outside 1\.\.5"):
        explaining(predictor, waves(), "s1", config=ExplainConfig(step=6))
    *none_yet, last = explaining(predictor, waves(), "s1", config=config)
    assert none_yet == [None] * 4
    assert last is not None
    np.testing.assert_array_equal(
        last.gradients.values, explain(predictor, waves(), "s1", config=config).gradients.values
    )


def test_a_model_of_many_tokens_is_asked_about_few_variants_at_a_time() -> None:
    """2 heads x 512 x 512 weights for each: 32 fit; of 24 steps in patches of 4 as many as otherwise."""
    many, few = ({"context_length": 512, "patch_length": 1}, {})
    found = [ask(predictor_of(**changes), waves(600), 0, None, None).most_variants for changes in (many, few)]
    assert found == [32, 256]
