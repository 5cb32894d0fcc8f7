"""The frequency that the series of a request are read with: the model's, or for a model of any, their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from forecaster.config import TableConfig
from forecaster.data.axis import choose_axis
from forecaster.data.cells import Cells, Source
from forecaster.time.aliases import STEP
from forecaster.time.frequency import Frequency
from service.errors import InvalidFields
from service.models.view import ServedModel
from service.requests.translate import times_read
from service.schemas import TimedValues


class TimedRequest(Protocol):
    """A request with series at times, whatever it asks of them."""

    @property
    def series(self) -> Sequence[TimedValues]:
        """One or more."""

    @property
    def frequency(self) -> str | None:
        """None: it does not say."""

    @property
    def timezone(self) -> str | None:
        """None: that of the times."""


def frequency_for(request: TimedRequest, model: ServedModel) -> Frequency:
    """Gives the frequency of a model; for a model of any, the one that the request names, or else its timestamps have.

    InvalidFields, or a DataError of `choose_axis`, where nothing says which.
    """
    if model.own_frequency is not None:
        return model.own_frequency
    return _inferred(request) if request.frequency is None else Frequency.parse(request.frequency)


def _inferred(request: TimedRequest) -> Frequency:
    """Infers the frequency from the series with most timestamps, as that of a table is; integers are steps."""
    rows = [len(series.timestamps or ()) for series in request.series]
    position = rows.index(max(rows))
    series = request.series[position]
    if isinstance(series.start, int):
        return Frequency(STEP)
    if series.timestamps is None:
        raise InvalidFields.of("frequency", "is missing: this model is of any, and a start alone does not say which")
    times, number = times_read(series, position), len(series.timestamps)
    cells = Cells(
        (series.id,), (), np.zeros(number, np.int64), 1 + np.arange(number), times.values, np.empty((number, 0))
    )
    return choose_axis(Source(cells, times.timezone), TableConfig(timezone=request.timezone)).frequency
