"""Times of a rolling forecast in a reply: those of a stretch of a series are written once, and cut for each window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.data.panel import Panel
from forecaster.time.grid import StoredTimes
from service.requests.reply import timestamps


@dataclass(frozen=True)
class SeriesTimes:
    """The timestamps of some steps of a series, as a reply writes them."""

    first: int  # step of the series that `written` begins with
    written: StoredTimes | list[str]

    @classmethod
    def of(cls, panel: Panel, position: int, first: int, end: int) -> SeriesTimes:
        """Writes the timestamps of the steps from `first` until before `end`."""
        start = panel.axis.frequency.advance(panel.starts[position : position + 1], np.array([first]))[0]
        return cls(first, timestamps(panel.axis, start, end - first))

    def between(self, begin: int, end: int) -> StoredTimes | list[str]:
        """Gives the timestamps of the steps from `begin` until before `end`."""
        return self.written[begin - self.first : end - self.first]
