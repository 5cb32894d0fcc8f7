"""Tuning on M3 monthly: the config as it is against the best trial, on validation and on test, killed on the way.

    python -m benchmarks.tune [--save] [--trials 16]

Settings are chosen on the last horizon of the training parts; the competition's test parts are looked at once, at the
end. The process that tunes is killed by SIGKILL when half of the trials are finished, and run again. The config is that
of the library, but for few steps: 120, as series of a competition teach it little more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from benchmarks.data import m3, parser
from benchmarks.m3 import PERIODS
from benchmarks.record import machine_setup, record

_NAME = "m3-monthly"
_COMMAND = "from pipelines.commands.tuning import tune; tune()"
_FIRST_MONTH = "1980-01-01"  # the competition tells no dates, and nothing here reads them
_SPACE = {
    "training.learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 1e-2},
    "training.series_weighting": {"kind": "choice", "values": ["window", "series"]},
    "model.skip": {"kind": "choice", "values": ["none", "ridge", "theta"]},
    "model.scaling": {"kind": "choice", "values": ["mean_std", "robust", "log"]},
    "model.context_length": {"kind": "choice", "values": [72, 96, 120]},
    "model.d_model": {"kind": "choice", "values": [32, 64]},
    "model.num_layers": {"kind": "integer", "low": 1, "high": 2},
    "model.dropout": {"kind": "uniform", "low": 0.0, "high": 0.3},
}
_SETTINGS = {
    "name": _NAME,
    "model": {"horizon": PERIODS["monthly"].horizon},
    "training": {"max_steps": 120, "steps_per_validation": 20},
    "split": {"num_validation_folds": 1, "num_test_folds": 1},
    "export": False,
}


def main() -> None:
    """Tunes, is killed, tunes on, and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, default=16)
    given = arguments.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tune-") as folder:
        home = Path(folder)
        config = _prepare(home, given.data, given.trials)
        found = _killed_and_resumed(home, config, given.trials // 2)
    figures = {**found, "minutes": round((time.perf_counter() - began) / 60, 1)}
    setup = machine_setup(["pytorch-lightning", "optuna"]) | {"settings": _SETTINGS, "space": _SPACE}
    record("tune", figures, setup, save=given.save)


def _prepare(home: Path, data: Path, num_trials: int) -> Path:
    table = m3(data)
    own = table.loc[table["period"] == "monthly", ["unique_id", "ds", "y"]]
    months = pd.date_range(_FIRST_MONTH, periods=int(own["ds"].max()) + 1, freq="MS")
    own.assign(ds=months[own["ds"]]).to_parquet(home / "monthly.parquet", index=False)
    tune = {"num_trials": num_trials, "num_unpruned_trials": 4, "num_seeds": 3, "space": _SPACE}
    config = home / "tune.yaml"
    config.write_text(yaml.safe_dump(_SETTINGS | {"source": {"path": str(home / "monthly.parquet")}, "tune": tune}))
    return config


def _killed_and_resumed(home: Path, config: Path, num_before: int) -> dict[str, Any]:
    """Kills the command once so many trials are finished, runs it again, and gives what came of it."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    environment = os.environ | {"FORECASTER_HOME": str(home), "MLFLOW_TRACKING_URI": uri}
    command = [sys.executable, "-c", _COMMAND, "--config", str(config), "--json"]
    client = MlflowClient(uri, uri)
    assert not _finished(client)  # which makes the database, before two processes would
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(_finished(client)) < num_before:
            time.sleep(1.0)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
    before = _finished(client)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    after, statuses = _finished(client), [run.info.status for run in _runs(client)]
    outcome = json.loads(done.stdout.splitlines()[-1])
    return {
        "finished_before_the_kill": len(before),
        "finished_trials_lost": len(before.items() - after.items()),
        "runs_left_running": statuses.count("RUNNING"),
        "runs_ended_for_the_killed": statuses.count("KILLED"),
        "trials": outcome["trials"],
        "best_trial": outcome["best_trial"],
        "best_values": outcome["best_values"],
        "importances": {name: round(share, 3) for name, share in outcome["importances"].items()},
        **_compared(outcome["scores"]),
    }


def _compared(scores: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Gives the figures of each seed, and whether the mean over them has become lower."""
    figures: dict[str, Any] = {}
    for name in ("validation_mase", "test_mase", "test_smape"):
        rows = {role: [round(value, 4) for value in scores[role][name]] for role in scores}
        means = {role: sum(values) / len(values) for role, values in rows.items()}
        lower = means.get("best", means["default"]) < means["default"]
        figures[name] = {**rows, **{f"{role}_mean": round(mean, 4) for role, mean in means.items()}, "is_lower": lower}
    return figures


def _finished(client: MlflowClient) -> dict[str, str]:
    """Gives the id of the run of each finished trial, by its number."""
    done = [run for run in _runs(client) if run.info.status in ("FINISHED", "FAILED") and "tune_state" in run.data.tags]
    return {run.data.tags["tune_trial"]: run.info.run_id for run in done}


def _runs(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name(_NAME)
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


if __name__ == "__main__":
    main()
