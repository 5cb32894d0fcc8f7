"""Day-ahead electricity prices of 4 markets, with and without what is known of the next day.

    python -m benchmarks.price [--save] [--members 3]

The last 7 days are forecast one day at a time, from midnight. Known ahead are two forecasts published the day before
(load and generation, say) and the day of the week. Beside the model with these covariates stand the same model without
them, and the seasonal naive of a day and of a week, the better of which counts in each market. MASE is that of the
daily season.

Settings were chosen on the weeks before, without a look at the last 7 days: each of the four weeks before them in turn
was forecast by models that saw only what came earlier, validated on the week before it. The smaller and the slower
trained an encoder, the better; twice the context gained too little to be taken (docs/experiments.md).
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from benchmarks.data import parser, price
from benchmarks.record import machine_setup, record
from benchmarks.scores import Scored, fit_and_score, naive
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TableConfig, TrainingConfig

HORIZON, NUM_DAYS = 24, 7
KNOWN = ("Exogenous1", "Exogenous2", *(f"day_{day}" for day in range(7)))
TARGET = ["unique_id", "ds", "y"]


def main() -> None:
    """Fits with and without covariates, scores and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=3)
    given = arguments.parse_args()
    table, began = price(given.data), time.perf_counter()
    config = configuration(given.members)
    with_known = fit_and_score(table, config, 24, TableConfig(known_columns=KNOWN))
    without = fit_and_score(table[TARGET], config, 24)
    naives = [by_market(naive(table[TARGET], config, season)) for season in (24, 168)]
    gain = 1 - by_market(with_known) / np.minimum(*naives)
    figures = {
        "covariate_gain": 1 - with_known.mase / without.mase,
        "worst_market_gain_over_naive": float(gain.min()),
        "mase": with_known.mase,
        "mase_without": without.mase,
        **{f"gain_over_naive_{market.lower()}": float(value) for market, value in gain.items()},
        "minutes": (time.perf_counter() - began) / 60,
    }
    setup = machine_setup(["pytorch-lightning"]) | {"members": given.members}
    record("price", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def configuration(num_members: int) -> ForecasterConfig:
    """Gives the settings of both models."""
    model = ModelConfig(
        horizon=HORIZON,
        context_length=168,
        patch_length=24,
        d_model=16,
        num_heads=2,
        num_layers=1,
        d_ff=32,
        dropout=0.2,
        scaling="asinh",
        skip="ridge",
    )
    training = TrainingConfig(
        max_steps=600,
        batch_size=64,
        learning_rate=3e-4,
        steps_per_validation=50,
        patience=6,
        num_members=num_members,
    )
    split = SplitConfig(num_validation_folds=NUM_DAYS, num_test_folds=NUM_DAYS)
    return ForecasterConfig(model=model, training=training, split=split)


def by_market(scored: Scored) -> pd.Series:
    """Gives the mean absolute error of each market."""
    error = np.abs(scored.actual - scored.median).mean(axis=1)
    return pd.Series(error).groupby(scored.windows["unique_id"].to_numpy()).mean()


if __name__ == "__main__":
    main()
