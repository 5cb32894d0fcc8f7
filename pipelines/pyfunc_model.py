"""The model as any MLflow client loads it: models-from-code over the bundle's data files, nothing pickled.

MLflow copies this file into the version and runs it at load. Input: long rows `unique_id, ds, y`;
parameters: `horizon` and `quantiles`; output: long rows `unique_id, ds`, one column per quantile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from forecaster.bundle import load_bundle
from forecaster.config import TableConfig
from forecaster.data.reading import read_panel


class ForecasterModel(PythonModel):
    """A verified bundle behind MLflow's predict interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads and verifies the bundle among the version's artifacts."""
        self._predictor = load_bundle(Path(context.artifacts["bundle"])).predictor

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Forecasts each series of the input table."""
        given = params or {}
        table = TableConfig(layout="long", expected_frequency=self._predictor.frequency.alias)
        panel = read_panel(model_input, table).panel
        quantiles = given.get("quantiles")
        levels = None if quantiles is None else [float(level) for level in quantiles]
        return self._predictor.predict(panel, given.get("horizon"), levels).to_frame()


set_model(ForecasterModel())
