"""M4 hourly: 414 series, 48 steps ahead, scored as the competition did.

    python -m benchmarks.m4_hourly [--save] [--members 3]

OWA is the mean of sMAPE and MASE, each over that of the competition's Naive2 (18.383 and 2.395); its winner had .440.
Settings were chosen on the last 48 steps of the training parts. The model is an ensemble of seeds that begins with the
pretrained encoder, on logarithms; it looks back by days and by weeks, and series are drawn equally often.
`untrained_owa` is that of the encoder as it is.
"""

from __future__ import annotations

import time

from benchmarks.data import m4_hourly, parser
from benchmarks.record import machine_setup, record
from benchmarks.scores import naive, tune_and_score, untrained
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.pretrained import fine_tunable, pretrained_encoder
from forecaster.training.start import Start, fine_tune

HORIZON, SEASON_LENGTH = 48, 24
LAGS = (1, 24, 168, 336, 504, 672)  # a step, a day, and as many weeks as the context holds
NAIVE2_SMAPE, NAIVE2_MASE = 18.383, 2.395


def main() -> None:
    """Fits, scores and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=3)
    given = arguments.parse_args()
    table, began = m4_hourly(given.data)[["unique_id", "ds", "y"]], time.perf_counter()
    config = configuration(given.members)
    scored = tune_and_score(table, config, SEASON_LENGTH, start())
    begun = untrained(table, config, SEASON_LENGTH)
    season = naive(table, config, SEASON_LENGTH)
    figures = {
        "owa": owa(scored.smape, scored.mase),
        "smape": scored.smape,
        "mase": scored.mase,
        "untrained_owa": owa(begun.smape, begun.mase),
        "seasonal_naive_owa": owa(season.smape, season.mase),
        "minutes": (time.perf_counter() - began) / 60,
    }
    setup = machine_setup(["pytorch-lightning"]) | {"members": given.members, "winner_owa": 0.440}
    record("m4_hourly", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def configuration(num_members: int) -> ForecasterConfig:
    """Gives the settings of the model."""
    model = ModelConfig(horizon=HORIZON, context_length=736, season_length=SEASON_LENGTH, lags=LAGS, scaling="log")
    training = TrainingConfig(
        max_steps=600,
        batch_size=96,
        steps_per_validation=60,
        series_weighting="series",
        ema_decay=0.99,
        num_members=num_members,
    )
    split = SplitConfig(num_validation_folds=1, num_test_folds=1)
    return ForecasterConfig(model=fine_tunable(model), training=training, split=split)


def start() -> Start:
    """Gives what training begins with."""
    return fine_tune(pretrained_encoder(), 1.0, tuned_share=1.0)


def owa(smape: float, mase: float) -> float:
    """Gives the overall weighted average of the M4 competition."""
    return (smape / NAIVE2_SMAPE + mase / NAIVE2_MASE) / 2


if __name__ == "__main__":
    main()
