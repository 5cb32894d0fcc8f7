"""Requests made at random whose body is a table: types, values, options in the query, and bytes of streams and files.

The same seed gives the same cases. About a third is left valid. Every twelfth is Parquet, which a process of its own
reads.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.reliability import words
from benchmarks.reliability.exchange import request_bytes
from service.openapi import FORECAST
from service.requests.media import ARROW, JSON, LINES, PARQUET
from tests.service.tables.factories import arrow_of, parquet_of
from tests.service.tables.spoiling import spoiled

_PARQUET_SHARE, _SPOILED_SHARE, _STRANGE_SHARE = 1 / 12, 0.4, 0.3
_ID_TYPES = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
_TIME_TYPES = (pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("s"), pa.string(), pa.int64(), pa.date32())


def table_cases(number: int, key: str, seed: int = 0) -> Iterator[bytes]:
    """Yields requests for forecasts of tables, each as the bytes to send with this API key."""
    draw = random.Random(seed)  # noqa: S311 - cases, no secrets
    for _ in range(number):
        yield _case(draw, key)


def _case(draw: random.Random, key: str) -> bytes:
    model = draw.choice(("waves", "waves", "priced"))
    form = PARQUET if draw.random() < _PARQUET_SHARE else ARROW
    table = _table(draw, model)
    if form == PARQUET:
        body = parquet_of(
            table, compression=draw.choice(("none", "snappy", "zstd")), row_group_size=draw.choice((7, 1000))
        )
    else:
        body = arrow_of(
            table, draw.choice((None, 7)), compression=draw.choice((None, None, None, None, None, None, None, "zstd"))
        )
    if draw.random() < _SPOILED_SHARE:
        body = spoiled(body, draw)
    headers = {
        "content-type": form,
        "accept": draw.choice((ARROW, ARROW, PARQUET, JSON, LINES, "*/*")),
        "authorization": f"Bearer {key}",
    }
    return request_bytes(body, headers.items(), path=f"{FORECAST}?{_query(draw, model)}")


def _query(draw: random.Random, model: str) -> str:
    options = {
        "horizon": "4",
        "quantiles": "0.1,0.5,0.9",
        "intervals": "80",
        "timezone": "Europe%2FBerlin",
        "roll_out": "true",
        "fallback": "seasonal_naive",
        "frequency": "h",
    }
    given = {name: options[name] for name in draw.sample(sorted(options), draw.choice((0, 1, 2, 3)))}
    if draw.random() < _STRANGE_SHARE / 3:
        name = draw.choice((*options, *words.NAMES))
        given[quote(name, errors="replace")] = quote(
            str(draw.choice((*words.TEXTS, *words.NUMBERS)))[:300], errors="replace"
        )
    return "&".join([f"model={model}", *(f"{name}={value}" for name, value in given.items())])


def _table(draw: random.Random, model: str) -> pa.Table:
    """Gives some series of hours, and at times a column of another type, or of strange values."""
    length, ahead = draw.choice((1, 30, 60)), 12 if model == "priced" else 0
    num_series, num_rows = draw.choice((1, 2, 5)), length + ahead
    hours = pd.date_range("2024-01-01", periods=num_rows, freq="h").to_numpy().astype("datetime64[us]")
    values = np.random.default_rng(draw.randrange(1 << 30)).normal(10, 2, num_series * num_rows)
    values[np.tile(np.arange(num_rows) >= length, num_series)] = np.nan
    columns: dict[str, Any] = {
        "unique_id": pa.array([f"series {number}" for number in range(num_series) for _ in range(num_rows)]),
        "ds": pa.array(np.tile(hours, num_series)),
        "y": pa.array(values, from_pandas=True),
    }
    columns["unique_id"] = columns["unique_id"].cast(draw.choice(_ID_TYPES))
    if model == "priced":
        columns |= {"price": np.abs(values) + 1, "size": [1.5] * len(values), "kind": ["big"] * len(values)}
        columns["price"] = pa.array(np.nan_to_num(columns["price"], nan=1.0))
    if draw.random() < _STRANGE_SHARE:
        _make_strange(columns, draw)
    return pa.table(columns)


def _make_strange(columns: dict[str, Any], draw: random.Random) -> None:
    """Changes one column: its type, some of its values, or whether it is there."""
    name = draw.choice(sorted(columns))
    kind, length = draw.randrange(5), len(columns["y"])
    if kind == 0:
        columns["ds"] = _cast(columns["ds"], draw.choice(_TIME_TYPES))
    elif kind == 1:
        del columns[name]
    elif kind == 2:
        columns[name] = pa.array(_some(draw, words.TEXTS, length))
    elif kind == 3:
        columns[name] = pa.array([float(value) for value in _some(draw, words.NUMBERS[:6], length)])
    else:
        columns[name] = draw.choice((pa.nulls(length), pa.array([[1.0]] * length), pa.array([True] * length)))


def _some(draw: random.Random, values: Any, number: int) -> list[Any]:
    chosen = [draw.choice(values) for _ in range(3)]
    usable = [
        one for one in chosen if not (isinstance(one, str) and any("\ud800" <= letter <= "\udfff" for letter in one))
    ]
    return [draw.choice(usable or ["a"]) for _ in range(number)]


def _cast(times: pa.Array, wanted: pa.DataType) -> pa.Array:
    return times.cast(wanted, safe=False)
