"""The model as any MLflow client loads it: models-from-code over the bundle's data files, nothing pickled.

MLflow copies this file into the version and runs it at load. Input: long rows `unique_id, ds, y`, and a column for
each covariate of the model; where it has known ones, rows of a series after its last `y` are what is known ahead.
Parameters: `horizon` and `quantiles`; output: long rows `unique_id, ds`, one column per quantile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from forecaster.bundle import load_bundle
from forecaster.config import CovariateConfig, TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel

_ID, _TARGET = "unique_id", "y"


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
        panel = self._read(model_input)
        quantiles = given.get("quantiles")
        levels = None if quantiles is None else [float(level) for level in quantiles]
        return self._predictor.predict(panel, given.get("horizon"), levels).to_frame()

    def _read(self, rows: pd.DataFrame) -> Panel:
        """Reads the covariates that are there; what the model lacks of them, it says itself."""
        wanted = _present(rows, self._predictor.network.config.covariates)
        table = TableConfig(layout="long").expecting(self._predictor.frequency.alias, wanted)
        if not wanted.known or _TARGET not in rows:
            return read_panel(rows, table).panel
        is_ahead = _after_last_value(rows)
        keys = [name for name in (_ID, "ds") if name in rows]
        return read_panel(rows[~is_ahead], table, future=rows.loc[is_ahead, [*keys, *wanted.known]]).panel


def _present(rows: pd.DataFrame, wanted: CovariateConfig) -> CovariateConfig:
    """Gives those of the covariates that are columns of the table."""
    return CovariateConfig(
        past=tuple(name for name in wanted.past if name in rows),
        known=tuple(name for name in wanted.known if name in rows),
        static=tuple(name for name in wanted.static if name in rows),
        categories={name: texts for name, texts in wanted.categories.items() if name in rows},
    )


def _after_last_value(rows: pd.DataFrame) -> pd.Series:
    """Says which rows come after the last value of their series; none of a series without any value."""
    owners = rows[_ID] if _ID in rows else pd.Series("", index=rows.index)
    has_value = rows[_TARGET].notna()
    comes_later = has_value[::-1].groupby(owners[::-1]).cummax()[::-1].astype(bool)
    return ~comes_later & has_value.groupby(owners).transform("any")


set_model(ForecasterModel())
