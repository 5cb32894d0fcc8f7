"""What networks take from their windows without a gradient: the ridge of their skip, the scale of static numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from forecaster.config import ModelConfig
from forecaster.data.windows import WindowAddresses, WindowIndex, Windows, cutoff_times
from forecaster.model.network import Network, scaled_for
from forecaster.model.scaling import scale_target
from forecaster.model.skips import SKIPS
from forecaster.model.skips.linear import LinearSkip
from forecaster.model.skips.ridge import NUM_BLOCKS, Choice, Moments, RidgeWindows, chosen, pooled, window_weights
from forecaster.training.datamodule import WindowDataModule

_MAX_RIDGE_WINDOWS = 32_768
_WINDOWS_PER_BLOCK = 1_024


class Prefit:
    """What all networks of one config take from the same data; worked out for the first of them that asks."""

    def __init__(self, model: ModelConfig, data: WindowDataModule) -> None:
        self.model, self.data = model, data

    def begin(self, network: Network) -> None:
        """Sets what is not left to gradients: the linear skip, by ridge, and the scale of static numbers."""
        if isinstance(network.skip, LinearSkip):
            network.skip.start_at(self._ridge.trained)
        names, held = self.model.covariates.static, self.data.windows.panel.covariates
        if network.tokens.static is not None and names:
            places = [held.static_names.index(name) for name in names]
            network.tokens.static.scale_by(torch.tensor(held.static[:, places]))

    def refit_skip(self, network: Network) -> None:
        """Sets the linear skip, if there is one, to that of all windows that may be seen, the validation folds' too.

        For a network whose number of steps, share and calibration are known already: those were told by the
        validation folds, and weights that had seen them would have made them look better than they are. (Which anchor
        and which penalty to take is told by all windows both times, a choice of one pair for all steps.)
        """
        if isinstance(network.skip, LinearSkip):
            network.skip.start_at(self._ridge.refitted)

    @cached_property
    def _ridge(self) -> RidgeFit:
        return RidgeFit(self.model, self.data)


def fill_unmet_categories(network: Network, data: WindowDataModule) -> None:
    """Gives categories that no series of the training windows has the mean vector of those that some series has.

    Missing and unknown texts count as such a category. No gradient has moved their vectors, which are random still.
    """
    static, held = network.tokens.static, data.windows.panel.covariates
    if static is None:
        return
    is_trained_on = data.training.counts > 0
    for place, (name, texts) in enumerate(network.config.covariates.categories.items()):
        met = set(held.categories[is_trained_on, held.category_names.index(name)])
        has_vector = torch.tensor([not met <= set(texts), *(text in met for text in texts)])
        vectors = static.get_parameter(f"tables.{place}.weight").detach()
        vectors[~has_vector] = vectors[has_vector].mean(dim=0)


class RidgeData(Protocol):
    """The windows that a ridge regression is fitted on: those of a training, or of a baseline."""

    @property
    def windows(self) -> Windows:
        """What cuts them."""

    @property
    def training(self) -> WindowIndex:
        """Those that are trained on."""

    @property
    def seen(self) -> WindowIndex:
        """All that may be seen."""


class RidgeFit:
    """The ridge regression of a skip on the windows of some data, scaled as the network scales.

    Only windows with a whole target and at least half as much history as the longest take part: a spread told from a
    few steps would make errors beyond measure of the steps that follow. There are 32,768 at most, evenly spread.
    """

    def __init__(self, model: ModelConfig, data: RidgeData) -> None:
        self.model, self.data, self.length = model, data, data.windows.context_length
        self.season_length = model.season_length or data.windows.panel.axis.frequency.season_length
        skip = SKIPS["ridge"](model, self.length)
        assert isinstance(skip, LinearSkip)
        self.skip = skip

    @cached_property
    def trained(self) -> torch.Tensor:
        """Weights [L+F H] learned on the training windows; 0 without enough of them."""
        addresses = self.data.training.thinned(_MAX_RIDGE_WINDOWS)
        return self._fitted(addresses, self._moments(addresses))

    @cached_property
    def refitted(self) -> torch.Tensor:
        """Weights [L+F H] learned on all windows that may be seen; 0 without enough of them."""
        return self._fitted(self._seen, pooled(self._blocks))

    @cached_property
    def _seen(self) -> WindowAddresses:
        """The windows that may be seen."""
        return self.data.seen.thinned(_MAX_RIDGE_WINDOWS)

    @cached_property
    def _longest(self) -> int:
        """Most steps of history that a window can have."""
        return min(self.length, int(self.data.seen.last.max()))

    @cached_property
    def _blocks(self) -> Sequence[Moments]:
        """The moments of those windows, cut into blocks of time."""
        in_order = np.argsort(cutoff_times(self.data.windows.panel, self._seen), kind="stable")
        return [self._moments(self._seen.at(places)) for places in np.array_split(in_order, NUM_BLOCKS)]

    @cached_property
    def _choice(self) -> Choice | None:
        """Anchor and penalty; None where there are not two blocks of windows to compare them on."""
        blocks = [block for block in self._blocks if block.num_windows]
        return chosen(blocks, self.season_length) if len(blocks) > 1 else None

    def _fitted(self, addresses: WindowAddresses, first: Moments) -> torch.Tensor:
        """Gives weights learned on windows and then once more, each window weighted by its error in the first fit."""
        nothing = torch.zeros_like(self.skip.weight)
        if self._choice is None or not first.num_windows:
            return nothing
        return self._choice.fitted(self._weighted(addresses, self._choice.fitted(first)))

    def _moments(self, addresses: WindowAddresses) -> Moments:
        moments = self._empty()
        for windows in self.scaled_windows(addresses):
            moments.add(windows)
        return moments

    def _weighted(self, addresses: WindowAddresses, first: torch.Tensor) -> Moments:
        """Gives the moments of windows that are weighted by what the weights of a first fit make of them."""
        self.skip.start_at(first)
        errors = [self._errors(windows) for windows in self.scaled_windows(addresses)]
        weights = torch.split(window_weights(torch.cat(errors)), [len(part) for part in errors])
        moments = self._empty()
        for windows, weight in zip(self.scaled_windows(addresses), weights, strict=True):
            moments.add(windows, weight)
        return moments

    def _errors(self, windows: RidgeWindows) -> torch.Tensor:
        """Gives the root mean square error [B] of the skip as it stands."""
        return (self.skip.located(windows.values, windows.known) - windows.target).square().mean(dim=1).sqrt()

    def scaled_windows(self, addresses: WindowAddresses) -> Iterator[RidgeWindows]:
        """Yields those of some windows that can be learned from, block by block."""
        for begin in range(0, len(addresses), _WINDOWS_PER_BLOCK):
            batch = self.data.windows.gather(addresses.at(slice(begin, begin + _WINDOWS_PER_BLOCK)))
            window = scaled_for(self.model, batch.context, batch.observed)
            seen = batch.observed.sum(dim=1) >= self._longest / 2
            whole = seen & batch.target_observed.all(dim=1) & (window.scale.spread > 0).squeeze(1)
            target, known = scale_target(batch.target, window.scale), self.skip.known(batch.covariates)
            yield RidgeWindows(
                window.values[whole].double(), target[whole].double(), None if known is None else known[whole]
            )

    def _empty(self) -> Moments:
        return Moments(self.length, self.model.horizon, self.skip.num_known)
