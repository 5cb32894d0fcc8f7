"""An answer -> a record of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.types import Scope

from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.records import ADAPTION, OWN_CORE, Given, GivenSeries
from forecaster.online import lost_core
from forecaster.time.stored import counts
from forecaster.types import Forecast
from service.compute import engine
from service.requests.adaption import Adaption
from service.requests.asked import Asked

_KEPT_HEADERS = frozenset({b"content-type", b"content-encoding", b"accept"})


@dataclass(frozen=True)
class Sent:
    """A request as it came: what the same question can be asked by again."""

    scope: Scope
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Those that say how the body is to be read, and what is wanted."""
        sent = self.scope["headers"]
        return {name.decode(): value.decode("latin-1") for name, value in sent if name in _KEPT_HEADERS}

    @property
    def query(self) -> str:
        """The query of its URL."""
        query: bytes = self.scope["query_string"]
        return query.decode("latin-1")


@dataclass(frozen=True)
class Said:
    """A reply as it goes out."""

    forecast_id: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Adapting:
    """A forecast as the model made it, and what it was adapted by."""

    own: Forecast
    adaption: Adaption

    def facts(self, published: Forecast) -> dict[str, Any]:
        """Gives what the ledger keeps of it."""
        factors = np.array(self.adaption.factors)
        hidden = lost_core(self.own.values, published.values, published.levels, factors)
        core = [None if own is None else own.tolist() for own in hidden]
        return {**self.adaption.facts, OWN_CORE: core}


def record_of(
    asked: Asked, given: engine.Given, sent: Sent, said: Said, max_rows: int, adapting: Adapting | None = None
) -> Given:
    """Gives what the ledger keeps of a forecast that has been through an adaption.

    `max_rows` are those of a forward pass, by which the question was cut in pieces.
    """
    model, forecast = asked.model, given.forecast
    return Given(
        forecast_id=said.forecast_id,
        created=now_microseconds(),
        model=model.reference.name,
        version=model.reference.version,
        digest=model.reference.digest,
        generation=model.generation,
        season_length=forecast.axis.frequency.season_length,
        levels=forecast.levels,
        series=_series(asked, given),
        media_type=said.media_type,
        reply=said.content,
        request=sent.body,
        degraded=given.degraded,
        execution={
            "runtime": model.bundle.runtime.name,
            "max_rows": max_rows,
            "batches": given.batches,
            "headers": sent.headers,
            "query": sent.query,
            **({} if adapting is None else {ADAPTION: adapting.facts(forecast)}),
        },
    )


def _series(asked: Asked, given: engine.Given) -> tuple[GivenSeries, ...]:
    forecast, segment = given.forecast, asked.request.segment or ""
    times = counts(forecast.times)
    return tuple(
        GivenSeries(series_id, segment, times[place], forecast.values[place], asked.question.history(place))
        for place, series_id in enumerate(forecast.series_ids)
    )
