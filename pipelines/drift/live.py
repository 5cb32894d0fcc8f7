"""Outcomes of live forecasts: what the ledger has of a version."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from forecaster.errors import ConfigError
from forecaster.ledger.ledger import Ledger
from pipelines.config import Environment
from pipelines.drift.outcomes import EVERYTHING, Outcomes, by_name
from pipelines.registry import Version


def live_outcomes(environment: Environment, version: Version, since: int) -> Outcomes | None:
    """Compares forecasts of a version made from `since` on, in microseconds of UTC, with its earlier ones.

    None where there is no ledger, or nothing became of either yet. LedgerUnavailableError where it cannot be used.
    """
    if not _is_there(environment.ledger_url):
        return None
    with closing(Ledger(environment.ledger_url)) as ledger:
        if not ledger.is_made():
            return None
        then, now = (
            {
                **by_name(ledger.skill(version.name, begin, end, by_series=True), version),
                **by_name(ledger.skill(version.name, begin, end, by_segment=False), version),
            }
            for begin, end in ((None, since), (since, None))
        )
    return Outcomes("ledger", then, now) if EVERYTHING in then and EVERYTHING in now else None


def _is_there(url: str) -> bool:
    """Says whether there is a database, as far as that can be told without making one."""
    try:
        found = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError("FORECASTER_LEDGER_URL is no URL of a database") from error
    return found.get_backend_name() != "sqlite" or bool(found.database and Path(found.database).is_file())
