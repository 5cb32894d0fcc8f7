"""The model of an MLflow client, straight from a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModelContext

from forecaster.bundle import save_bundle
from pipelines.pyfunc_model import ForecasterModel
from tests.explain.factories import predictor_of
from tests.factories import sine_panel
from tests.pipelines.factories import FACTS


def test_a_model_that_reads_the_elapsed_time_takes_timestamps_and_values_alone(tmp_path: Path) -> None:
    predictor, panel = predictor_of(positions="time", frequency="B"), sine_panel(2, 40, frequency="B")
    save_bundle(tmp_path / "bundle", predictor, FACTS.model_copy(update={"frequency": "B"}))
    model, context = ForecasterModel(), PythonModelContext({"bundle": str(tmp_path / "bundle")}, {})
    model.load_context(context)
    rows = pd.concat(
        [
            pd.DataFrame({"unique_id": name, "ds": panel.axis.show(panel.starts[place], 40), "y": panel.target(place)})
            for place, name in enumerate(panel.series_ids)
        ]
    )
    expected = predictor.predict(panel).to_frame()
    given = model.predict(context, rows)
    assert list(given["ds"]) == list(expected["ds"])
    np.testing.assert_array_equal(given["0.5"], expected["0.5"])
