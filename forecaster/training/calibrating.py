"""Calibration of a trained network on the validation windows."""

from __future__ import annotations

import numpy as np
import torch

from forecaster.calibration import Calibration, calibrate
from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.training.datamodule import WindowDataModule


def learn_calibration(network: Network, data: WindowDataModule) -> Calibration:
    """Gives the calibration that makes coverage true on the validation windows.

    They steered early stopping too, so that the offsets are a little too small where training overfits. A
    constant context has no spread to measure residuals in, and takes no part.
    """
    quantiles, targets = [], []
    with torch.inference_mode():
        for batch in data.val_dataloader():
            output = network(batch.context, batch.observed)
            target = scale_target(batch.target, output.scale).to(torch.float64)
            usable = batch.target_observed & (output.scale.spread > 0)
            quantiles.append(network.head.quantiles(output.parameters, network.config.levels).to(torch.float64))
            targets.append(torch.where(usable, target, torch.nan))
    return calibrate(
        np.asarray(torch.cat(quantiles)), np.asarray(torch.cat(targets)), network.config.levels, data.num_disjoint
    )
