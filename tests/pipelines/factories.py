"""A bundle that reads covariates, untrained, and a table with them; a version that is champion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.bundle import save_bundle
from forecaster.config import CovariateConfig, SplitConfig
from forecaster.manifest import TrainingFacts
from forecaster.predictor import Predictor
from tests.explain.factories import predictor_of

if TYPE_CHECKING:
    from pipelines.config import Environment

PRICED = CovariateConfig(
    known=("price",),
    calendar=("hour_of_day_sin", "hour_of_day_cos"),
    static=("size",),
    categories={"kind": ("big", "small")},
)
FACTS = TrainingFacts(
    data_fingerprint="sha256:0",
    num_series=2,
    frequency="h",
    timezone=None,
    horizon=5,
    cutoff="2024-01-01",
    latest="2024-01-01",
    used_up=(),
    split=SplitConfig(),
    num_steps=1,
    validation_loss=1.0,
)


def priced_predictor() -> Predictor:
    """Gives a predictor of 5 hours that reads price (known), size and kind (static), and the hour."""
    return predictor_of(covariates=PRICED)


def save_priced(folder: Path) -> Path:
    """Saves that predictor as a bundle; gives its folder."""
    save_bundle(folder, priced_predictor(), FACTS)
    return folder


def priced_tables(num_hours: int = 60, num_ahead: int = 5) -> dict[str, pd.DataFrame]:
    """Gives the tables 'history' of two series, 'future' of the hours after it, and 'static'."""
    draw = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=num_hours + num_ahead, freq="h")
    rows = pd.concat(
        [pd.DataFrame({"unique_id": name, "ds": hours, "y": draw.normal(10, 1, len(hours))}) for name in ("a", "b")],
        ignore_index=True,
    )
    rows["price"] = draw.random(len(rows)).round(3)
    is_ahead = rows["ds"] >= hours[num_hours]
    static = pd.DataFrame({"unique_id": ["a", "b"], "size": [1.5, 3.0], "kind": ["big", "small"]})
    return {
        "history": rows[~is_ahead].reset_index(drop=True),
        "future": rows[is_ahead].drop(columns="y").reset_index(drop=True),
        "static": static,
    }


def make_champion(environment: Environment, name: str, number: int) -> None:
    """Makes a version the champion, whichever is."""
    from pipelines import tracking
    from pipelines.promotion.champions import Cause, champions
    from pipelines.registry import Version

    with champions(environment, tracking.connect(environment)) as door:
        door.move(Version(name, number), Cause("by hand"))
