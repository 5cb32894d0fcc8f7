"""How much of what the encoder adds to a simple forecast is believed: what every block of validation bears out."""

from __future__ import annotations

import numpy as np
import torch

from forecaster.arrays import IntArray
from forecaster.data.batches import batches_of, blocks_of_time
from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.training.datamodule import WindowDataModule
from forecaster.types import WindowBatch

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
NUM_BLOCKS = 6


def best_share(network: Network, data: WindowDataModule) -> float:
    """Gives the smallest of the SHARES that blocks of the validation windows have the lowest loss with, each its own.

    The windows are cut into 6 blocks, in order of time. On short or noisy histories an encoder that corrects a good
    simple forecast overfits from its first steps on, and windows that stopped its training favour it: the share with
    the lowest loss over all of them together did more harm than good (docs/experiments.md). Gives 1 where there is no
    simple forecast.
    """
    if network.skip is None:
        return 1.0
    panel, addresses = data.windows.panel, data.validation
    blocks = np.empty(len(addresses), dtype=np.int64)
    for number, places in enumerate(blocks_of_time(panel, addresses, NUM_BLOCKS)):
        blocks[places] = number
    totals = torch.zeros(NUM_BLOCKS, len(SHARES), dtype=torch.float64)
    with torch.inference_mode():
        for places in batches_of(panel, addresses, data.config.batch_size):
            totals += _losses(network, data.windows.gather(addresses.at(places)), blocks[places])
    told = totals[totals.any(dim=1)]
    return SHARES[int(told.argmin(dim=1).min())]


def _losses(network: Network, batch: WindowBatch, blocks: IntArray) -> torch.Tensor:
    """Gives the summed losses [blocks shares] of the windows of a batch, which are of `blocks` [B]."""
    assert network.skip is not None
    window = network.scaled(batch.context, batch.observed)
    parameters = network.answer(window, batch.covariates, batch.groups)
    simple = network.skip(window.values, window.observed, batch.covariates)
    target = scale_target(batch.target, window.scale)
    usable = batch.target_observed & (window.scale.spread > 0)
    place, losses = network.head.loc_index, torch.zeros(NUM_BLOCKS, len(SHARES), dtype=torch.float64)
    for column, share in enumerate(SHARES):
        shrunk = parameters.clone()
        shrunk[..., place] = simple + share * (parameters[..., place] - simple)
        for block in np.unique(blocks):
            counted = usable & torch.from_numpy(blocks == block).unsqueeze(1)
            losses[block, column] = float(network.head.loss(shrunk, target, counted, window.scale)) * counted.sum()
    return losses
