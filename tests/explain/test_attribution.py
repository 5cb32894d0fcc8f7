"""Attributions against a slow loop and against a network whose answer is known by hand; faithfulness by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from forecaster.arrays import FloatArray
from forecaster.data.panel import Panel
from forecaster.explain.attribution import integrated_gradients, occlusion
from forecaster.explain.faithfulness import Faithfulness, faithfulness, strongest, without
from forecaster.explain.question import Question, ask
from forecaster.predictor import Predictor
from tests.explain.factories import predictor_of, waves
from tests.factories import panel_of


def linear_predictor() -> Predictor:
    """Gives a predictor that answers with its linear skip alone, and whose location starts at 0.25 spreads."""
    predictor = predictor_of(skip="ridge")
    linear = predictor.network.decoder.linear
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
        linear.bias.reshape(5, 3)[:, 0] = 0.25
    return predictor


def end_of(panel: Panel, position: int = 0) -> FloatArray:
    """Gives the last 24 steps of a series."""
    return panel.target(position)[-24:]


def mean_forecast(predictor: Predictor, target: FloatArray) -> float:
    return float(predictor.predict(panel_of(target), levels=(0.5,)).values.mean())


@pytest.mark.parametrize("changes", [{}, {"patch_stride": 2, "coarse_patch_length": 8}, {"scaling": "robust"}], ids=str)
def test_occlusion_is_the_forecast_minus_that_of_a_series_without_the_patch(changes: dict[str, object]) -> None:
    predictor, panel = predictor_of(**changes), waves(missing_share=0.0)
    target = panel.target(0)
    given = occlusion(ask(predictor, panel, 0, None, None))
    for place in range(6):
        changed = target.copy()
        changed[36 + 4 * place : 40 + 4 * place] = np.nan
        expected = mean_forecast(predictor, target) - mean_forecast(predictor, changed)
        assert given[place] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_patch_without_a_value_contributes_nothing() -> None:
    target = waves(missing_share=0.0).target(0).copy()
    target[44:48] = np.nan
    question = ask(predictor_of(), panel_of(target), 0, None, None)
    assert occlusion(question)[2] == 0.0
    assert not integrated_gradients(question, 4)[1][8:12].any()


def test_gradients_of_a_linear_answer_are_weights_times_deviations() -> None:
    predictor, panel = linear_predictor(), waves(missing_share=0.0)
    assert predictor.network.skip is not None
    weight = predictor.network.skip.weight.T.numpy()  # [H L]
    context = end_of(panel)
    flat, shared = integrated_gradients(ask(predictor, panel, 0, None, None), 3)
    assert flat == pytest.approx(context.mean() + 0.25 * context.std(), rel=1e-6)
    np.testing.assert_allclose(shared, weight.mean(axis=0) * (context - context.mean()), rtol=1e-4, atol=1e-6)
    _, of_step = integrated_gradients(ask(predictor, panel, 0, None, 3), 3)
    np.testing.assert_allclose(of_step, weight[2] * (context - context.mean()), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num_points", [1, 31, 70])
def test_all_points_of_the_way_count_the_same(num_points: int) -> None:
    question = ask(predictor_of(), waves(), 0, None, None)
    values, total = question.scaled(), torch.zeros(24, dtype=torch.float64)
    for point in range(num_points):
        faded = (values * (point + 0.5) / num_points)[None].requires_grad_()
        total += torch.autograd.grad(question.faded(faded).sum(), faded)[0][0] / num_points
    np.testing.assert_allclose(
        integrated_gradients(question, num_points)[1], (total * values).numpy(), rtol=1e-3, atol=1e-5
    )


def test_explaining_leaves_no_gradient_behind() -> None:
    predictor = predictor_of()
    integrated_gradients(ask(predictor, waves(), 0, None, None), 4)
    assert all(weight.grad is None for weight in predictor.network.parameters())


def test_many_variants_are_answered_in_parts_as_one_by_one() -> None:
    question = ask(predictor_of(), waves(), 0, None, None)
    masks = question.observed & (np.random.default_rng(0).random((600, 24)) < 0.9)
    together = question.forecasts(masks)
    alone = np.concatenate([question.forecasts(masks[[row]]) for row in (0, 255, 256, 599)])
    np.testing.assert_allclose(together[[0, 255, 256, 599]], alone, rtol=1e-5)


def test_hidden_parts_are_patches_or_steps_and_missing_values_stay_missing() -> None:
    target = waves(missing_share=0.0).target(0).copy()
    target[-1] = np.nan
    question = ask(predictor_of(), panel_of(target), 0, None, None)
    patches = without(question, np.eye(6, dtype=np.bool_)[[2]])[0]
    assert np.flatnonzero(~patches).tolist() == [8, 9, 10, 11, 23]
    steps = without(question, np.eye(24, dtype=np.bool_)[[2]])[0]
    assert np.flatnonzero(~steps).tolist() == [2, 23]


def test_the_strongest_parts_push_to_the_side_of_the_very_strongest() -> None:
    attribution = np.array([3.0, -5.0, 9.0, -1.0, 0.0, -4.0])
    every = np.arange(6)
    assert strongest(attribution, every, 2).tolist() == [2, 0]
    assert strongest(-attribution, every, 2).tolist() == [2, 0]
    assert strongest(attribution, every[[0, 1, 3, 5]], 2).tolist() == [1, 5]


def judged(question: Question, attribution: FloatArray, share: float = 0.3, num_draws: int = 400) -> Faithfulness:
    return faithfulness(question, attribution, share, num_draws, 0)


def test_faithfulness_hides_the_top_parts_once_and_random_ones_on_average() -> None:
    panel = waves(missing_share=0.0)
    question = ask(predictor_of(), panel, 0, 40, None)
    attribution = np.array([0.0, 3.0, 0.0, 0.0, 2.0, 0.0])
    result, actual = judged(question, attribution), panel.target(0)[40:45]
    plain = question.forecasts(question.observed[None])[0]

    def outcome(*patches: int) -> tuple[float, float]:
        """Gives change and rise of the loss with these patches hidden."""
        hidden = np.isin(np.arange(6), patches)[None]
        forecast = question.forecasts(without(question, hidden))[0]
        rise = np.abs(forecast - actual).mean() - np.abs(plain - actual).mean()
        return abs(forecast.mean() - plain.mean()), rise

    assert result.num_hidden == 2
    assert (result.top_change, result.top_loss_rise) == pytest.approx(outcome(1, 4), rel=1e-4)
    every = np.array([outcome(first, second) for first in range(6) for second in range(first)])
    assert result.random_change == pytest.approx(every[:, 0].mean(), rel=0.15)
    assert result.random_loss_rise == pytest.approx(every[:, 1].mean(), rel=0.3, abs=0.1)
    assert result.holds == (result.top_change > result.random_change)


def test_one_part_at_least_is_hidden_and_never_all() -> None:
    question = ask(predictor_of(), waves(), 0, None, None)
    assert [judged(question, np.arange(6.0), share, 2).num_hidden for share in (0.01, 0.5, 0.99)] == [1, 3, 5]
    short = ask(predictor_of(), panel_of(np.arange(1.0, 4.0)), 0, None, None)
    alone = judged(short, np.arange(6.0), 0.5, 2)
    assert (alone.num_hidden, alone.top_change, alone.random_change) == (0, 0.0, 0.0)


def test_actuals_that_are_missing_take_no_part_in_the_loss() -> None:
    target = waves(missing_share=0.0).target(0).copy()
    target[41:44] = np.nan
    question = ask(predictor_of(), panel_of(target), 0, 40, None)
    assert np.isnan(question.actual).tolist() == [False, True, True, True, False]
    assert np.isfinite(judged(question, np.arange(6.0)).top_loss_rise)
