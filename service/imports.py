"""MLflow without what the service has no use for."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from types import ModuleType

from forecaster.imports import replaced

# What MLflow imports with everything else and a client of its registry never uses, by what stands in its place.
_UNUSED_BY_MLFLOW = {
    "scipy.sparse": None,  # sparse inputs of models that MLflow would run itself. 6 MiB
    "mlflow.genai": ModuleType("mlflow.genai"),  # judges of language models, and their prompts. 5 MiB
    "charset_normalizer": None,  # guesses in what encoding a text may be that says none: here UTF-8. 3 MiB
}


def import_mlflow() -> None:
    """Imports MLflow, which takes a second once. On the thread that loads models, some of which import scipy."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read at its import
    with ExitStack() as kept_out, warnings.catch_warnings():
        for name, module in _UNUSED_BY_MLFLOW.items():
            kept_out.enter_context(replaced(name, module))
        warnings.filterwarnings("ignore", "Unable to find acceptable character detection", module="requests")
        import mlflow.artifacts  # noqa: F401
