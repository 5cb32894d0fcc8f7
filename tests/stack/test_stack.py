"""The whole stack, from table to forecast, through the commands and the sockets that people use."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import httpx
import numpy as np
import pandas as pd
import pytest
import sqlalchemy

from tests.stack import servers
from tests.stack.servers import BIN, BUCKET, Stack

pytestmark = pytest.mark.stack

MODEL = "stack-model"
TINY = (
    *("model.d_model=16", "model.d_ff=32", "model.num_layers=1"),
    *("training.max_steps=60", "training.steps_per_validation=20", "training.batch_size=32", "figures=false"),
)
CONFIG = ("--model", MODEL, "--horizon", "24", *(part for one in TINY for part in ("--set", one)))

LOAD_AS_MLFLOW_CLIENT = """
import sys
import mlflow
import pandas as pd

model = mlflow.pyfunc.load_model("models:/stack-model@champion")
model.predict(pd.read_csv(sys.argv[1], parse_dates=["ds"])).to_parquet(sys.argv[2])
"""


@dataclass(frozen=True)
class Serving:
    """A champion in service, the table it was trained on, and what `forecaster predict` says about that table."""

    stack: Stack
    url: str
    table: Path
    predicted: pd.DataFrame

    def post(self) -> dict[str, Any]:
        """Posts the whole table and gives the reply."""
        response = httpx.post(f"{self.url}/v1/forecast", json=request_body(self.table), timeout=60)
        assert response.status_code == 200, response.text
        reply: dict[str, Any] = response.json()
        return reply


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def serving(folder: Path) -> Iterator[Serving]:
    table = folder / "x.csv"
    noisy_seasons().to_csv(table, index=False)
    with servers.stack(folder) as stack:
        trained = run(stack, folder, "forecaster", "train", "--data", str(table), *CONFIG, "--no-promote", "--json")
        assert json.loads(trained)["version"] == 1
        run(stack, folder, "forecaster", "promote", "--data", str(table), "--model", MODEL, "--set", "figures=false")
        output = folder / "predicted.parquet"
        run(stack, folder, "forecaster", "predict", "--model", MODEL, "--data", str(table), "--output", str(output))
        with servers.service(stack, folder) as url:
            yield Serving(stack, url, table, pd.read_parquet(output))


def test_forecast_over_http_is_what_predict_writes(serving: Serving) -> None:
    reply = serving.post()
    assert reply["model"]["name"] == MODEL
    answered = pd.concat([frame_of(forecast) for forecast in reply["forecasts"]], ignore_index=True)
    assert len(answered) == 3 * 24
    # ONNX Runtime may serve, and PyTorch predicts: they agree to 1e-5 of the spread, which is about 1 here.
    pd.testing.assert_frame_equal(answered, serving.predicted, check_exact=False, rtol=0, atol=1e-5, check_dtype=False)


def test_mlflow_client_loads_the_champion_and_gets_the_same_numbers(serving: Serving, folder: Path) -> None:
    output = folder / "pyfunc.parquet"
    run(serving.stack, folder, "python", "-c", LOAD_AS_MLFLOW_CLIENT, str(serving.table), str(output))
    pd.testing.assert_frame_equal(pd.read_parquet(output), serving.predicted, check_exact=True, check_dtype=False)


def test_mlflow_models_serve_answers_with_the_same_numbers(serving: Serving, folder: Path) -> None:
    rows = pd.read_csv(serving.table)[["unique_id", "ds", "y"]]
    body = {"dataframe_split": {"columns": list(rows.columns), "data": rows.to_numpy().tolist()}}
    with servers.mlflow_scoring(serving.stack, folder, f"models:/{MODEL}@champion") as url:
        reply = httpx.post(f"{url}/invocations", json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    answered = pd.DataFrame(reply.json()["predictions"])
    answered["ds"] = pd.to_datetime(answered["ds"])
    pd.testing.assert_frame_equal(answered, serving.predicted, check_exact=True, check_dtype=False)


def test_bundle_that_serves_lies_in_the_bucket(serving: Serving) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=serving.stack.s3_url,
        aws_access_key_id=serving.stack.s3_environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=serving.stack.s3_environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert any(key.endswith("artifacts/bundle/weights.safetensors") for key in keys)
    manifest = next(key for key in keys if key.endswith("artifacts/bundle/manifest.json"))
    content = client.get_object(Bucket=BUCKET, Key=manifest)["Body"].read()
    assert serving.post()["model"]["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_runs_and_aliases_lie_in_postgres(serving: Serving) -> None:
    engine = sqlalchemy.create_engine(serving.stack.postgres_url)
    with engine.connect() as connection:
        runs = connection.execute(sqlalchemy.text("SELECT status, count(*) FROM runs GROUP BY status")).all()
        query = "SELECT alias, version FROM registered_model_aliases WHERE name = :name"
        aliases = connection.execute(sqlalchemy.text(query), {"name": MODEL}).all()
    engine.dispose()
    assert [tuple(row) for row in runs] == [("FINISHED", 7)]  # train and promote, what stands below them, and the trend
    assert {tuple(row) for row in aliases} == {("champion", 1), ("challenger", 1)}


def test_service_answers_while_mlflow_is_frozen(serving: Serving) -> None:
    before = serving.post()
    del before["id"]
    os.killpg(serving.stack.mlflow.pid, signal.SIGSTOP)
    try:
        after = serving.post()
        assert len(after.pop("id")) == 32
        assert after == before
        assert httpx.get(f"{serving.url}/readyz", timeout=10).status_code == 200
    finally:
        os.killpg(serving.stack.mlflow.pid, signal.SIGCONT)


def test_mlflow_refuses_a_foreign_host_header(serving: Serving) -> None:
    url = f"{serving.stack.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx.get(url, timeout=30).status_code == 200
    assert httpx.get(url, headers={"Host": "mlflow.example"}, timeout=30).status_code == 403


def noisy_seasons() -> pd.DataFrame:
    """Gives daily cycles under noise: the seasonal naive repeats the noise of one day, a model averages it away."""
    generator = np.random.default_rng(7)
    steps = np.arange(480)
    frames = []
    for position in range(3):
        values = (
            20 + 5 * position + 4 * np.sin(2 * np.pi * (steps + position) / 24) + generator.normal(0, 2, len(steps))
        )
        times = pd.date_range("2024-01-01", periods=len(steps), freq="h")
        frames.append(pd.DataFrame({"unique_id": f"series {position}", "ds": times, "y": values.round(3)}))
    return pd.concat(frames, ignore_index=True)


def request_body(table: Path) -> dict[str, Any]:
    """Gives the request that asks for forecasts of every series of a table."""
    frame = pd.read_csv(table)
    groups = frame.groupby("unique_id", sort=False)
    series = [{"id": name, "start": rows["ds"].iloc[0], "target": rows["y"].tolist()} for name, rows in groups]
    return {"model": MODEL, "series": series}


def frame_of(forecast: dict[str, Any]) -> pd.DataFrame:
    """Gives the forecast of one series in a reply as the rows that `forecaster predict` writes."""
    times = pd.to_datetime(pd.Series(forecast["timestamps"]))
    return pd.DataFrame({"unique_id": forecast["id"], "ds": times, **forecast["quantiles"]})


def run(stack: Stack, folder: Path, program: str, *arguments: str) -> str:
    """Runs a program of this environment as a client of the stack, which must succeed; gives its standard output."""
    command = [sys.executable if program == "python" else str(BIN / program), *arguments]
    environment = {**stack.environment, "FORECASTER_HOME": str(folder / "pipelines")}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{program} {arguments[0]} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    return done.stdout
