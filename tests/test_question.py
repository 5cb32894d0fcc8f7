"""Questions: answered in parts and in company they become the forecast that `predict` gives."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.config import CovariateConfig
from forecaster.data.batches import joined
from forecaster.errors import RequestError, SeriesError
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from tests.factories import panel_of, random_panel
from tests.test_predictor import network

LEVELS = (0.1, 0.5, 0.9)


@pytest.mark.parametrize(
    "changes",
    [{}, {"channels": "group"}, {"covariates": CovariateConfig(calendar=("hour_of_day_sin", "hour_of_day_cos"))}],
    ids=["plain", "group", "calendar"],
)
def test_windows_of_several_questions_in_one_batch_are_answered_as_by_predict(changes: dict[str, object]) -> None:
    predictor = Predictor(network(**changes), Frequency("h"))
    panels = [random_panel(np.random.default_rng(seed), num_series=3) for seed in range(3)]
    questions = [predictor.question(panel, 5, LEVELS) for panel in panels]
    values = predictor.answer(
        joined([question.windows(np.arange(len(question.series_ids))) for question in questions]), LEVELS
    )
    for number, (question, panel) in enumerate(zip(questions, panels, strict=True)):
        forecast = question.forecast(values[3 * number : 3 * number + 3])
        alone = predictor.predict(panel, 5, LEVELS)
        assert forecast.series_ids == alone.series_ids
        assert (forecast.starts == alone.starts).all()
        np.testing.assert_allclose(forecast.values, alone.values, rtol=1e-5, atol=1e-5)


def test_a_question_in_parts_is_answered_as_in_one() -> None:
    predictor = Predictor(network(), Frequency("h"))
    panel = random_panel(np.random.default_rng(1), num_series=7)
    question = predictor.question(panel)
    values = np.empty((7, 8, 9))
    for places in question.batches(3):
        values[places] = predictor.answer(question.windows(places), question.levels)
    np.testing.assert_allclose(question.forecast(values).values, predictor.predict(panel).values, rtol=1e-5, atol=1e-5)


def test_a_question_is_checked_before_any_window_is_cut() -> None:
    predictor = Predictor(network(), Frequency("h"))
    panel = panel_of(np.arange(40.0))
    with pytest.raises(RequestError, match=r"horizon 9 is outside 1\.\.8"):
        predictor.question(panel, 9)
    assert predictor.question(panel, 9, roll_out=True).needs_roll_out
    assert not predictor.question(panel, 8).needs_roll_out


@pytest.mark.parametrize(
    ("targets", "blind"),
    [
        ([np.arange(40.0), [1.0, *[np.nan] * 32]], "s1"),
        ([[1.0, *[np.nan] * 32], np.arange(40.0)], "s0"),
        ([[1.0, *[np.nan] * 31]], None),
        ([[2.0], [1.0, np.nan], [3.0]], None),
    ],
)
def test_a_series_that_the_model_does_not_see_is_named(targets: list[list[float]], blind: str | None) -> None:
    predictor = Predictor(network(), Frequency("h"))
    panel = panel_of(*targets)
    if blind is None:
        assert np.isfinite(predictor.predict(panel).values).all()
        return
    with pytest.raises(SeriesError, match=rf"'{blind}' has no value in its last 32 steps, .* \(1 such series\)"):
        predictor.question(panel)
