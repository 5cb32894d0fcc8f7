"""Records of the ledger <-> entries of the journal: a head of JSON, and numbers and bodies behind it as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from forecaster.arrays import FloatArray, IntArray
from forecaster.ledger.records import FACTS, Given, GivenSeries, Observed
from service.ledger.journal import Entry

_FORECAST, _OBSERVED = "forecast", "observed"
_FACTS = (*FACTS, "season_length")


def forecast_entry(one: Given) -> tuple[bytes, list[bytes]]:
    """Gives the head of an entry, and the rest of it."""
    head = {
        "kind": _FORECAST,
        "id": one.forecast_id,
        **{name: getattr(one, name) for name in _FACTS},
        "levels": one.levels,
        "execution": one.execution,
        "series": [(own.series_id, own.segment, len(own.times), len(own.history)) for own in one.series],
        "bodies": (len(one.request), len(one.reply)),
    }
    arrays = [array.tobytes() for series in one.series for array in (series.times, series.values, series.history)]
    return orjson.dumps(head), [*arrays, one.request, one.reply]


def observed_entry(values: list[Observed]) -> tuple[bytes, list[bytes]]:
    """Gives the head of an entry of several series, and the rest of it."""
    series = [(one.model, one.series_id, one.received, len(one.times)) for one in values]
    arrays = [array.tobytes() for one in values for array in (one.times, one.values)]
    return orjson.dumps({"kind": _OBSERVED, "series": series, "digests": [one.digest for one in values]}), arrays


def read_entry(entry: Entry) -> Given | list[Observed]:
    """Gives what was written. ValueError, KeyError or TypeError for what was not written by this module."""
    head, rest = orjson.loads(entry.head), _Rest(entry.rest)
    if head["kind"] == _FORECAST:
        return _forecast(head, rest)
    if head["kind"] == _OBSERVED:
        digests = head.get("digests") or [None] * len(head["series"])  # a service before them wrote none
        return [
            Observed(model, series_id, received, rest.integers(number), rest.floats(number), digest)
            for (model, series_id, received, number), digest in zip(head["series"], digests, strict=True)
        ]
    raise ValueError(f"an entry of the journal is of the kind {head['kind']!r}")


def _forecast(head: dict[str, Any], rest: _Rest) -> Given:
    num_levels = len(head["levels"])
    series = tuple(
        GivenSeries(
            series_id,
            segment,
            rest.integers(horizon),
            rest.floats(horizon * num_levels).reshape(horizon, num_levels),
            rest.floats(num_values),
        )
        for series_id, segment, horizon, num_values in head["series"]
    )
    request, reply = (rest.bytes(number) for number in head["bodies"])
    return Given(
        head["id"],
        **{name: head[name] for name in _FACTS},
        levels=tuple(head["levels"]),
        execution=head["execution"],
        series=series,
        request=request,
        reply=reply,
    )


@dataclass
class _Rest:
    """What follows a head, taken part by part."""

    content: bytes
    place: int = 0

    def bytes(self, number: int) -> bytes:
        self.place += number
        if self.place > len(self.content):
            raise ValueError("an entry of the journal has less behind its head than that says")
        return self.content[self.place - number : self.place]

    def integers(self, number: int) -> IntArray:
        return np.frombuffer(self.bytes(8 * number), "<i8")

    def floats(self, number: int) -> FloatArray:
        return np.frombuffer(self.bytes(8 * number), "<f8")
