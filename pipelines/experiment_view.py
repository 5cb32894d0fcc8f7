"""The view of an experiment that its analysts begin with: which columns, in which order, of which runs.

The UI of MLflow keeps views that people share as tags of the experiment. This one is made with the experiment and
opened by its name: /#/experiments/ID/runs?viewStateShareKey=analysts
"""

from __future__ import annotations

import json

VIEW = "analysts"
_COLUMNS = (
    *("metrics.`mase`", "metrics.`relative_mase`", "metrics.`wql`", "metrics.`coverage_80`"),
    *("tags.`family`", "tags.`role`", "tags.`stage`"),
)
_STATE = {
    # Runs of validation folds, and a model before its calibration, would be among the best without being better.
    "searchFilter": "tags.evaluated_on = 'test' and tags.role != 'uncalibrated'",
    "orderByKey": "metrics.`mase`",
    "orderByAsc": True,
    "selectedColumns": list(_COLUMNS),
}


def experiment_tags() -> dict[str, str]:
    """Gives the tags of an experiment whose page is to open as one of training, not of language models."""
    return {"mlflow.experimentKind": "custom_model_development", f"mlflow.sharedViewState.{VIEW}": json.dumps(_STATE)}
