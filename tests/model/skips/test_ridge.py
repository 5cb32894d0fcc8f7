"""Ridge regression from moments, against least squares as others solve them, and how its penalty is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from forecaster.model.skips.ridge import (
    LAMBDAS,
    NUM_BLOCKS,
    PHASE_CORRELATION,
    Choice,
    Moments,
    RidgeWindows,
    anchors,
    chosen,
    pooled,
    prior,
    ridge,
    window_weights,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    values: Array  # [n L]
    target: Array  # [n H]

    @property
    def moments(self) -> Moments:
        """Gives their moments, added in parts of 40."""
        moments = Moments(self.values.shape[1], self.target.shape[1])
        for begin in range(0, len(self.values), 40):
            part = slice(begin, begin + 40)
            moments.add(RidgeWindows(torch.from_numpy(self.values[part]), torch.from_numpy(self.target[part])))
        return moments


def windows_of(seed: int = 0, num_windows: int = 100, length: int = 8, horizon: int = 3) -> Windows:
    """Gives windows whose target is a linear map of the context plus noise."""
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((num_windows, length)) + draw.standard_normal((num_windows, 1))
    mixing = np.random.default_rng(7).standard_normal((length, horizon))
    return Windows(values, values @ mixing + 0.5 * draw.standard_normal((num_windows, horizon)))


def around(windows: Windows, anchor: torch.Tensor) -> tuple[Array, Array, Array]:
    """Gives context and target as deviations from the anchor's forecast, and that forecast."""
    fallback = windows.values @ anchor.numpy()
    return windows.values - fallback, windows.target - fallback, fallback


EACH_ANCHOR = pytest.mark.parametrize("anchor", anchors(8, 4), ids=["mean", "last season", "last value"])


@EACH_ANCHOR
@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_ridge_solves_the_normal_equations_of_deviations_from_its_anchor(anchor: torch.Tensor, penalty: float) -> None:
    windows, covariance = windows_of(), prior(8, 4)
    inputs, target, fallback = around(windows, anchor)
    normal = inputs.T @ inputs / 100 + penalty * np.linalg.inv(covariance.numpy())
    solved = np.linalg.solve(normal, inputs.T @ target / 100)
    (weight,) = ridge(windows.moments, anchor, covariance, [penalty])
    np.testing.assert_allclose(windows.values @ weight.numpy(), inputs @ solved + fallback, rtol=1e-8, atol=1e-8)


@EACH_ANCHOR
def test_without_a_penalty_it_is_numpys_least_squares(anchor: torch.Tensor) -> None:
    # Deviations from an anchor carry one redundant direction: forecasts are unique, weights are not.
    windows = windows_of()
    inputs, target, fallback = around(windows, anchor)
    solved = np.linalg.lstsq(inputs, target, rcond=None)[0]
    (weight,) = ridge(windows.moments, anchor, prior(8, 4), [1e-12])
    np.testing.assert_allclose(windows.values @ weight.numpy(), inputs @ solved + fallback, rtol=1e-5, atol=1e-6)


@EACH_ANCHOR
def test_a_great_penalty_leaves_the_anchor(anchor: torch.Tensor) -> None:
    (weight,) = ridge(windows_of().moments, anchor, prior(8, 4), [1e12])
    torch.testing.assert_close(weight, anchor.expand(8, 3), rtol=0.0, atol=1e-9)


@EACH_ANCHOR
def test_weights_add_up_to_1_so_that_forecasts_follow_a_shift(anchor: torch.Tensor) -> None:
    for weight in ridge(windows_of().moments, anchor, prior(8, 4), LAMBDAS):
        torch.testing.assert_close(weight.sum(dim=0), torch.ones(3).double(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("season_length", "steps"), [(4, [8, 4, 1]), (1, [8, 1]), (8, [8, 1]), (50, [8, 1])])
def test_anchors_are_means_of_the_context_of_its_last_season_and_of_its_last_step(
    season_length: int, steps: list[int]
) -> None:
    found = [anchor.flatten().tolist() for anchor in anchors(8, season_length)]
    assert found == [[0.0] * (8 - width) + [1 / width] * width for width in steps]


@pytest.mark.parametrize("season_length", [1, 3, 4, 8, 24])
def test_the_prior_falls_with_the_lag_and_joins_equal_phases_of_the_season(season_length: int) -> None:
    covariance = prior(8, season_length)
    for first in range(8):
        for second in range(8):
            lags = 8 - first, 8 - second
            same_phase = 1 < season_length < 8 and (first - second) % season_length == 0
            together = 1.0 if first == second else PHASE_CORRELATION * same_phase
            assert covariance[first, second].item() == pytest.approx(together / (lags[0] * lags[1]) ** 0.5)
    assert (torch.linalg.eigvalsh(covariance) > 0).all()


def test_errors_are_the_means_over_windows_of_each_step() -> None:
    windows = windows_of(num_windows=30)
    weight = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    totals = [0.0] * 3
    for values, target in zip(windows.values, windows.target, strict=True):
        for step in range(3):
            totals[step] += (target[step] - sum(values[at] * weight[at, step].item() for at in range(8))) ** 2
    assert windows.moments.errors(weight).tolist() == pytest.approx([total / 30 for total in totals], rel=1e-9)


def test_without_windows_the_error_and_the_regression_are_finite() -> None:
    moments = Moments(8, 3)
    assert not moments.errors(torch.ones(8, 3, dtype=torch.float64)).any()
    for anchor in anchors(8, 4):
        assert all(weight.isfinite().all() for weight in ridge(moments, anchor, prior(8, 4), LAMBDAS))


def block_of(seed: int, noise: float = 0.5, num_windows: int = 100, mixing: Array | None = None) -> Moments:
    """Gives the moments of a block of time, by default with a map that follows shifts."""
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((num_windows, 8)) + draw.standard_normal((num_windows, 1))
    if mixing is None:
        mixing = np.random.default_rng(7).dirichlet(np.ones(8), 3).T
    return Windows(values, values @ mixing + noise * draw.standard_normal((num_windows, 3))).moments


def last_value() -> Array:
    return np.repeat(np.eye(8)[:, -1:], 3, axis=1)


def test_pooled_moments_are_those_of_all_windows_and_leave_the_parts_alone() -> None:
    windows = windows_of()
    parts = [Windows(windows.values[part], windows.target[part]).moments for part in (slice(30), slice(30, 100))]
    before = parts[0].inputs.clone()
    whole = pooled(parts)
    for name in ("inputs", "joint", "targets"):
        torch.testing.assert_close(getattr(whole, name), getattr(windows.moments, name), rtol=1e-12, atol=1e-12)
    assert whole.num_windows == 100
    assert torch.equal(parts[0].inputs, before)


def test_a_weight_of_2_is_the_same_window_twice() -> None:
    windows = windows_of(num_windows=30)
    weight = torch.ones(30, dtype=torch.float64)
    weight[:10] = 2.0
    weighted = Moments(8, 3)
    weighted.add(RidgeWindows(torch.from_numpy(windows.values), torch.from_numpy(windows.target)), weight)
    first = Windows(windows.values[:10], windows.target[:10]).moments
    twice = pooled([windows.moments, first])
    for name in ("inputs", "joint", "targets"):
        torch.testing.assert_close(getattr(weighted, name), getattr(twice, name), rtol=1e-12, atol=1e-12)
    assert weighted.num_windows == twice.num_windows == 40


def test_where_a_map_holds_in_all_blocks_a_light_penalty_is_chosen() -> None:
    choice = chosen([block_of(seed, noise=0.01) for seed in range(NUM_BLOCKS)], 4)
    assert choice.penalty <= 1e-4


def test_where_nothing_is_better_than_the_last_value_it_is_the_forecast() -> None:
    blocks = [block_of(seed, noise=1.0, mixing=last_value()) for seed in range(NUM_BLOCKS)]
    choice = chosen(blocks, 4)
    assert choice.penalty >= 1.0
    weight = choice.fitted(pooled(blocks))
    torch.testing.assert_close(weight, torch.from_numpy(last_value()), rtol=0.0, atol=0.1)


def test_a_block_is_never_judged_by_weights_that_saw_it_or_its_neighbours() -> None:
    # Only blocks 2 and 3 hold a map: whoever is judged on them has learned noise, so that no map is believed.
    blocks = [block_of(seed, noise=1.0, mixing=last_value()) for seed in range(NUM_BLOCKS)]
    blocks[2:4] = [block_of(seed, noise=0.01) for seed in (2, 3)]
    assert chosen(blocks, 4).penalty > 1e-2


def test_one_wild_block_does_not_decide_for_the_others() -> None:
    blocks = [block_of(seed, noise=0.01) for seed in range(NUM_BLOCKS)]
    expected = chosen(blocks, 4)
    blocks[5] = block_of(5, noise=0.5)
    found = chosen(blocks, 4)
    assert found.penalty == expected.penalty
    assert torch.equal(found.anchor, expected.anchor)


@pytest.mark.parametrize("num_blocks", [2, 3, 4])
def test_a_few_blocks_are_enough_to_choose(num_blocks: int) -> None:
    assert chosen([block_of(seed, noise=0.01) for seed in range(num_blocks)], 4).penalty <= 1e-3


def test_a_choice_is_fitted_as_the_ridge_it_names() -> None:
    moments, anchor = windows_of().moments, anchors(8, 4)[1]
    expected = ridge(moments, anchor, prior(8, 4), [0.1])[0]
    assert torch.equal(Choice(anchor, 0.1, 0, 4).fitted(moments), expected)


def test_windows_count_the_less_the_larger_their_error() -> None:
    weights = window_weights(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
    torch.testing.assert_close(weights, torch.tensor([5.0, 1 / 1.2, 1 / 2.2], dtype=torch.float64))
    assert window_weights(torch.zeros(2, dtype=torch.float64)).tolist() == [1.0, 1.0]
