"""Series one after the other -> series of a request to /v1, each under its number as its id."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

from service.dialects.timegpt.bodies import SeriesSent
from service.dialects.timegpt.exogenous import Columns
from service.errors import InvalidFields
from service.settings import Settings

_ALL = "all"  # the group of series that see each other


def refuse_misfit(sent: SeriesSent, ahead: int, settings: Settings) -> None:
    """Refuses series that are too many or too large, and numbers that are not as many as others say.

    `ahead` is the number of steps for which features are known after the end of each series.
    """
    num_series, length = len(sent.sizes), len(sent.y)
    if num_series > settings.max_series:
        raise InvalidFields.of("series.sizes", f"{num_series} series, at most {settings.max_series} are allowed")
    features, future = sent.X or [], sent.X_future or []
    points = length + sum(map(len, features)) + sum(map(len, future))
    if points > settings.max_points:
        raise InvalidFields.of("series", f"{points} points, at most {settings.max_points} are allowed")
    if sum(sent.sizes) != length:
        raise InvalidFields.of("series.sizes", f"add up to {sum(sent.sizes)}, and y has {length} values")
    if len(future) > len(features):
        raise InvalidFields.of("series.X_future", f"has {len(future)} features, and X {len(features)}")
    _refuse_lengths("series.X", features, length, f"the {length} values of y")
    _refuse_lengths("series.X_future", future, ahead * num_series, f"{num_series} series x {ahead} steps ahead")


def _refuse_lengths(field: str, rows: Sequence[Sequence[float | None]], length: int, wanted: str) -> None:
    for place, row in enumerate(rows):
        if len(row) != length:
            raise InvalidFields.of(f"{field}.{place}", f"has {len(row)} numbers for {wanted}")


def series_of(
    sent: SeriesSent, columns: Columns, starts: Sequence[str | int], ahead: int, *, see_each_other: bool
) -> list[dict[str, Any]]:
    """Gives the series as the schemas of /v1 have them."""
    features, future = sent.X or [], sent.X_future or []
    offsets = [0, *accumulate(sent.sizes)]
    found = []
    for number, (begin, end) in enumerate(pairwise(offsets)):
        steps, after = slice(begin, end), slice(number * ahead, (number + 1) * ahead)
        one: dict[str, Any] = {"id": str(number), "start": starts[number], "target": sent.y[steps]}
        one["past"] = {name: features[place][steps] for name, place in columns.past.items()}
        one["known"] = {
            name: features[place][steps] + (future[place][after] if future else [])
            for name, place in columns.known.items()
        }
        found.append({**one, **({"group": _ALL} if see_each_other else {})})
    return found
