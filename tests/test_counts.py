"""A model is asked about values that it takes in alone, through every door of the library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from forecaster.data.origins import CountedBack
from forecaster.data.panel import Panel
from forecaster.errors import SeriesError
from forecaster.explain import explain
from forecaster.golden import record_golden
from forecaster.plain_question import plain_series
from forecaster.predictor import Predictor
from tests.explain.factories import predictor_of
from tests.factories import panel_of


def asks_of(model: Predictor, panel: Panel) -> list[Callable[[], object]]:
    """Gives all ways to ask a model about the second of two series."""
    targets = [panel.target(place).tolist() for place in range(2)]
    plain = plain_series(panel.series_ids, panel.starts, targets, panel.axis)
    assert plain is not None
    return [
        lambda: model.predict(panel),
        lambda: model.plain_question(plain),
        lambda: model.rolling_question(panel, CountedBack(1)),
        lambda: explain(model, panel, "s1"),
    ]


@pytest.mark.parametrize("wrong", [-1.0, 0.5])
def test_a_model_of_counts_refuses_what_is_no_count_however_it_is_asked(wrong: float) -> None:
    model = predictor_of(head="negative_binomial")
    counts = np.random.default_rng(0).poisson(5.0, 60).astype(float)
    panel = panel_of(counts, np.r_[counts[:10], wrong, counts[11:]])
    for ask in asks_of(model, panel):
        with pytest.raises(SeriesError, match=f"'s1' has the value {wrong:g} at step 10, but .* counts") as refused:
            ask()
        assert refused.value.code == "not-counts"
    assert explain(model, panel, "s0").forecast >= 0
    predictor_of().predict(panel)


def test_several_networks_of_counts_forecast_counts() -> None:
    model = predictor_of(3, head="negative_binomial")
    panel = panel_of(np.random.default_rng(0).poisson(5.0, 60).astype(float))
    for levels in (None, (0.05, 0.33, 0.9)):
        values = model.predict(panel, 2 * model.horizon, levels, roll_out=True).values
        assert (values % 1 == 0).all()
        assert (np.diff(values) >= 0).all()


def test_the_golden_forecast_of_several_networks_of_counts_stays_what_it_was_before_they_were_rounded() -> None:
    golden = record_golden(predictor_of(3, head="negative_binomial"))
    assert (golden["quantiles"] % 1 > 0).any()


def test_a_model_that_scales_nothing_refuses_what_float32_cannot_compute_with_however_it_is_asked() -> None:
    model = predictor_of(scaling="off")
    ordinary = 9 + np.random.default_rng(0).standard_normal(60)
    panel = panel_of(ordinary, np.r_[ordinary[:-1], -3e28])
    for ask in asks_of(model, panel):
        with pytest.raises(
            SeriesError, match=r"'s1' has the value -3e\+28 at step 59, but .* \+/- 1\.84e\+19"
        ) as refused:
            ask()
        assert refused.value.code == "value-out-of-range"
    assert np.isfinite(model.predict(panel_of(ordinary, ordinary * 1e18)).values).all()
    predictor_of().predict(panel)
