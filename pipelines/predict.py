"""Batch forecasts: a table in, a table out, by a registered version or a bundle folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from forecaster.bundle import Bundle, load_bundle
from forecaster.config import TableConfig
from pipelines import registry, tracking
from pipelines.config import Environment, SourceConfig
from pipelines.loading import load


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
    loaded = load(source, _with_frequency(table, source, bundle))
    forecast = bundle.predictor.predict(loaded.panel, horizon, levels)
    frame = forecast.to_frame(table.id_column, table.time_column or "ds")
    return Prediction(frame, name, bundle.digest, loaded.lines)


def _with_frequency(table: TableConfig, source: SourceConfig, bundle: Bundle) -> TableConfig:
    """Gives the config that expects the model's frequency where none is set; a store has its own."""
    if table.frequency is not None or source.is_store:
        return table
    return table.model_copy(update={"expected_frequency": bundle.predictor.frequency.alias})


def _load(environment: Environment, reference: str) -> tuple[str, Bundle]:
    with suppress(OSError):  # a text that can be no path is the name of a version, if anything
        if reference and Path(reference).is_dir():
            return reference, load_bundle(Path(reference))
    version = registry.find(tracking.connect(environment), reference)
    return str(version), registry.load(version)
