"""A network that is not drawn is, once it has its weights, the one that they come from."""

from __future__ import annotations

import pytest
import torch

from forecaster.model.heads import HEADS, PointHead
from forecaster.model.network import Network
from forecaster.model.skips import SKIPS
from forecaster.model.undrawn import Undrawn
from tests.model.factories import EACH_VARIANT, VARIANTS, awake_network, batch_for, small_config


def taken_over(network: Network) -> Network:
    with Undrawn():
        undrawn = Network(network.config)
    undrawn.load_state_dict(network.state_dict(), strict=True)
    return undrawn.eval()


def assert_the_same(network: Network) -> None:
    other, batch = taken_over(network), batch_for(network)
    own, its = (dict([*one.named_parameters(), *one.named_buffers()]) for one in (network, other))
    assert own.keys() == its.keys()
    assert [name for name in own if not torch.equal(own[name], its[name])] == []
    with torch.inference_mode():
        answers = [one(batch.context, batch.observed, batch.covariates, batch.groups) for one in (network, other)]
    assert torch.equal(answers[0].parameters, answers[1].parameters)


@EACH_VARIANT
def test_weights_buffers_and_forecasts_are_the_same(variant: str) -> None:
    assert_the_same(awake_network(3, **VARIANTS[variant]))


@pytest.mark.parametrize("skip", ["none", *SKIPS])
@pytest.mark.parametrize("head", HEADS)
def test_every_head_beside_every_skip_is_the_same(head: str, skip: str) -> None:
    levels = (0.5,) if isinstance(HEADS[head](small_config()), PointHead) else (0.1, 0.5, 0.9)
    assert_the_same(awake_network(4, head=head, skip=skip, season_length=4, levels=levels))


@EACH_VARIANT
def test_nothing_is_drawn(variant: str) -> None:
    config = awake_network(0, **VARIANTS[variant]).config
    before = torch.get_rng_state()
    with Undrawn():
        Network(config)
    assert torch.equal(torch.get_rng_state(), before)
    Network(config)
    assert not torch.equal(torch.get_rng_state(), before)


def test_what_is_made_after_it_is_drawn_again() -> None:
    with Undrawn():
        pass
    assert torch.empty(8).normal_().unique().numel() == 8
