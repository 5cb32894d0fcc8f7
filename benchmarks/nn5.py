"""NN5: daily cash withdrawals of 111 machines, 56 days ahead, the gaps left in.

    python -m benchmarks.nn5 [--save] [--members 3]

MASE (season 7, observed pairs) of the test part, relative to the seasonal naive that looks past gaps. Settings were
chosen on the last three times 56 days of the training parts. Beside it stands what no forecast could know: the median
of each weekday of each series, taken from the test part itself. `mase_over_bolt_base` is relative to what was published
of Chronos-Bolt base (205 million weights), in its unit of MASE: a season of one step (`benchmarks/published.py`).
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from benchmarks.data import nn5, parser
from benchmarks.published import PUBLISHED
from benchmarks.record import machine_setup, record
from benchmarks.scores import Scored, fit_and_score, naive
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig

HORIZON, SEASON_LENGTH = 56, 7


def main() -> None:
    """Fits, scores and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=3)
    given = arguments.parse_args()
    table, began = nn5(given.data)[["unique_id", "ds", "y"]], time.perf_counter()
    config = configuration(given.members)
    scored = fit_and_score(table, config, SEASON_LENGTH)
    season = naive(table, config, SEASON_LENGTH)
    bolt, step = PUBLISHED["nn5"], naive(table, config, PUBLISHED["nn5"].season_length)
    figures = {
        "mase_over_naive": scored.mase / season.mase,
        "oracle_over_naive": weekday_oracle(scored).mase / season.mase,
        "mase_over_bolt_base": replace(scored, scales=step.scales).mase / bolt.base.mase,
        "bolt_base_over_naive": bolt.base.mase / replace(season, scales=step.scales).mase,
        "naive_off_published": abs(step.mase / bolt.seasonal_naive.mase - 1),
        "mase": scored.mase,
        "smape": scored.smape,
        "seasonal_naive_mase": season.mase,
        "minutes": (time.perf_counter() - began) / 60,
    }
    setup = machine_setup(["pytorch-lightning"]) | {"members": given.members}
    record("nn5", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def weekday_oracle(scored: Scored) -> Scored:
    """Gives the forecast of a weekly profile that has the lowest absolute error on the very targets it is scored on."""
    weeks = scored.actual.reshape(len(scored.actual), -1, SEASON_LENGTH)
    profile = np.tile(np.nanmedian(weeks, axis=1), weeks.shape[1])
    return replace(scored, quantiles=profile[..., None], levels=(0.5,))


def configuration(num_members: int) -> ForecasterConfig:
    """Gives the settings of the model."""
    model = ModelConfig(
        horizon=HORIZON,
        context_length=364,
        season_length=SEASON_LENGTH,
        patch_length=7,
        dropout=0.2,
    )
    training = TrainingConfig(
        max_steps=400, steps_per_validation=50, ema_decay=0.99, num_members=num_members, refit=True
    )
    return ForecasterConfig(model=model, training=training, split=SplitConfig(num_validation_folds=2, num_test_folds=1))


if __name__ == "__main__":
    main()
