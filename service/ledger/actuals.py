"""Values that are reported -> records of the ledger: a pure function."""

from __future__ import annotations

import numpy as np

from forecaster.data.panel_checks import MAX_VALUE, beyond_range
from forecaster.errors import FrequencyError, ValueTypeError
from forecaster.ledger.finetuned_names import is_finetuned
from forecaster.ledger.records import Observed
from forecaster.time.frequency import Frequency, TimeAxis, frequency_mismatch
from forecaster.time.grid import OFF_GRID, StoredTimes
from forecaster.time.stored import counts
from service.errors import InvalidFields
from service.ledger.schemas import ActualsIn
from service.models.registry import VersionRef
from service.requests.translate import chosen_frequency, times_of


def observed_of(request: ActualsIn, model: VersionRef, frequency: Frequency, received: int) -> list[Observed]:
    """Gives the values of a request for a model of that frequency; `received` is in microseconds.

    They are of all its versions; of a fine-tuned one, whose name is free again one day, of that model alone. Times are
    read as those of forecasts are. DataError or InvalidFields names what is wrong with one.
    """
    chosen = chosen_frequency(request.frequency, frequency)
    if chosen != frequency:
        raise frequency_mismatch(chosen.alias, frequency.alias)
    axis, stored = times_of(request.series, chosen, request.timezone)
    digest = model.digest if is_finetuned(model.name) else None
    found = []
    for position, (series, times) in enumerate(zip(request.series, stored, strict=True)):
        if not axis.frequency.holds_all(times):
            raise FrequencyError(f"series {series.id!r} has a time at which no step of frequency {chosen.alias} begins")
        own = axis.frequency.range(times[0], len(series.target)) if series.timestamps is None else times
        _refuse_misplaced(own, axis, position)
        values = np.array(series.target, dtype=np.float64)
        if beyond_range(values).any():
            message = f"series {series.id!r} has a value beyond +/- {MAX_VALUE:g}"
            raise ValueTypeError(message, code="value-out-of-range")
        found.append(Observed(model.name, series.id, received, counts(own), values, digest))
    return found


def _refuse_misplaced(times: StoredTimes, axis: TimeAxis, position: int) -> None:
    """Raises InvalidFields for times of one series that repeat, or that no forecast has together.

    A day at half past two has none where the clock skips that hour: it is shown, and sent back, as another time.
    """
    where = f"series.{position}.timestamps"
    if len(np.unique(times)) < len(times):
        raise InvalidFields.of(where, "must differ")
    off = axis.frequency.positions(times.min(), times) == OFF_GRID
    if off.any():
        found, first = axis.text(times[off.argmax()]), axis.text(times.min())
        hint = "times with several offsets need timezone, and times around a change of the clock a start in their place"
        raise InvalidFields.of(where, f"{found} is no step of {axis.frequency.alias} from {first} on; {hint}")
