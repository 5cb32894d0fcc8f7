"""Batch forecasts as values: what is wanted, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from forecaster.bundle import Bundle
from forecaster.config import TableConfig
from forecaster.data.findings import unknown_categories
from pipelines.loading import LoadedPanel


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
    report: tuple[str, ...]  # lines on the table, findings among them
    found: tuple[str, ...]  # those that tell findings


def predicted(model: str, bundle: Bundle, loaded: LoadedPanel, table: TableConfig, wanted: Wanted) -> Prediction:
    """Gives the forecasts of a panel by a bundle, which is called `model`."""
    forecast = bundle.predictor.predict(loaded.panel, wanted.horizon, wanted.levels, roll_out=wanted.roll_out)
    frame = forecast.to_frame(table.id_column, table.time_column or "ds")
    unknown = unknown_categories(loaded.panel, bundle.config.model.covariates.categories)
    unmet = tuple(finding.line() for finding in unknown)
    return Prediction(frame, model, bundle.digest, (*loaded.lines, *unmet), (*loaded.found, *unmet))
