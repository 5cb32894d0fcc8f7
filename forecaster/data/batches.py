"""Cuts a list of windows into batches: in order, or so that windows that may see each other stay together."""

from __future__ import annotations

import numpy as np

from forecaster.arrays import IntArray
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, cutoff_times


def batches_of(panel: Panel, addresses: WindowAddresses, size: int) -> list[IntArray]:
    """Gives the places [n] of the windows of each batch, `size` at a time; every window is in one batch.

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
        batches.append(order[begin : ends[place]])
        begin = int(ends[place])
    return batches
