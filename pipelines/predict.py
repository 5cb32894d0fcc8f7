"""Batch forecasts: a table in, a table out, by a registered version or a bundle folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from forecaster.bundle import Bundle, load_bundle
from forecaster.config import TableConfig
from forecaster.data.reading import read_panel
from pipelines import registry, tracking
from pipelines.config import Environment, SourceConfig
from pipelines.sources import read_table


@dataclass(frozen=True)
class Prediction:
    """Forecasts as a long table, and what they came from."""

    table: pd.DataFrame
    model: str
    digest: str
    report: tuple[str, ...]


def predict(
    environment: Environment,
    reference: str,
    source: SourceConfig,
    table: TableConfig,
    horizon: int | None,
    levels: Sequence[float] | None,
) -> Prediction:
    """Forecasts each series of the source by 'NAME', 'NAME@alias', 'NAME/7' or a bundle folder."""
    name, bundle = _load(environment, reference)
    if table.frequency is None:
        table = table.model_copy(update={"frequency": bundle.predictor.frequency.alias})
    reading = read_panel(read_table(source), table)
    forecast = bundle.predictor.predict(reading.panel, horizon, levels)
    frame = forecast.to_frame(table.id_column, table.time_column or "ds")
    return Prediction(frame, name, bundle.digest, tuple(reading.report.lines()))


def _load(environment: Environment, reference: str) -> tuple[str, Bundle]:
    if Path(reference).is_dir():
        return reference, load_bundle(Path(reference))
    version = registry.find(tracking.connect(environment), reference)
    return str(version), registry.load(version)
