"""What OpenAPI says of the routes that take series."""

from __future__ import annotations

from typing import Any

from service.dialects.timegpt.bodies import (
    AnomaliesSent,
    CrossValidationJob,
    CrossValidationSent,
    FinetuneSent,
    ForecastJob,
    ForecastSent,
    OnlineJob,
    OnlineSent,
)
from service.dialects.timegpt.schemas import CrossValidated, ForecastGiven, Judged, JudgedOnline, Trained
from service.openapi import Operation

FORECAST, CROSS_VALIDATION = "/v2/forecast", "/v2/cross_validation"
ANOMALIES, ONLINE_ANOMALIES = "/v2/anomaly_detection", "/v2/online_anomaly_detection"
FINETUNE = "/v2/finetune"

_TAG = "timegpt"
_VALUES = [12.0, 15.5, 13.0, 14.0, 13.5, 16.0, 12.5, 15.0]
_EXAMPLE: dict[str, Any] = {
    "series": {"y": _VALUES, "sizes": [len(_VALUES)], "start_datetime": ["2024-01-01T00:00"]},
    "model": "timegpt-1",
    "freq": "h",
}
_OF_PAST = {**_EXAMPLE, "h": 2, "model_parameters": {"min_context": 2}}

OPERATIONS = (
    Operation(
        path=FORECAST,
        name="timegpt_forecast",
        description="Forecasts what follows each series.",
        request=ForecastSent,
        job=ForecastJob,
        reply=ForecastGiven,
        example={**_EXAMPLE, "h": 3, "level": [80]},
        tag=_TAG,
    ),
    Operation(
        path=CROSS_VALIDATION,
        name="timegpt_cross_validation",
        description="Forecasts the known course of each series from cutoffs before its end.",
        request=CrossValidationSent,
        job=CrossValidationJob,
        reply=CrossValidated,
        example={**_OF_PAST, "n_windows": 2},
        tag=_TAG,
    ),
    Operation(
        path=ANOMALIES,
        name="timegpt_anomaly_detection",
        description="Says which values lie outside an interval of a forecast that was made before them.",
        request=AnomaliesSent,
        reply=Judged,
        example={**_EXAMPLE, "level": 99, "model_parameters": {"min_context": 2}},
        tag=_TAG,
    ),
    Operation(
        path=ONLINE_ANOMALIES,
        name="timegpt_online_anomaly_detection",
        description="Says which of the last values lie outside such an interval.",
        request=OnlineSent,
        job=OnlineJob,
        reply=JudgedOnline,
        example={**_OF_PAST, "detection_size": 2, "step_size": 1},
        tag=_TAG,
    ),
)

# What a worker of the pipelines has to do first.
TUNING = Operation(
    path=FINETUNE,
    name="timegpt_finetune",
    description="Trains a model further on the series, and answers once that is done.",
    request=FinetuneSent,
    reply=Trained,
    example={**_EXAMPLE, "finetune_steps": 10, "finetune_depth": 1},
    tag=_TAG,
    problems=(410,),  # it was cancelled
)
