"""Batches of windows: cut from a list so that windows that may see each other stay together, and joined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from forecaster.arrays import IntArray
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, cutoff_times
from forecaster.types import CovariateBatch, Masked, WindowBatch


def batches_of(panel: Panel, addresses: WindowAddresses, size: int) -> list[IntArray]:
    """Gives the places [n], ascending, of the windows of each batch, `size` at a time; every window is in one batch.

    Where series of the panel share a group, the windows of one group and cutoff time stay together, and a batch ends
    with the one that fills it: it may then be larger than `size`.
    """
    if not panel.is_grouped:
        return [np.arange(begin, min(begin + size, len(addresses))) for begin in range(0, len(addresses), size)]
    times = cutoff_times(panel, addresses)
    keys = np.stack([panel.group_numbers[addresses.series], np.unique(times, return_inverse=True)[1]])
    _, company = np.unique(keys, axis=1, return_inverse=True)
    order = np.argsort(company.ravel(), kind="stable")
    ends = np.append(np.flatnonzero(np.diff(company.ravel()[order])) + 1, len(order))
    return _filled(order, ends, size)


def _filled(order: IntArray, ends: IntArray, size: int) -> list[IntArray]:
    """Cuts `order` at some of `ends`, each time at the first that makes a batch of `size` or more."""
    batches, begin = [], 0
    while begin < len(order):
        place = min(int(np.searchsorted(ends, begin + size)), len(ends) - 1)
        batches.append(np.sort(order[begin : ends[place]]))
        begin = int(ends[place])
    return batches


def joined(batches: Sequence[WindowBatch]) -> WindowBatch:
    """Gives one batch of all windows, batch after batch; windows of different batches do not see each other.

    The batches are of one model: they have the same widths, and all of them covariates, or groups, or none.
    """
    if len(batches) == 1:
        return batches[0]
    covariates = [batch.covariates for batch in batches if batch.covariates is not None]
    return WindowBatch(
        torch.cat([batch.context for batch in batches]),
        torch.cat([batch.observed for batch in batches]),
        torch.cat([batch.target for batch in batches]),
        torch.cat([batch.target_observed for batch in batches]),
        _joined_covariates(covariates) if covariates else None,
        _joined_groups([batch.groups for batch in batches], [len(batch.context) for batch in batches]),
    )


def _joined_covariates(batches: Sequence[CovariateBatch]) -> CovariateBatch:
    elapsed = [batch.elapsed for batch in batches if batch.elapsed is not None]
    return CovariateBatch(
        _joined_masked([batch.past for batch in batches]),
        _joined_masked([batch.known for batch in batches]),
        torch.cat([batch.calendar for batch in batches]),
        _joined_masked([batch.static for batch in batches]),
        torch.cat([batch.categories for batch in batches]),
        torch.cat(elapsed) if elapsed else None,
    )


def _joined_masked(parts: Sequence[Masked]) -> Masked:
    return Masked(torch.cat([part.values for part in parts]), torch.cat([part.observed for part in parts]))


def _joined_groups(groups: Sequence[torch.Tensor | None], sizes: Sequence[int]) -> torch.Tensor | None:
    """Numbers the groups of all batches apart; a window of a batch without groups is alone."""
    if all(one is None for one in groups):
        return None
    numbered, first = [], 0
    for one, size in zip(groups, sizes, strict=True):
        numbers = torch.arange(size) if one is None else torch.unique(one, return_inverse=True)[1]
        numbered.append(numbers + first)
        first += size
    return torch.cat(numbered)
