"""What the ledger holds of a fine-tuned model goes with it: the next one of its name may be another key's.

Forecasts and values wait in journals for a while, or come from a worker that has not heard of the end of a model yet.
What arrives of one that is not there any more is left out; the digest tells it from the next one of its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import sqlalchemy as sa

from forecaster.ledger import adaption
from forecaster.ledger.finetuned_names import is_finetuned
from forecaster.ledger.records import Given, Observed
from forecaster.ledger.tables import actuals, finetuned, forecasts, promotions
from forecaster.ledger.tables import forecasted_series as series

R = TypeVar("R", Given, Observed)


def erase(connection: sa.Connection, model: str) -> None:
    """Deletes all that is known of a model: its forecasts, what came of them, its factors and who was its champion."""
    own = sa.select(series.c.forecast_id).where(series.c.model == model)  # by an index, which `forecasts` lacks
    connection.execute(sa.delete(forecasts).where(forecasts.c.id.in_(own)))  # with their series
    connection.execute(sa.delete(actuals).where(actuals.c.model == model))
    adaption.forget(connection, model)
    connection.execute(sa.delete(promotions).where(promotions.c.model == model))


def digests_of(connection: sa.Connection, records: Sequence[Given | Observed]) -> dict[str, str | None]:
    """Gives the digest of each fine-tuned model among these that is there, by name.

    It stays until the transaction ends: each row is written as it is, so whoever is about to erase a model waits.
    """
    names = {one.model for one in records if is_finetuned(one.model)}
    if not names:
        return {}
    c = finetuned.c
    held = sa.update(finetuned).where(c.name.in_(names)).values(name=c.name).returning(c.name, c.digest)
    return {row.name: row.digest for row in connection.execute(held)}


def of_models_there(records: Sequence[R], digests: dict[str, str | None]) -> list[R]:
    """Gives those of models that are not fine-tuned, or whose digest is the one that is there."""
    return [one for one in records if not is_finetuned(one.model) or _is_there(one, digests)]


def _is_there(one: Given | Observed, digests: dict[str, str | None]) -> bool:
    return one.model in digests and one.digest in (None, digests[one.model])
