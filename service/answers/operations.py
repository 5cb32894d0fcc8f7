"""What OpenAPI says of the routes for rolling forecasts, whose endpoints are plain ASGI."""

from __future__ import annotations

from typing import Any

from service.answers.schemas import AnomalyReply, AnomalyRequest, BacktestReply, BacktestRequest
from service.openapi import Operation

BACKTEST, ANOMALIES = "/v1/backtest", "/v1/anomalies"

_VALUES = [12.0, 15.5, 13.0, 14.0, 13.5, 16.0, 12.5, 15.0]
_SERIES: list[dict[str, Any]] = [{"id": "shop 1", "start": "2024-01-01T00:00:00", "target": _VALUES}]

OPERATIONS = (
    Operation(
        path=BACKTEST,
        name="backtest",
        description="Forecasts the known course of each series from cutoffs before its end, and scores that.",
        request=BacktestRequest,
        reply=BacktestReply,
        example={"frequency": "h", "horizon": 2, "num_windows": 2, "min_context": 2, "series": _SERIES},
    ),
    Operation(
        path=ANOMALIES,
        name="anomalies",
        description="Says which values lie outside an interval of a forecast that was made before them.",
        request=AnomalyRequest,
        reply=AnomalyReply,
        example={
            "frequency": "h",
            "level": 99,
            "detection_size": 2,
            "step_size": 1,
            "min_context": 2,
            "series": _SERIES,
        },
    ),
)
