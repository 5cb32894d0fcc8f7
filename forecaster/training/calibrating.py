"""Calibration of a trained network, or of several that answer as one, on the validation windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from forecaster.arrays import FloatArray
from forecaster.calibration import Calibration, HeldOut, calibrate
from forecaster.data.batches import batches_of
from forecaster.model.ensemble import Ensemble
from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.training.datamodule import WindowDataModule
from forecaster.types import WindowBatch


def learn_calibration(network: Network | Sequence[Network], data: WindowDataModule) -> Calibration:
    """Gives the calibration learned on the validation windows, with the coverage there before and after it.

    They steered early stopping too, so that factors are a little too small where training overfits. A constant
    context has no spread to measure errors in, and takes no part. Counts stay as they are forecast.
    """
    ensemble, addresses, windows = Ensemble(network), data.validation, data.windows
    num_windows, config = len(addresses), ensemble.config
    quantiles = np.empty((num_windows, config.horizon, len(config.levels)))
    target = np.empty((num_windows, config.horizon))
    for places in batches_of(windows.panel, addresses, data.config.batch_size):
        batch = windows.gather(addresses.at(places))
        quantiles[places], target[places] = _scaled(ensemble, batch.to(ensemble.device))
    stretches = (windows.panel.lengths[addresses.series] - addresses.cutoffs) // config.horizon
    held_out = HeldOut(quantiles, target, config.levels, addresses.series, stretches)
    return calibrate(held_out, keep_widths=ensemble.networks[0].head.counts_only)


def _scaled(ensemble: Ensemble, batch: WindowBatch) -> tuple[FloatArray, FloatArray]:
    """Gives quantiles [B H Q] and targets [B H] in scaled space, NaN where a target is missing or has no scale."""
    with torch.inference_mode():
        output = ensemble(batch.context, batch.observed, batch.covariates, batch.groups)
        target = scale_target(batch.target, output.scale).to(torch.float64)
        usable = batch.target_observed & (output.scale.spread > 0)
        quantiles = output.quantiles(ensemble.config.levels).to(torch.float64)
        return quantiles.cpu().numpy(), torch.where(usable, target, torch.nan).cpu().numpy()
