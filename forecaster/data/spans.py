"""Spans: runs of steps of some series of a panel, and flat numbers as bytes that are the same however they are held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray, IntArray

_ROWS_PER_CHUNK = 1 << 20


@dataclass(frozen=True)
class Spans:
    """One run of steps for each of n series, in that order."""

    series: IntArray  # [n] positions in the panel
    begins: IntArray  # [n] flat position of the first step
    lengths: IntArray  # [n]
    skipped: IntArray  # [n] steps of the series before the first one

    def offsets(self) -> IntArray:
        """Gives where each run begins when they stand one after the other [n + 1]."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def rows(self) -> IntArray:
        """Gives the flat positions of all steps, run after run."""
        offsets = self.offsets()
        return np.arange(offsets[-1]) + np.repeat(self.begins - offsets[:-1], self.lengths)

    def reaching_to(self, offsets: IntArray) -> Spans:
        """Gives the runs from the same steps on to the ends of their series in an array of other offsets [S + 1]."""
        begins = offsets[self.series] + self.skipped
        return Spans(self.series, begins, offsets[self.series + 1] - begins, self.skipped)


def canonical_bytes(values: FloatArray) -> Iterator[bytes]:
    """Gives numbers as little-endian bytes, chunk by chunk; all NaN are one, and there is no negative zero."""
    for begin in range(0, len(values), _ROWS_PER_CHUNK):
        chunk = values[begin : begin + _ROWS_PER_CHUNK] + 0.0
        yield np.where(np.isnan(chunk), np.nan, chunk).astype("<f8").tobytes()
