"""Input drift of a panel: which series have departed from their reference further than chance explains, and since when.

What is usual is pooled: departures are free of scale, so those inside the references of all series are one sample. A
Gumbel distribution, the law of the largest of several, is fitted to them by moments and gives a series its p-value;
Benjamini & Hochberg (1995) settle which series have drifted, so that of these a known share is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.data.panel import Panel
from forecaster.drift.departure import Departures, departures
from forecaster.drift.seasons import MEASURES

_LEAST_DEVIATION = 0.1  # series that never differ leave room for some that do


@dataclass(frozen=True)
class InputDrift:
    """The departures of the series that can be compared; `q_values` and `is_drifted` are of their newest stretch."""

    series: IntArray  # [n] their positions in the panel
    departures: tuple[Departures, ...]  # n
    p_values: FloatArray  # [n]
    q_values: FloatArray  # [n] the least rate of false discoveries at which each counts as drifted
    is_drifted: BoolArray  # [n]
    since: IntArray  # [n] stretches since the first of those, unbroken until now, that have drifted; 0 for none
    shares: FloatArray  # [P] of series that have drifted, by stretch, the newest last

    @property
    def share(self) -> float | None:
        """Share of the series that have drifted; None where none can be compared."""
        return float(self.is_drifted.mean()) if len(self.series) else None


def input_drift(
    panel: Panel, reference_ends: IntArray, season_length: int, recent_seasons: int, false_discovery_rate: float
) -> InputDrift:
    """Compares the newest stretch of each series with its first `reference_ends` [S] steps, which a model has seen."""
    found = {
        position: one
        for position, end in enumerate(reference_ends.tolist())
        if (one := departures(panel.target(position), end, season_length, recent_seasons)) is not None
    }
    kept = tuple(found.values())
    p_values = _p_values(kept)
    q_values, has_drifted = _discovered(p_values, false_discovery_rate)
    return InputDrift(
        series=np.array(list(found), dtype=np.int64),
        departures=kept,
        p_values=p_values[:, -1],
        q_values=q_values[:, -1],
        is_drifted=has_drifted[:, -1],
        since=_unbroken(has_drifted),
        shares=_shares(has_drifted, ~np.isnan(p_values)),
    )


def input_table(panel: Panel, drift: InputDrift) -> pd.DataFrame:
    """Gives a row for each series, worst first; those that cannot be compared come last, without numbers.

    departure: in multiples of the usual; measure: what it is of; since: the last time of the first stretch that had
    drifted, as a check made then would have said; then the differences (see `Seasons.differences`), the ratio of
    spreads in the place of its logarithm.
    """
    rows = [_row(panel, drift, place) for place in range(len(drift.series))]
    columns = ["series", "drifted", "q_value", "p_value", "departure", "measure", "since", *MEASURES]
    table = pd.DataFrame(rows, columns=columns)
    table = table.sort_values(["p_value", "departure"], ascending=[True, False], kind="stable", ignore_index=True)
    compared = set(table["series"])
    rest = pd.DataFrame({"series": [name for name in panel.series_ids if name not in compared]})
    return pd.concat([table, rest], ignore_index=True) if len(rest) else table


def _row(panel: Panel, drift: InputDrift, place: int) -> dict[str, object]:
    position, departed = int(drift.series[place]), drift.departures[place]
    since = int(drift.since[place])
    differences = dict(zip(MEASURES, departed.differences[-1].tolist(), strict=True))
    return {
        "series": panel.series_ids[position],
        "drifted": bool(drift.is_drifted[place]),
        "q_value": float(drift.q_values[place]),
        "p_value": float(drift.p_values[place]),
        "departure": float(departed.sizes[-1]),
        "measure": MEASURES[int(np.nan_to_num(departed.multiples[-1]).argmax())],
        "since": _time(panel, position, int(departed.ends[-since]) - 1) if since else None,
        **differences,
        "spread": float(np.exp(differences["spread"])),
    }


def _time(panel: Panel, position: int, step: int) -> str:
    return panel.axis.text(panel.axis.frequency.advance(panel.starts[position], step)[()])


def _p_values(found: Sequence[Departures]) -> FloatArray:
    """Gives the p-value [n P] of each stretch of each series, the newest last; NaN where a series has no more."""
    longest = max((len(one.ends) for one in found), default=1)
    p_values = np.full((len(found), longest), np.nan)
    if not found:
        return p_values
    usual = np.concatenate([one.within for one in found])
    scale = max(usual.std(), _LEAST_DEVIATION) * np.sqrt(6) / np.pi
    law = stats.gumbel_r(usual.mean() - np.euler_gamma * scale, scale)
    for row, one in zip(p_values, found, strict=True):
        row[longest - len(one.ends) :] = law.sf(one.sizes)
    return p_values


def _discovered(p_values: FloatArray, rate: float) -> tuple[FloatArray, BoolArray]:
    """Gives q-values [n P] over the series of each stretch, and which of them are discoveries."""
    q_values = np.full(p_values.shape, np.nan)
    for column in range(p_values.shape[1]):
        there = ~np.isnan(p_values[:, column])
        if there.any():
            q_values[there, column] = stats.false_discovery_control(p_values[there, column])
    return q_values, q_values <= rate


def _unbroken(has_drifted: BoolArray) -> IntArray:
    """Counts the True [n] at the end of each row [n P]."""
    return np.asarray(np.logical_and.accumulate(has_drifted[:, ::-1], axis=1).sum(axis=1), dtype=np.int64)


def _shares(has_drifted: BoolArray, there: BoolArray) -> FloatArray:
    return np.asarray(has_drifted.sum(axis=0) / np.maximum(there.sum(axis=0), 1))
