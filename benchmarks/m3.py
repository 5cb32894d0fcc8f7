"""The M3 competition: one model per period, trained on the training parts only, beside theta and seasonal naive.

    python -m benchmarks.m3 [--save] [--members 5]

sMAPE and MASE over the 3,003 series as the competition defines them. Settings were chosen on the last horizon of the
training parts. Each model is an ensemble of seeds over the theta method, on logarithms: the encoder learns what theta
leaves, and is trained for a few steps only, as series of a competition teach it little more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

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


PERIODS = {
    "yearly": Period(horizon=6, season_length=1, context_length=48, patch_length=3),
    "quarterly": Period(horizon=8, season_length=4, context_length=72, patch_length=4),
    "monthly": Period(horizon=18, season_length=12, context_length=120, patch_length=12),
    "other": Period(horizon=8, season_length=1, context_length=32, patch_length=4),
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
        own = table.loc[table["period"] == name, ["unique_id", "ds", "y"]]
        scored[name] = fit_and_score(own, config, period.season_length)
        naives[name] = naive(own, config, period.season_length)
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
        scaling="log",
        skip="theta",
    )
    training = TrainingConfig(
        max_steps=120,
        batch_size=256,
        steps_per_validation=20,
        series_weighting="series",
        num_members=num_members,
    )
    return ForecasterConfig(model=model, training=training, split=SplitConfig(num_validation_folds=1, num_test_folds=1))


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
