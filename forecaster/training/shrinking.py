"""How much of what the encoder adds to a simple forecast is believed: no more than validation makes sure of."""

from __future__ import annotations

import math

import numpy as np
import torch

from forecaster.arrays import IntArray
from forecaster.data.batches import batches_of
from forecaster.data.windows import WindowAddresses
from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.training.datamodule import WindowDataModule
from forecaster.types import WindowBatch

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
NUM_BLOCKS = 6
STANDARD_ERRORS = 1.5  # with six blocks what is left to chance is 10 %


def best_share(network: Network, data: WindowDataModule) -> float:
    """Gives the smallest of SHARES that is not surely worse than the one with the lowest loss; 1 without a skip.

    The validation windows are cut into 6 blocks (`_blocks`). A share is surely worse where its loss is higher
    by more than 1.5 standard errors of the difference, told from the blocks (after Breiman et al. 1984, the
    one-standard-error rule). On short or noisy histories an encoder that corrects a good simple forecast overfits from
    its first steps on, and the windows that stopped its training favour it (docs/experiments.md).
    """
    if network.skip is None:
        return 1.0
    losses = _loss_by_block(network, data)
    best = int(losses.mean(dim=0).argmin())
    worse = losses - losses[:, best : best + 1]  # [blocks shares]
    allowed = STANDARD_ERRORS * worse.std(dim=0) / math.sqrt(len(worse)) if len(worse) > 1 else torch.zeros(len(SHARES))
    return SHARES[int((worse.mean(dim=0) <= allowed).int().argmax())]


def _loss_by_block(network: Network, data: WindowDataModule) -> torch.Tensor:
    """Gives the mean loss [blocks shares] of each block that has an observed target."""
    panel, addresses = data.windows.panel, data.validation
    blocks = _blocks(addresses, data.windows.horizon)
    totals = torch.zeros(NUM_BLOCKS, len(SHARES) + 1, dtype=torch.float64)
    with torch.inference_mode():
        for places in batches_of(panel, addresses, data.config.batch_size):
            totals += _sums(network, data.windows.gather(addresses.at(places)), blocks[places])
    told = totals[totals[:, -1] > 0]
    return told[:, :-1] / told[:, -1:]


def _blocks(addresses: WindowAddresses, horizon: int) -> IntArray:
    """Gives the number of the block that each window [W] is of: 0 to 5, or less where there is less to tell apart.

    Windows of one series whose cutoffs lie within one horizon share most of their target, so they stay together; such
    groups are cut into blocks in order of time, and of series where they are of the same time.
    """
    series, cutoffs = addresses.series, addresses.cutoffs
    newest = np.zeros(series.max() + 1, dtype=np.int64)
    np.maximum.at(newest, series, cutoffs)
    age = (newest[series] - cutoffs) // horizon
    groups = np.unique(np.stack([-age, series]), axis=1, return_inverse=True)[1].ravel()
    num_groups = int(groups.max()) + 1
    return np.asarray(groups * min(NUM_BLOCKS, num_groups) // num_groups)


def _sums(network: Network, batch: WindowBatch, blocks: IntArray) -> torch.Tensor:
    """Gives for each block the summed loss of its windows in a batch, one of each share, and how many targets it has.

    The windows are of `blocks` [B]; the answer is [blocks shares + 1].
    """
    assert network.skip is not None
    window = network.scaled(batch.context, batch.observed)
    parameters = network.answer(window, batch.covariates, batch.groups)
    simple = network.skip(window.values, window.observed, batch.covariates)
    target = scale_target(batch.target, window.scale)
    usable = batch.target_observed & (window.scale.spread > 0)
    place, sums = network.head.loc_index, torch.zeros(NUM_BLOCKS, len(SHARES) + 1, dtype=torch.float64)
    of_block = {block: usable & torch.from_numpy(blocks == block).unsqueeze(1) for block in np.unique(blocks).tolist()}
    for block, counted in of_block.items():
        sums[block, -1] = counted.sum()
    for column, share in enumerate(SHARES):
        shrunk = parameters.clone()
        shrunk[..., place] = simple + share * (parameters[..., place] - simple)
        for block, counted in of_block.items():
            sums[block, column] = network.head.loss(shrunk, target, counted, window.scale) * counted.sum()
    return sums
