"""Forecasts and values for a ledger: hours since an hour that is 0, in microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from forecaster.ledger.ledger import Ledger
from forecaster.ledger.records import Given, GivenSeries, Observed
from forecaster.ledger.tables import finetuned, metadata

HOUR = 3_600_000_000
LEVELS = (0.1, 0.5, 0.9)


def hours(begin: int, number: int) -> np.ndarray[Any, Any]:
    return HOUR * np.arange(begin, begin + number, dtype=np.int64)


def empty(ledger: Ledger) -> None:
    """Removes all tables, so that its database is as one that nobody has used."""
    with ledger.engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))


def given_series(
    series_id: str = "a", begin: int = 0, medians: Sequence[float] = (10.0, 20.0), *, width: float = 2.0, **given: Any
) -> GivenSeries:
    """Gives a forecast of these medians, whose central 80 % reach `width` to either side."""
    values = np.array(medians)[:, np.newaxis] + width * np.array([-1.0, 0.0, 1.0])
    history = np.array([1.0, 3.0, 2.0, 6.0])  # of a season of 2: its scale is (1 + 3) / 2, its naive forecast 2, 6
    usual = {"segment": "", "history": history, "times": hours(begin, len(medians)), "values": values}
    return GivenSeries(series_id, **{**usual, **given})


def given(forecast_id: str = "f1", *series: GivenSeries, **facts: Any) -> Given:
    """Gives a forecast of version 1 of 'sales'."""
    usual = {
        "created": 1_000,
        "model": "sales",
        "version": "1",
        "digest": "sha256:" + "d" * 64,
        "generation": 1,
        "season_length": 2,
        "levels": LEVELS,
        "media_type": "application/json",
        "request": b'{"horizon":2}',
        "reply": b'{"forecasts":[]}',
    }
    return Given(forecast_id, series=series or (given_series(),), **{**usual, **facts})


def observed(
    values: Sequence[float],
    begin: int = 0,
    series_id: str = "a",
    *,
    received: int = 5_000,
    model: str = "sales",
    digest: str | None = None,
) -> Observed:
    """Gives values from an hour on."""
    return Observed(model, series_id, received, hours(begin, len(values)), np.array(values, dtype=np.float64), digest)


def tune(ledger: Ledger, name: str, owner: str, digest: str) -> None:
    """Writes down that a key has a fine-tuned model."""
    facts = {"base": "sales", "base_version": "1", "frequency": "h", "max_steps": 1}
    row = {"name": name, "owner": owner, "job_id": "0" * 32, "created": 0, "version": "1", "digest": digest, **facts}
    came_of_it = {"num_steps": 1, "validation_loss": 0.5}
    with ledger.writing() as connection:
        connection.execute(sa.insert(finetuned).values(**row, **came_of_it))
