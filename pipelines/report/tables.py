"""Tables that the UI of MLflow opens and compares: the same columns in every run, and never too many rows to look at.

Metrics have the names that they have everywhere, and come first: the UI compares runs by the second column unless it
is told otherwise. Where a table does not hold all there is, its column `extent` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from forecaster.arrays import FloatArray, IntArray, places_of_each
from forecaster.comparison import Gain, gain
from pipelines.report.compared import Compared

MOST_SERIES, NUM_WORST = 500, 50
ALL_SERIES = "(all series)"


def tables(compared: Compared) -> dict[str, pd.DataFrame]:
    """Gives the tables of the own role by name; those of the worst come worst first."""
    return {
        "series": series_table(compared),
        "worst_series": worst_series(compared),
        "worst_windows": worst_windows(compared),
        "segments": segment_table(compared),
        "folds": fold_table(compared),
        "steps": step_table(compared),
    }


def series_table(compared: Compared) -> pd.DataFrame:
    """Gives the metrics of each series over its folds, or of MOST_SERIES at even distances, by id."""
    scored = np.unique(compared.first.series)
    chosen = scored[np.linspace(0, len(scored) - 1, min(len(scored), MOST_SERIES)).round().astype(int)]
    shown, all_ = len(chosen), len(scored)
    extent = f"all {all_:,} series" if shown == all_ else f"{shown:,} of {all_:,} series, evenly spaced"
    table = _by_series(compared, chosen, extent)
    return table.sort_values("series", ignore_index=True)


def worst_series(compared: Compared) -> pd.DataFrame:
    """Gives the metrics of the NUM_WORST series of the highest MASE over their folds, worst first."""
    scored, mase = _mase_by_series(compared)
    chosen = scored[_worst(mase)]
    return _by_series(compared, chosen, f"the worst {len(chosen)} of {len(scored):,} series by mase")


def worst_windows(compared: Compared) -> pd.DataFrame:
    """Gives the NUM_WORST windows of the highest MASE, worst first, with their mean actual value and forecast."""
    found, panel = compared.first, compared.panel
    chosen = _worst(found.scores.mase_by_window)
    point = found.quantiles[chosen][:, :, found.levels.index(0.5)]
    columns = {
        "series": [panel.series_ids[position] for position in found.series[chosen]],
        **{name: loss[chosen] for name, loss in compared.losses(compared.own).items()},
        "forecast_from": [str(compared.times[place]) for place in chosen],
        "fold": found.fold[chosen],
        "mean_actual": pd.DataFrame(found.actual[chosen]).mean(axis=1).to_numpy(),
        "mean_forecast": point.mean(axis=1),
    }
    return pd.DataFrame(columns).assign(extent=f"the worst {len(chosen)} of {len(found.series):,} windows by mase")


def segment_table(compared: Compared) -> pd.DataFrame:
    """Gives the metrics of all series together and of each segment of the promotion policy."""
    found, ids = compared.first, compared.panel.series_ids
    places = {ALL_SERIES: np.arange(len(found.series))}
    for name, pattern in compared.segments.items():
        belongs = np.array([fnmatchcase(series_id, pattern) for series_id in ids])
        places[name] = np.flatnonzero(belongs[found.series])
    rows = [
        {
            "segment": name,
            **_metrics(compared, chosen),
            "num_series": len(np.unique(found.series[chosen])),
            "num_windows": len(chosen),
        }
        for name, chosen in places.items()
    ]
    return pd.DataFrame(rows)


def fold_table(compared: Compared) -> pd.DataFrame:
    """Gives the metrics of each fold, the oldest first, with the time at which most of its forecasts begin."""
    rows = [
        {
            "fold": number,
            **_metrics(compared, places),
            "forecast_from": str(_most_common(compared.times[places])),
            "num_windows": len(places),
        }
        for number, places in places_of_each(compared.first.fold)
    ]
    return pd.DataFrame(rows)


def step_table(compared: Compared) -> pd.DataFrame:
    """Gives the metrics of each step of the horizon, from 1 on."""
    curves = compared.first.scores.as_metrics_by_step()
    horizon = compared.first.actual.shape[1]
    by_step = {name.removesuffix("_by_step"): curve for name, curve in curves.items()}
    return pd.DataFrame({"step": np.arange(1, horizon + 1), **by_step})


def role_table(compared: Compared) -> pd.DataFrame:
    """Gives the metrics of each role, and by which share the own MASE is below its, with a 95 % interval.

    The interval is of the paired bootstrap over series and folds; it is missing for the own role.
    """
    rows = [{"role": role, **compared.metrics(role), **_gain_over(compared, role)} for role in compared.evaluations]
    return pd.DataFrame(rows).assign(gains_from=compared.extent)


def window_table(compared: Compared) -> pd.DataFrame:
    """Gives the losses of the windows that are shown: what a comparison of runs is computed from."""
    found, places = compared.first, compared.sample
    ids = np.asarray(compared.panel.series_ids, dtype=object)
    keys = {"series": ids[found.series[places]], "fold": found.fold[places]}
    losses = {name: loss[places] for name, loss in compared.losses(compared.own).items()}
    when = {"forecast_from": compared.times[places].astype(str)}
    return pd.DataFrame({**keys, **when, **losses, "stretch": found.stretch[places]})


def two_sided(challenger: FloatArray, champion: FloatArray, series: IntArray, stretch: IntArray) -> Gain | None:
    """Gives the gain whose bounds `low` and `high` are those of a 95 % interval."""
    return gain(challenger, champion, series, stretch, confidence=0.975)


def _gain_over(compared: Compared, role: str) -> dict[str, float]:
    if role == compared.own:
        return {}
    places, ours, theirs = compared.sample, compared.first, compared.evaluations[role]
    mase = [found.scores.mase_by_window[places] for found in (ours, theirs)]
    found = two_sided(mase[0], mase[1], ours.series[places], ours.stretch[places])
    return {} if found is None else {"gain_over_it": found.mean, "gain_low": found.low, "gain_high": found.high}


def _by_series(compared: Compared, chosen: IntArray, extent: str) -> pd.DataFrame:
    """Gives the metrics of some series of the panel, in their order."""
    order = np.argsort(compared.first.series, kind="stable")
    ordered = compared.first.series[order]
    rows = []
    for position in chosen:
        places = order[np.searchsorted(ordered, position) : np.searchsorted(ordered, position, side="right")]
        mean = float(pd.Series(compared.first.actual[places].ravel()).mean())
        row = {"series": compared.panel.series_ids[position], **_metrics(compared, places)}
        rows.append({**row, "mean_actual": mean, "num_windows": len(places)})
    return pd.DataFrame(rows).assign(extent=extent)


def _metrics(compared: Compared, places: IntArray) -> dict[str, float]:
    return compared.scored(compared.own, places).as_metrics()


def _mase_by_series(compared: Compared) -> tuple[IntArray, FloatArray]:
    """Gives the series [n] that were scored, and the mean [n] of the MASE of their windows, NaN where there is none."""
    scored, group = np.unique(compared.first.series, return_inverse=True)
    mase = compared.first.scores.mase_by_window
    observed = ~np.isnan(mase)
    total = np.bincount(group, np.where(observed, mase, 0.0))
    number = np.bincount(group, observed)
    return scored, np.divide(total, number, out=np.full(len(scored), np.nan), where=number > 0)


def _worst(mase: FloatArray) -> IntArray:
    """Gives the places of the NUM_WORST highest, highest first; what could not be scored is none of them."""
    order = np.argsort(np.where(np.isnan(mase), -np.inf, mase), kind="stable")[::-1]
    return np.asarray(order[: min(NUM_WORST, int((~np.isnan(mase)).sum()))])


def _most_common(times: Sequence[object] | pd.Index) -> object:
    return pd.Series(times).mode().iloc[0]
