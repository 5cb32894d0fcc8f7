"""The M3 competition: one model per period, tuned on the training parts only, beside theta and seasonal naive.

    python -m benchmarks.m3 [--save] [--members 3]

sMAPE and MASE over the 3,003 series as the competition defines them. Settings were chosen on the last horizon of the
training parts, and are the same for all periods. Each model is an ensemble of seeds that begins with the pretrained
encoder and is trained for a few steps, a quarter of which is kept, as series of a competition teach it little more.
`untrained_` figures are those of the encoder as it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pandas as pd

from benchmarks.data import m3, parser
from benchmarks.record import machine_setup, record
from benchmarks.scores import Scored, naive, tune_and_score, untrained
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.pretrained import fine_tunable, pretrained_encoder
from forecaster.training.start import Start, fine_tune


@dataclass(frozen=True)
class Period:
    """One period of the competition."""

    horizon: int
    season_length: int
    context_length: int


PERIODS = {
    "yearly": Period(horizon=6, season_length=1, context_length=48),
    "quarterly": Period(horizon=8, season_length=4, context_length=80),
    "monthly": Period(horizon=18, season_length=12, context_length=144),
    "other": Period(horizon=8, season_length=1, context_length=112),
}


def main() -> None:
    """Tunes and scores every period and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=3)
    given = arguments.parse_args()
    table, began = m3(given.data), time.perf_counter()
    parts: dict[str, dict[str, Scored]] = {"": {}, "untrained_": {}, "seasonal_naive_": {}}
    for name, period in PERIODS.items():
        config, season_length = configuration(period, given.members), period.season_length
        own: pd.DataFrame = table.loc[table["period"] == name, ["unique_id", "ds", "y"]]
        parts[""][name] = tune_and_score(own, config, season_length, start())
        parts["untrained_"][name] = untrained(own, config, season_length)
        parts["seasonal_naive_"][name] = naive(own, config, season_length)
        print({f"{way}{name}": (found[name].smape, found[name].mase) for way, found in parts.items()}, flush=True)
    figures = {f"{way}{name}": value for way, found in parts.items() for name, value in totals(found).items()}
    for name, part in parts[""].items():
        figures |= {f"mase_{name}": part.mase, f"smape_{name}": part.smape}
    figures["minutes"] = (time.perf_counter() - began) / 60
    setup = machine_setup(["pytorch-lightning"]) | {"members": given.members, "theta_published": [12.76, 1.395]}
    record("m3", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def configuration(period: Period, num_members: int) -> ForecasterConfig:
    """Gives the settings of one period's model."""
    model = ModelConfig(
        horizon=period.horizon, context_length=period.context_length, season_length=period.season_length
    )
    training = TrainingConfig(max_steps=40, steps_per_validation=10, series_weighting="series", num_members=num_members)
    split = SplitConfig(num_validation_folds=1, num_test_folds=1)
    return ForecasterConfig(model=fine_tunable(model), training=training, split=split)


def start() -> Start:
    """Gives what all periods begin with."""
    return fine_tune(pretrained_encoder(), 0.3, tuned_share=0.25)


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
