"""The loss of pretraining: in units of the seasonal naive's error, and moved by nothing that is masked."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.training.pretraining.loss import RelativeLoss, naive_error
from forecaster.types import WindowBatch
from tests.model.factories import awake_network, random_batch, random_context, random_observed, rows_of, soiled

FREE = {"decoder": "queries", "skip": "none", "lags": (1, 4, 0)}


def slow_naive_error(values: torch.Tensor, observed: torch.Tensor, lag: int) -> float:
    steps = range(lag, len(values))
    found = [abs(values[step] - values[step - lag]).item() for step in steps if observed[step] and observed[step - lag]]
    return sum(found) / len(found) if found else 1.0


@pytest.mark.parametrize("season", [1, 4, 23, 24, 100])
def test_the_naive_error_is_that_of_a_slow_loop(season: int) -> None:
    window = awake_network().scaled(random_context(5, 24), random_observed(5, 24, share=0.6))
    expected = [slow_naive_error(window.values[row], window.observed[row], season) for row in range(5)]
    torch.testing.assert_close(naive_error(window, season), torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_a_history_without_two_steps_a_season_apart_has_naive_error_1() -> None:
    observed = torch.zeros(2, 24, dtype=torch.bool)
    observed[:, -3:] = True
    assert naive_error(awake_network().scaled(random_context(2, 24), observed), 4).tolist() == [1.0, 1.0]


def slow_loss(network: Network, batch: WindowBatch, season: int) -> float:
    output = network(batch.context, batch.observed)
    window = network.scaled(batch.context, batch.observed)
    quantiles = network.head.quantiles(output.parameters, network.config.levels)
    target = scale_target(batch.target, output.scale)
    total = weight = 0.0
    for row in range(len(target)):
        unit = max(0.1, slow_naive_error(window.values[row], window.observed[row], season))
        for step in range(target.shape[1]):
            if not batch.target_observed[row, step]:
                continue
            errors = (target[row, step] - quantiles[row, step]).tolist()
            pinball = [max(q * e, (q - 1) * e) for q, e in zip(network.config.levels, errors, strict=True)]
            total += 2 * sum(pinball) / len(pinball) / unit
            weight += 1 / unit
    return total / weight


@pytest.mark.parametrize("season", [1, 4])
def test_the_loss_is_that_of_a_slow_loop(season: int) -> None:
    network, batch = awake_network(**FREE), random_batch(6)
    assert RelativeLoss(network, season)(batch).item() == pytest.approx(slow_loss(network, batch, season), rel=1e-4)


def loss_and_gradients(batch: WindowBatch) -> list[torch.Tensor]:
    network = awake_network(**FREE)
    loss = RelativeLoss(network, 4)(batch)
    return [loss, *torch.autograd.grad(loss, list(network.parameters()))]


@pytest.mark.parametrize("garbage", [math.nan, 1e300])
def test_what_stands_under_missing_moves_neither_loss_nor_gradient(garbage: float) -> None:
    expected, given = (loss_and_gradients(batch) for batch in (random_batch(), soiled(random_batch(), garbage)))
    assert all(map(torch.equal, expected, given))


def test_windows_with_a_constant_context_have_no_weight() -> None:
    batch = random_batch(4)
    context = torch.cat([batch.context[:3], torch.full((1, 24), 7.0).double()])
    expected = loss_and_gradients(rows_of(batch, [0, 1, 2]))
    for found, wanted in zip(loss_and_gradients(replace(batch, context=context)), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_with_nothing_to_learn_from_loss_and_gradients_are_0() -> None:
    batch = random_batch()
    blind = replace(batch, target_observed=torch.zeros_like(batch.target_observed))
    constant = replace(batch, context=torch.full((4, 24), 7.0).double())
    for found in (*loss_and_gradients(blind), *loss_and_gradients(constant)):
        assert not found.any()


def test_the_loss_does_not_depend_on_the_unit() -> None:
    batch = random_batch()
    larger = replace(batch, context=batch.context * 1e3 + 5, target=batch.target * 1e3 + 5)
    torch.testing.assert_close(loss_and_gradients(larger)[0], loss_and_gradients(batch)[0], rtol=1e-5, atol=0.0)
