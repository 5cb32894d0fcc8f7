"""Request -> data report -> bytes: pure functions. Series are read by the door of files, which infers frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pandas as pd

from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import PanelReading, read_panel
from forecaster.time.frequency import Frequency
from service.errors import InvalidFields
from service.report.schemas import ReportRequest
from service.requests.reply import options_of, timestamps
from service.requests.translate import labels, times_of, warnings_of
from service.schemas import TimedValues


def reading_of(request: ReportRequest) -> PanelReading:
    """Reads the series of a request; InvalidFields or a DataError says what is wrong with them."""
    if len({series.id for series in request.series}) != len(request.series):
        raise InvalidFields.of("series", "the ids of the series must differ")
    columns, timezone = _times(request)
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(
                np.array([series.id for series in request.series], dtype=object),
                [len(series.target) for series in request.series],
            ),
            "ds": columns[0].append(columns[1:]),
            "y": np.concatenate([np.array(series.target, dtype=np.float64) for series in request.series]),
        }
    )
    return read_panel(table, TableConfig(layout="long", timezone=timezone, frequency=request.frequency))


def checked_num_steps(reading: PanelReading, max_points: int) -> int:
    """Gives the steps of all series, those without a row among them, and refuses more than may be answered."""
    steps = reading.panel.num_values
    if steps > max_points:
        raise InvalidFields.of("series", f"spread over {steps} steps, at most {max_points} are told; is a time wrong?")
    return steps


def encoded(request: ReportRequest, reading: PanelReading) -> bytes:
    """Gives the whole report as JSON."""
    panel, frequency = reading.panel, reading.panel.axis.frequency
    warnings = warnings_of(reading.report.findings)
    reply = {
        "frequency": frequency.alias,
        "frequency_inferred": reading.report.frequency_inferred,
        "season_length": frequency.season_length,
        "timezone": panel.axis.timezone,
        "series": [
            {**_described(panel, series), "warnings": [one.model_dump() for one in warnings.get(series.id, ())]}
            for series in request.series
        ],
    }
    return orjson.dumps(reply, option=options_of(panel.axis))


def _times(request: ReportRequest) -> tuple[list[pd.Index], str | None]:
    """Gives the timestamps of each series as a table has them, and the zone to read them in."""
    if request.frequency is not None:
        axis, stored = times_of(request.series, Frequency.parse(request.frequency), request.timezone)
        pairs = zip(request.series, stored, strict=True)
        return [labels(series, times, axis) for series, times in pairs], axis.timezone
    given = [_stamps(series, position) for position, series in enumerate(request.series)]
    if len({isinstance(one[0], str) for one in given}) > 1:
        raise InvalidFields.of("series", "some series have times, others integers")
    return [pd.Index(one) for one in given], request.timezone


def _stamps(series: TimedValues, position: int) -> list[str] | list[int]:
    if series.timestamps is None:
        raise InvalidFields.of(f"series.{position}.timestamps", "are needed where no frequency is given")
    return series.timestamps


def _described(panel: Panel, series: TimedValues) -> dict[str, Any]:
    position = panel.position(series.id)
    values = panel.target(position)
    return {
        "id": series.id,
        "timestamps": timestamps(panel.axis, panel.starts[position], len(values)),
        "target": values,
        "num_missing": int(np.isnan(values).sum()),
        "minimum": float(np.nanmin(values)),
        "maximum": float(np.nanmax(values)),
    }
