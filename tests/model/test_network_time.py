"""Networks that read the elapsed time: equal to rotary ones on equal steps, moved by unequal ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from forecaster.model.network import Network
from forecaster.types import WindowBatch
from tests.model.factories import COVARIATES, awake_network, batch_for, equal_steps, forecast, random_elapsed

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"causal": True},
    "queries": {"decoder": "queries"},
    "group": {"channels": "group"},
    "resolutions": {"patch_stride": 2, "coarse_patch_length": 8},
    "covariates": {"covariates": COVARIATES},
}
EACH_SHAPE = pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)


def at(batch: WindowBatch, elapsed: torch.Tensor) -> WindowBatch:
    """Gives the same windows at other times."""
    assert batch.covariates is not None
    return replace(batch, covariates=replace(batch.covariates, elapsed=elapsed))


def pair_of(changes: dict[str, Any]) -> tuple[Network, Network]:
    """Gives networks of equal weights with positions by steps and by time."""
    rotary, timed = (awake_network(positions=kind, **changes) for kind in ("rotary", "time"))
    timed.load_state_dict(rotary.state_dict(), strict=True)
    return rotary, timed


@EACH_SHAPE
def test_on_equal_steps_it_is_exactly_the_rotary_network(changes: dict[str, Any]) -> None:
    rotary, timed = pair_of(changes)
    batch = replace(batch_for(timed), groups=torch.tensor([0, 1, 0, 2]))
    batch = at(batch, equal_steps(4))
    assert torch.equal(forecast(timed, batch), forecast(rotary, batch))
    by_steps, by_time = (
        network.attention(batch.context, batch.observed, batch.covariates, batch.groups) for network in (rotary, timed)
    )
    assert all(torch.equal(one, other) for one, other in zip(by_steps, by_time, strict=True))


@EACH_SHAPE
def test_unequal_steps_move_the_forecast_of_their_own_window_alone(changes: dict[str, Any]) -> None:
    timed = pair_of(changes)[1]
    batch = at(batch_for(timed), equal_steps(4))
    elapsed = equal_steps(4)
    elapsed[1] = random_elapsed(1)[0]
    moved = (forecast(timed, at(batch, elapsed)) - forecast(timed, batch)).abs().amax(dim=(1, 2))
    assert moved[1] > 1e-3
    assert moved[[0, 2, 3]].max() < 1e-4


def test_the_time_that_passes_within_a_patch_is_not_seen() -> None:
    timed = awake_network(positions="time")
    batch, elapsed = at(batch_for(timed), equal_steps(4)), equal_steps(4)
    elapsed[:, :3] += 0.25  # the first patch ends with the fourth step
    assert torch.equal(forecast(timed, at(batch, elapsed)), forecast(timed, batch))
    elapsed[:, 3] += 0.25
    assert not torch.equal(forecast(timed, at(batch, elapsed)), forecast(timed, batch))


def test_a_causal_token_sees_those_before_it_whatever_time_has_passed() -> None:
    network = awake_network(positions="time", causal=True)
    batch = batch_for(network)
    for weights in network.attention(batch.context, torch.ones_like(batch.observed), batch.covariates):
        assert torch.equal(weights.triu(1), torch.zeros_like(weights))
        assert (weights.tril() > 0).sum() == 4 * 2 * 21  # rows x heads x pairs of 6 tokens
