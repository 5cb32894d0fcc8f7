"""Batch forecasts: a table in, a table out, by a registered version or a bundle folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from forecaster.config import TableConfig
from pipelines.config import Environment, SourceConfig
from pipelines.loading import load_for
from pipelines.references import load_reference


@dataclass(frozen=True)
class Wanted:
    """What is to be forecast; None: as far as the model goes, at its own levels."""

    horizon: int | None = None
    levels: Sequence[float] | None = None
    roll_out: bool = False  # the horizon may be longer than the model's


@dataclass(frozen=True)
class Prediction:
    """Forecasts as a long table, and what they came from."""

    table: pd.DataFrame
    model: str
    digest: str
    report: tuple[str, ...]


def predict(
    environment: Environment, reference: str, source: SourceConfig, table: TableConfig, wanted: Wanted
) -> Prediction:
    """Forecasts each series of the source by 'NAME', 'NAME@alias', 'NAME/7' or a bundle folder."""
    model = load_reference(environment, reference)
    loaded = load_for([model.bundle], source, table)
    predictor = model.bundle.predictor
    forecast = predictor.predict(loaded.panel, wanted.horizon, wanted.levels, roll_out=wanted.roll_out)
    frame = forecast.to_frame(table.id_column, table.time_column or "ds")
    return Prediction(frame, model.name, model.bundle.digest, loaded.lines)
