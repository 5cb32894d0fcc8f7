"""How much of what the encoder adds to a simple forecast is believed: the share that validates best."""

from __future__ import annotations

import torch

from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.training.datamodule import WindowDataModule
from forecaster.types import WindowBatch

SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)


def best_share(network: Network, data: WindowDataModule) -> float:
    """Gives the one of SHARES with the lowest loss on the validation windows; 1 where there is no simple forecast.

    On short or noisy histories an encoder that corrects a good simple forecast overfits from its first steps on. A
    share of its correction, or none of it, then does better than the whole (docs/experiments.md).
    """
    if network.skip is None:
        return 1.0
    totals = torch.zeros(len(SHARES), dtype=torch.float64)
    with torch.inference_mode():
        for batch in data.validation_batches():
            totals += _losses(network, batch)
    return SHARES[int(totals.argmin())]


def _losses(network: Network, batch: WindowBatch) -> torch.Tensor:
    """Gives the summed loss of a batch for each share."""
    assert network.skip is not None
    window = network.scaled(batch.context, batch.observed)
    parameters = network.answer(window, batch.covariates, batch.groups)
    simple = network.skip(window.values, window.observed, batch.covariates)
    target = scale_target(batch.target, window.scale)
    usable = batch.target_observed & (window.scale.spread > 0)
    place, num_targets, losses = network.head.loc_index, float(usable.sum()), []
    for share in SHARES:
        shrunk = parameters.clone()
        shrunk[..., place] = simple + share * (parameters[..., place] - simple)
        losses.append(float(network.head.loss(shrunk, target, usable, window.scale)) * num_targets)
    return torch.tensor(losses, dtype=torch.float64)
