"""The M3 competition: one model per period, trained on the training parts only, beside theta and seasonal naive.

    python -m benchmarks.m3 [--save] [--members 5]

sMAPE and MASE over the 3,003 series as the competition defines them. Settings were chosen on the last horizon of the
training parts. Each model is an ensemble of seeds over the theta method: the encoder learns what theta leaves. Where
it validated better, a model also sees the series of the shorter periods, summed up to its own (monthly and
quarterly means for the yearly model, monthly ones for the quarterly); only its own series are scored.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pandas as pd

from benchmarks.data import m3, parser
from benchmarks.record import machine_setup, record
from benchmarks.scores import Scored, fit_and_score, naive
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig


@dataclass(frozen=True)
class Period:
    """How one period of the competition is forecast."""

    horizon: int
    season_length: int
    context_length: int
    patch_length: int
    max_steps: int
    summed: tuple[tuple[str, int], ...] = ()  # further periods, and how many of their steps make one


PERIODS = {
    "yearly": Period(6, 1, 30, 3, 300, (("quarterly", 4), ("monthly", 12), ("other", 1))),
    "quarterly": Period(8, 4, 32, 4, 300, (("monthly", 3),)),
    "monthly": Period(18, 12, 60, 12, 600),
    "other": Period(8, 1, 32, 4, 300),
}


def main() -> None:
    """Fits and scores every period and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=5)
    given = arguments.parse_args()
    table, began = m3(given.data), time.perf_counter()
    scored, naives = {}, {}
    for name, period in PERIODS.items():
        config = configuration(period, given.members)
        own = table[table["period"] == name]
        scored[name] = own_windows(fit_and_score(with_summed(table, own, period), config, period.season_length), own)
        naives[name] = naive(own[["unique_id", "ds", "y"]], config, period.season_length)
        print(f"{name}: smape {scored[name].smape:.3f} mase {scored[name].mase:.4f}", flush=True)
    figures = totals(scored) | {f"seasonal_naive_{name}": value for name, value in totals(naives).items()}
    for name, part in scored.items():
        figures |= {f"mase_{name}": part.mase, f"smape_{name}": part.smape}
    figures["minutes"] = (time.perf_counter() - began) / 60
    setup = machine_setup(["pytorch-lightning"]) | {"members": given.members, "theta_published": [12.76, 1.395]}
    record("m3", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def configuration(period: Period, num_members: int) -> ForecasterConfig:
    """Gives the settings of one period's model."""
    model = ModelConfig(
        horizon=period.horizon,
        context_length=period.context_length,
        season_length=period.season_length,
        patch_length=period.patch_length,
        skip="theta",
    )
    training = TrainingConfig(
        max_steps=period.max_steps,
        batch_size=256,
        steps_per_validation=period.max_steps // 6,
        series_weighting="series",
        num_members=num_members,
    )
    return ForecasterConfig(model=model, training=training, split=SplitConfig(num_validation_folds=1, num_test_folds=1))


def with_summed(table: pd.DataFrame, own: pd.DataFrame, period: Period) -> pd.DataFrame:
    """Gives the period's own series, and the training parts of shorter periods as means over its steps."""
    parts = [own[["unique_id", "ds", "y"]]]
    for name, num_steps in period.summed:
        shorter = table[(table["period"] == name) & (table["split"] == "train")]
        parts.append(means_of(shorter, num_steps, period.horizon + 2))
    return pd.concat(parts, ignore_index=True)


def means_of(table: pd.DataFrame, num_steps: int, shortest: int) -> pd.DataFrame:
    """Gives series of means over `num_steps` steps, counted back from the end, that have `shortest` steps or more."""
    counted = table.sort_values(["unique_id", "ds"])
    back = counted.groupby("unique_id").cumcount(ascending=False)
    length = counted.groupby("unique_id")["y"].transform("size")
    whole = counted.assign(ds=length // num_steps - 1 - back // num_steps)
    means = whole[whole["ds"] >= 0].groupby(["unique_id", "ds"], as_index=False)["y"].mean()
    enough = means.groupby("unique_id")["y"].transform("size") >= shortest
    return means[enough].assign(unique_id=lambda kept: kept["unique_id"] + "/" + str(num_steps))


def own_windows(scored: Scored, own: pd.DataFrame) -> Scored:
    """Gives the windows of the period's own series."""
    mask = scored.windows["unique_id"].isin(own["unique_id"].unique()).to_numpy()
    return Scored(scored.actual[mask], scored.quantiles[mask], scored.levels, scored.scales[mask], scored.windows[mask])


def totals(parts: dict[str, Scored]) -> dict[str, float]:
    """Gives sMAPE and MASE over all series of all periods."""
    counts = {name: len(part.actual) for name, part in parts.items()}
    total = sum(counts.values())
    return {
        "smape": sum(part.smape * counts[name] for name, part in parts.items()) / total,
        "mase": sum(part.mase * counts[name] for name, part in parts.items()) / total,
        "num_series": float(total),
    }


if __name__ == "__main__":
    main()
