"""`forecaster demo`: the main job end to end on real data, told step by step."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pandas as pd

from forecaster.data.panel import Panel
from pipelines import examples, registry, tracking
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.config import Environment, PipelineConfig, load_config
from pipelines.errors import RegistryError
from pipelines.loading import load
from pipelines.prediction import Wanted
from pipelines.promotion.promote import promote
from pipelines.sources import write_table
from pipelines.train import Training, scores_table, train
from pipelines.zero_shot import predict_unseen

_READY_SECONDS = 60
_HISTORY_STEPS = 512

_DATA = {"demo-co2": examples.co2, "demo-weather": examples.weather}
_SETTINGS: dict[str, dict[str, Any]] = {
    "demo-co2": {"model.horizon": 26, "training.max_steps": 400},
    "demo-weather": {"model.horizon": 24, "training.max_steps": 500},
}
_COMMON = {"training.steps_per_validation": 50}


def run_demo(environment: Environment, *, keep_serving: bool) -> None:
    """Runs the demo: exit code 0 means that every step worked and an HTTP forecast was answered."""
    click.echo("1. Data: real tables that ship inside dependencies")
    client = tracking.connect(environment)
    folder = environment.home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    configs = [_prepare(name, folder) for name in _DATA]
    _forecast_unseen(configs[0])
    panels = [_train_and_promote(environment, client, config) for config in configs]
    click.echo("\n4. Serve: the service follows the registry's champion")
    with _service(environment) as url:
        for config, panel in zip(configs, panels, strict=True):
            _forecast_over_http(url, config.name, panel)
        _say_where(environment)
        while keep_serving:
            time.sleep(1)


def _prepare(name: str, folder: Path) -> PipelineConfig:
    path = folder / f"{name}.csv"
    write_table(_DATA[name](), path)
    return load_config(None, {"name": name, "source.path": str(path), **_COMMON, **_SETTINGS[name]})


def _forecast_unseen(config: PipelineConfig) -> None:
    """Prints what the pretrained encoder forecasts of a table before anything is trained."""
    begin = time.monotonic()
    prediction = predict_unseen(config.source, config.table, Wanted(config.model.horizon, [0.1, 0.5, 0.9]))
    seconds = time.monotonic() - begin
    click.echo(
        f"   The encoder in the box forecasts {config.name} after {seconds:.1f} s, untrained; the first 6 steps:"
    )
    shown = prediction.table.head(6).to_string(index=False, float_format="%.2f")
    click.echo("\n".join(f"   {line}" for line in shown.splitlines()))


def _train_and_promote(environment: Environment, client: Any, config: PipelineConfig) -> Panel:
    loaded = load(config.source, config.table)
    click.echo(f"\n2. Train {config.name}")
    click.echo("\n".join(f"   {line}" for line in loaded.lines[:8]))
    begin = time.monotonic()
    training = train(environment, client, config, loaded)
    click.echo(f"   {training.version} registered as challenger after {time.monotonic() - begin:.0f} s")
    _show_accuracy(training)
    promotion = promote(environment, client, config, loaded.panel, training.version)
    verb = "promoted" if promotion.decision.promote else "not promoted"
    click.echo(f"\n3. Promote: {verb}: {promotion.decision.reason}")
    return loaded.panel


def _show_accuracy(training: Training) -> None:
    scores = {role: evaluation.scores.as_metrics() for role, evaluation in training.test.items()}
    table = scores_table(scores).to_string()
    ratio = scores["model"]["mase"] / scores[SEASONAL_NAIVE]["mase"]
    click.echo("   Backtest on folds that training has not seen:")
    click.echo("\n".join(f"   {line}" for line in table.splitlines()))
    click.echo(f"   MASE ratio to the seasonal naive: {ratio:.3f}")
    if training.figure is not None:
        click.echo(f"   plot: {training.figure}")


@contextmanager
def _service(environment: Environment) -> Iterator[str]:
    """Starts `forecaster serve` as a process of its own; gives its address once it is ready."""
    port = _free_port()
    log_path = environment.home / "demo" / "service.log"
    variables = {"FORECASTER_HOME": str(environment.home), "MLFLOW_TRACKING_URI": environment.tracking_uri}
    models = [argument for name in _DATA for argument in ("--model", name)]
    with log_path.open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "forecaster", "serve", "--no-authentication", "--port", str(port), *models],
            env={**os.environ, **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log_path)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            reply = _get(f"{url}/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
            continue
        if set(_DATA) <= set(reply["models"]):
            click.echo(f"   {url} is ready with {reply['models']}")
            return
        time.sleep(0.2)
    raise RegistryError(f"the service did not become ready; its log is {log_path}", code="service-not-ready")


def _forecast_over_http(url: str, name: str, panel: Panel) -> None:
    """Posts the end of the first series and prints the reply's first steps as a table."""
    series = panel.select([0])
    frame = series.to_frame().tail(_HISTORY_STEPS)
    body = {
        "model": name,
        "frequency": panel.axis.frequency.alias,
        "quantiles": [0.1, 0.5, 0.9],
        "series": [
            {
                "id": series.series_ids[0],
                "start": frame["ds"].iloc[0].isoformat(),
                "target": [None if pd.isna(value) else value for value in frame["y"]],
            }
        ],
    }
    reply = _post(f"{url}/v1/forecast", body)
    forecast = reply["forecasts"][0]
    table = pd.DataFrame({"ds": forecast["timestamps"], **forecast["quantiles"]}).round(2)
    click.echo(
        f"\n   POST /v1/forecast -> {reply['model']['name']} version {reply['model']['version']}, "
        f"{forecast['id']}, {len(table)} steps, the first 6:"
    )
    click.echo("\n".join(f"   {line}" for line in table.head(6).to_string(index=False).splitlines()))


def _say_where(environment: Environment) -> None:
    click.echo("\n5. Look around")
    if environment.tracking_uri.startswith("sqlite:"):
        click.echo(f"   MLflow UI:  mlflow server --backend-store-uri {environment.tracking_uri}   (or: make ui)")
    click.echo("   The page:   forecaster serve --no-authentication, then http://127.0.0.1:8000/ (API: /docs)")
    click.echo(f"   Champions:  {', '.join(f'{name}@{registry.CHAMPION}' for name in _DATA)}")


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310 - our own loopback address
        return json.load(reply)


def _post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
        return json.load(reply)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
