"""NN5: daily cash withdrawals of 111 machines, 56 days ahead, the gaps left in.

    python -m benchmarks.nn5 [--save] [--members 5]

MASE (season 7, observed pairs) of the test part, relative to the seasonal naive that looks past gaps. Settings were
chosen on the last 56 days of the training parts.
"""

from __future__ import annotations

import time

from benchmarks.data import nn5, parser
from benchmarks.record import machine_setup, record
from benchmarks.scores import fit_and_score, naive
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig

HORIZON, SEASON_LENGTH = 56, 7


def main() -> None:
    """Fits, scores and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=5)
    given = arguments.parse_args()
    table, began = nn5(given.data)[["unique_id", "ds", "y"]], time.perf_counter()
    config = configuration(given.members)
    scored = fit_and_score(table, config, SEASON_LENGTH)
    season = naive(table, config, SEASON_LENGTH)
    figures = {
        "mase_over_naive": scored.mase / season.mase,
        "mase": scored.mase,
        "smape": scored.smape,
        "seasonal_naive_mase": season.mase,
        "minutes": (time.perf_counter() - began) / 60,
    }
    setup = machine_setup(["pytorch-lightning"]) | {"members": given.members}
    record("nn5", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def configuration(num_members: int) -> ForecasterConfig:
    """Gives the settings of the model."""
    model = ModelConfig(
        horizon=HORIZON,
        context_length=112,
        season_length=SEASON_LENGTH,
        patch_length=7,
        dropout=0.2,
    )
    training = TrainingConfig(
        max_steps=600, steps_per_validation=50, ema_decay=0.99, num_members=num_members, refit=True
    )
    return ForecasterConfig(model=model, training=training, split=SplitConfig(num_validation_folds=2, num_test_folds=1))


if __name__ == "__main__":
    main()
