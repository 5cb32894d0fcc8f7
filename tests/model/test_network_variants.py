"""What every forecast rests on, for each kind of network that a config can describe."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch

from forecaster.model.network import Network
from forecaster.model.tokens import Tokens
from forecaster.types import WindowBatch
from tests.model.factories import (
    COVERING,
    EACH_SCALED_VARIANT,
    EACH_SHIFTED_VARIANT,
    EACH_VARIANT,
    VARIANTS,
    awake_network,
    batch_for,
    batch_of,
    forecast,
    random_context,
    rows_of,
    soiled,
)


@functools.cache
def network_of(variant: str, seed: int = 0) -> Network:
    """Gives the same network at every call: no test may change it."""
    return awake_network(seed, **VARIANTS[variant])


def reach(quantiles: torch.Tensor) -> float:
    """Gives how far the forecasts lie apart: unbent by asinh that is far, and float32 has seven digits."""
    return (quantiles - quantiles.mean()).abs().max().item()


def losses_and_gradients(network: Network, batch: WindowBatch) -> list[torch.Tensor]:
    loss = network.loss(batch)
    return [loss, *torch.autograd.grad(loss, list(network.parameters()))]


@EACH_SCALED_VARIANT
def test_a_forecast_follows_a_stretch_of_its_context(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network)
    plain = forecast(network, batch)
    for factor in (7.3, 1e-6, 1e20):
        stretched = forecast(network, replace(batch, context=factor * batch.context))
        torch.testing.assert_close(stretched, factor * plain, rtol=1e-12, atol=1e-4 * factor * reach(plain))


@EACH_SHIFTED_VARIANT
def test_a_forecast_follows_shift_and_stretch_of_its_context(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network)
    plain = forecast(network, batch)
    for factor, offset in [(7.3, -3.0), (1e-6, 0.0), (1e20, 1e6)]:
        moved = forecast(network, replace(batch, context=factor * (batch.context + offset)))
        expected = factor * (plain + offset)
        torch.testing.assert_close(moved, expected, rtol=1e-12, atol=1e-4 * factor * reach(plain))


@EACH_SCALED_VARIANT
def test_a_constant_series_forecasts_exactly_its_constant(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network)
    constants = torch.tensor([0.0, 0.1, -1e-20, 7e29], dtype=torch.float64)
    quantiles = forecast(network, replace(batch, context=constants[:, None].expand(4, 24)))
    assert torch.equal(quantiles, constants[:, None, None].expand(4, 5, 4))


@EACH_VARIANT
def test_quantiles_are_finite_and_never_cross(variant: str) -> None:
    for seed in range(3):
        network = network_of(variant, seed)
        quantiles = forecast(network, batch_for(network, 8, seed))
        assert quantiles.isfinite().all()
        assert (quantiles.diff(dim=-1) >= 0).all()


@EACH_VARIANT
def test_what_stands_under_missing_is_never_read(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network)
    expected = forecast(network, batch)
    for garbage in (math.nan, -math.inf, 1e300):
        assert torch.equal(forecast(network, soiled(batch, garbage)), expected)


@EACH_VARIANT
def test_what_stands_under_missing_moves_neither_loss_nor_gradient(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network)
    expected = losses_and_gradients(network, batch)
    for garbage in (math.nan, 1e300):
        given = losses_and_gradients(network, soiled(batch, garbage))
        assert all(torch.equal(clean, other) for clean, other in zip(expected, given, strict=True))


@EACH_VARIANT
def test_missing_steps_on_the_left_change_nothing(variant: str) -> None:
    network = network_of(variant)
    covariates = batch_for(network, 2).covariates
    for length in (1, 3, 4, 13, 23):
        context = random_context(2, length)
        padded = torch.cat([torch.full((2, 24 - length), math.nan), context], dim=1)
        expected = forecast(network, replace(batch_of(padded, ~padded.isnan()), covariates=covariates))
        assert expected.isfinite().all()
        assert torch.equal(forecast(network, replace(batch_of(context), covariates=covariates)), expected)


@EACH_VARIANT
def test_tokens_without_an_observed_step_have_no_say_at_all(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network)
    batch.observed[:, :13] = False
    batch.observed[0] = False
    with torch.no_grad():
        tokens = network.tokens(network.scaled(batch.context, batch.observed), batch.covariates)
        noise = torch.where(tokens.real.unsqueeze(-1), tokens.values, 100 * torch.randn(tokens.values.shape))
        before, after = (
            network.decoder(network.encoder(Tokens(values, tokens.real, tokens.ages)), tokens.real)
            for values in (tokens.values, noise)
        )
    assert not tokens.real.all()
    assert torch.equal(before, after)


@EACH_VARIANT
def test_a_row_alone_is_the_same_row_in_company_and_in_any_order(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network, 5)
    together = forecast(network, batch)
    near = 1e-6 * reach(together)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(forecast(network, rows_of(batch, order)), together[order], rtol=1e-5, atol=near)
    for row in range(5):
        alone = forecast(network, rows_of(batch, [row]))
        torch.testing.assert_close(alone, together[[row]], rtol=1e-5, atol=near)


@EACH_SCALED_VARIANT
def test_a_row_without_any_value_is_0_and_harms_no_other_row(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network, 2)
    batch.observed[1] = False
    quantiles = forecast(network, batch)
    assert (quantiles[1] == 0).all()
    alone = forecast(network, rows_of(batch, [0]))
    torch.testing.assert_close(quantiles[:1], alone, rtol=1e-5, atol=1e-5 * reach(alone))


@EACH_VARIANT
def test_each_part_of_the_context_matters(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network, 1)
    batch.observed[:] = True
    before = forecast(network, batch)
    for begin in range(0, 24, 4):
        context = batch.context.clone()
        context[:, begin : begin + 4] = context[:, begin : begin + 4].flip(1) + 1.0
        assert (forecast(network, replace(batch, context=context)) - before).abs().max() > 1e-4


@EACH_VARIANT
def test_every_weight_gets_a_gradient(variant: str) -> None:
    network = network_of(variant)
    gradients = losses_and_gradients(network, batch_for(network, 8))[1:]
    names = [name for name, _ in network.named_parameters()]
    assert [name for name, gradient in zip(names, gradients, strict=True) if not gradient.any()] == []


@EACH_VARIANT
def test_every_tensor_made_on_the_way_lives_where_the_input_lives(variant: str) -> None:
    network = copy.deepcopy(network_of(variant)).to("meta")
    assert network.loss(batch_for(network).to("meta")).device.type == "meta"


@EACH_VARIANT
def test_under_bfloat16_autocast_parameters_keep_float32_and_the_forecast_its_size(variant: str) -> None:
    network = network_of(variant)
    batch = batch_for(network)
    exact = forecast(network, batch)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(batch.context, batch.observed, batch.covariates)
        rough = forecast(network, batch)
    assert output.parameters.dtype == torch.float32
    assert output.scale.loc.dtype == torch.float64
    assert (rough.diff(dim=-1) >= 0).all()
    assert ((rough - exact).abs().mean() / exact.std()).item() < 0.1


def test_every_choice_of_a_network_is_in_one_of_the_few_that_are_compiled_and_exported() -> None:
    def choices(kinds: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(name, str(value)) for kind in kinds for name, value in kind.items()}

    assert choices(VARIANTS.values()) <= choices(COVERING.values())


@pytest.mark.slow
@pytest.mark.parametrize("variant", COVERING)
def test_forward_compiles_as_one_graph_and_gives_the_same(variant: str) -> None:
    network = awake_network(0, **COVERING[variant])
    batch = replace(batch_for(network), groups=torch.tensor([0, 1, 0, 2]))
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    inputs = (batch.context, batch.observed, batch.covariates, batch.groups)
    expected, given = network(*inputs), compiled(*inputs)
    torch.testing.assert_close(given.parameters, expected.parameters, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(given.scale.spread, expected.scale.spread, rtol=1e-12, atol=0.0)
