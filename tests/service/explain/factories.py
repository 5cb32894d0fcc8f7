"""One series with covariates across a change of the clock: as a request, and as a panel that no service has made."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.time.frequency import Frequency, TimeAxis
from tests.pipelines.factories import priced_predictor

ZONE = "Europe/Berlin"
NUM_HOURS = 60
HORIZON = priced_predictor().horizon
_DRAW = np.random.default_rng(5)
TARGET = _DRAW.normal(10, 1, NUM_HOURS).round(3)
TARGET[[20, 41]] = np.nan
PRICE = _DRAW.random(NUM_HOURS + HORIZON).round(3)


def body(**changes: Any) -> dict[str, Any]:
    """A request for an explanation; keys of its document can be replaced."""
    one = {
        "id": "shop",
        "start": "2024-10-25T00:00:00+02:00",
        "target": [None if np.isnan(value) else value for value in TARGET],
        "known": {"price": PRICE.tolist()},
        "static": {"size": 1.5, "kind": "big"},
    }
    return {"timezone": ZONE, "series": [one], **changes}


def panel() -> Panel:
    """The same series, made by hand: hours are stored in UTC."""
    return Panel.from_arrays(
        ["shop"],
        np.array(["2024-10-24T22:00:00"], dtype="datetime64[us]"),
        [TARGET],
        TimeAxis(Frequency.parse("h"), ZONE),
        covariates=PanelCovariates.from_arrays(
            past={}, known={"price": [PRICE]}, static={"size": [1.5]}, categories={"kind": ["big"]}
        ),
    )
