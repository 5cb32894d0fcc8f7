"""Shrinking: the encoder's correction of a simple forecast counts for as much as it validated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from forecaster.data.panel import Panel
from forecaster.model.network import Network
from forecaster.training.fit import fit, resolve
from forecaster.training.member import member_data
from forecaster.training.prefit import Prefit
from forecaster.training.shrinking import SHARES, best_share
from tests.training.factories import CONFIG, PANEL, priced_panel, random_batch, with_model


def network_over_ridge(**changes: object) -> Network:
    torch.manual_seed(0)
    return Network(resolve(PANEL, with_model(skip="ridge", season_length=6, **changes)).model).eval()


def location(network: Network) -> torch.Tensor:
    batch = random_batch()
    with torch.no_grad():
        answer = network(batch.context[:, -24:], batch.observed[:, -24:])
    return answer.parameters[..., network.head.loc_index]


def loss_by_share(panel: Panel, make: Callable[[], Network]) -> list[float]:
    """Gives the validation loss of the network that `make` gives, with each share of its correction."""
    losses = []
    for share in SHARES:
        network = make()
        network.shrink_correction(share)
        batches = list(member_data(panel, resolve(panel, CONFIG), CONFIG.training).validation_batches())
        weights = torch.tensor([float(batch.target_observed.sum()) for batch in batches])
        with torch.no_grad():
            losses.append(float(weights @ torch.stack([network.loss(batch) for batch in batches])))
    return losses


@pytest.mark.parametrize("head", ["quantile", "student_t", "mse"])
@pytest.mark.parametrize("decoder", ["flattened", "queries"])
def test_a_share_of_the_correction_is_left_and_nothing_else_changes(head: str, decoder: str) -> None:
    levels = (0.5,) if head == "mse" else (0.1, 0.5, 0.9)
    network, bare = (network_over_ridge(head=head, decoder=decoder, levels=levels) for _ in range(2))
    whole = location(network)
    bare.shrink_correction(0.0)
    network.shrink_correction(0.25)
    torch.testing.assert_close(location(network), 0.25 * whole + 0.75 * location(bare), rtol=1e-4, atol=1e-5)
    places = [place for place in range(network.head.num_parameters) if place != network.head.loc_index]
    batch = random_batch()
    answers = [net(batch.context[:, -24:], batch.observed[:, -24:]).parameters[..., places] for net in (network, bare)]
    assert torch.equal(*answers)


def test_a_correction_that_is_noise_is_dropped() -> None:
    network = network_over_ridge()
    data = member_data(PANEL, resolve(PANEL, CONFIG), CONFIG.training)
    Prefit(network.config, data).begin(network)
    with torch.no_grad():
        network.decoder.linear.weight[:: network.head.num_parameters] *= 100
    assert best_share(network, data) == 0.0


def test_the_share_is_the_one_with_the_lowest_validation_loss() -> None:
    losses = loss_by_share(PANEL, network_over_ridge)
    data = member_data(PANEL, resolve(PANEL, CONFIG), CONFIG.training)
    assert best_share(network_over_ridge(), data) == SHARES[losses.index(min(losses))]


@pytest.mark.parametrize("noise", [0.0, 0.1, 10.0])
def test_the_share_beside_a_ridge_on_known_covariates_is_the_best_one_too(noise: float) -> None:
    panel = priced_panel()
    data = member_data(panel, resolve(panel, CONFIG), CONFIG.training)

    def made() -> Network:
        torch.manual_seed(0)
        network = Network(resolve(panel, CONFIG).model).eval()
        Prefit(network.config, data).begin(network)
        with torch.no_grad():
            network.decoder.linear.weight *= noise
        return network

    losses = loss_by_share(panel, made)
    assert losses[SHARES.index(best_share(made(), data))] == pytest.approx(min(losses), rel=1e-6)


def test_without_a_simple_forecast_the_whole_answer_stays(tmp_path: Path) -> None:
    result = fit(PANEL, with_model(skip="none"), tmp_path)
    assert result.facts.correction_share == 1.0
