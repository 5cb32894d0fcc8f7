"""Is the live skill that a service tells what its forecasts came to? Real data, HTTP, SQLite and Postgres.

    python -m benchmarks.live_skill [--save] [--data FOLDER] [--days 60]

A model is trained on the first twelve months of ETTh1 and served. Then each day of the following months is forecast at
midnight, all series in one request, and what happened is reported a day later: every tenth day wrong at first and
corrected at the end, and one series a week late. What `GET /v1/skill` then says is compared with the same scores
computed from the replies by NumPy alone, and with those of the model asked without a service.

    NAME_mase, NAME_relative_mase, NAME_coverage_80   as told, of all days; NAME is sqlite or postgres
    NAME_largest_difference                           of any figure told, by segment, from that of NumPy
    model_mase                                        of the same forecasts, by the model without a service
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from benchmarks.data import etth1, parser
from benchmarks.record import machine_setup, record
from benchmarks.reliability.serving import Serving, serving
from forecaster import Forecaster, ForecasterConfig, ModelConfig, TrainingConfig
from forecaster.arrays import FloatArray
from forecaster.bundle import load_bundle
from tests.stack.servers import postgres

NAME = "live"
SEASON = HORIZON = 24
CONTEXT_LENGTH = 336
MODEL = ModelConfig(horizon=HORIZON, context_length=CONTEXT_LENGTH, season_length=SEASON)

_WRONG_EVERY, _LATE_DAYS = 10, 7
_SCORED_SECONDS = 60.0
_CLOSE = 0.01  # nearer than what is wrong at first can be: the last correction is in it


@dataclass(frozen=True)
class Served:
    """A trained model in the registry of a home, and hourly series to forecast from `begin` on."""

    home: Path
    model: Forecaster
    table: pd.DataFrame  # ds and one column for each series
    begin: int  # row of the first forecast

    @property
    def names(self) -> list[str]:
        """Names of the series."""
        return [str(name) for name in self.table.columns if name != "ds"]

    def history(self, origin: int) -> FloatArray:
        """Gives what the forecast of a row and those after it sees [L S]."""
        return np.asarray(self.table[self.names].iloc[origin - CONTEXT_LENGTH : origin], dtype=float)

    def actual(self, origin: int) -> FloatArray:
        """Gives what followed [H S]."""
        return np.asarray(self.table[self.names].iloc[origin : origin + HORIZON], dtype=float)

    def time(self, row: int) -> str:
        """Gives the time of a row."""
        return str(pd.Timestamp(self.table["ds"].iloc[row]).isoformat())

    def segment(self, origin: int) -> str:
        """Tells working days from others."""
        return "weekend" if pd.Timestamp(self.table["ds"].iloc[origin]).day_of_week >= 5 else "weekday"


@dataclass
class Scores:
    """Scores of forecasts of single series, as they come in."""

    mase: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)

    def add(self, quantiles: Mapping[str, Sequence[float]], history: FloatArray, actual: FloatArray) -> None:
        """Scores a forecast by its definition: errors over the mean seasonal difference of what it saw."""
        scale = np.abs(history[SEASON:] - history[:-SEASON]).mean()
        self.mase.append(float(np.abs(actual - np.array(quantiles["0.5"])).mean() / scale))
        self.naive.append(float(np.abs(actual - history[-SEASON:]).mean() / scale))
        low, high = np.array(quantiles["0.1"]), np.array(quantiles["0.9"])
        self.within.append(float(((low <= actual) & (actual <= high)).mean()))

    def figures(self) -> dict[str, float]:
        """Gives the figures that the service tells, by its names for them."""
        mase, naive = float(np.mean(self.mase)), float(np.mean(self.naive))
        return {
            "mase": mase,
            "naive_mase": naive,
            "relative_mase": mase / naive,
            "coverage_80": float(np.mean(self.within)),
        }


def main() -> None:
    """Trains, serves on either database, and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--days", type=int, default=60)
    given = arguments.parse_args()
    task = etth1(given.data)
    table = task.table.rename(columns={"date": "ds"})
    with (
        tempfile.TemporaryDirectory(prefix="live-skill-") as name,
        trained(Path(name), table, task.train_end) as served,
    ):
        figures = measure(served, Path(name), given.days, ("sqlite", "postgres"))
    setup = machine_setup(["sqlalchemy", "psycopg2-binary", "uvicorn"]) | {"days": given.days, "data": "ETTh1"}
    record("live_skill", figures, setup, save=given.save)


@contextmanager
def trained(folder: Path, table: pd.DataFrame, begin: int, max_steps: int = 300) -> Iterator[Served]:
    """Trains a model on the rows before `begin` and registers it as champion in a new home."""
    from pipelines import tracking
    from pipelines.config import Environment
    from pipelines.promotion.champions import Cause, champions
    from pipelines.registry import register

    config = ForecasterConfig(model=MODEL, training=TrainingConfig(max_steps=max_steps))
    model = Forecaster(config=config).fit(table.head(begin))
    home, bundle = folder / "home", folder / "bundle"
    model.save(bundle)
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    client = tracking.connect(environment)
    with tracking.run(environment, NAME, "trained", {}):
        version = register(client, NAME, bundle, load_bundle(bundle), {})
    with champions(environment, client) as door:
        door.move(version, Cause("the only one"))
    yield Served(home, model, table, begin)


def measure(served: Served, folder: Path, num_days: int, databases: Sequence[str]) -> dict[str, float]:
    """Gives the figures of the record for each database."""
    figures: dict[str, float] = {}
    for name in databases:
        with _database(name, folder) as url, serving(served.home, ledger_url=url) as service:
            told, ours = _loop(served, service, num_days)
        for figure in ("mase", "relative_mase", "coverage_80"):
            figures[f"{name}_{figure}"] = round(told["all"][figure], 4)
        figures[f"{name}_largest_difference"] = largest_difference(told, ours)
        figures[f"{name}_forecasts"] = num_days * len(served.names)
    return {**figures, "model_mase": round(_without_service(served, num_days), 4)}


def largest_difference(told: Mapping[str, Mapping[str, float]], ours: Mapping[str, Mapping[str, float]]) -> float:
    """Gives the largest difference of any figure of any segment; the segments have to be the same."""
    assert told.keys() == ours.keys(), f"told of {sorted(told)}, and not of {sorted(ours)}"
    return max(abs(told[name][figure] - value) for name, figures in ours.items() for figure, value in figures.items())


@contextmanager
def _database(name: str, folder: Path) -> Iterator[str]:
    if name == "postgres":
        with postgres(folder) as url:
            yield url
    else:
        yield f"sqlite:///{folder / 'live.db'}"


def _loop(served: Served, service: Serving, num_days: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Forecasts day after day and reports what happened; gives what is told then, and what should be, by segment."""
    scores: dict[str, Scores] = defaultdict(Scores)
    origins = [served.begin + HORIZON * day for day in range(num_days)]
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for day, origin in enumerate(origins):
            for forecast, history, actual in _forecast(client, served, origin):
                for name in ("all", served.segment(origin)):
                    scores[name].add(forecast["quantiles"], history, actual)
            _report_late(client, served, origins, day)
        for day in range(num_days, num_days + _LATE_DAYS):
            _report_late(client, served, origins, day)
        for origin in origins[::_WRONG_EVERY]:
            _report(client, served, origin, served.names[1:])
        ours = {name: found.figures() for name, found in scores.items()}
        return _told(client, num_days * len(served.names) * HORIZON, ours), ours


def _report_late(client: httpx.Client, served: Served, origins: Sequence[int], day: int) -> None:
    """Reports what is due on a day: the day before of all series but the first, and that of a week ago of this one."""
    if 0 < day <= len(origins):
        factor = 10 if (day - 1) % _WRONG_EVERY == 0 else 1
        _report(client, served, origins[day - 1], served.names[1:], factor)
    if 0 <= day - _LATE_DAYS < len(origins):
        _report(client, served, origins[day - _LATE_DAYS], served.names[:1])


def _forecast(
    client: httpx.Client, served: Served, origin: int
) -> Iterator[tuple[dict[str, Any], FloatArray, FloatArray]]:
    """Gives the forecast of each series, what it saw and what followed."""
    history, actual, start = served.history(origin), served.actual(origin), served.time(origin - CONTEXT_LENGTH)
    series = [
        {"id": name, "start": start, "target": history[:, place].tolist()} for place, name in enumerate(served.names)
    ]
    body = {"model": NAME, "segment": served.segment(origin), "quantiles": [0.1, 0.5, 0.9], "series": series}
    reply = client.post("/v1/forecast", json=body).raise_for_status().json()
    assert reply["id"], "the forecast is not kept"
    yield from zip(reply["forecasts"], history.T, actual.T, strict=True)


def _report(client: httpx.Client, served: Served, origin: int, names: Sequence[str], factor: float = 1) -> None:
    """Reports what followed a forecast, times a factor."""
    actual, start = served.actual(origin) * factor, served.time(origin)
    series = [{"id": name, "start": start, "target": actual[:, served.names.index(name)].tolist()} for name in names]
    client.post("/v1/actuals", json={"model": NAME, "series": series}).raise_for_status()


def _told(client: httpx.Client, num_observed: int, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the figures that are told once all is scored, by segment; all together are weighed by hand."""
    deadline = time.monotonic() + _SCORED_SECONDS
    while True:
        rows = client.get("/v1/skill", params={"model": NAME}).raise_for_status().json()["skill"]
        told = {"all": _together(rows), **{row["segment"]: row for row in rows}}
        is_complete = sum(row["num_observed"] for row in rows) == num_observed
        if (is_complete and largest_difference(told, expected) < _CLOSE) or time.monotonic() > deadline:
            return told
        time.sleep(0.5)


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Weighs segments by their forecasts, and coverage by steps, of which all have the same."""
    if not rows:
        return dict.fromkeys(("mase", "naive_mase", "relative_mase", "coverage_80"), float("nan"))
    weights = [row["num_forecasts"] for row in rows]
    means = {
        figure: float(np.average([row[figure] for row in rows], weights=weights))
        for figure in ("mase", "naive_mase", "coverage_80")
    }
    return {**means, "relative_mase": means["mase"] / means["naive_mase"]}


def _without_service(served: Served, num_days: int) -> float:
    """Gives the MASE of the same forecasts, asked of the model itself."""
    scores = Scores()
    for day in range(num_days):
        origin = served.begin + HORIZON * day
        frame = served.table.iloc[origin - CONTEXT_LENGTH : origin]
        forecast = served.model.predict(frame, levels=[0.1, 0.5, 0.9])
        for place, name in enumerate(served.names):
            one = forecast[forecast["unique_id"] == name]
            quantiles = {level: one[level].to_list() for level in ("0.1", "0.5", "0.9")}
            scores.add(quantiles, served.history(origin)[:, place], served.actual(origin)[:, place])
    return scores.figures()["mase"]


if __name__ == "__main__":
    main()
