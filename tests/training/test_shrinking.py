"""Shrinking: the encoder's correction of a simple forecast counts for as much as it validated."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from forecaster.arrays import IntArray
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses
from forecaster.model.network import Network
from forecaster.training import shrinking
from forecaster.training.datamodule import WindowDataModule
from forecaster.training.fit import fit, resolve
from forecaster.training.member import member_data
from forecaster.training.prefit import Prefit
from forecaster.training.shrinking import SHARES, best_share
from tests.factories import panel_of, sine_panel
from tests.training.factories import CONFIG, PANEL, priced_panel, random_batch, with_model, with_split


def network_over_ridge(**changes: object) -> Network:
    torch.manual_seed(0)
    return Network(resolve(PANEL, with_model(skip="ridge", season_length=6, **changes)).model).eval()


def location(network: Network) -> torch.Tensor:
    batch = random_batch()
    with torch.no_grad():
        answer = network(batch.context[:, -24:], batch.observed[:, -24:])
    return answer.parameters[..., network.head.loc_index]


def loss_by_share(data: WindowDataModule, network: Network, places: IntArray) -> list[float]:
    """Gives the loss of a network on some validation windows, with each share of its correction."""
    losses, batch = [], data.windows.gather(data.validation.at(places))
    for share in SHARES:
        shrunk = deepcopy(network)
        shrunk.shrink_correction(share)
        with torch.no_grad():
            losses.append(float(shrunk.loss(batch)))
    return losses


def sure_share(data: WindowDataModule, network: Network) -> float:
    """Gives the share by its definition: 4 folds of 6 steps of 3 series give 4 x 3 groups of windows, two a block."""
    found = list(zip(data.validation.series, data.validation.cutoffs, strict=True))
    newest = max(cutoff for _, cutoff in found)
    groups: dict[tuple[int, int], list[int]] = {}
    for place, (series, cutoff) in enumerate(found):
        groups.setdefault((-((newest - cutoff) // 6), series), []).append(place)
    in_order = [groups[key] for key in sorted(groups)]
    assert len(in_order) == 12
    blocks = [np.array([*first, *second]) for first, second in zip(in_order[::2], in_order[1::2], strict=True)]
    losses = np.array([loss_by_share(data, network, places) for places in blocks])
    best = losses.mean(axis=0).argmin()
    for share, column in zip(SHARES, losses.T, strict=True):
        difference = column - losses[:, best]
        if difference.mean() <= 1.5 * difference.std(ddof=1) / np.sqrt(6):
            return share
    raise AssertionError("the best share is not worse than itself")


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


@pytest.mark.parametrize("noise", [0.0, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("panel", [sine_panel(3, 120, noise=0.1), priced_panel()], ids=["sine", "priced"])
def test_the_share_is_the_smallest_that_is_not_surely_worse_than_the_best(panel: Panel, noise: float) -> None:
    config = resolve(panel, with_split(num_validation_folds=4))
    data = member_data(panel, config, config.training)
    torch.manual_seed(0)
    network = Network(config.model).eval()
    Prefit(config.model, data).begin(network)
    with torch.no_grad():
        network.decoder.linear.weight *= noise
    expected = sure_share(data, network)
    assert best_share(network, data) == expected


@pytest.mark.parametrize(("num_lifted", "share"), [(0, 0.0), (1, 0.0), (3, 0.0), (6, 1.0)])
def test_what_helps_in_some_blocks_and_harms_in_others_is_not_believed(num_lifted: int, share: float) -> None:
    """Each of six windows is a block of its own; the encoder says that all of them end 3 deviations higher."""
    waves = [np.sin(np.arange(60.0 + number)) for number in range(6)]
    for wave in waves[:num_lifted]:
        wave[-6:] = 3 * wave[-30:-6].std()
    config = with_model(with_split(num_validation_folds=1, num_test_folds=0), skip="ridge")
    data = member_data(panel_of(*waves), config, config.training)
    network = Network(config.model).eval()
    with torch.no_grad():
        network.decoder.linear.weight.zero_()
        network.decoder.linear.bias[network.head.loc_index :: network.head.num_parameters] = 3.0
    assert best_share(network, data) == share


def test_without_a_simple_forecast_the_whole_answer_stays(tmp_path: Path) -> None:
    result = fit(PANEL, with_model(skip="none"), tmp_path)
    assert result.facts.correction_share == 1.0


def test_windows_that_share_their_target_are_no_two_witnesses() -> None:
    """The many cutoffs of one fold of one series are one block: what they like best is taken, without an error."""
    addresses = WindowAddresses(np.zeros(6, dtype=np.int64), np.arange(40, 46))
    assert shrinking._blocks(addresses, 6).tolist() == [0] * 6
    assert shrinking._blocks(addresses, 3).tolist() == [0, 0, 0, 1, 1, 1]
    both = WindowAddresses(np.array([0, 0, 1, 1]), np.array([40, 41, 50, 51]))
    assert shrinking._blocks(both, 2).tolist() == [0, 0, 1, 1]
    many = WindowAddresses(np.arange(12), np.full(12, 9))
    assert shrinking._blocks(many, 2).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
