"""What is reported of a fit, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forecaster.model.network import Network
from forecaster.training.callbacks import ReportNetwork
from forecaster.training.fit import fit
from tests.training.factories import CONFIG, PANEL, with_model, with_training


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_the_network_that_is_reported_is_the_one_that_is_validated_and_kept(
    ema_decay: float | None, tmp_path: Path
) -> None:
    reported: dict[int, Network] = {}

    def report(network: Network, step: int) -> None:
        reported[step] = network

    config = with_training(with_model(skip="none"), ema_decay=ema_decay)
    result = fit(PANEL, config, tmp_path, callbacks=[ReportNetwork(report)])
    assert list(reported) == [5, 10, 15, 20]
    best = reported[result.facts.num_steps]
    assert not best.training
    for name, weights in result.validated.network.state_dict().items():
        assert torch.equal(weights, best.state_dict()[name]), name


def test_of_an_ensemble_the_first_network_is_reported(tmp_path: Path) -> None:
    steps: list[int] = []
    config = with_training(CONFIG, num_members=2, max_steps=10)
    fit(PANEL, config, tmp_path, callbacks=[ReportNetwork(lambda _, step: steps.append(step))])
    assert steps == [5, 10]


def test_what_it_raises_ends_the_training(tmp_path: Path) -> None:
    def refuse(_: Network, step: int) -> None:
        raise LookupError(str(step))

    with pytest.raises(LookupError, match="5"):
        fit(PANEL, CONFIG, tmp_path, callbacks=[ReportNetwork(refuse)])
