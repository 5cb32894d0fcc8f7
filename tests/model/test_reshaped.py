"""A network of the same weights for other lengths and cycles: what the one learns the other knows."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from forecaster.errors import ConfigError
from forecaster.model.network import Network
from tests.model.factories import (
    COVARIATES,
    awake_network,
    batch_for,
    batch_of,
    forecast,
    random_batch,
    random_context,
    random_observed,
)

FREE = {"decoder": "queries", "skip": "none", "lags": (1, 4, 0)}

# Networks none of whose weights depends on a length.
KINDS: dict[str, dict[str, Any]] = {
    "rotary": {},
    "sinusoidal": {"positions": "sinusoidal"},
    "time": {"positions": "time"},
    "none": {"positions": "none"},
    "causal": {"causal": True, "norm": "rms"},
    "overlapping": {"patch_stride": 2, "coarse_patch_length": 8},
    "robust": {"scaling": "robust", "head": "student_t"},
    "covariates": {"covariates": COVARIATES},
    "without lags": {"lags": ()},
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


def network_of(kind: str) -> Network:
    network = awake_network(**FREE | KINDS[kind])
    if network.tokens.static is not None:
        network.tokens.static.loc.fill_(5.0)
        network.tokens.static.spread.fill_(3.0)
    return network


def same_shape(network: Network) -> Network:
    return network.reshaped(context_length=24, horizon=5, lags=network.config.resolved_lags)


@EACH_KIND
def test_reshaped_to_its_own_shape_it_answers_exactly_the_same(kind: str) -> None:
    network = network_of(kind)
    batch = batch_for(network)
    assert torch.equal(forecast(network, batch), forecast(same_shape(network), batch))


@EACH_KIND
def test_all_weights_are_the_very_same(kind: str) -> None:
    network = network_of(kind)
    other = network.reshaped(context_length=48, horizon=9, lags=(2, 8, 12)[: len(network.config.resolved_lags)])
    own, its = dict(network.named_parameters()), dict(other.named_parameters())
    assert own.keys() == its.keys()
    assert all(own[name] is its[name] for name in own)


def test_it_has_the_lengths_and_the_lags_that_were_asked_for() -> None:
    network = awake_network(**FREE)
    other = network.reshaped(context_length=12, horizon=9, lags=(1, 2, 3))
    assert (other.config.context_length, other.config.horizon, other.config.lags) == (12, 9, (1, 2, 3))
    assert forecast(other, batch_of(random_context(2, 12))).shape == (2, 9, 4)
    assert (network.config.context_length, network.config.horizon, network.config.lags) == (24, 5, (1, 4, 0))
    with torch.no_grad():
        assert forecast(network, batch_for(network)).shape == (4, 5, 4)


def test_what_trains_the_one_trains_the_other() -> None:
    network = awake_network(**FREE)
    other = network.reshaped(context_length=12, horizon=9, lags=(1, 2, 3))
    batch = batch_for(network)
    before = forecast(network, batch)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    torch.autograd.backward(other.loss(random_batch(4, 12, 9)))
    optimizer.step()
    assert not torch.equal(forecast(network, batch), before)
    assert torch.equal(forecast(same_shape(network), batch), forecast(network, batch))
    back = other.reshaped(context_length=24, horizon=5, lags=(1, 4, 0))
    assert torch.equal(forecast(back, batch), forecast(network, batch))


def test_losses_of_several_shapes_add_up_to_the_gradient_of_each() -> None:
    network = awake_network(**FREE)
    shapes = [(24, 5), (12, 9), (48, 3)]
    others = [network.reshaped(context_length=length, horizon=steps, lags=(1, 4, 0)) for length, steps in shapes]
    losses = [other.loss(random_batch(4, *shape)) for other, shape in zip(others, shapes, strict=True)]
    alone = [torch.autograd.grad(loss, list(network.parameters()), retain_graph=True) for loss in losses]
    torch.autograd.backward(torch.stack(losses).sum())
    for weight, *parts in zip(network.parameters(), *alone, strict=True):
        torch.testing.assert_close(weight.grad, torch.stack(parts).sum(dim=0), rtol=1e-4, atol=1e-6)


# Patches that overlap are there that begin among the missing steps and end among the others.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("overlapping", "time", "covariates")])
def test_what_is_missing_on_the_left_may_as_well_be_cut_off(kind: str) -> None:
    network = network_of(kind)
    shorter = network.reshaped(context_length=16, horizon=5, lags=network.config.resolved_lags)
    context, observed = random_context(4, 16), random_observed(4, 16)
    padded = torch.cat([torch.full((4, 8), math.nan), context], dim=1)
    unseen = torch.cat([torch.zeros(4, 8, dtype=torch.bool), observed], dim=1)
    expected = forecast(network, batch_of(padded, unseen))
    found = forecast(shorter, batch_of(context, observed))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)  # the contexts' spread is about 6


def test_a_longer_horizon_begins_as_a_shorter_one_with_whole_patches_and_a_causal_look() -> None:
    network = awake_network(**FREE | {"causal": True, "horizon": 4})
    longer = network.reshaped(context_length=24, horizon=12, lags=(1, 4, 0))
    batch = batch_of(random_context(4, 24))
    torch.testing.assert_close(forecast(longer, batch)[:, :4], forecast(network, batch), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_it_trains_or_not_as_the_one_it_comes_from(training: bool) -> None:
    other = same_shape(awake_network(**FREE).train(training))
    assert all(module.training == training for module in other.modules())


def test_frozen_weights_stay_frozen_and_others_not() -> None:
    network = awake_network(**FREE)
    network.encoder.requires_grad_(False)
    frozen = {name: weight.requires_grad for name, weight in network.named_parameters()}
    other = same_shape(network)
    assert {name: weight.requires_grad for name, weight in other.named_parameters()} == frozen
    assert {name: weight.requires_grad for name, weight in network.named_parameters()} == frozen


def test_it_lives_where_its_weights_live() -> None:
    other = awake_network(**FREE).to("meta").reshaped(context_length=12, horizon=9, lags=(1, 2, 3))
    assert {tensor.device.type for tensor in (*other.parameters(), *other.buffers())} == {"meta"}
    assert other.loss(random_batch(2, 12, 9).to("meta")).device.type == "meta"


def test_nothing_is_drawn_for_it() -> None:
    network = awake_network(**FREE)
    before = torch.get_rng_state()
    same_shape(network)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "changes",
    [{"decoder": "flattened"}, {"positions": "learned"}, {"skip": "ridge"}, {"skip": "theta", "season_length": 4}],
    ids=str,
)
def test_a_network_whose_weights_depend_on_the_lengths_is_refused(changes: dict[str, Any]) -> None:
    network = awake_network(**FREE | changes)
    with pytest.raises(ConfigError, match="decoder 'queries', no skip, no learned positions"):
        network.reshaped(context_length=48, horizon=9, lags=(1, 4, 0))


def test_another_number_of_lags_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 lags, not 2"):
        awake_network(**FREE).reshaped(context_length=24, horizon=5, lags=(1, 4))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"context_length": 25}, "25 is not a multiple of patch_length 4"),
        ({"horizon": 0}, "greater than or equal to 1"),
        ({"horizon": 5000}, "less than or equal to 4096"),
        ({"lags": (1, 4, 20_000)}, "less than or equal to 16384"),
    ],
    ids=str,
)
def test_lengths_that_no_network_has_are_refused(shape: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        awake_network(**FREE).reshaped(**{"context_length": 24, "horizon": 5, "lags": (1, 4, 0)} | shape)
