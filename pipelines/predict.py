"""Batch forecasts: a table in, a table out, by a registered version or a bundle folder."""

from __future__ import annotations

from forecaster.config import TableConfig
from pipelines.config import Environment, SourceConfig
from pipelines.loading import load_for
from pipelines.prediction import Prediction, Wanted, predicted
from pipelines.references import load_reference


def predict(
    environment: Environment, reference: str, source: SourceConfig, table: TableConfig, wanted: Wanted
) -> Prediction:
    """Forecasts each series of the source by 'NAME', 'NAME@alias', 'NAME/7' or a bundle folder."""
    model = load_reference(environment, reference)
    return predicted(model.name, model.bundle, load_for([model.bundle], source, table), table, wanted)
