"""A model of counts is asked about counts alone, through every door of the library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from forecaster.data.origins import CountedBack
from forecaster.errors import SeriesError
from forecaster.explain import explain
from forecaster.plain_question import plain_series
from tests.explain.factories import predictor_of
from tests.factories import panel_of


@pytest.mark.parametrize("wrong", [-1.0, 0.5])
def test_a_model_of_counts_refuses_what_is_no_count_however_it_is_asked(wrong: float) -> None:
    model = predictor_of(head="negative_binomial")
    counts = np.random.default_rng(0).poisson(5.0, 60).astype(float)
    panel = panel_of(counts, np.r_[counts[:10], wrong, counts[11:]])
    targets = [panel.target(place).tolist() for place in range(2)]
    plain = plain_series(panel.series_ids, panel.starts, targets, panel.axis)
    assert plain is not None
    asks: list[Callable[[], object]] = [
        lambda: model.predict(panel),
        lambda: model.plain_question(plain),
        lambda: model.rolling_question(panel, CountedBack(1)),
        lambda: explain(model, panel, "s1"),
    ]
    for ask in asks:
        with pytest.raises(SeriesError, match=f"'s1' has the value {wrong:g} at step 10, but .* counts") as refused:
            ask()
        assert refused.value.code == "not-counts"
    assert explain(model, panel, "s0").forecast >= 0
    predictor_of().predict(panel)
