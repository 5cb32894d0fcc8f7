"""Scaling: what it takes off, what it gives back, and the contexts at the edge of what it can do."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelConfig
from forecaster.model.scaling import (
    LARGEST_SCALED_TARGET,
    STATISTICS,
    scale_context,
    scale_covariate,
    scale_target,
    unscale,
    unscale_counts,
)
from forecaster.types import Masked, Scale
from tests.model.factories import random_context, random_observed

EACH_SCALING = pytest.mark.parametrize("scaling", ["mean_std", "robust", "asinh", "log"])


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def all_observed(context: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(context, dtype=torch.bool)


def test_every_name_the_config_allows_is_in_the_table() -> None:
    assert {*STATISTICS, "off"} == set(get_args(ModelConfig.model_fields["scaling"].annotation))


def test_loc_and_spread_are_mean_and_population_deviation_of_what_is_observed() -> None:
    window = scale_context(row(2.0, 99.0, 4.0, 6.0), torch.tensor([[True, False, True, True]]))
    assert window.scale.loc.item() == pytest.approx(4.0, rel=1e-15)
    assert window.scale.spread.item() == pytest.approx(math.sqrt(8 / 3), rel=1e-15)
    expected = torch.tensor([[-2.0, 0.0, 0.0, 2.0]]) / math.sqrt(8 / 3)
    torch.testing.assert_close(window.values, expected, rtol=1e-6, atol=0.0)
    assert window.values.dtype == torch.float32
    assert window.scale.loc.dtype == window.scale.spread.dtype == torch.float64


def test_statistics_agree_with_a_row_by_row_loop() -> None:
    context, observed = random_context(6, 30), random_observed(6, 30)
    scale = scale_context(context, observed).scale
    for index in range(6):
        seen = context[index][observed[index]]
        assert scale.loc[index].item() == pytest.approx(seen.mean().item(), rel=1e-12)
        assert scale.spread[index].item() == pytest.approx(seen.std(correction=0).item(), rel=1e-12)


def test_robust_loc_and_spread_are_median_and_quartiles_of_each_row() -> None:
    context, observed = random_context(6, 30), random_observed(6, 30)
    scale = scale_context(context, observed, "robust").scale
    for index in range(6):
        low, median, high = np.quantile(context[index][observed[index]].numpy(), [0.25, 0.5, 0.75])
        assert scale.loc[index].item() == pytest.approx(median, rel=1e-12)
        assert scale.spread[index].item() == pytest.approx((high - low) / 1.3489795, rel=1e-9)


def test_the_robust_spread_of_normal_numbers_is_their_deviation_and_an_outlier_hardly_moves_it() -> None:
    context = torch.randn(1, 20_001, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert scale_context(context, all_observed(context), "robust").scale.spread.item() == pytest.approx(1.0, rel=0.03)
    context[0, 0] = 1e9
    assert scale_context(context, all_observed(context), "robust").scale.spread.item() == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("scaling", ["robust", "asinh"])
@pytest.mark.parametrize("outlier", [1e6, -1e12, 1e16])
def test_no_outlier_hides_what_the_quartiles_tell(scaling: str, outlier: float) -> None:
    context = 20.0 + random_context(1, 64)
    before = scale_context(context, all_observed(context), scaling).scale
    context[0, 30] = outlier
    window = scale_context(context, all_observed(context), scaling)
    assert window.scale.spread.item() == pytest.approx(before.spread.item(), rel=0.2)
    assert window.scale.loc.item() == pytest.approx(before.loc.item(), rel=0.02)
    assert window.values[0, :30].std().item() > 0.3


@pytest.mark.parametrize("scaling", ["robust", "asinh"])
def test_an_outlier_beyond_all_measure_is_finite_in_float32_and_so_is_its_square(scaling: str) -> None:
    context = torch.cat([1e-10 * random_context(1, 64), row(1e10, 1e25)], dim=1)
    assert scale_context(context, all_observed(context), scaling).values.square().isfinite().all()


def test_where_the_quartiles_are_equal_the_robust_spread_is_the_deviation() -> None:
    context = row(5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 13.0)
    scale = scale_context(context, all_observed(context), "robust").scale
    assert scale.loc.item() == 5.0
    assert scale.spread.item() == pytest.approx(np.std([5.0] * 7 + [13.0]), rel=1e-12)


def test_asinh_bends_what_median_and_quartiles_gave() -> None:
    context, observed = random_context(3, 20), random_observed(3, 20)
    straight, bent = (scale_context(context, observed, scaling) for scaling in ("robust", "asinh"))
    torch.testing.assert_close(bent.values, straight.values.asinh(), rtol=1e-6, atol=1e-7)
    assert torch.equal(bent.scale.spread, straight.scale.spread)
    assert bent.scale.bends
    assert not straight.scale.bends


def test_log_takes_mean_and_deviation_of_the_logarithms_and_gives_the_values_back() -> None:
    context = row(1.0, math.e, math.e**2, 99.0)
    window = scale_context(context, torch.tensor([[True, True, True, False]]), "log")
    deviation = math.sqrt(2 / 3)
    assert window.scale.loc.item() == pytest.approx(math.e, rel=1e-12)  # the geometric mean
    assert window.scale.spread.item() == pytest.approx(deviation, rel=1e-12)
    expected = torch.tensor([[-1 / deviation, 0.0, 1 / deviation, 0.0]])
    torch.testing.assert_close(window.values, expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(unscale(window.values, window.scale)[:, :3], context[:, :3], rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_log_leaves_rows_with_a_value_of_0_or_less_to_mean_and_deviation(lowest: float) -> None:
    context = torch.cat([row(3.0, lowest, 7.0, 8.0), row(1.0, 2.0, 4.0, 8.0)])
    observed = all_observed(context)
    plain, window = scale_context(context, observed), scale_context(context, observed, "log")
    assert window.scale.logarithmic is not None
    assert window.scale.logarithmic.flatten().tolist() == [False, True]
    assert torch.equal(window.values[0], plain.values[0])
    assert not torch.equal(window.values[1], plain.values[1])
    target = row(5.0, -2.0).expand(2, 2)
    assert torch.equal(scale_target(target, window.scale)[0], scale_target(target, plain.scale)[0])
    assert torch.equal(unscale(target, window.scale)[0], unscale(target, plain.scale)[0])


def test_what_has_no_logarithm_counts_as_a_hundredth_of_the_level() -> None:
    scale = scale_context(row(8.0, 12.5), torch.ones(1, 2, dtype=torch.bool), "log").scale
    assert scale.loc.item() == pytest.approx(10.0)
    back = unscale(scale_target(row(-5.0, 0.0, 0.05, 0.1, 0.2), scale), scale)
    torch.testing.assert_close(back, row(0.1, 0.1, 0.1, 0.1, 0.2), rtol=1e-6, atol=0.0)


def test_where_the_context_varies_by_powers_of_ten_it_counts_as_ten_spreads_below_the_level() -> None:
    scale = scale_context(row(1.0, 100.0), torch.ones(1, 2, dtype=torch.bool), "log").scale
    assert scale_target(row(-5.0, 0.0, 1e-9, 1e-8), scale).tolist()[0] == pytest.approx(
        [-10.0, -10.0, -10.0, -9.0], rel=1e-6
    )


def test_what_falls_by_a_constant_share_is_a_target_as_it_is() -> None:
    values = torch.exp(-0.03 * torch.arange(460, dtype=torch.float64)).unsqueeze(0)
    context, target = values[:, :400], values[:, 400:]
    scale = scale_context(context, all_observed(context), "log").scale
    assert (target < 0.01 * scale.loc).all()
    torch.testing.assert_close(unscale(scale_target(target, scale), scale), target, rtol=1e-5, atol=0.0)


def test_a_forecast_of_logarithms_is_finite_and_above_0_however_far_it_reaches() -> None:
    scale = scale_context(row(1.0, 100.0), torch.ones(1, 2, dtype=torch.bool), "log").scale
    far = unscale(torch.tensor([[-1e6, 1e6]]), scale)
    assert far.isfinite().all()
    assert (far > 0).all()


def test_off_leaves_everything_as_it_is() -> None:
    context, observed = random_context(3, 20), random_observed(3, 20)
    window = scale_context(context, observed, "off")
    assert torch.equal(window.values, torch.where(observed, context, 0.0).float())
    assert (window.scale.loc == 0).all()
    assert (window.scale.spread == 1).all()
    target = row(3e6, -1e15, 1e300)
    assert scale_target(target, window.scale)[0].tolist() == pytest.approx(
        [3e6, -1e15, torch.finfo(torch.float32).max], rel=1e-6
    )


@EACH_SCALING
@pytest.mark.parametrize("magnitude", [1e-300, 1e-30, 1e30, 1e300])
def test_no_magnitude_overflows_or_underflows(scaling: str, magnitude: float) -> None:
    context = random_context(3, 20)
    plain, huge = (scale_context(given, all_observed(context), scaling) for given in (context, context * magnitude))
    torch.testing.assert_close(huge.values, plain.values, rtol=1e-6, atol=1e-9)
    unit = 1.0 if scaling == "log" else magnitude  # a logarithm has none
    torch.testing.assert_close(huge.scale.spread / unit, plain.scale.spread, rtol=1e-12, atol=0.0)
    torch.testing.assert_close(huge.scale.loc / magnitude, plain.scale.loc, rtol=1e-12, atol=0.0)


@EACH_SCALING
@given(st.floats(-1e30, 1e30), st.integers(1, 50))
@settings(deadline=None, max_examples=40)
def test_a_constant_context_has_spread_0_and_exactly_its_constant_as_loc(
    scaling: str, constant: float, length: int
) -> None:
    context = row(*[constant] * length)
    window = scale_context(context, all_observed(context), scaling)
    assert window.scale.spread.item() == 0.0
    assert window.scale.loc.item() == constant
    assert not window.values.any()


def test_rounding_noise_counts_as_constant_and_small_real_variation_does_not() -> None:
    noise, real = row(0.3, 0.1 + 0.2, 0.3), row(1e6, 1e6 + 1, 1e6 - 1)
    assert scale_context(noise, all_observed(noise)).scale.spread.item() == 0.0
    assert scale_context(real, all_observed(real)).scale.spread.item() == pytest.approx(math.sqrt(2 / 3), rel=1e-9)


@EACH_SCALING
def test_a_row_with_nothing_observed_is_all_0(scaling: str) -> None:
    window = scale_context(row(math.nan, 7.0), torch.zeros(1, 2, dtype=torch.bool), scaling)
    assert (window.scale.loc.item(), window.scale.spread.item()) == (0.0, 0.0)
    assert not window.values.any()


@pytest.mark.parametrize("scaling", ["mean_std", "robust", "asinh", "log", "off"])
@pytest.mark.parametrize("garbage", [math.nan, math.inf, 1e300])
def test_what_stands_under_missing_is_never_read(scaling: str, garbage: float) -> None:
    context, observed = random_context(3, 20), random_observed(3, 20)
    clean, soiled = (
        scale_context(torch.where(observed, context, filler), observed, scaling)
        for filler in (torch.tensor(0.0), garbage)
    )
    assert torch.equal(clean.values, soiled.values)
    assert torch.equal(clean.scale.loc, soiled.scale.loc)
    assert torch.equal(clean.scale.spread, soiled.scale.spread)


@EACH_SCALING
def test_a_constant_row_has_a_finite_gradient(scaling: str) -> None:
    context = row(5.0, 5.0, 5.0).requires_grad_()
    torch.autograd.backward(scale_context(context, all_observed(context), scaling).values.sum())
    assert context.grad is not None
    assert context.grad.isfinite().all()


@pytest.mark.parametrize("scaling", ["mean_std", "robust", "asinh", "log", "off"])
def test_unscaling_a_scaled_target_gives_it_back(scaling: str) -> None:
    context, target = random_context(4, 20), random_context(4, 7, seed=1)
    scale = scale_context(context, all_observed(context), scaling).scale
    back = unscale(scale_target(target, scale), scale)
    assert back.dtype == torch.float64
    torch.testing.assert_close(back, target, rtol=1e-5, atol=1e-5)


def test_unscale_reaches_every_axis_after_the_batch() -> None:
    scale = Scale(loc=torch.tensor([[1.0], [10.0]]).double(), spread=torch.tensor([[2.0], [0.0]]).double())
    values = unscale(torch.ones(2, 3, 4), scale)
    assert torch.equal(values[0], torch.full((3, 4), 3.0).double())
    assert torch.equal(values[1], torch.full((3, 4), 10.0).double())


def test_a_jump_after_a_nearly_constant_context_stays_finite() -> None:
    scale = Scale(loc=row(0.0), spread=row(1e-20))
    assert scale_target(row(1e30, -1e30), scale).tolist() == [[LARGEST_SCALED_TARGET, -LARGEST_SCALED_TARGET]]


def test_no_scaled_value_unbends_to_infinity() -> None:
    scale = Scale(loc=row(3.0), spread=row(1e30), bends=True)
    assert unscale(torch.tensor([[1e4, -1e4]]), scale).isfinite().all()
    constant = Scale(loc=row(3.0), spread=row(0.0), bends=True)
    assert unscale(torch.tensor([[1e4, -1e4]]), constant).tolist() == [[3.0, 3.0]]


def test_each_column_of_a_covariate_is_scaled_by_itself_within_its_window() -> None:
    values = torch.stack([random_context(3, 20), 100 * random_context(3, 20, seed=1)], dim=-1)
    observed = torch.stack([random_observed(3, 20), random_observed(3, 20, seed=1)], dim=-1)
    scaled = scale_covariate(Masked(values, observed))
    assert torch.equal(scaled.observed, observed)
    for window in range(3):
        for column in range(2):
            seen = values[window, observed[window, :, column], column]
            expected = ((seen - seen.mean()) / seen.std(correction=0)).float()
            given = scaled.values[window, observed[window, :, column], column]
            torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-6)
            assert not scaled.values[window, ~observed[window, :, column], column].any()


def test_a_covariate_that_does_not_change_within_the_window_is_0() -> None:
    values, observed = torch.full((2, 9, 1), 7.3, dtype=torch.float64), torch.ones(2, 9, 1, dtype=torch.bool)
    assert not scale_covariate(Masked(values, observed)).values.any()


def test_no_covariates_at_all_stay_none() -> None:
    empty = torch.zeros(3, 9, 0, dtype=torch.float64)
    assert scale_covariate(Masked(empty, empty.bool())).values.shape == (3, 9, 0)


def test_counts_come_back_whole_and_never_below_0() -> None:
    counts = torch.arange(200, dtype=torch.float64)
    scale = Scale(torch.full((1,), 1.7, dtype=torch.float64), torch.full((1,), 0.3, dtype=torch.float64))
    there = ((counts - scale.loc) / scale.spread).unsqueeze(0)
    assert not torch.equal(unscale(there, scale)[0], counts)
    assert torch.equal(unscale_counts(there, scale)[0], counts)
    between = torch.tensor([[2.5, -0.25]], dtype=torch.float64)  # of several networks, or between two levels
    assert torch.equal(
        unscale_counts((between - scale.loc) / scale.spread, scale).round(decimals=9), between.clamp(min=0)
    )
    around_0 = torch.tensor([[-1e-12, -0.0, -0.5]], dtype=torch.float64)
    assert not unscale_counts((around_0 - scale.loc) / scale.spread, scale).signbit().any()
