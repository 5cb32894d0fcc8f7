"""Records -> rows of the tables: pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.ledger.packing import packed
from forecaster.ledger.records import FACTS, Given, GivenSeries, Observed
from forecaster.metrics import seasonal_scale
from forecaster.seasons import last_season

Row = dict[str, Any]


def forecast_row(one: Given) -> Row:
    """Gives the row of a forecast."""
    return {
        "id": one.forecast_id,
        **{name: getattr(one, name) for name in FACTS},
        "levels": _levels(one.levels),
        "execution": json.dumps(dict(one.execution)),
        "request": packed(one.request),
        "reply": packed(one.reply),
    }


@lru_cache(maxsize=64)
def _levels(levels: tuple[float, ...]) -> str:
    return json.dumps(levels)


def series_rows(one: Given) -> Iterator[Row]:
    """Yields a row for each series of a forecast, of which nothing was observed yet."""
    for position, (series, factor) in enumerate(zip(one.series, one.factors, strict=True)):
        yield {
            "forecast_id": one.forecast_id,
            "position": position,
            "model": one.model,
            "series_id": series.series_id,
            "segment": series.segment,
            "first": int(series.times[0]),
            "last": int(series.times[-1]),
            "times": _bytes(series.times, "<i8"),
            "quantiles": _bytes(series.values, "<f8"),
            "naive": _bytes(_naive(series, one.season_length), "<f8"),
            "scale": _scale(series, one.season_length),
            "num_observed": 0,
            "factor": factor,
        }


def _bytes(values: IntArray | FloatArray, kind: str) -> bytes:
    return np.ascontiguousarray(values, dtype=kind).tobytes()


def _naive(series: GivenSeries, season_length: int) -> FloatArray:
    return last_season(series.history, season_length)[np.arange(len(series.times)) % season_length]


def _scale(series: GivenSeries, season_length: int) -> float | None:
    found = seasonal_scale(series.history, season_length)
    return found if np.isfinite(found) else None


def value_rows(observed: Iterable[Observed]) -> list[Row]:
    """Gives one row for each time, of the value that was received last."""
    rows: dict[tuple[str, str, int], Row] = {}
    for one in sorted(observed, key=lambda one: one.received):
        for time, value in zip(one.times.tolist(), one.values.tolist(), strict=True):
            key = {"model": one.model, "series_id": one.series_id, "time": time}
            rows[(one.model, one.series_id, time)] = {
                **key,
                "value": None if np.isnan(value) else value,
                "received": one.received,
            }
    return list(rows.values())
