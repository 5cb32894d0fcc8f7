"""Values that are reported -> records of the ledger: a pure function."""

from __future__ import annotations

import numpy as np

from forecaster.errors import FrequencyError
from forecaster.ledger.records import Observed
from forecaster.time.frequency import Frequency
from forecaster.time.stored import counts
from service.errors import InvalidFields
from service.ledger.schemas import ActualsIn
from service.requests.translate import chosen_frequency, times_of


def observed_of(request: ActualsIn, model: str, frequency: Frequency, received: int) -> list[Observed]:
    """Gives the values of a request, `received` in microseconds; `frequency`, the model's, is the default.

    Times are read as those of forecasts are. DataError or InvalidFields names what is wrong with one.
    """
    chosen = chosen_frequency(request.frequency, frequency)
    axis, stored = times_of(request.series, chosen, request.timezone)
    found = []
    for position, (series, times) in enumerate(zip(request.series, stored, strict=True)):
        if not axis.frequency.holds_all(times):
            raise FrequencyError(f"series {series.id!r} has a time at which no step of frequency {chosen.alias} begins")
        own = axis.frequency.range(times[0], len(series.target)) if series.timestamps is None else times
        if len(np.unique(own)) < len(own):
            raise InvalidFields.of(f"series.{position}.timestamps", "must differ")
        values = np.array(series.target, dtype=np.float64)
        found.append(Observed(model, series.id, received, counts(own), values))
    return found
