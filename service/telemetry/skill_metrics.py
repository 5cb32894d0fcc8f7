"""Live skill as metrics: what the keeper of the ledger wrote down last. Segments are no labels, nor are fine-tuned
models: callers name them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "num_forecasts": "Forecasts of single series of which a step was observed.",
        "num_observed": "Steps of forecasts that were observed.",
        "mase": "Mean MASE of forecasts, over the steps that were observed.",
        "naive_mase": "The same of the seasonal naive, over the same steps.",
        "coverage_80": "Share of observed steps inside the central 80 % interval.",
    }
)
_DRIFT_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "relative_mase": "MASE over the naive's, of forecasts of the last seven days over that of earlier ones.",
        "coverage_80": "Coverage of the central 80 % interval of the last seven days, less that of earlier ones.",
    }
)


class SkillMetrics(Collector):
    """Reads a file each time that it is asked; there are no metrics where there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields a metric for each number of `Skill`, by model and version."""
        try:
            rows: list[dict[str, Any]] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            rows = []
        for name, meaning in _MEANINGS.items():
            family = GaugeMetricFamily(f"forecaster_live_{name}", meaning, labels=["model", "version"])
            yield _filled(family, rows, [row[name] for row in rows])
        for name, meaning in _DRIFT_MEANINGS.items():
            family = GaugeMetricFamily(f"forecaster_live_drift_{name}", meaning, labels=["model", "version"])
            yield _filled(family, rows, [row.get("drift", {}).get(name) for row in rows])


def _filled(
    family: GaugeMetricFamily, rows: Sequence[Mapping[str, Any]], values: Sequence[float | None]
) -> GaugeMetricFamily:
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            family.add_metric([row["model"], row["version"]], value)
    return family
