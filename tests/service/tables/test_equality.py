"""A table gets the forecast that the same series get as JSON."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecaster.config import CovariateConfig
from service.requests.media import ARROW, LINES, PARQUET, TABLES
from tests.explain.factories import COVARIATES, predictor_of
from tests.pipelines.factories import priced_predictor, priced_tables
from tests.service.factories import app_of, asking
from tests.service.request_bodies import HISTORY
from tests.service.requests.test_covariates import priced_request
from tests.service.tables.factories import (
    BYTES,
    FORECAST,
    arrow_of,
    as_json,
    as_table,
    hours,
    parquet_of,
    read,
    replies,
    send,
    send_each,
    table_of,
)

each_form = pytest.mark.parametrize("form", sorted(TABLES), ids=lambda form: form.split(".")[-1])


def frame_of(frequency: str, timezone: str | None = None, start: str = "2024-02-01") -> pd.DataFrame:
    """Two series, the second of them later, with a value and a row missing."""
    times: Any = range(40) if frequency == "step" else pd.date_range(start, periods=40, freq=frequency, tz=timezone)
    draw = np.random.default_rng(0)
    parts = [pd.DataFrame({"unique_id": name, "ds": times, "y": draw.normal(10, 1, 40)}) for name in ("b", "a")]
    frame = pd.concat([parts[0], parts[1].iloc[3:]], ignore_index=True).drop(index=[10])
    frame.loc[20, "y"] = np.nan
    return frame


@each_form
@pytest.mark.parametrize(
    ("frequency", "timezone", "start"),
    [
        ("h", None, "2024-02-01"),
        ("h", "UTC", "2024-02-01"),
        ("h", "Europe/Berlin", "2024-10-26"),  # an hour that comes twice
        ("h", "Europe/Berlin", "2024-03-30"),  # and one that does not come
        ("15min", "America/New_York", "2024-11-02 18:00"),
        ("D", None, "2024-02-01"),
        ("D", "Europe/Berlin", "2024-03-01"),
        ("W-SUN", None, "2024-02-04"),
        ("B", None, "2024-02-01"),
        ("MS", None, "2024-02-01"),
        ("MS", "America/Santiago", "2020-02-01"),
        ("QS-OCT", None, "2010-01-01"),
        ("YS-JAN", None, "1990-01-01"),
        ("step", None, ""),
    ],
)
def test_a_table_says_what_json_says(
    tmp_path: Path, form: str, frequency: str, timezone: str | None, start: str
) -> None:
    frame = frame_of(frequency, timezone, start)
    zone = {"timezone": timezone} if timezone else {}  # in JSON only offsets say where
    app = app_of(predictor_of(frequency=frequency), tmp_path)
    table, json = replies(app, as_table(frame, form), as_json(frame, **zone))
    assert json.status_code == 200, json.text
    assert table.json() == json.json()
    assert {w["code"] for f in table.json()["forecasts"] for w in f["warnings"]} >= {"gap", "missing-value"}


@pytest.mark.parametrize("accept", [ARROW, PARQUET])
def test_a_reply_is_the_same_in_every_form(tmp_path: Path, accept: str) -> None:
    frame = frame_of("h", "Europe/Berlin", "2024-10-25")
    asked: dict[str, Any] = {"quantiles": [0.1, 0.5, 0.9], "intervals": [80, 50], "horizon": 3}
    query = {"quantiles": "0.1,0.5,0.9", "intervals": "80,50", "horizon": 3}
    app = app_of(predictor_of(), tmp_path)
    json, table, of_json = replies(
        app,
        as_json(frame, timezone="Europe/Berlin", **asked),
        as_table(frame, accept=accept, **query),
        as_json(frame, timezone="Europe/Berlin", **asked) | {"headers": {"Accept": accept}},
    )
    found = read(table)
    assert found.equals(read(of_json))
    names = ["unique_id", "ds", "0.1", "0.5", "0.9", "lower_80", "upper_80", "lower_50", "upper_50"]
    assert found.column_names == names
    rows = found.to_pandas()
    for forecast in json.json()["forecasts"]:
        own = rows[rows["unique_id"] == forecast["id"]]
        assert [stamp.isoformat() for stamp in own["ds"]] == forecast["timestamps"]
        for level, values in forecast["quantiles"].items():
            np.testing.assert_array_equal(own[level], values)
        for percent, ends in forecast["intervals"].items():
            for end, values in ends.items():
                np.testing.assert_array_equal(own[f"{end}_{percent}"], values)


def priced_table(**changes: Any) -> pd.DataFrame:
    """The three tables of `priced_tables` as one."""
    tables = priced_tables()
    whole = pd.concat([tables["history"], tables["future"]]).merge(tables["static"], on="unique_id")
    return whole.sort_values(["unique_id", "ds"], ignore_index=True).assign(**changes)


@each_form
def test_rows_after_the_last_value_hold_what_is_known_ahead(tmp_path: Path, form: str) -> None:
    query = {"horizon": 5, "quantiles": "0.1,0.5,0.9"}
    table, json = replies(
        app_of(priced_predictor(), tmp_path), as_table(priced_table(), form, **query), {"json": priced_request()}
    )
    assert table.json() == json.json()


def test_covariates_of_every_kind_are_read_by_name(tmp_path: Path) -> None:
    seen: list[float] = [*HISTORY, *[float("nan")] * 5]
    ahead = [1.5, np.nan, 2.0, 3.0, 4.0]
    frame = hours(60, "a")
    frame = pd.concat([frame, pd.DataFrame({"ds": pd.date_range("2024-01-03 12:00", periods=5, freq="h")})])
    frame = frame.assign(unique_id="a", p0=seen, p1=[np.nan, *seen[1:]], k0=[*HISTORY, *ahead], k1=True)
    table = table_of(frame.assign(n0=Decimal("2.5"), c0="A"))
    table = table.append_column("n1", pa.nulls(65)).append_column("c1", pa.nulls(65, pa.string()))
    body = {
        "id": "a",
        "start": "2024-01-01",
        "target": HISTORY,
        "past": {"p0": HISTORY, "p1": [None, *HISTORY[1:]]},
        "known": {"k0": [*HISTORY, 1.5, None, 2, 3, 4], "k1": [1] * 65},
        "static": {"n0": 2.5, "n1": None, "c0": "A", "c1": None},
    }
    app = app_of(predictor_of(covariates=COVARIATES), tmp_path)
    first, second = replies(app, as_table(table), {"json": {"series": [body]}})
    assert first.status_code == 200, first.text
    assert first.json() == second.json()


@each_form
def test_a_category_that_training_did_not_meet_is_warned_of_as_in_json(tmp_path: Path, form: str) -> None:
    stores = {"a": 2, "b": 3}
    app = app_of(predictor_of(covariates=CovariateConfig(categories={"store": ("1", "2")})), tmp_path)
    frame = hours(60, "ab")
    body = as_json(frame)
    for one in body["json"]["series"]:
        one["static"] = {"store": stores[one["id"]]}
    table, json = replies(app, as_table(frame.assign(store=frame["unique_id"].map(stores)), form), body)
    assert json.json() == table.json()
    first, second = json.json()["forecasts"]
    assert first["warnings"] == []
    message = "series 'b': 'store' is '3', not met in training and read as missing"
    assert second["warnings"] == [{"code": "unknown-category", "message": message}]


def test_series_of_one_group_see_each_other(tmp_path: Path) -> None:
    frame = hours(60, "abc", y=np.random.default_rng(0).normal(size=180))
    app = app_of(predictor_of(channels="group"), tmp_path)
    groups = [{"a": "x", "b": "x", "c": "y"}, {"a": "x", "b": "y", "c": "y"}]
    tables = [as_table(frame.assign(group=frame["unique_id"].map(group))) for group in groups]
    bodies = [as_json(frame) for _ in groups]
    for body, group in zip(bodies, groups, strict=True):
        for one in body["json"]["series"]:
            one["group"] = group[one["id"]]
    together, apart, *of_json = (reply.json() for reply in replies(app, *tables, *bodies))
    assert [together, apart] == of_json
    assert together["forecasts"] != apart["forecasts"]


def test_the_points_of_a_table_are_charged_as_those_of_json(tmp_path: Path) -> None:
    points: list[int] = []
    app = app_of(priced_predictor(), tmp_path)
    app.state.security.charge = lambda _, count, horizon: points.append(count * horizon)
    replies(app, as_table(priced_table(), horizon=5), {"json": priced_request()})
    assert points[0] == points[1] == 5 * 2 * (60 * 2 + 5)


@each_form
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_may_be_compressed_as_a_whole(tmp_path: Path, form: str, encoding: str) -> None:
    import gzip

    import zstandard

    shrunk = {"gzip": gzip.compress, "zstd": zstandard.compress}[encoding]
    plain = as_table(hours(), form)
    packed = plain | {"content": shrunk(plain["content"]), "headers": plain["headers"] | {"Content-Encoding": encoding}}
    one, other = replies(app_of(predictor_of(), tmp_path), plain, packed)
    assert one.status_code == 200
    assert one.json() == other.json()


@each_form
def test_a_table_may_be_answered_in_lines(tmp_path: Path, form: str) -> None:
    lines, whole = replies(app_of(predictor_of(), tmp_path), as_table(hours(), form, LINES), as_table(hours(), form))
    assert lines.headers["content-type"] == LINES
    assert len(lines.text.splitlines()) == 1 + len(whole.json()["forecasts"])


@each_form
def test_a_real_service_answers_tables_over_a_socket(service: httpx.Client, form: str) -> None:
    frame = hours(60, "ab")
    query = {"model": "waves", "horizon": 4, "quantiles": [0.1, 0.5, 0.9]}
    reply = send(service, BYTES[form](frame), form, form, **query)
    found = read(reply)
    assert reply.headers["x-model"] == "waves/1"
    assert found.num_rows == 8
    json = service.post(FORECAST, **as_json(frame, **query)).json()
    np.testing.assert_allclose(found["0.5"], [v for f in json["forecasts"] for v in f["quantiles"]["0.5"]], rtol=1e-6)


def test_many_tables_at_once_are_answered_each_with_its_own(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path)
    frames = [hours(60, "abcdefgh"[number]) for number in range(8)]

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        asked = [as_table(frame, (ARROW, PARQUET)[number % 2]) for number, frame in enumerate(frames)]
        return await asyncio.gather(*(client.post(FORECAST, **one) for one in asked))

    found = [reply.json()["forecasts"][0]["id"] for reply in asking(app, ask)]
    assert found == list("abcdefgh")


def test_rows_in_batches_are_rows(tmp_path: Path) -> None:
    frame = hours()
    whole, many = send_each(app_of(predictor_of(), tmp_path), [arrow_of(frame), arrow_of(frame, 7)])
    assert read(whole).equals(read(many))


def test_row_groups_and_pages_are_rows(tmp_path: Path) -> None:
    frame = hours()
    bodies = [
        parquet_of(frame),
        parquet_of(frame, row_group_size=7),
        parquet_of(frame, use_dictionary=False, compression="gzip", data_page_version="2.0", data_page_size=64),
        parquet_of(frame, compression="lz4", write_page_checksum=True, version="1.0"),
    ]
    first, *others = send_each(app_of(predictor_of(), tmp_path), bodies, PARQUET)
    assert all(read(first).equals(read(other)) for other in others)
