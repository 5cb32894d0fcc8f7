"""Rolling forecasts: each is what `predict` says of the series up to there, and nothing later can change it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import CovariateConfig
from forecaster.data.covariates import PanelCovariates
from forecaster.data.origins import Consecutive, CountedBack
from forecaster.data.panel import Panel
from forecaster.errors import FrequencyError, RequestError, SeriesError
from forecaster.predictor import Predictor
from forecaster.rolling import Rolled, RollingQuestion
from forecaster.time.frequency import Frequency
from tests.factories import START, covariate_panel, panel_of, sine_panel
from tests.test_predictor import network

LEVELS = (0.1, 0.5, 0.9)
COVARIATES = CovariateConfig(
    past=("p0", "p1"),
    known=("k0", "k1"),
    static=("n0", "n1"),
    categories={"c0": ("A", "B", "C"), "c1": ("A", "B", "C")},
)


def predictor(**changes: object) -> Predictor:
    return Predictor(network(**changes), Frequency.parse("h"))


def rolled_of(panel: Panel, model: Predictor, origins: CountedBack | Consecutive, horizon: int = 4) -> Rolled:
    return model.rolled(model.rolling_question(panel, origins, horizon, LEVELS, min_context=6))


def test_what_followed_stands_beside_each_forecast() -> None:
    panel = panel_of([0.0, 1.0, 2.0, 3.0, 4.0, np.nan, 6.0], [0.0, 10.0])
    rolled = rolled_of(panel, predictor(), Consecutive(), 2)
    assert rolled.addresses.cutoffs.tolist() == [6]
    wide = Rolled(panel, replace(rolled.addresses, cutoffs=np.array([4])), LEVELS, np.zeros((1, 4, 3)))
    np.testing.assert_array_equal(wide.actual, [[4.0, np.nan, 6.0, np.nan]])
    np.testing.assert_array_equal(wide.rows, [[4, 5, 6, -1]])
    assert wide.num_steps.tolist() == [3]
    assert wide.starts.tolist() == [START + np.timedelta64(4, "h")]
    assert (rolled.places(0), rolled.places(1)) == (slice(0, 1), slice(1, 1))


@pytest.mark.parametrize("changes", [{}, {"positions": "time"}, {"head": "student_t"}], ids=str)
def test_each_forecast_is_that_of_the_series_up_to_its_cutoff(changes: dict[str, object]) -> None:
    panel, model = sine_panel(3, 70, noise=0.3, missing_share=0.1), predictor(**changes)
    rolled = rolled_of(panel, model, CountedBack(3, 5))
    for place, (series, cutoff) in enumerate(zip(rolled.addresses.series, rolled.addresses.cutoffs, strict=True)):
        alone = panel.select([series]).head(np.array([cutoff]))
        np.testing.assert_allclose(rolled.values[place], model.predict(alone, 4, LEVELS).values[0], rtol=1e-5)


def changed_after(panel: Panel, cutoff: int, number: float) -> Panel:
    """The panel with other targets and past covariates from a cutoff of each series on."""
    later = panel.steps() >= cutoff
    covariates = replace(panel.covariates, past=np.where(later[:, np.newaxis], number, panel.covariates.past))
    return replace(panel, values=np.where(later, number, panel.values), covariates=covariates)


@pytest.mark.parametrize("channels", ["independent", "group"])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cutoff=st.integers(6, 25), number=st.floats(-1e9, 1e9) | st.just(float("nan")))
def test_no_value_after_a_cutoff_can_change_its_forecast(channels: str, seed: int, cutoff: int, number: float) -> None:
    model = predictor(covariates=COVARIATES, channels=channels)
    panel = covariate_panel(np.random.default_rng(seed), longest=30)
    if panel.lengths.max() <= 7:
        return
    starts = np.full(len(panel), panel.starts[0])  # so that a cutoff is the same time in all series of a group
    panel = replace(panel, starts=starts)
    before, after = (rolled_of(one, model, Consecutive(), 2) for one in (panel, changed_after(panel, cutoff, number)))
    kept = before.addresses.cutoffs <= cutoff
    same = after.addresses.cutoffs <= cutoff
    np.testing.assert_array_equal(before.addresses.cutoffs[kept], after.addresses.cutoffs[same])
    np.testing.assert_allclose(before.values[kept], after.values[same], rtol=1e-6, atol=1e-6)


def test_a_value_before_the_cutoff_does_change_it() -> None:
    panel, model = sine_panel(1, 40), predictor()
    before = rolled_of(panel, model, CountedBack(1))
    after = rolled_of(replace(panel, values=np.where(panel.steps() >= 35, 1e3, panel.values)), model, CountedBack(1))
    assert (before.values != after.values).any()


def test_known_covariates_of_the_target_are_seen() -> None:
    model = predictor(covariates=CovariateConfig(known=("price",)))

    def forecast(last_price: float) -> Rolled:
        prices = np.append(np.sin(np.arange(39.0)), last_price)
        panel = Panel.from_arrays(
            ["a"],
            np.array([START]),
            [np.arange(40.0) % 7],
            panel_of([1.0]).axis,
            covariates=PanelCovariates.from_arrays(known={"price": [prices]}),
        )
        return rolled_of(panel, model, CountedBack(1))

    assert (forecast(0.0).values != forecast(9.0).values).any()


def test_a_question_in_parts_is_answered_as_in_one() -> None:
    panel, model = sine_panel(3, 60, noise=0.3), predictor(channels="group")
    panel = replace(panel, groups=np.array([0, 1, 0]))
    question = model.rolling_question(panel, Consecutive(), 3, LEVELS, min_context=6)
    values = np.empty((question.num_windows, model.horizon, 3))
    for places in question.batches(7):
        values[places] = model.answer(question.windows(places), LEVELS)
    np.testing.assert_allclose(question.rolled(values).values, model.rolled(question).values, rtol=1e-5, atol=1e-5)
    assert question.num_seen.max() == 32


def test_other_levels_are_read_off_the_quantiles() -> None:
    rolled = Rolled(
        panel_of(np.arange(4.0)),
        CountedBack(1).addresses(panel_of(np.arange(4.0)), 1, 1),
        LEVELS,
        np.array([[[1.0, 2, 4]]]),
    )
    assert rolled.at(LEVELS) is rolled
    np.testing.assert_allclose(rolled.at((0.3, 0.5, 0.7)).values, [[[1.5, 2.0, 3.0]]])
    # Beyond .9, a normal: 2 at its middle and 4 at 1.2816 standard deviations, so 2 + 2 * 2.5758 / 1.2816 at .995.
    np.testing.assert_allclose(rolled.at((0.995,)).values, [[[6.0198]]], atol=1e-4)


def test_other_levels_stay_in_the_support_of_the_model() -> None:
    panel = panel_of(np.arange(4.0))
    rolled = Rolled(panel, CountedBack(1).addresses(panel, 1, 1), LEVELS, np.array([[[1.0, 2, 4]]]))
    levels = (0.005, 0.3, 0.995)
    assert rolled.at(levels).values[0, 0, 0] < 0
    # In logarithms the ends are log 2 -+ log 2 * 2.5758 / 1.2816: 2^-1.0099 and 2^3.0099.
    positive = replace(rolled, support="positive").at(levels).values
    np.testing.assert_allclose(positive, [[[0.4966, 2**0.5, 8.0553]]], rtol=1e-4)
    np.testing.assert_array_equal(replace(rolled, support="counts").at(levels).values, [[[0.0, 2.0, 6.0]]])


@pytest.mark.parametrize(("changes", "support"), [({}, "any"), ({"scaling": "log"}, "positive")])
def test_what_a_model_has_rolled_is_in_its_support(changes: dict[str, object], support: str) -> None:
    assert rolled_of(sine_panel(1, 60), predictor(**changes), CountedBack(1)).support == support


def test_what_cannot_be_answered_is_refused() -> None:
    model, panel = predictor(), sine_panel(2, 20)
    with pytest.raises(RequestError, match=r"horizon 9 is outside 1\.\.8, the range this model was trained for$"):
        model.rolling_question(panel, CountedBack(1), 9)
    with pytest.raises(RequestError, match="reach outside"):
        model.rolling_question(panel, CountedBack(1), 4, (0.05, 0.5))
    with pytest.raises(FrequencyError):
        model.rolling_question(sine_panel(1, 20, frequency="D"), CountedBack(1), 4)
    with pytest.raises(SeriesError, match="the longest series has 20 steps, and none has a step to forecast with 32"):
        model.rolling_question(panel, Consecutive(), 4)
    gap = panel_of(np.concatenate([[1.0], np.full(60, np.nan), [2.0]]))
    with pytest.raises(SeriesError, match="give longer series or a lower min_context"):
        model.rolling_question(gap, CountedBack(1), 1)


def test_windows_count_as_series_of_one_forecast() -> None:
    model = predictor()
    question = model.rolling_question(sine_panel(2, 20), CountedBack(2), 4, LEVELS, min_context=6)
    assert isinstance(question, RollingQuestion)
    forecast = model.rolled(question).to_forecast()
    assert forecast.series_ids == ("s0", "s0", "s1", "s1")
    assert forecast.values.shape == (4, 4, 3)
