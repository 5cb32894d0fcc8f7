"""The network as a whole: its doors, its heads, its loss and its first forecast."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelConfig
from forecaster.config.cycles import Cycles
from forecaster.errors import ConfigError, RequestError
from forecaster.model.network import Network
from forecaster.types import WindowBatch
from tests.model.factories import (
    COVARIATES,
    EACH_HEAD,
    EACH_POSITION,
    awake_network,
    batch_for,
    batch_of,
    random_batch,
    random_context,
    random_covariates,
    random_observed,
    rows_of,
    small_config,
)
from tests.model.factories import forecast as forecast_batch


def forecast(network: Network, context: torch.Tensor, observed: torch.Tensor | None = None) -> torch.Tensor:
    """Gives quantiles [B H Q] at LEVELS; everything is observed unless told otherwise."""
    return forecast_batch(network, batch_of(context, observed))


def far_apart(first: torch.Tensor, second: torch.Tensor) -> bool:
    return bool((first - second).abs().max() > 1e-2)


@EACH_HEAD
def test_quantiles_come_in_float64_one_per_row_step_and_level(head: str) -> None:
    quantiles = forecast(awake_network(head=head), random_context(3, 24))
    assert quantiles.shape == (3, 5, 4)
    assert quantiles.dtype == torch.float64


@pytest.mark.parametrize("missing", ["context_length", "patch_length"])
def test_a_config_that_is_not_resolved_is_refused(missing: str) -> None:
    with pytest.raises(ConfigError, match=f"{missing} is None"):
        Network(small_config(**{missing: None}))


def test_a_resolved_default_config_makes_a_network() -> None:
    network = Network(ModelConfig().resolved(Cycles(24), longest=1000))
    assert (network.context_length, network.level_range) == (192, (0.1, 0.9))
    assert forecast(network.eval(), random_context(1, 192)).shape == (1, 24, 4)


def test_a_context_longer_than_the_network_sees_is_refused() -> None:
    with pytest.raises(RequestError, match="has 25 steps, the model sees at most 24"):
        forecast(awake_network(), random_context(1, 25))


def test_a_model_with_covariates_refuses_a_context_alone() -> None:
    with pytest.raises(RequestError, match="needs covariates and got none"):
        forecast(awake_network(covariates=COVARIATES), random_context(1, 24))


@EACH_HEAD
@pytest.mark.parametrize(("factor", "offset"), [(1e-6, -3.0), (7.3, 1e6), (1e20, 0.0)])
def test_a_forecast_follows_shift_and_stretch_of_its_context(head: str, factor: float, offset: float) -> None:
    network, context = awake_network(head=head), random_context(3, 24)
    observed = random_observed(3, 24)
    expected = factor * (forecast(network, context, observed) + offset)
    given = forecast(network, factor * (context + offset), observed)
    torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-4 * factor)  # the contexts' spread is about 6


@given(st.floats(1e-2, 1e6), st.floats(-1e5, 1e5), st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_shift_and_stretch_hold_for_any_numbers(factor: float, offset: float, seed: int) -> None:
    network, context = awake_network(), random_context(2, 24, seed)
    difference = (forecast(network, factor * context + offset) - offset) / factor - forecast(network, context)
    assert difference.abs().max() < 1e-3  # the contexts' spread is about 6


@EACH_HEAD
@given(st.floats(-1e30, 1e30))
@settings(deadline=None, max_examples=25)
def test_a_constant_series_forecasts_exactly_its_constant(head: str, constant: float) -> None:
    context = torch.full((1, 24), constant, dtype=torch.float64)
    assert (forecast(awake_network(head=head), context) == constant).all()


@EACH_HEAD
@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_forecast_quantiles_never_cross(head: str, seed: int) -> None:
    network = awake_network(seed, head=head)
    assert (forecast(network, random_context(2, 24, seed)).diff(dim=-1) >= 0).all()


@EACH_POSITION
def test_the_order_of_steps_matters(positions: str) -> None:
    network = awake_network(positions=positions)
    batch = replace(batch_for(network, 2), observed=torch.ones(2, 24, dtype=torch.bool))
    rolled = replace(batch, context=batch.context.roll(4, dims=1))
    assert far_apart(forecast_batch(network, batch), forecast_batch(network, rolled))


@EACH_HEAD
def test_a_fresh_network_forecasts_about_the_mean_and_spread_of_the_context(head: str) -> None:
    torch.manual_seed(0)
    network, context = Network(small_config(head=head)).eval(), random_context(20, 24)
    low, _, median, high = forecast(network, context).unbind(-1)
    mean, spread = context.mean(dim=1, keepdim=True), context.std(dim=1, keepdim=True)
    assert ((median - mean) / spread).abs().max() < 0.5
    assert ((high - low) / spread).mean().item() == pytest.approx(2 * 1.28, rel=0.2)


def test_the_same_seed_draws_the_same_network() -> None:
    first, second = (awake_network(seed=3) for _ in range(2))
    assert torch.equal(forecast(first, random_context(2, 24)), forecast(second, random_context(2, 24)))


def test_eval_is_deterministic_and_training_is_not() -> None:
    network, context = awake_network(dropout=0.3), random_context(2, 24)
    assert torch.equal(forecast(network, context), forecast(network, context))
    network.train()
    assert not torch.equal(forecast(network, context), forecast(network, context))


def loss_and_gradients(network: Network, batch: WindowBatch) -> list[torch.Tensor]:
    loss = network.loss(batch)
    return [loss, *torch.autograd.grad(loss, list(network.parameters()))]


@EACH_HEAD
def test_windows_with_a_constant_context_have_no_weight_in_the_loss(head: str) -> None:
    network, batch = awake_network(head=head), random_batch(4)
    context = torch.cat([batch.context[:3], torch.full((1, 24), 7.0).double()])
    mixed = loss_and_gradients(network, replace(batch, context=context))
    first = loss_and_gradients(network, rows_of(batch, [0, 1, 2]))
    for with_constant, without in zip(mixed, first, strict=True):
        torch.testing.assert_close(with_constant, without, rtol=1e-4, atol=1e-5)


@EACH_HEAD
def test_with_nothing_to_learn_from_loss_and_gradients_are_0(head: str) -> None:
    batch = random_batch()
    constant = replace(batch, context=torch.full((4, 24), 7.0).double(), target=batch.target * 1e30)
    results = loss_and_gradients(awake_network(head=head), constant)
    assert all((result == 0).all() for result in results)


def test_the_loss_does_not_depend_on_the_unit() -> None:
    network, batch = awake_network(), random_batch()
    larger = replace(batch, context=batch.context * 1e3 + 5, target=batch.target * 1e3 + 5)
    torch.testing.assert_close(network.loss(larger), network.loss(batch), rtol=1e-5, atol=0.0)


def test_attention_says_what_each_token_sees_of_all_resolutions_and_of_the_future() -> None:
    network = awake_network(coarse_patch_length=8, patch_stride=2, covariates=COVARIATES)
    batch = replace(random_batch(2), covariates=random_covariates(2))
    for weights in network.attention(batch.context, batch.observed, batch.covariates):
        assert weights.shape == (2, 2, 16, 16)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 2, 16), rtol=1e-5, atol=0.0)
        assert (weights[..., -2:] > 0).all()


def test_attention_gives_one_map_per_layer_whose_rows_sum_to_1() -> None:
    network, observed = awake_network(num_layers=3), random_observed(2, 24)
    observed[:, :8] = False
    maps = network.attention(random_context(2, 24), observed)
    assert [tuple(weights.shape) for weights in maps] == [(2, 2, 6, 6)] * 3
    for weights in maps:
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 2, 6), rtol=1e-5, atol=0.0)
        assert not weights[..., :2].any()


@EACH_HEAD
def test_it_learns_one_sine_by_heart(head: str) -> None:
    torch.manual_seed(0)
    network = Network(small_config(head=head, horizon=12))
    steps = torch.arange(47, dtype=torch.float64)
    windows = torch.sin(2 * torch.pi * steps / 12).unfold(0, 36, 1)  # one window from each of its 12 phases
    known = torch.ones_like(windows, dtype=torch.bool)
    batch = WindowBatch(windows[:, :24], known[:, :24], windows[:, 24:], known[:, 24:])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(network.loss(batch))
        optimizer.step()
    median = forecast(network.eval(), batch.context)[..., 2]
    assert (median - batch.target).abs().mean() < 0.05  # the sine itself has mean absolute value 0.64
