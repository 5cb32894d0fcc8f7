"""Time-series forecasting with an encoder-only transformer: tables of series in, calibrated quantiles out.

The public names are imported on first use, so that `import forecaster` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecaster.bundle import load_bundle, save_bundle
    from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TableConfig, TrainingConfig
    from forecaster.data.panel import Panel
    from forecaster.data.reading import read_panel
    from forecaster.errors import ForecasterError
    from forecaster.forecaster import Forecaster
    from forecaster.predictor import Predictor
    from forecaster.types import Forecast

_HOMES = {
    "Forecast": "forecaster.types",
    "Forecaster": "forecaster.forecaster",
    "ForecasterConfig": "forecaster.config",
    "ForecasterError": "forecaster.errors",
    "ModelConfig": "forecaster.config.model",
    "Panel": "forecaster.data.panel",
    "Predictor": "forecaster.predictor",
    "SplitConfig": "forecaster.config.training",
    "TableConfig": "forecaster.config.table",
    "TrainingConfig": "forecaster.config.training",
    "load_bundle": "forecaster.bundle",
    "read_panel": "forecaster.data.reading",
    "save_bundle": "forecaster.bundle",
}

__all__ = [
    "Forecast",
    "Forecaster",
    "ForecasterConfig",
    "ForecasterError",
    "ModelConfig",
    "Panel",
    "Predictor",
    "SplitConfig",
    "TableConfig",
    "TrainingConfig",
    "load_bundle",
    "read_panel",
    "save_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'forecaster' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
