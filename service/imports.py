"""MLflow without what the service has no use for."""

from __future__ import annotations

import os

from forecaster.imports import replaced

# Sparse inputs of models that MLflow would run itself. 6 MiB.
_UNUSED_BY_MLFLOW = "scipy.sparse"


def import_mlflow() -> None:
    """Imports MLflow, which takes a second once. On the thread that loads models, some of which import scipy."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read at its import
    with replaced(_UNUSED_BY_MLFLOW, None):
        import mlflow.artifacts  # noqa: F401
