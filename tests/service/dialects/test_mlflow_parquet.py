"""Parquet in MLflow's scoring protocol: its tables are those that JSON and CSV may be."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from service.requests.media import PARQUET
from tests.explain.factories import predictor_of
from tests.service.dialects.factories import Pair, pair_of
from tests.service.dialects.test_mlflow_scoring import split
from tests.service.tables.factories import hours

ONE_SERIES = hours().drop(columns="unique_id").iloc[:60]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An hourly model that reads the target alone."""
    with pair_of(predictor_of(), tmp_path_factory.mktemp("waves")) as found:
        yield found


@pytest.mark.parametrize("table", [hours(), ONE_SERIES], ids=["with ids", "without ids"])
def test_parquet_is_read_as_mlflow_reads_it(pair: Pair, table: pd.DataFrame) -> None:
    found = pair.same(content=table.to_parquet(index=False), headers={"Content-Type": PARQUET})
    assert pair.ours.post("/invocations", **split(table)).json()["predictions"] == found


def test_a_table_without_ids_is_still_refused_where_a_forecast_is_asked_for(pair: Pair) -> None:
    content, headers = ONE_SERIES.to_parquet(index=False), {"Content-Type": PARQUET}
    reply = pair.ours.post("/v1/forecast", content=content, headers=headers)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "unique_id")


def test_a_table_without_ids_and_rows_is_empty(pair: Pair) -> None:
    content = ONE_SERIES.iloc[:0].to_parquet(index=False)
    reply = pair.ours.post("/invocations", content=content, headers={"Content-Type": PARQUET})
    assert (reply.status_code, "empty-table" in reply.json()["message"]) == (400, True)
