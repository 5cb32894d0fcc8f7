"""What a network takes from its windows without a gradient: the ridge of its skip, the scale of static numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from forecaster.data.windows import WindowAddresses, WindowIndex
from forecaster.model.network import Network
from forecaster.model.scaling import scale_target
from forecaster.model.skips.linear import LinearSkip
from forecaster.model.skips.ridge import NUM_BLOCKS, Choice, Moments, RidgeWindows, chosen, window_weights
from forecaster.training.datamodule import WindowDataModule

_MAX_RIDGE_WINDOWS = 32_768
_WINDOWS_PER_BLOCK = 1_024


def fit_to_data(network: Network, data: WindowDataModule) -> None:
    """Sets what is not left to gradients: the linear skip, by ridge, and the scale of static numbers."""
    if isinstance(network.skip, LinearSkip):
        _Ridge(network, network.skip, data).fit(data.training)
    if network.tokens.static is not None:
        network.tokens.static.scale_by(torch.tensor(data.windows.panel.covariates.static))


def refit_skip(network: Network, data: WindowDataModule) -> None:
    """Fits the linear skip, if there is one, anew on all windows that may be seen, those of the validation folds too.

    For a network whose number of steps, share and calibration are known already: those were told by the validation
    folds, and a skip that had seen them would have made them look better than they are.
    """
    if isinstance(network.skip, LinearSkip):
        _Ridge(network, network.skip, data).fit(data.seen)


class _Ridge:
    """The ridge regression of a network's skip on the windows of some data, scaled as the network scales.

    Only windows with a whole target and at least half as much history as the longest take part: a spread told from a
    few steps would make errors beyond measure of the steps that follow. There are 32,768 at most, evenly spread.
    """

    def __init__(self, network: Network, skip: LinearSkip, data: WindowDataModule) -> None:
        self.network, self.skip, self.data = network, skip, data
        self.season_length = network.config.season_length or data.windows.panel.axis.frequency.season_length

    def fit(self, index: WindowIndex) -> None:
        """Sets the weights to those learned on the windows of an index; without enough windows they stay as they are.

        Anchor and penalty are chosen on all windows that may be seen. A second fit weights each window by its error
        in the first.
        """
        choice = self._choice()
        if choice is None:
            return
        addresses = index.thinned(_MAX_RIDGE_WINDOWS)
        first = self._moments(addresses)
        if not first.num_windows:
            return
        self.skip.start_at(choice.fitted(first))
        self.skip.start_at(choice.fitted(self._weighted(addresses)))

    def _choice(self) -> Choice | None:
        """Gives anchor and penalty; None where there are not two blocks of windows to compare them on."""
        addresses = _by_time(self.data, self.data.seen.thinned(_MAX_RIDGE_WINDOWS))
        parts = np.array_split(np.arange(len(addresses)), NUM_BLOCKS)
        moments = [self._moments(addresses.at(part)) for part in parts]
        blocks = [block for block in moments if block.num_windows]
        return chosen(blocks, self.season_length) if len(blocks) > 1 else None

    def _moments(self, addresses: WindowAddresses) -> Moments:
        moments = self._empty()
        for windows in self._windows(addresses):
            moments.add(windows)
        return moments

    def _weighted(self, addresses: WindowAddresses) -> Moments:
        """Gives the moments of windows that are weighted by what the skip as it stands makes of them."""
        errors = [self._errors(windows) for windows in self._windows(addresses)]
        weights = torch.split(window_weights(torch.cat(errors)), [len(part) for part in errors])
        moments = self._empty()
        for windows, weight in zip(self._windows(addresses), weights, strict=True):
            moments.add(windows, weight)
        return moments

    def _errors(self, windows: RidgeWindows) -> torch.Tensor:
        """Gives the root mean square error [B] of the skip as it stands."""
        return (self.skip.located(windows.values, windows.known) - windows.target).square().mean(dim=1).sqrt()

    def _windows(self, addresses: WindowAddresses) -> Iterator[RidgeWindows]:
        longest = min(self.network.context_length, int(addresses.cutoffs.max(initial=0)))
        for begin in range(0, len(addresses), _WINDOWS_PER_BLOCK):
            batch = self.data.windows.gather(addresses.at(slice(begin, begin + _WINDOWS_PER_BLOCK)))
            window = self.network.scaled(batch.context, batch.observed)
            seen = batch.observed.sum(dim=1) >= longest / 2
            whole = seen & batch.target_observed.all(dim=1) & (window.scale.spread > 0).squeeze(1)
            target, known = scale_target(batch.target, window.scale), self.skip.known(batch.covariates)
            yield RidgeWindows(
                window.values[whole].double(), target[whole].double(), None if known is None else known[whole]
            )

    def _empty(self) -> Moments:
        return Moments(self.network.context_length, self.network.config.horizon, self.skip.num_known)


def _by_time(data: WindowDataModule, addresses: WindowAddresses) -> WindowAddresses:
    """Gives the windows in the order of the time of their cutoffs."""
    panel = data.windows.panel
    times = panel.axis.frequency.advance(panel.starts[addresses.series], addresses.cutoffs)
    return addresses.at(np.argsort(times, kind="stable"))
