"""The loss of pretraining: pinball loss in units of what the seasonal naive misses by, as MASE counts it.

In units of the spread, a series of clear cycles would count for next to nothing: any forecast of it is close.
"""

from __future__ import annotations

import torch
from torch import nn

from forecaster.model.heads.quantile import QuantileHead
from forecaster.model.network import Network
from forecaster.model.scaling import ScaledContext, scale_target
from forecaster.types import WindowBatch

_LEAST_ERROR = 0.1  # of the seasonal naive, in spreads: below it, windows count no more


class RelativeLoss(nn.Module):
    """The mean of twice the pinball loss over observed targets, each window weighted by 1 / its naive error."""

    def __init__(self, network: Network, season_length: int) -> None:
        super().__init__()
        assert isinstance(network.head, QuantileHead), "checked by PretrainingConfig"
        self.network, self.head, self.season_length = network, network.head, season_length
        levels = torch.tensor(self.head.levels, device=next(network.parameters()).device)
        self.register_buffer("levels", levels, persistent=False)
        self.levels: torch.Tensor

    def forward(self, batch: WindowBatch) -> torch.Tensor:
        """Gives the loss of windows of the lengths of the network."""
        window = self.network.scaled(batch.context, batch.observed)
        quantiles = self.head.trained_quantiles(self.network.answer(window))
        target = scale_target(batch.target, window.scale)
        observed = batch.target_observed & (window.scale.spread > 0)
        error = torch.where(observed, target, 0.0).unsqueeze(-1) - quantiles
        pinball = 2 * torch.maximum(self.levels * error, (self.levels - 1) * error).mean(dim=-1)
        weights = observed / naive_error(window, self.season_length).clamp(min=_LEAST_ERROR).unsqueeze(1)
        return (pinball * weights).sum() / weights.sum().clamp(min=1e-6)


def naive_error(window: ScaledContext, season_length: int) -> torch.Tensor:
    """Gives the mean absolute difference [B] of observed steps a season apart; 1 where there are none."""
    lag = min(season_length, window.values.shape[1])
    both = window.observed[:, lag:] & window.observed[:, : window.observed.shape[1] - lag]
    differences = (window.values[:, lag:] - window.values[:, : window.values.shape[1] - lag]).abs()
    count = both.sum(dim=1)
    mean = torch.where(both, differences, 0.0).sum(dim=1) / count.clamp(min=1)
    return torch.where(count > 0, mean, 1.0)
