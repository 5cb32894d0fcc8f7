"""Lags: what stood a cycle earlier, and how a network adds it to its forecast."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelConfig
from forecaster.errors import ConfigError
from forecaster.model.lags import lagged, sources
from forecaster.model.network import Network
from forecaster.types import Masked
from tests.model.factories import (
    EACH_HEAD,
    awake_network,
    batch_for,
    batch_of,
    forecast,
    random_batch,
    random_context,
    random_observed,
    small_config,
)

LAGS = {"decoder": "queries", "skip": "none", "lags": (1, 4, 30, 0)}
NUM_GATES = 4


def lagged_once(values: torch.Tensor, observed: torch.Tensor, lag: int, num_ahead: int) -> Masked:
    """Gives what one of three lags shows, [B T]; the others are there to be told apart from it."""
    found = lagged(values, observed, sources(values.shape[1], num_ahead, (2, lag, 0)))
    return Masked(found.values[..., 1], found.observed[..., 1])


def slowly_lagged(values: torch.Tensor, observed: torch.Tensor, lag: int, num_ahead: int) -> Masked:
    """Looks back step by step, `lag` at a time, until it stands within the context."""
    rows, length = values.shape
    found = Masked(torch.zeros(rows, length + num_ahead), torch.zeros(rows, length + num_ahead, dtype=torch.bool))
    for row in range(rows):
        for step in range(length + num_ahead):
            source = step - lag
            while source >= length:
                source -= lag
            if lag and source >= 0 and observed[row, source]:
                found.values[row, step] = values[row, source]
                found.observed[row, step] = True
    return found


def test_lags_by_hand() -> None:
    steps, known = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]), torch.ones(1, 5, dtype=torch.bool)
    assert lagged_once(steps, known, 3, 4).values.tolist() == [[0, 0, 0, 1, 2, 3, 4, 5, 3]]
    assert lagged_once(steps, known, 1, 3).values.tolist() == [[0, 1, 2, 3, 4, 5, 5, 5]]
    assert lagged_once(steps, known, 7, 4).values.tolist() == [[0, 0, 0, 0, 0, 0, 0, 1, 2]]
    assert lagged_once(steps, known, 7, 4).observed.tolist() == [[False] * 7 + [True] * 2]


@settings(deadline=None, max_examples=60)
@given(
    lag=st.integers(1, 20),
    length=st.integers(1, 12),
    num_ahead=st.integers(0, 30),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 100),
)
def test_lags_are_those_of_a_slow_loop(lag: int, length: int, num_ahead: int, share: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(3, length, generator=generator)
    observed = torch.rand(3, length, generator=generator) < share
    found, expected = (make(values, observed, lag, num_ahead) for make in (lagged_once, slowly_lagged))
    assert torch.equal(found.values, expected.values)
    assert torch.equal(found.observed, expected.observed)


def test_a_lag_of_0_shows_nothing() -> None:
    found = lagged_once(torch.ones(2, 5), torch.ones(2, 5, dtype=torch.bool), 0, 3)
    assert found.values.shape == found.observed.shape == (2, 8)
    assert not found.observed.any()
    assert not found.values.any()


def test_what_stands_under_missing_is_not_shown() -> None:
    values, observed = torch.tensor([[1.0, math.nan, 3.0]]), torch.tensor([[True, False, True]])
    found = lagged_once(values, observed, 2, 3)
    assert found.values.tolist() == [[0, 0, 1, 0, 3, 0]]
    assert found.observed.tolist() == [[False, False, True, False, True, False]]


def test_a_past_step_is_shown_what_came_before_it_alone() -> None:
    values, observed = torch.randn(2, 24), torch.ones(2, 24, dtype=torch.bool)
    for cut in (1, 10, 23):
        changed = torch.cat([values[:, :cut], 1e3 * torch.ones(2, 24 - cut)], dim=1)
        for lag in (1, 5, 30):
            before, after = (
                lagged_once(numbers, observed, lag, 6).values[:, : cut + 1] for numbers in (values, changed)
            )
            assert torch.equal(before, after)


def test_tokens_of_a_past_patch_are_made_of_what_came_before_its_end_alone() -> None:
    network, window = awake_network(**LAGS), awake_network(**LAGS).scaled(random_context(2, 24), random_observed(2, 24))
    changed = replace(window, values=torch.cat([window.values[:, :12], window.values[:, 12:] + 5.0], dim=1))
    with torch.no_grad():
        before, after = (network.tokens(given, None).values for given in (window, changed))
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 3:], after[:, 3:])


def test_what_follows_the_cutoff_changes_the_loss_and_no_forecast() -> None:
    network = awake_network(**LAGS)
    batch = batch_for(network)
    other = replace(batch, target=batch.target + 1e3)
    assert torch.equal(forecast(network, batch), forecast(network, other))
    assert network.loss(batch) != network.loss(other)


def with_one_gate(place: int, **changes: object) -> Network:
    """Gives a network that forecasts the values of one of its lags, and nothing else."""
    network = awake_network(**LAGS | changes)
    with torch.no_grad():
        network.decoder.linear.weight.zero_()
        network.decoder.linear.bias.zero_()
        network.decoder.linear.bias[network.head.num_parameters + place :: _num_outputs(network)] = 1.0
    return network


def _num_outputs(network: Network) -> int:
    return network.head.num_parameters + NUM_GATES


@EACH_HEAD
def test_with_one_gate_open_the_median_is_the_value_a_cycle_earlier(head: str) -> None:
    context = random_context(3, 24)
    median = forecast(with_one_gate(1, head=head, horizon=10), batch_of(context), (0.5,))[..., 0]
    expected = context[:, [-4, -3, -2, -1] * 3][:, :10]
    torch.testing.assert_close(median, expected, rtol=1e-5, atol=1e-4)  # the contexts' spread is about 6


def test_a_cycle_that_leads_to_a_missing_value_or_before_the_context_adds_nothing() -> None:
    batch = batch_of(random_context(1, 24))
    batch.observed[0, -3] = False
    mean = batch.context[batch.observed].mean()
    for place, lacking in ((1, [1]), (2, [0, 1, 2, 3, 4]), (3, [0, 1, 2, 3, 4])):
        median = forecast(with_one_gate(place), batch, (0.5,))[0, :, 0]
        torch.testing.assert_close(median[lacking], mean.expand(len(lacking)), rtol=1e-6, atol=0.0)


@EACH_HEAD
def test_gates_of_a_fresh_network_start_at_0(head: str) -> None:
    torch.manual_seed(0)
    network = Network(small_config(head=head, **LAGS))
    parameters = network.head.num_parameters
    biases = network.decoder.linear.bias.reshape(-1, parameters + NUM_GATES)
    assert not biases[:, parameters:].any()
    assert torch.equal(biases[:, :parameters], torch.tensor(network.head.initial_parameters()).expand(4, parameters))


@EACH_HEAD
def test_a_fresh_network_forecasts_about_what_it_does_without_gates(head: str) -> None:
    torch.manual_seed(0)
    network, batch = Network(small_config(head=head, **LAGS)).eval(), batch_of(random_context(20, 24))
    with_gates = forecast(network, batch)
    with torch.no_grad():
        weights = network.decoder.linear.weight.view(4, _num_outputs(network), -1)
        weights[:, network.head.num_parameters :] = 0.0
    spread = batch.context.std(dim=1)[:, None, None]
    moved = ((forecast(network, batch) - with_gates) / spread).abs()
    assert 0 < moved.max() < 1.0
    assert moved.mean() < 0.2


def test_to_shrink_the_correction_to_nothing_closes_the_gates() -> None:
    network, context = awake_network(**LAGS), random_context(3, 24)
    network.shrink_correction(0.0)
    median = forecast(network, batch_of(context), (0.5,))[..., 0]
    torch.testing.assert_close(median, context.mean(dim=1, keepdim=True).expand(3, 5), rtol=1e-6, atol=0.0)


def test_to_shrink_the_correction_by_half_halves_what_gates_add() -> None:
    network, context = with_one_gate(1), random_context(3, 24)
    whole = forecast(network, batch_of(context), (0.5,)) - context.mean(dim=1)[:, None, None]
    network.shrink_correction(0.5)
    half = forecast(network, batch_of(context), (0.5,)) - context.mean(dim=1)[:, None, None]
    torch.testing.assert_close(half, whole / 2, rtol=1e-5, atol=1e-5)


def test_lags_that_are_not_resolved_make_no_network() -> None:
    resolved = small_config(lags="cycles", season_length=4)
    assert resolved.resolved_lags == ()
    with pytest.raises(ConfigError, match="lags"):
        Network(resolved)


@pytest.mark.parametrize("lags", [(-1,), (16385,), (1.5,), tuple(range(17)), "weeks"])
def test_lags_that_are_none_are_refused(lags: object) -> None:
    with pytest.raises(ValueError, match="lags"):
        ModelConfig(lags=lags)


def test_a_repeating_pattern_is_learned_sooner_with_its_lag_than_without() -> None:
    losses = []
    for lags in ((7,), ()):
        torch.manual_seed(0)
        network = Network(small_config(decoder="queries", skip="none", lags=lags))
        pattern = torch.randn(16, 7, dtype=torch.float64).repeat(1, 5)[:, :29]
        batch = replace(random_batch(16), context=pattern[:, :24], target=pattern[:, 24:])
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(60):
            optimizer.zero_grad()
            loss = network.loss(batch)
            torch.autograd.backward(loss)
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 0.8 * losses[1]
