"""Factors on their way to answers: the keeper writes a revision to a file, and each worker follows that.

A forecast keeps the factors that it was adapted by, so a replay asks nobody for them: the revision may be long gone.
"""

from __future__ import annotations

import logging
import time
from asyncio import to_thread
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from forecaster.ledger.records import Factors, Revision
from forecaster.online import adapted
from forecaster.support import Support
from forecaster.types import Forecast
from service.file_mark import Mark, mark_of
from service.ledger.revision_file import read

log = logging.getLogger("service.ledger.adaptions")

Source = Literal["series", "model", "none"]

_LOOK_SECONDS = 2.0


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


class Adaptions:
    """The newest revision, as a file has it. For one event loop; nothing is looked at until somebody asks."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._look_due = -np.inf
        self._mark: Mark | None = None
        self._revision: Revision | None = None

    async def current(self) -> Revision | None:
        """Gives it, at most two seconds late; None where no keeper has written one. A large file is read beside."""
        now = self._monotonic()
        if now >= self._look_due:
            self._look_due = now + _LOOK_SECONDS
            mark = mark_of(self._path)
            if mark is not None and mark != self._mark:
                await to_thread(self._read, mark)
        return self._revision

    def _read(self, mark: Mark) -> None:
        """Takes the new content; where it cannot be used, the old one goes on."""
        try:
            self._revision = read(self._path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("adaption_unreadable", extra={"fields": {"reason": f"{type(error).__name__}: {error}"[:200]}})
        self._mark = mark
