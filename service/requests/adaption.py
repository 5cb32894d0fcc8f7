"""By what the intervals of an answer were adapted to what came true before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from forecaster.ledger.records import Factors, Revision
from forecaster.online import adapted
from forecaster.support import Support
from forecaster.types import Forecast

Source = Literal["series", "model", "none"]


@dataclass(frozen=True)
class Adaption:
    """By what the series of a forecast are adapted; the factor of one that is not is 1."""

    revision: int | None  # None: there is none yet, or a fallback answered
    factors: tuple[float, ...]  # S
    sources: tuple[Source, ...]  # S, whose factor it is

    @classmethod
    def none(cls, num_series: int) -> Adaption:
        """Leaves all series as they are."""
        source: Source = "none"
        return cls(None, (1.0,) * num_series, (source,) * num_series)

    @classmethod
    def of(cls, revision: Revision | None, model: str, version: str, series_ids: Sequence[str]) -> Adaption:
        """Gives the factors of series by a version, or where they have none that of the version."""
        if revision is None:
            return cls.none(len(series_ids))
        found = revision.by_version.get((model, version), Factors({}, None))
        own = [_factor_of(found, series_id) for series_id in series_ids]
        return cls(revision.number, tuple(factor for factor, _ in own), tuple(source for _, source in own))

    @classmethod
    def kept(cls, facts: dict[str, Any]) -> Adaption:
        """Reads what `facts` gave."""
        return cls(facts["revision"], tuple(facts["factors"]), tuple(facts["sources"]))

    @property
    def facts(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        return {"revision": self.revision, "factors": self.factors, "sources": self.sources}

    def at(self, places: Sequence[int] | np.ndarray[Any, Any]) -> Adaption:
        """Gives that of some of the series."""
        return replace(
            self,
            factors=tuple(self.factors[place] for place in places),
            sources=tuple(self.sources[place] for place in places),
        )

    def of_forecast(self, forecast: Forecast, support: Support) -> Forecast:
        """Gives a forecast of the same series by a model of that support, adapted."""
        return replace(forecast, values=adapted(forecast.values, forecast.levels, np.array(self.factors), support))


def _factor_of(found: Factors, series_id: str) -> tuple[float, Source]:
    own = found.by_series.get(series_id)
    if own is not None:
        return own, "series"
    return (1.0, "none") if found.of_model is None else (found.of_model, "model")
