"""A valid request, and ways to spoil it."""

from __future__ import annotations

import copy
import math
from typing import Any

HISTORY = [10 + math.sin(step / 24 * 2 * math.pi) for step in range(60)]


def valid(**changes: Any) -> dict[str, Any]:
    """A request that is answered with 200; top-level keys can be replaced, or removed by `...`."""
    body: dict[str, Any] = {
        "model": "waves",
        "horizon": 4,
        "frequency": "h",
        "quantiles": [0.1, 0.5, 0.9],
        "series": [{"id": "a", "start": "2024-01-01T00:00:00", "target": list(HISTORY)}],
    }
    body |= changes
    return {key: value for key, value in body.items() if value is not ...}


def series(**changes: Any) -> dict[str, Any]:
    """A request whose one series is changed; its keys can be replaced, or removed by `...`."""
    body = valid()
    one = copy.deepcopy(body["series"][0]) | changes
    body["series"] = [{key: value for key, value in one.items() if value is not ...}]
    return body


def timestamps(*times: Any, target: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A request with one series at the given timestamps."""
    values = target or [float(number) for number in range(len(times))]
    return valid(series=[{"id": "a", "timestamps": list(times), "target": values}], **changes)
