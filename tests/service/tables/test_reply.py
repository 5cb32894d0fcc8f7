"""Replies as tables: their columns, and what is said of all rows in the metadata and headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from service.requests.media import ARROW, JSON, PARQUET
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, post
from tests.service.request_bodies import HISTORY, valid
from tests.service.tables.factories import as_table, hours, read, replies
from tests.service.test_answers import broken


def said(table: pa.Table) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(table.schema.metadata[b"forecast"])
    return found


def answer(tmp_path: Path, table: pd.DataFrame | pa.Table, frequency: str = "h", **query: Any) -> pa.Table:
    (reply,) = replies(app_of(predictor_of(frequency=frequency), tmp_path), as_table(table, accept=ARROW, **query))
    return read(reply)


@pytest.mark.parametrize("form", [ARROW, PARQUET])
def test_the_metadata_says_what_json_says_of_the_whole(tmp_path: Path, form: str) -> None:
    frame = hours(60, "ab", extra=1.0).drop(index=[10])
    frame.loc[70, "y"] = np.nan
    table, plain = replies(app_of(predictor_of(), tmp_path), as_table(frame, form, form), as_table(frame, form, JSON))
    found = said(read(table))
    assert found["model"] == plain.json()["model"]
    assert found["unused_columns"] == ["extra"]
    assert found["warnings"] == [
        {"id": forecast["id"], **warning} for forecast in plain.json()["forecasts"] for warning in forecast["warnings"]
    ]
    assert [warning["code"] for warning in found["warnings"]] == ["gap", "missing-value"]
    assert "degraded" not in found
    assert table.headers["x-model"] == "waves/1"
    assert "x-degraded" not in table.headers
    assert "compute;dur=" in table.headers["server-timing"]
    assert table.headers["content-type"] == form


def test_a_fallback_is_told_in_the_metadata_and_in_a_header(tmp_path: Path) -> None:
    request = as_table(hours(60, "a"), accept=ARROW, fallback="seasonal_naive")
    (reply,) = replies(broken(tmp_path), request)
    assert reply.headers["x-degraded"] == "model-not-finite"
    assert said(read(reply))["degraded"] == "model-not-finite"


def test_what_is_not_answered_is_a_problem_whatever_is_accepted(tmp_path: Path) -> None:
    (reply,) = replies(broken(tmp_path), as_table(hours(60, "a"), accept=PARQUET))
    assert (reply.status_code, reply.json()["code"]) == (500, "model-not-finite")


@pytest.mark.parametrize("kind", [pa.int16(), pa.int64(), pa.uint32()])
def test_integers_come_back_as_the_integers_that_they_were(tmp_path: Path, kind: pa.DataType) -> None:
    ids = pa.array([7] * 60, kind)
    table = pa.table({"unique_id": ids, "ds": hours(60, "a")["ds"].to_numpy(), "y": HISTORY})
    found = answer(tmp_path, table)
    assert found["unique_id"].type == kind
    assert set(found["unique_id"].to_pylist()) == {7}


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_texts_come_back_as_plain_ones(tmp_path: Path, kind: pa.DataType) -> None:
    ids = pa.array(["7"] * 60).cast(kind)
    table = pa.table({"unique_id": ids, "ds": hours(60, "a")["ds"].to_numpy(), "y": HISTORY})
    assert answer(tmp_path, table)["unique_id"].type == pa.string()


def test_steps_are_integers(tmp_path: Path) -> None:
    found = answer(tmp_path, hours(60, "a", ds=range(60)), "step", horizon=3)
    assert found["ds"].to_pylist() == [60, 61, 62]
    assert found["ds"].type == pa.int64()


@pytest.mark.parametrize(
    ("zone", "kind"),
    [("UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin"), ("UTC+01:00", "+01:00"), ("-05:30", "-05:30")],
)
def test_times_have_the_zone_that_was_asked_for(tmp_path: Path, zone: str, kind: str) -> None:
    found = answer(tmp_path, hours(60, "a"), horizon=2, timezone=zone)
    assert found["ds"].type == pa.timestamp("us", kind)
    assert [time.isoformat()[:19] for time in found["ds"].to_pylist()] == ["2024-01-03T12:00:00", "2024-01-03T13:00:00"]


def test_times_without_a_zone_have_none(tmp_path: Path) -> None:
    assert answer(tmp_path, hours(60, "a"))["ds"].type == pa.timestamp("us")


def test_days_keep_local_midnight_across_the_change_of_the_clock(tmp_path: Path) -> None:
    days = hours(56, "a", ds=pd.date_range("2024-09-01", periods=56, tz="Europe/Berlin"))
    found = answer(tmp_path, days, "D", horizon=2)["ds"].to_pylist()
    assert [time.isoformat() for time in found] == ["2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00"]


def test_an_interval_twice_is_one(tmp_path: Path) -> None:
    found = answer(tmp_path, hours(60, "a"), intervals="80,80", quantiles="0.5")
    assert found.column_names == ["unique_id", "ds", "0.5", "lower_80", "upper_80"]


def test_samples_do_not_fit_into_a_table(tmp_path: Path) -> None:
    reply = post(app_of(predictor_of(), tmp_path), valid(samples={"number": 2}), accept=ARROW)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "samples")


def test_a_roll_out_is_answered(tmp_path: Path) -> None:
    assert answer(tmp_path, hours(60, "a"), horizon=12, roll_out="true").num_rows == 12
