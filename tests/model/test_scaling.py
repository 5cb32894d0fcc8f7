"""Scaling: what it takes off, what it gives back, and the contexts at the edge of what it can do."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model.scaling import LARGEST_SCALED_TARGET, scale_target, standardize, unscale
from forecaster.types import Scale
from tests.model.factories import random_context, random_observed


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def all_observed(context: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(context, dtype=torch.bool)


def test_loc_and_spread_are_mean_and_population_deviation_of_what_is_observed() -> None:
    window = standardize(row(2.0, 99.0, 4.0, 6.0), torch.tensor([[True, False, True, True]]))
    assert window.scale.loc.item() == pytest.approx(4.0, rel=1e-15)
    assert window.scale.spread.item() == pytest.approx(math.sqrt(8 / 3), rel=1e-15)
    expected = torch.tensor([[-2.0, 0.0, 0.0, 2.0]]) / math.sqrt(8 / 3)
    torch.testing.assert_close(window.values, expected, rtol=1e-6, atol=0.0)
    assert window.values.dtype == torch.float32
    assert window.scale.loc.dtype == window.scale.spread.dtype == torch.float64


def test_statistics_agree_with_a_row_by_row_loop() -> None:
    context, observed = random_context(6, 30), random_observed(6, 30)
    scale = standardize(context, observed).scale
    for index in range(6):
        seen = context[index][observed[index]]
        assert scale.loc[index].item() == pytest.approx(seen.mean().item(), rel=1e-12)
        assert scale.spread[index].item() == pytest.approx(seen.std(correction=0).item(), rel=1e-12)


@pytest.mark.parametrize("magnitude", [1e-300, 1e-30, 1e30, 1e300])
def test_no_magnitude_overflows_or_underflows(magnitude: float) -> None:
    context = random_context(3, 20)
    plain, huge = standardize(context, all_observed(context)), standardize(context * magnitude, all_observed(context))
    torch.testing.assert_close(huge.values, plain.values, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(huge.scale.spread / magnitude, plain.scale.spread, rtol=1e-12, atol=0.0)


@given(st.floats(-1e30, 1e30), st.integers(1, 50))
@settings(deadline=None)
def test_a_constant_context_has_spread_0_and_exactly_its_constant_as_loc(constant: float, length: int) -> None:
    context = row(*[constant] * length)
    window = standardize(context, all_observed(context))
    assert window.scale.spread.item() == 0.0
    assert window.scale.loc.item() == constant
    assert not window.values.any()


def test_rounding_noise_counts_as_constant_and_small_real_variation_does_not() -> None:
    noise, real = row(0.3, 0.1 + 0.2, 0.3), row(1e6, 1e6 + 1, 1e6 - 1)
    assert standardize(noise, all_observed(noise)).scale.spread.item() == 0.0
    assert standardize(real, all_observed(real)).scale.spread.item() == pytest.approx(math.sqrt(2 / 3), rel=1e-9)


def test_a_row_with_nothing_observed_is_all_0() -> None:
    window = standardize(row(math.nan, 7.0), torch.zeros(1, 2, dtype=torch.bool))
    assert (window.scale.loc.item(), window.scale.spread.item()) == (0.0, 0.0)
    assert not window.values.any()


@pytest.mark.parametrize("garbage", [math.nan, math.inf, 1e300])
def test_what_stands_under_missing_is_never_read(garbage: float) -> None:
    context, observed = random_context(3, 20), random_observed(3, 20)
    clean, soiled = (
        standardize(torch.where(observed, context, filler), observed) for filler in (torch.tensor(0.0), garbage)
    )
    assert torch.equal(clean.values, soiled.values)
    assert torch.equal(clean.scale.loc, soiled.scale.loc)
    assert torch.equal(clean.scale.spread, soiled.scale.spread)


def test_a_constant_row_has_a_finite_gradient() -> None:
    context = row(5.0, 5.0, 5.0).requires_grad_()
    torch.autograd.backward(standardize(context, all_observed(context)).values.sum())
    assert context.grad is not None
    assert context.grad.isfinite().all()


def test_unscaling_a_scaled_target_gives_it_back() -> None:
    context, target = random_context(4, 20), random_context(4, 7, seed=1)
    scale = standardize(context, all_observed(context)).scale
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
