"""The linear skip: what it adds to a forecast."""

from __future__ import annotations

import torch

from forecaster.model.network import Network
from forecaster.model.skips.linear import LinearSkip
from forecaster.types import Scale
from tests.model.factories import EACH_HEAD, awake_network, random_batch, small_config


def test_the_skip_begins_at_the_weights_it_is_given() -> None:
    skip, weight = LinearSkip(8, 3), torch.randn(8, 3, dtype=torch.float64)
    skip.start_at(weight)
    values = torch.randn(5, 8)
    torch.testing.assert_close(
        skip(values, values.isfinite()), (values.double() @ weight).float(), rtol=1e-6, atol=1e-6
    )


def test_the_skip_keeps_all_digits_under_autocast() -> None:
    skip, values = LinearSkip(8, 3), torch.randn(5, 8)
    skip.start_at(torch.randn(8, 3))
    expected = skip(values, values.isfinite())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(skip(values, values.isfinite()), expected)


def parameters_of(network: Network) -> tuple[torch.Tensor, Scale]:
    batch = random_batch()
    with torch.no_grad():
        output = network(batch.context, batch.observed)
    return output.parameters, output.scale


@EACH_HEAD
def test_the_skip_is_added_to_the_location_and_to_nothing_else(head: str) -> None:
    network, batch = awake_network(head=head, skip="ridge"), random_batch()
    with_skip, _ = parameters_of(network)
    network.skip, skip = None, network.skip
    assert skip is not None
    without, _ = parameters_of(network)
    added = with_skip - without
    place = network.head.loc_index
    window = network.scaled(batch.context, batch.observed)
    torch.testing.assert_close(added[..., place], skip(window.values, window.observed).detach(), rtol=1e-4, atol=1e-5)
    others = [other for other in range(network.head.num_parameters) if other != place]
    assert not added[..., others].any()


@EACH_HEAD
def test_the_skip_moves_every_quantile_by_the_same(head: str) -> None:
    network = awake_network(head=head, skip="ridge")
    (with_skip, scale), levels = parameters_of(network), (0.1, 0.5, 0.9)
    network.skip = None
    without, _ = parameters_of(network)
    moved = network.head.quantiles(with_skip, levels, scale) - network.head.quantiles(without, levels, scale)
    torch.testing.assert_close(moved, moved[..., :1].expand_as(moved), rtol=1e-4, atol=1e-5)


def test_a_fresh_skip_says_nothing() -> None:
    torch.manual_seed(0)
    network = Network(small_config(skip="ridge"))
    assert isinstance(network.skip, LinearSkip)
    assert not network.skip.weight.any()
