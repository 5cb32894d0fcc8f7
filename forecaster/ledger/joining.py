"""Where forecasts and what happened meet: by model, series and time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from forecaster.arrays import FloatArray, IntArray
from forecaster.ledger.records import ADAPTION, OWN_CORE
from forecaster.ledger.rows import Row
from forecaster.ledger.scoring import outcome
from forecaster.ledger.tables import actuals, forecasted_series, forecasts
from forecaster.online import CORE, distances

_Key = tuple[str, str]  # model and series
_Place = tuple[str, int]  # forecast and position of a series in it

_AT_ONCE = 900  # older SQLite takes 999 parameters


def new_and_observed(connection: sa.Connection, rows: Sequence[Row]) -> list[sa.RowMapping]:
    """Gives the series of new forecasts some of whose times were observed before."""
    if not rows:
        return []
    ranges: dict[_Key, tuple[int, int]] = {}
    for row in rows:
        low, high = ranges.get((row["model"], row["series_id"]), (row["first"], row["last"]))
        ranges[row["model"], row["series_id"]] = min(low, row["first"]), max(high, row["last"])
    perhaps = list(_perhaps_observed(connection, ranges))
    known = {key for key in perhaps if _has_actuals(connection, key, *ranges[key])}
    ids = {row["forecast_id"] for row in rows if (row["model"], row["series_id"]) in known}
    if not ids:
        return []
    found = connection.execute(_with_levels().where(forecasted_series.c.forecast_id.in_(ids))).mappings()
    return [row for row in found if (row["model"], row["series_id"]) in known]


def _perhaps_observed(connection: sa.Connection, ranges: Mapping[_Key, tuple[int, int]]) -> Iterator[_Key]:
    """Yields those with a value between the earliest and the latest time of all: few, and found by few queries.

    Models are asked for one by one, since SQLite looks through the whole table for pairs.
    """
    earliest, latest = min(low for low, _ in ranges.values()), max(high for _, high in ranges.values())
    by_model: dict[str, list[str]] = defaultdict(list)
    for model, series_id in ranges:
        by_model[model].append(series_id)
    for model, series_ids in by_model.items():
        for begin in range(0, len(series_ids), _AT_ONCE):
            some = actuals.c.series_id.in_(series_ids[begin : begin + _AT_ONCE])
            of_model = sa.and_(actuals.c.model == model, some, actuals.c.time.between(earliest, latest))
            for found in connection.execute(sa.select(actuals.c.series_id).where(of_model).distinct()).scalars():
                yield model, found


def _has_actuals(connection: sa.Connection, key: _Key, low: int, high: int) -> bool:
    of_key = sa.and_(actuals.c.model == key[0], actuals.c.series_id == key[1], actuals.c.time.between(low, high))
    return connection.execute(sa.select(actuals.c.time).where(of_key).limit(1)).first() is not None


def met_by(connection: sa.Connection, values: Sequence[Row]) -> Iterator[sa.RowMapping]:
    """Yields the forecasted series that cover a time of these values."""
    times: dict[_Key, list[int]] = defaultdict(list)
    for row in values:
        times[row["model"], row["series_id"]].append(row["time"])
    for (model, series_id), own in times.items():
        table = forecasted_series.c
        covers = sa.and_(
            table.model == model, table.series_id == series_id, table.last >= min(own), table.first <= max(own)
        )
        yield from connection.execute(_with_levels().where(covers)).mappings()


def _with_levels() -> sa.Select[Any]:
    return sa.select(forecasted_series, forecasts.c.levels, forecasts.c.version, forecasts.c.degraded).join(forecasts)


def score_again(connection: sa.Connection, series: Sequence[sa.RowMapping]) -> int:
    """Scores forecasted series against all values that are known of their times."""
    by_key: dict[_Key, dict[_Place, sa.RowMapping]] = defaultdict(dict)
    for row in series:
        by_key[row["model"], row["series_id"]][row["forecast_id"], row["position"]] = row
    changes, cores = [], _own_cores(connection, series)
    for key, rows in by_key.items():
        low, high = min(row["first"] for row in rows.values()), max(row["last"] for row in rows.values())
        times, values = _values_of(connection, key, low, high)
        changes += [_change(row, times, values, cores.get(place)) for place, row in rows.items()]
    if changes:
        own = sa.and_(
            forecasted_series.c.forecast_id == sa.bindparam("of_forecast"),
            forecasted_series.c.position == sa.bindparam("at_position"),
        )
        connection.execute(sa.update(forecasted_series).where(own), changes)
    return len(changes)


def _values_of(connection: sa.Connection, key: _Key, low: int, high: int) -> tuple[IntArray, FloatArray]:
    of_key = sa.and_(actuals.c.model == key[0], actuals.c.series_id == key[1], actuals.c.time.between(low, high))
    found = connection.execute(sa.select(actuals.c.time, actuals.c.value).where(of_key).order_by(actuals.c.time)).all()
    times = np.array([row.time for row in found], dtype=np.int64)
    return times, np.array([np.nan if row.value is None else row.value for row in found], dtype=np.float64)


def _own_cores(connection: sa.Connection, series: Sequence[sa.RowMapping]) -> Mapping[_Place, FloatArray]:
    """Gives what the model said [H 3] of series whose published quantiles do not tell it, by forecast and position."""
    moved = sorted({row["forecast_id"] for row in series if row["factor"] not in (None, 1.0)})
    found: dict[_Place, FloatArray] = {}
    for begin in range(0, len(moved), _AT_ONCE):
        some = forecasts.c.id.in_(moved[begin : begin + _AT_ONCE])
        for forecast_id, execution in connection.execute(sa.select(forecasts.c.id, forecasts.c.execution).where(some)):
            cores = json.loads(execution)[ADAPTION].get(OWN_CORE, ())
            told = ((position, core) for position, core in enumerate(cores) if core is not None)
            found |= {(forecast_id, position): np.array(core) for position, core in told}
    return found


def _change(row: sa.RowMapping, times: IntArray, values: FloatArray, core: FloatArray | None) -> Row:
    """Gives what a forecasted series came to by now; without a `core` its factor says what the model said."""
    own, levels = np.frombuffer(row["times"], "<i8"), tuple(json.loads(row["levels"]))
    actual = np.full(len(own), np.nan)
    if len(times):
        places = np.minimum(np.searchsorted(times, own), len(times) - 1)
        is_known = times[places] == own
        actual[is_known] = values[places][is_known]
    quantiles = np.frombuffer(row["quantiles"], "<f8").reshape(len(own), len(levels))
    found = outcome(actual, quantiles, levels, np.frombuffer(row["naive"], "<f8"), row["scale"])
    if core is None:
        away = distances(actual, quantiles, levels) * (1.0 if row["factor"] is None else row["factor"])
    else:
        away = distances(actual, core, CORE)
    return {
        "of_forecast": row["forecast_id"],
        "at_position": row["position"],
        "distances": away.astype("<f4").tobytes(),
        **vars(found),
    }
