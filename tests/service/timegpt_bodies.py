"""Bodies as the SDK of TimeGPT writes them, taken from the traffic of versions 0.7.2 and 0.9.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.service.request_bodies import HISTORY

FORECAST, CROSS_VALIDATION = "/v2/forecast", "/v2/cross_validation"
ANOMALIES, ONLINE = "/v2/anomaly_detection", "/v2/online_anomaly_detection"
FINETUNE = "/v2/finetune"

Target = Sequence[float | None]
_TUNING = {"finetune_steps": 0, "finetune_depth": 1, "finetune_loss": "default", "finetuned_model_id": None}


def series_of(*targets: Target, **changes: Any) -> dict[str, Any]:
    """Series that begin with 2024; keys can be replaced, or removed by `...`."""
    found: dict[str, Any] = {
        "y": [value for target in targets for value in target],
        "sizes": [len(target) for target in targets],
        "X": None,
        "start_datetime": ["2024-01-01"] * len(targets),
    }
    return {key: value for key, value in (found | changes).items() if value is not ...}


def forecast(series: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What `forecast` sends; keys can be replaced, or removed by `...`."""
    body = {**_common(series), "h": 4, "level": None, **_TUNING, "feature_contributions": False}
    body["series"] = {"X_future": None, **body["series"]}
    return _changed(body, changes)


def cross_validation(series: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What `cross_validation` sends."""
    windows = {"h": 4, "n_windows": 1, "step_size": 4, "hist_exog": None, "level": None, "refit": True}
    return _changed({**_common(series), **windows, **_TUNING}, changes)


def in_sample(series: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What `forecast` sends a second time for `add_history`."""
    further = {"feature_contributions": False, "full_history": True}
    body = cross_validation(series, **further)
    del body["refit"]
    return _changed(body, changes)


def anomalies(series: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What `detect_anomalies` sends."""
    return _changed({**_common(series), "finetuned_model_id": None, "level": 80}, changes)


def online(series: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What `detect_anomalies_online` sends."""
    search = {"h": 4, "detection_size": 10, "threshold_method": "univariate", "step_size": None, "level": 80}
    return _changed({**_common(series), **search, **_TUNING, "refit": False, "hist_exog": None}, changes)


def finetune(series: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What `finetune` sends."""
    sent = series_of(HISTORY, X=...) if series is None else series
    tuning = {**_TUNING, "finetune_steps": 10, "output_model_id": None}
    return _changed({"series": sent, "model": "timegpt-2.1", "freq": "h", **tuning}, changes)


def _common(series: dict[str, Any] | None) -> dict[str, Any]:
    sent = series_of(HISTORY) if series is None else series
    return {"series": sent, "model": "timegpt-1", "freq": "h", "clean_ex_first": True, "multivariate": False}


def _changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (body | changes).items() if value is not ...}
