"""Tables that are forecast in shards, and the models that forecast them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.bundle import save_bundle
from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.predictor import Predictor
from forecaster.types import Forecast
from pipelines.batch.batch import Asked, Progress, Sharding, predict_in_shards
from pipelines.batch.output import Manifest
from pipelines.config import Environment, SourceConfig
from pipelines.predict import predict
from pipelines.prediction import Wanted
from tests.explain.factories import predictor_of
from tests.pipelines.factories import FACTS

HORIZON = 5  # steps that the models forecast


def bundle_in(folder: Path, frequency: str = "h", **changes: Any) -> Path:
    """Saves the bundle of a predictor of HORIZON steps whose weights are random; gives its folder."""
    save_bundle(folder / "bundle", predictor_of(1, frequency, **changes), FACTS)
    return folder / "bundle"


def hours(num_series: int = 10, num_steps: int = 30) -> pd.DataFrame:
    """Gives hours of noise of several series, one after the other, named s000 and on."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{number:03d}" for number in range(num_series)], num_steps),
            "ds": np.tile(pd.date_range("2024-01-01", periods=num_steps, freq="h", unit="us"), num_series),
            "y": draw.normal(10, 1, num_series * num_steps),
        }
    )


def asked(
    bundle: Path, data: Path, output: Path, wanted: Wanted | None = None, table: TableConfig | None = None
) -> Asked:
    return Asked(str(bundle), SourceConfig(path=data), table or TableConfig(), wanted or Wanted(), output)


def sharded(what: Asked, report: Callable[[Progress], None] = lambda _: None, **settings: Any) -> Manifest:
    """Forecasts in shards of three series, in this process."""
    sharding = Sharding(**{"num_workers": 1, "series_per_shard": 3} | settings)
    return predict_in_shards(Environment(), what, sharding, report)


def whole(what: Asked) -> pd.DataFrame:
    """Forecasts the same at once, as small tables are."""
    return predict(Environment(), what.reference, what.source, what.table, what.wanted).table


def counted_forecasts(
    monkeypatch: pytest.MonkeyPatch, *, fail_at: int | None = None, error: BaseException | None = None
) -> list[int]:
    """Gives a list that grows by the number of series of each forecast of this process; one of them may fail."""
    counted: list[int] = []
    predict_panel = Predictor.predict

    def counting(self: Predictor, panel: Panel, *given: Any, **named: Any) -> Forecast:
        if len(counted) == fail_at:
            raise error or OSError("no")
        counted.append(len(panel))
        return predict_panel(self, panel, *given, **named)

    monkeypatch.setattr(Predictor, "predict", counting)
    return counted


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Gives all files of an output folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Broken(Exception):
    """Stands for whatever ends a run."""


def broken_off(what: Asked, after: int) -> None:
    def stop(progress: Progress) -> None:
        if progress.num_done == after:
            raise Broken

    with pytest.raises(Broken):
        sharded(what, stop)
