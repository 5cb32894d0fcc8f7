"""MLflow's scoring protocol: MLflow's client, and MLflow's own server with the same model, to compare with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server import predictions_to_json
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from mlflow.utils.proto_json_utils import dump_input_data
from mlflow.version import VERSION

from tests.conftest import noisy_waves
from tests.explain.factories import predictor_of
from tests.pipelines.factories import priced_predictor
from tests.service.dialects.factories import Pair, pair_of
from tests.service.tables.factories import as_json, hours
from tests.service.tables.test_equality import frame_of, priced_table

CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An hourly model that reads the target alone."""
    with pair_of(predictor_of(), tmp_path_factory.mktemp("waves")) as found:
        yield found


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An hourly model that reads a price, known ahead, a size and a kind."""
    with pair_of(priced_predictor(), tmp_path_factory.mktemp("priced")) as found:
        yield found


def split(frame: pd.DataFrame, **params: Any) -> dict[str, Any]:
    """Gives a request as MLflow's client writes it."""
    content = dump_input_data(frame, params=params or None)
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def in_csv(text: str) -> dict[str, Any]:
    return {"content": text.encode(), "headers": {"Content-Type": CSV}}


# MLflow's client.


def test_the_client_of_mlflow_gets_the_numbers_of_a_forecast(service: httpx.Client) -> None:
    client = ScoringServerClient(service.base_url.host, service.base_url.port)
    client.ping()
    client.wait_server_ready(timeout=10)
    assert client.get_version() == VERSION
    frame = noisy_waves().assign(ds=lambda rows: rows["ds"].map(pd.Timestamp.isoformat))
    params = {"model": "waves", "horizon": 5, "quantiles": [0.1, 0.5, 0.9]}
    answered = client.invoke(frame, params=params).get_predictions()
    body = as_json(noisy_waves(), **params)
    forecasts = service.post("/v1/forecast", **body).json()["forecasts"]
    assert len(answered) == 3 * 5
    assert list(answered.columns) == ["unique_id", "ds", "0.1", "0.5", "0.9"]
    for forecast in forecasts:
        own = answered[answered["unique_id"] == forecast["id"]]
        assert list(own["ds"]) == forecast["timestamps"]
        for level, values in forecast["quantiles"].items():
            np.testing.assert_allclose(own[level], values, rtol=1e-6)


def test_without_a_name_the_only_model_answers_and_of_several_one_is_to_be_named(
    pair: Pair, service: httpx.Client
) -> None:
    assert pair.ours.post("/invocations", **split(hours())).headers["x-model"] == "waves/1"
    reply = service.post("/invocations", **split(hours()))
    assert reply.status_code == 404
    assert reply.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert "name one of ['days', 'waves'] as model" in reply.json()["message"]


# MLflow's server.


def test_a_frame_of_mlflows_client_gets_the_table_of_mlflows_server(pair: Pair) -> None:
    rows = pair.same(**split(hours()))
    assert [row["unique_id"] for row in rows] == ["a"] * 5 + ["b"] * 5
    assert rows[0]["ds"] == "2024-01-03T12:00:00"


@pytest.mark.parametrize(
    "params",
    [{"horizon": 3}, {"quantiles": [0.25, 0.5]}, {"quantiles": [0.9, 0.1], "horizon": 2}, {}],
    ids=["horizon", "quantiles", "both", "neither"],
)
def test_parameters_are_those_of_mlflows_model(pair: Pair, params: dict[str, Any]) -> None:
    pair.same(**split(hours(), **params))


def test_records_are_a_table(pair: Pair) -> None:
    rows = json.loads(hours().to_json(orient="records", date_format="iso"))
    assert pair.same(json={"dataframe_records": rows, "params": {"horizon": 2}})


def test_a_row_of_records_may_leave_a_column_out(pair: Pair) -> None:
    rows = [{"ds": f"2024-01-01T{hour:02}:00", "y": float(hour)} for hour in range(20)]
    del rows[7]["y"]
    assert pair.same(json={"dataframe_records": rows})[0]["unique_id"] == "y"  # one series without an id


def test_ids_in_csv_are_the_texts_that_they_are(pair: Pair) -> None:
    names = {"a": "007", "b": "7"}
    text = hours().assign(unique_id=lambda rows: rows["unique_id"].map(names)).to_csv(index=False)
    found = pair.ours.post("/invocations", **in_csv(text)).json()["predictions"]
    assert {row["unique_id"] for row in found} == {"007", "7"}
    one = hours().iloc[:60].assign(unique_id="NA").to_csv(index=False)
    assert {row["unique_id"] for row in pair.ours.post("/invocations", **in_csv(one)).json()["predictions"]} == {"NA"}


@pytest.mark.parametrize(
    "text",
    [
        hours().to_csv(index=False),
        hours().to_csv(),  # with its index
        "\ufeff" + hours().to_csv(index=False).replace("\n", "\r\n"),
        hours().assign(y=lambda rows: rows["y"].where(rows.index % 7 != 3)).to_csv(index=False),
        hours().drop(columns="unique_id").iloc[:60].to_csv(index=False),
        hours().assign(unique_id=lambda rows: rows["unique_id"].map({"a": 1, "b": 2})).to_csv(index=False),
    ],
    ids=["plain", "index", "windows", "gaps", "no ids", "numbers as ids"],
)
def test_csv_gets_what_mlflows_model_says_of_the_same_frame(pair: Pair, text: str) -> None:
    reply = pair.ours.post("/invocations", **in_csv(text))
    assert reply.status_code == 200, reply.text
    assert reply.json() == predictions_of(pair, text)


def predictions_of(pair: Pair, text: str) -> Any:
    """Gives what MLflow's server makes of a CSV text; of models whose columns have no types it takes none itself."""
    sink = io.StringIO()
    predictions_to_json(pair.model.predict(pd.read_csv(io.StringIO(text))), sink)
    return json.loads(sink.getvalue())


@pytest.mark.parametrize(
    ("frequency", "timezone", "start"),
    [
        ("h", None, "2024-02-01"),
        ("h", "UTC", "2024-02-01"),
        ("15min", "+02:00", "2024-02-01"),
        ("D", None, "2024-02-01"),
        ("W-SUN", None, "2024-02-04"),
        ("MS", None, "2024-02-01"),
        ("step", None, ""),
    ],
)
def test_times_of_every_kind_come_back_as_mlflow_writes_them(
    tmp_path: Path, frequency: str, timezone: str | None, start: str
) -> None:
    with pair_of(predictor_of(frequency=frequency), tmp_path) as found:
        found.same(**split(frame_of(frequency, timezone, start)))


@pytest.mark.parametrize(
    "changed",
    [
        {"y": lambda frame: frame["y"].round().astype(int)},
        {"y": lambda frame: frame["y"].astype(str)},
        {"y": lambda frame: frame["y"].where(frame.index != 5)},
        {"unique_id": lambda frame: frame["unique_id"].map({"a": 7, "b": 5})},
        {"ds": lambda frame: frame["ds"].dt.strftime("%d.%m.%Y %H:%M")},
        {"ds": lambda frame: frame["ds"].astype(str) + "+01:00"},
        {"weather": "sunny"},
    ],
    ids=["whole numbers", "texts", "NaN", "numbered ids", "another order", "with an offset", "a column of no use"],
)
def test_cells_are_what_they_are_to_mlflows_server(pair: Pair, changed: Any) -> None:
    pair.same(**split(hours(60).assign(**changed)))


def test_rows_after_the_last_value_are_what_is_known_ahead(priced: Pair) -> None:
    assert len(priced.same(**split(priced_table()))) == 2 * 5
    priced.same(**split(priced_table(), horizon=2))
    text = priced_table().to_csv(index=False)
    assert priced.ours.post("/invocations", **in_csv(text)).json() == predictions_of(priced, text)


def test_columns_that_are_not_read_are_named(pair: Pair) -> None:
    reply = pair.ours.post("/invocations", **split(hours().assign(**{"wind, ü": 1.0})))
    assert reply.headers["x-unused-columns"] == "wind%2C%20%C3%BC"
    assert "x-unused-columns" not in pair.ours.post("/invocations", **split(hours())).headers


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_health_and_version_are_those_of_mlflow(pair: Pair, path: str) -> None:
    ours, theirs = pair.ours.get(path), pair.mlflow.get(path)
    assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)


# What both refuse, and what is refused here and ignored there.

ROWS = [["a", f"2024-01-01T0{hour}:00", float(hour)] for hour in range(6)]
TABLE = {"columns": ["unique_id", "ds", "y"], "data": ROWS}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"instances": [[1.0]]}, "instances: has no names of columns"),
        ({"inputs": {"y": [1.0]}}, "inputs: has no names of columns"),
        ({}, "needs dataframe_split or dataframe_records, one of the two"),
        ([], "must be a JSON object"),
        ({"dataframe_split": TABLE, "dataframe_records": []}, "one of the two"),
        ({"dataframe_split": []}, "dataframe_split: must be a JSON object"),
        ({"dataframe_split": {"columns": ["ds", "y"]}}, "dataframe_split.data: must be a list of rows"),
        ({"dataframe_split": {**TABLE, "dtype": "float"}}, "dataframe_split.dtype: is unknown"),
        ({"dataframe_split": {**TABLE, "data": [["a", "2024-01-01"]]}}, "row 1 has 2 cells: wanted are 3 cells"),
        ({"dataframe_records": {"ds": []}}, "dataframe_records: must be a list of JSON objects"),
        ({"dataframe_records": [1]}, "dataframe_records: row 1 is no JSON object"),
        ({"dataframe_records": []}, "ds: is missing: the columns are none"),
        ({"dataframe_split": {"columns": ["ds"], "data": [["2024-01-01"]]}}, "y: is missing"),
        ({"dataframe_split": {**TABLE, "data": []}}, "the table has no rows"),
        ({"dataframe_split": {**TABLE, "data": [["a", [1], 2.0]]}}, "ds: in row 1: is no text, number or boolean"),
        ({"dataframe_split": {**TABLE, "data": [["a", "not a time", 2.0]]}}, "not ISO 8601"),
        ({"dataframe_split": {**TABLE, "data": [["a", "2024-01-01", "warm"]]}}, "which is not a number"),
        ({"dataframe_split": TABLE, "params": {"horizon": 0}}, "horizon: "),
        ({"dataframe_split": TABLE, "params": {"horizon": 99}}, "outside 1..5"),
        ({"dataframe_split": TABLE, "params": {"quantiles": [2.0]}}, "quantiles.0: "),
    ],
)
def test_what_mlflow_refuses_is_refused_with_a_reason(pair: Pair, body: Any, message: str) -> None:
    ours, theirs = pair.both(json=body)
    assert (ours.status_code, theirs.status_code) == (400, 400), theirs.text
    assert set(ours.json()) == {"error_code", "message"} <= set(theirs.json())
    assert ours.json()["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
    assert message in ours.json()["message"]
    assert ours.headers["content-type"] == theirs.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"json": {"dataframe_split": TABLE, "params": {"depth": 3}}}, "depth: is unknown"),
        ({"json": {"dataframe_split": TABLE, "params": {"intervals": [80]}}}, "intervals: has no place in a table"),
        ({"json": {"dataframe_split": TABLE, "params": {"samples": {"number": 3}}}}, "samples: has no place"),
        ({"json": {"dataframe_split": TABLE, "params": 3}}, "params: must be a JSON object"),
        ({"json": {"dataframe_split": TABLE, "signature_name": "x"}}, "signature_name: is unknown"),
        ({"json": {"dataframe_split": TABLE}, "params": {"horizon": 3}}, "horizon: belongs beside the series"),
        ({**in_csv(hours().to_csv(index=False)), "params": {"horizons": 3}}, "horizons: is unknown"),
        ({**in_csv(hours().to_csv(index=False)), "params": {"intervals": "80"}}, "intervals: has no place"),
        ({"json": {"dataframe_split": TABLE, "params": {"segment": "north"}}}, "segment: is kept with a forecast"),
        ({**in_csv(hours().to_csv(index=False)), "params": {"segment": "north"}}, "segment: is kept with"),
        (in_csv("ds,y\n2024-01-01,1,2\n"), "the first row has 3 cells for 2 columns"),
        (in_csv("ds,y\n2024-01-01,1\n2024-01-01 01:00,1,2\n"), "as many cells in all rows"),
        (in_csv("ds,y,y\n2024-01-01,1,2\n"), "y: is the name of more than one column"),
        (in_csv("ds,y\n"), "the table has no rows"),
        (in_csv(""), "ds: is missing"),
        ({"content": b"ds,y\n\xff,1\n", "headers": {"Content-Type": CSV}}, "no CSV in UTF-8"),
        (split(hours().assign(y=np.inf)), "Infinity is no number"),
        ({"content": b'{"dataframe_split": NaN', "headers": {"Content-Type": "application/json"}}, "is not JSON"),
        ({"json": {"dataframe_split": {**TABLE, "data": [["a" * 257, "2024-01-01", 1.0]]}}}, "in row 1: "),
        ({"json": {"dataframe_split": {**TABLE, "data": [["a", "2024-01-01\n", 1.0]]}}}, "ds: in row 1: "),
        ({"json": {"dataframe_split": {**TABLE, "data": [["a", "2024-01-01", 1 << 63]]}}}, "y: in row 1: "),
    ],
)
def test_nothing_is_ignored_that_was_asked_for(pair: Pair, request_: dict[str, Any], message: str) -> None:
    reply = pair.ours.post("/invocations", **request_)
    assert reply.status_code == 400, reply.text
    assert message in reply.json()["message"]


def test_options_of_csv_stand_in_the_query(pair: Pair) -> None:
    query = {"horizon": 2, "quantiles": "0.1,0.9", "model": "waves"}
    reply = pair.ours.post("/invocations", **in_csv(hours().to_csv(index=False)), params=query)
    asked = pair.ours.post("/invocations", **split(hours(), horizon=2, quantiles=[0.1, 0.9]))
    assert reply.json() == asked.json()
    assert list(reply.json()["predictions"][0]) == ["unique_id", "ds", "0.1", "0.9"]


@pytest.mark.parametrize("media_type", ["application/xml", "text/plain", "application/json; charset=latin-1", ""])
def test_other_media_types_are_refused_as_by_mlflow(pair: Pair, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    reply = pair.ours.post("/invocations", content=b"{}", headers=headers)
    assert reply.status_code == 415
    assert reply.json()["error_code"] == "BAD_REQUEST"
    assert "text/csv in UTF-8" in reply.json()["message"]


def test_a_group_is_refused_where_mlflows_model_would_not_see_it(tmp_path: Path) -> None:
    with pair_of(predictor_of(channels="group"), tmp_path) as found:
        found.same(**split(hours()))
        reply = found.ours.post("/invocations", **split(hours().assign(group="x")))
        parquet = found.ours.post("/invocations", content=hours().to_parquet(), headers={"Content-Type": PARQUET})
    assert (reply.status_code, parquet.status_code) == (400, 400)
    assert "group: is not read here" in reply.json()["message"]
    assert "this model reads groups" in parquet.json()["message"]
