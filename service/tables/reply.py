"""A forecast -> a table as bytes: one row for each series and step.

    unique_id, ds, 0.1, 0.5, 0.9, lower_80, upper_80

What holds of all rows (the model, why a fallback answered, warnings, columns that were not read) is JSON in the
metadata of the schema, under `forecast`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pandas as pd

from forecaster.time.stored import microseconds
from forecaster.types import Forecast, ends_of, level_name, percent_name
from service.requests import reply
from service.requests.media import ARROW
from service.requests.reply import Answer
from service.schemas import ForecastOptions
from service.tables.roles import ID, TIME
from service.tables.stream import TableFacts

if TYPE_CHECKING:
    import pyarrow

METADATA = b"forecast"

_OFFSET = re.compile("^UTC(?=[+-])")  # of a fixed offset, which Arrow names without it


def encoded(media_type: str, request: ForecastOptions, answer: Answer, facts: TableFacts | None) -> bytes:
    """Gives the whole reply as an Arrow IPC stream or as Parquet; `facts` are those of the table that was sent."""
    table = _table(request, answer, facts)
    return _as_stream(table) if media_type == ARROW else _as_parquet(table)


def headers_of(answer: Answer) -> dict[str, str]:
    """Gives the headers that say what readers drop with the metadata of a table."""
    reference = answer.model.reference
    found = {
        "X-Model": f"{reference.name}/{reference.version}",
        "X-Forecast-Id": answer.forecast_id,
        "X-Degraded": answer.degraded,
        "X-Adaption-Revision": _revision(answer),
    }
    return {name: value for name, value in found.items() if value is not None}


def _revision(answer: Answer) -> str | None:
    """Gives the number of the factors that a forecast was adapted by, 'none' where there were none yet."""
    if answer.adaption is None:
        return None
    return "none" if answer.adaption.revision is None else str(answer.adaption.revision)


def _table(request: ForecastOptions, answer: Answer, facts: TableFacts | None) -> pyarrow.Table:
    import pyarrow as pa

    forecast = answer.forecast
    series = np.repeat(np.arange(len(forecast.series_ids)), forecast.horizon)
    columns = {ID: _ids(forecast.series_ids, facts).take(pa.array(series)), TIME: _times(forecast)}
    values = {level: pa.array(forecast.values[:, :, place].ravel()) for place, level in enumerate(forecast.levels)}
    columns |= {level_name(level): values[level] for level in answer.levels}
    for percent in request.intervals:
        for end, level in zip(("lower", "upper"), ends_of(percent), strict=True):
            columns[f"{end}_{percent_name(percent)}"] = values[level]
    return pa.table(columns, metadata={METADATA: orjson.dumps(_said(answer, facts))})


def _ids(series_ids: tuple[str, ...], facts: TableFacts | None) -> pyarrow.Array:
    """Gives the ids [S], as the integers that they were sent as if they were."""
    import pyarrow as pa

    ids = pa.array(series_ids, type=pa.string())
    sent = None if facts is None else facts.id_type
    return ids if sent is None or not pa.types.is_integer(sent) else ids.cast(sent)


def _times(forecast: Forecast) -> pyarrow.Array:
    """Gives the timestamps of all rows: integers, naive times, or instants with the zone of the axis."""
    import pyarrow as pa

    label = forecast.axis.label(forecast.times.ravel())
    if not isinstance(label, pd.DatetimeIndex):
        return pa.array(label.to_numpy())
    zone = None if forecast.axis.timezone is None else _OFFSET.sub("", forecast.axis.timezone)
    return pa.array(microseconds(label).astype(np.int64)).cast(pa.timestamp("us", tz=zone))


def _said(answer: Answer, facts: TableFacts | None) -> dict[str, object]:
    warnings = [
        {"id": series_id, **warning.model_dump()} for series_id, some in answer.warnings.items() for warning in some
    ]
    sources = answer.adaption and dict(zip(answer.forecast.series_ids, answer.adaption.sources, strict=True))
    adapted = {} if sources is None else {"adapted_by": sources}
    return {
        **reply.head(answer),
        **adapted,
        "warnings": warnings,
        "unused_columns": [] if facts is None else facts.unused,
    }


def _as_stream(table: pyarrow.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _as_parquet(table: pyarrow.Table) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue())
