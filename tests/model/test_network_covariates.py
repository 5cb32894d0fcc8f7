"""Networks with covariates: what is known ahead moves the forecast, what is not can not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from forecaster.config import CovariateConfig
from forecaster.types import CovariateBatch, Masked, WindowBatch
from tests.model.factories import COVARIATES, awake_network, batch_for, forecast

EACH_DECODER = pytest.mark.parametrize("decoder", ["flattened", "queries"])


def covariates_of(batch: WindowBatch) -> CovariateBatch:
    assert batch.covariates is not None
    return batch.covariates


def raised(numbers: Masked, step: int) -> Masked:
    """Gives numbers [B T F] with another value, observed, at one step."""
    values, observed = numbers.values.clone(), numbers.observed.clone()
    values[:, step] += 50
    observed[:, step] = True
    return Masked(values, observed)


@EACH_DECODER
def test_each_kind_of_covariate_moves_the_forecast(decoder: str) -> None:
    network = awake_network(covariates=COVARIATES, decoder=decoder)
    batch = batch_for(network)
    given, before = covariates_of(batch), forecast(network, batch)
    static = Masked(given.static.values + 1, torch.ones_like(given.static.observed))
    changes = [
        {"past": raised(given.past, 10)},
        {"known": raised(given.known, 10)},
        {"calendar": given.calendar.flip(1)},
        {"static": static},
        {"categories": (given.categories + 1) % 2},
    ]
    for change in changes:
        moved = (forecast(network, replace(batch, covariates=replace(given, **change))) - before).abs()
        assert (moved.amax(dim=(1, 2)) > 1e-3).all(), change.keys()


@EACH_DECODER
def test_known_numbers_and_the_calendar_of_each_step_ahead_move_the_forecast(decoder: str) -> None:
    network = awake_network(covariates=COVARIATES, decoder=decoder)
    batch = batch_for(network)
    given, before = covariates_of(batch), forecast(network, batch)
    for step in range(24, 29):
        calendar = given.calendar.clone()
        calendar[:, step] -= 1
        for changed in (replace(given, known=raised(given.known, step)), replace(given, calendar=calendar)):
            assert (forecast(network, replace(batch, covariates=changed)) - before).abs().max() > 1e-4


@pytest.mark.parametrize("number", [1e6, -1e15, 1e30])
@pytest.mark.parametrize("spread", [1.0, 1e-6, 1e-9])
@pytest.mark.parametrize(
    "changes",
    [{}, {"norm_placement": "post"}, {"norm": "rms", "feed_forward": "swiglu"}, {"head": "student_t"}],
    ids=["plain", "post norm", "modern", "student_t"],
)
def test_no_static_number_makes_the_forecast_infinite(changes: dict[str, str], spread: float, number: float) -> None:
    network = awake_network(covariates=COVARIATES, **changes)
    assert network.tokens.static is not None
    network.tokens.static.spread.fill_(spread)
    batch = batch_for(network)
    static = Masked(torch.full((4, 2), number, dtype=torch.float64), torch.ones(4, 2, dtype=torch.bool))
    assert forecast(network, replace(batch, covariates=replace(covariates_of(batch), static=static))).isfinite().all()


def test_future_tokens_know_nothing_of_past_covariates() -> None:
    network = awake_network(covariates=COVARIATES)
    batch = batch_for(network)
    given = covariates_of(batch)
    other = replace(given, past=Masked(given.past.values.flip(1) * 9, given.past.observed.flip(1)))
    window, num_future = network.scaled(batch.context, batch.observed), network.tokens.num_future
    before, after = (network.tokens(window, covariates).values for covariates in (given, other))
    assert torch.equal(before[:, -num_future:], after[:, -num_future:])
    assert not torch.equal(before[:, :-num_future], after[:, :-num_future])


def test_past_covariates_that_reach_beyond_the_cutoff_do_not_fit() -> None:
    network = awake_network(covariates=COVARIATES)
    batch = batch_for(network)
    given = covariates_of(batch)
    longer = Masked(given.past.values.repeat(1, 2, 1)[:, :29], given.past.observed.repeat(1, 2, 1)[:, :29])
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        forecast(network, replace(batch, covariates=replace(given, past=longer)))


@EACH_DECODER
def test_past_covariates_alone_make_no_future_of_the_flattened_decoder(decoder: str) -> None:
    network = awake_network(covariates=CovariateConfig(past=COVARIATES.past), decoder=decoder)
    assert (network.tokens.num_future == 0) == (decoder == "flattened")
    given = covariates_of(batch_for(network))
    nothing = Masked(torch.zeros(4, 29, 0).double(), torch.zeros(4, 29, 0).bool())
    only_past = replace(
        given,
        known=nothing,
        calendar=torch.zeros(4, 29, 0),
        static=Masked(nothing.values[:, 0], nothing.observed[:, 0]),
        categories=torch.zeros(4, 0, dtype=torch.int64),
    )
    batch = replace(batch_for(network), covariates=only_past)
    moved = replace(only_past, past=raised(only_past.past, 10))
    assert (forecast(network, replace(batch, covariates=moved)) - forecast(network, batch)).abs().max() > 1e-3


@EACH_DECODER
def test_the_unit_of_a_covariate_does_not_matter(decoder: str) -> None:
    network = awake_network(covariates=COVARIATES, decoder=decoder)
    batch = batch_for(network)
    given = covariates_of(batch)
    other = replace(
        given,
        past=Masked(given.past.values * 1e4 + 7, given.past.observed),
        known=Masked(given.known.values * 1e-3 - 5, given.known.observed),
    )
    expected = forecast(network, batch)
    torch.testing.assert_close(forecast(network, replace(batch, covariates=other)), expected, rtol=1e-5, atol=1e-4)


def test_a_text_that_training_has_not_met_is_a_forecast_like_any_other() -> None:
    network = awake_network(covariates=COVARIATES)
    batch = batch_for(network)
    given = covariates_of(batch)
    quantiles = [
        forecast(network, replace(batch, covariates=replace(given, categories=torch.full((4, 2), number))))
        for number in (0, 1)
    ]
    assert all(values.isfinite().all() for values in quantiles)
    assert (quantiles[0] - quantiles[1]).abs().max() > 1e-3


def test_what_is_known_ahead_is_learned() -> None:
    # Noise plus a known price: no context tells the target, the price of the same step does.
    torch.manual_seed(0)
    network = awake_network(covariates=CovariateConfig(known=("price",)), decoder="queries", horizon=4)
    price, noise = torch.randn(64, 28, 1, dtype=torch.float64), 0.1 * torch.randn(64, 28, dtype=torch.float64)
    values, seen = price.squeeze(-1) + noise, torch.ones(64, 28, dtype=torch.bool)
    nothing = Masked(torch.zeros(64, 24, 0).double(), torch.zeros(64, 24, 0).bool())
    covariates = CovariateBatch(
        past=nothing,
        known=Masked(price, seen.unsqueeze(-1)),
        calendar=torch.zeros(64, 28, 0),
        static=Masked(nothing.values[:, 0], nothing.observed[:, 0]),
        categories=torch.zeros(64, 0, dtype=torch.int64),
    )
    batch = WindowBatch(values[:, :24], seen[:, :24], values[:, 24:], seen[:, 24:], covariates)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(network.loss(batch))
        optimizer.step()
    error = (forecast(network, batch)[..., 2] - batch.target).abs().mean()
    assert error < 0.3  # the target itself has mean absolute value 0.8
