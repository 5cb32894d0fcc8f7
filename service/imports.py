"""What the process of the service does without although libraries import it: it takes memory and seconds, for nothing.

Forecasts are the same with and without it. What is imported already stays.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

# Shapes of tensors without data: for tracing and compiling, which this process never does. 18 MiB, .5 s of 1.9.
_UNUSED_BY_TORCH = "torch._meta_registrations"
# Sparse inputs of models that MLflow would run itself. 6 MiB.
_UNUSED_BY_MLFLOW = "scipy.sparse"


def import_torch() -> None:
    """Imports torch without what is not used of it."""
    with _replaced(_UNUSED_BY_TORCH, ModuleType(_UNUSED_BY_TORCH)):
        import torch  # noqa: F401


def import_mlflow() -> None:
    """Imports MLflow, which takes a second once. On the thread that loads models, some of which import scipy."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read at its import
    with _replaced(_UNUSED_BY_MLFLOW, None):
        import mlflow.artifacts  # noqa: F401


@contextmanager
def _replaced(name: str, module: ModuleType | None) -> Iterator[None]:
    """Lets a module be another one, or none, for as long; one that is imported already stays itself."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
