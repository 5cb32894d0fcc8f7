"""What a network takes from its training windows before the first step: the ridge of its skip, the scale of numbers."""

from __future__ import annotations

import torch

from forecaster.data.windows import WindowAddresses, Windows
from forecaster.model.linear_skip import LinearSkip, Moments, fitted_ridge
from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.training.datamodule import WindowDataModule

_MAX_RIDGE_WINDOWS = 65_536
_WINDOWS_PER_BLOCK = 1_024


def fit_to_data(network: Network, data: WindowDataModule) -> None:
    """Sets what is not left to gradients: the linear skip, by ridge, and the scale of static numbers."""
    if isinstance(network.skip, LinearSkip):
        weight = ridge_weight(network, data)
        if weight is not None:
            network.skip.start_at(weight)
    if network.tokens.static is not None:
        network.tokens.static.scale_by(torch.tensor(data.windows.panel.covariates.static))


def ridge_weight(network: Network, data: WindowDataModule) -> torch.Tensor | None:
    """Gives the ridge weights [L H] learned on the training windows whose lambda is best on the validation windows.

    Scaled as the network scales, evenly thinned to 65,536 windows. Only those with a whole target and at least half
    as much history as the longest take part: a spread told from a few steps would make errors beyond measure of
    the steps that follow. None where there is no such window.
    """
    training = _moments(network, data.windows, data.training.thinned(_MAX_RIDGE_WINDOWS))
    validation = _moments(network, data.windows, data.validation)
    if training.num_windows == 0:
        return None
    season = network.config.season_length or data.windows.panel.axis.frequency.season_length
    return fitted_ridge(training, validation if validation.num_windows else training, season)


def _moments(network: Network, windows: Windows, addresses: WindowAddresses) -> Moments:
    moments = Moments(network.context_length, network.config.horizon)
    longest = min(network.context_length, int(addresses.cutoffs.max(initial=0)))
    for begin in range(0, len(addresses), _WINDOWS_PER_BLOCK):
        batch = windows.gather(addresses.at(slice(begin, begin + _WINDOWS_PER_BLOCK)))
        window = network.scaled(batch.context, batch.observed)
        known = batch.observed.sum(dim=1) >= longest / 2
        whole = known & batch.target_observed.all(dim=1) & (window.scale.spread > 0).squeeze(1)
        target = scale_target(batch.target, window.scale)
        moments.add(window.values[whole], target[whole])
    return moments
