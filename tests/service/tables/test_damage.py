"""Damaged tables: whatever happens to their bytes, they are refused with a 4xx, or answered with finite numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecaster.errors import ForecasterError
from forecaster.time.frequency import Frequency
from service.errors import status_of
from service.requests.media import ARROW, PARQUET
from service.schemas import ForecastOptions
from service.settings import Settings
from service.tables.panel import to_panel
from service.tables.stream import table_of
from tests.explain.factories import predictor_of
from tests.model.factories import small_config
from tests.service.factories import app_of
from tests.service.tables.factories import BYTES, arrow_of, hours, parquet_of, read, send_each
from tests.service.tables.spoiling import spoiled
from tests.service.tables.test_columns import COVARIATES

MODEL = small_config(covariates=COVARIATES, channels="group")
SETTINGS = Settings(authentication=False, max_points=20_000, max_series=64)


def streams() -> Iterator[bytes]:
    """Streams with columns of many types, in one batch and in several."""
    steps = pd.date_range("2024-01-01", periods=20, freq="h").to_numpy().astype("datetime64[us]")
    times = pa.array(np.tile(steps, 2))
    ids = pa.array(["series a"] * 20 + ["a series with a longer name"] * 20)
    plain = {
        "y": [None if row % 20 > 15 else float(row) for row in range(40)],
        "p": pa.array(range(40), pa.int32()),
        "k": [row % 3 == 0 for row in range(40)],
        "n": [Decimal("1.5")] * 40,
        "c": pa.array(["A"] * 40).dictionary_encode(),
        "group": pa.array(["g"] * 40).dictionary_encode(),
        "z": [[1]] * 40,
    }
    for kind in (pa.string(), pa.string_view(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        for when in (times, times.cast(pa.timestamp("ns", "Europe/Berlin")), times.cast(pa.string())):
            table = pa.table({"unique_id": ids.cast(kind), "ds": when, **plain})
            yield arrow_of(table)
            yield arrow_of(table, 7)


def asked(body: bytes) -> Any:
    table = table_of(body, MODEL, SETTINGS)
    assert table.num_points > 0
    return to_panel(table.frame, ForecastOptions(), Frequency("h"), MODEL)


def outcome(body: bytes) -> str:
    try:
        asked(body)
    except ForecasterError as error:
        assert 400 <= status_of(error) < 500, body
        return error.code
    return "read"


@pytest.mark.parametrize(
    "number", [400, pytest.param(6_000, marks=[pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)])], ids=str
)
def test_a_damaged_stream_is_refused_or_read(number: int) -> None:
    draw, bodies = random.Random(number), list(streams())  # noqa: S311 - the same each time
    assert {outcome(body) for body in bodies} == {"read"}
    found = [outcome(spoiled(draw.choice(bodies), draw)) for _ in range(number)]
    assert 0.02 * number < found.count("read") < 0.6 * number
    assert found.count("invalid-table") > 0.2 * number


@pytest.mark.parametrize(
    "number", [25, pytest.param(600, marks=[pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)])], ids=str
)
def test_a_damaged_file_is_refused_or_answered(tmp_path: Path, number: int) -> None:
    draw, frame = random.Random(number), hours()  # noqa: S311 - the same each time
    bodies = [
        parquet_of(frame),
        parquet_of(frame, row_group_size=30, use_dictionary=False, compression="zstd"),
        parquet_of(frame, data_page_version="2.0", data_page_size=100, compression="none"),
    ]
    replies = send_each(
        app_of(predictor_of(), tmp_path), [spoiled(draw.choice(bodies), draw) for _ in range(number)], PARQUET
    )
    for reply in replies:
        assert reply.status_code == 200 or 400 <= reply.status_code < 500, reply.text
    answered = [reply for reply in replies if reply.status_code == 200]
    assert 0 < len(answered) < number
    assert all(np.isfinite(read(reply)["0.5"].to_numpy()).all() for reply in answered)


@pytest.mark.parametrize("form", [ARROW, PARQUET])
def test_a_table_that_is_cut_off_is_refused(tmp_path: Path, form: str) -> None:
    body = BYTES[form](hours())
    lengths = [0, 1, 8, len(body) // 3, len(body) // 2, len(body) - 9, len(body) - 8, len(body) - 4, len(body) - 1]
    replies = send_each(app_of(predictor_of(), tmp_path), [body[:length] for length in lengths], form)
    assert [(reply.status_code, reply.json()["code"]) for reply in replies] == [(400, "invalid-table")] * len(lengths)
