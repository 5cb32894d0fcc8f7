"""The classic long-horizon benchmark: ETTh1 and exchange rates, all test windows, several seeds.

    python -m benchmarks.long_horizon [--save] [--seeds 3] [--only etth1] [--contexts 512 96] [--no-peer]

Columns are standardised by their training rows; errors are those of standardised values, pooled over windows, steps
and columns. Every test window of stride 1 is scored. Everything is chosen by the validation rows: the weights
by early stopping, the encoder's share by its error, the penalty of the peer ridge as well; that of our own skip by
blocks of training and validation rows, which its weights are learned from in the end. Beside our network stand, on
the same windows, a channel-shared ridge regression on the deviations from the window's mean (learned from the training
rows, as published ones are, and once more from training and validation rows, as our skip is), the last value, and
NeuralForecast's PatchTST at the longest context, in the size that its paper uses for these sets: one seed, at most 500
steps at the library's rate of 1e-4. That is a yardstick of the same run and not the best that PatchTST can do: trained
to the end, and with the look-back that suits a set, it has published errors of .419 / .436 on ETTh1 and .322 / .385 on
exchange rates (all test windows, look-backs of 512 at most), the latter below ours.
"""

from __future__ import annotations

import argparse
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import LongHorizon, etth1, exchange, parser
from benchmarks.record import machine_setup, record
from forecaster import Forecaster
from forecaster.config import ForecasterConfig, ModelConfig, TrainingConfig

HORIZONS = (96, 192, 336, 720)
LAMBDAS = tuple(10.0**power for power in np.arange(-4.0, 2.01, 0.5))
PEER_STEPS = 500

DATA_SETS = {"etth1": etth1, "exchange": exchange}
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Mean squared and mean absolute error over all test windows."""

    mse: float
    mae: float


def configuration(horizon: int, context_length: int, seed: int) -> tuple[ModelConfig, TrainingConfig]:
    """Gives the settings of one fit: the same for all data sets, horizons and contexts."""
    model = ModelConfig(
        horizon=horizon,
        context_length=context_length,
        patch_length=16,
        dropout=0.3,
        skip="ridge",
        head="mse",
        levels=(0.5,),
    )
    return model, TrainingConfig(max_steps=150, steps_per_validation=25, learning_rate=3e-4, patience=3, seed=seed)


def ours(data: LongHorizon, horizon: int, context_length: int, seed: int) -> Errors:
    """Fits by the public door and scores its backtest over every test window."""
    model, training = configuration(horizon, context_length, seed)
    config = ForecasterConfig(model=model, training=training, split=data.split(horizon))
    evaluation = Forecaster(config=config).fit(data.table).backtest()["model"]
    return errors(evaluation.actual - evaluation.quantiles[..., evaluation.levels.index(0.5)])


def errors(difference: FloatArray) -> Errors:
    """Gives both errors of differences of any shape."""
    return Errors(float(np.mean(difference**2)), float(np.mean(np.abs(difference))))


def windows(
    data: LongHorizon, begin: int, end: int, context_length: int, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """Gives contexts [W L] and targets [W H] of every window of a column whose target lies in rows begin .. end."""
    values = data.table.select_dtypes("number").to_numpy()
    rows = values[begin - context_length : end]
    view = np.lib.stride_tricks.sliding_window_view(rows, context_length + horizon, axis=0)  # [W C L+H]
    both = view.transpose(1, 0, 2).reshape(-1, context_length + horizon)
    return both[:, :context_length], both[:, context_length:]


def ridges(data: LongHorizon, horizon: int, context_length: int) -> tuple[Errors, Errors]:
    """Scores one linear map for all columns, from deviations to deviations, its penalty chosen on validation.

    Gives the errors of weights learned from the training rows, and from training and validation rows.
    """
    parts = {
        "train": windows(data, context_length, data.train_end, context_length, horizon),
        "validation": windows(data, data.train_end, data.validation_end, context_length, horizon),
        "test": windows(data, data.validation_end, len(data.table), context_length, horizon),
        "seen": windows(data, context_length, data.validation_end, context_length, horizon),
    }
    centred = {name: (x - x.mean(1, keepdims=True), y - x.mean(1, keepdims=True)) for name, (x, y) in parts.items()}
    x, y = centred["validation"]
    weights = ridge_weights(*centred["train"], LAMBDAS)
    best = min(range(len(LAMBDAS)), key=lambda place: errors(y - x @ weights[place]).mse)
    again = ridge_weights(*centred["seen"], LAMBDAS[best : best + 1])[0]
    x, y = centred["test"]
    return errors(y - x @ weights[best]), errors(y - x @ again)


def ridge_weights(inputs: FloatArray, targets: FloatArray, lambdas: Sequence[float]) -> list[FloatArray]:
    """Gives the weights [L H] of a ridge regression for each lambda."""
    spectrum, vectors = np.linalg.eigh(inputs.T @ inputs / len(inputs))
    joint = vectors.T @ (inputs.T @ targets) / len(inputs)
    return [vectors @ (joint / (spectrum + penalty)[:, None]) for penalty in lambdas]


def last_value(data: LongHorizon, horizon: int) -> Errors:
    """Scores the forecast that nothing changes."""
    context, target = windows(data, data.validation_end, len(data.table), 1, horizon)
    return errors(target - context)


def peer(data: LongHorizon, horizon: int, context_length: int) -> Errors:
    """Fits NeuralForecast's PatchTST and scores every test window."""
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import PatchTST

    long = data.table.select_dtypes("number").rename_axis("ds").reset_index()
    long = long.melt("ds", var_name="unique_id", value_name="y")
    num_columns = long["unique_id"].nunique()
    model = PatchTST(
        h=horizon,
        input_size=context_length,
        n_heads=4,
        hidden_size=16,
        linear_hidden_size=128,
        dropout=0.3,
        loss=MSE(),
        batch_size=num_columns,
        windows_batch_size=128,
        max_steps=PEER_STEPS,
        val_check_steps=100,
        early_stop_patience_steps=3,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    forecasts = NeuralForecast([model], freq=1).cross_validation(
        long,
        val_size=data.validation_end - data.train_end,
        test_size=len(data.table) - data.validation_end,
        n_windows=None,
        step_size=1,
    )
    return errors((forecasts["y"] - forecasts["PatchTST"]).to_numpy())


def rows(data: LongHorizon, given: argparse.Namespace) -> Iterator[tuple[str, Errors]]:
    """Yields (name, errors) of everything that is measured on one data set, as soon as it is."""
    for horizon in HORIZONS:
        yield f"last_value_{horizon}", last_value(data, horizon)
        for length in given.contexts:
            trained, refitted = ridges(data, horizon, length)
            yield f"ridge_{length}_{horizon}", trained
            yield f"ridge_refitted_{length}_{horizon}", refitted
            for seed in range(given.seeds):
                yield f"ours_{length}_{horizon}_seed{seed}", ours(data, horizon, length, seed)
        if given.peer:
            yield f"peer_{max(given.contexts)}_{horizon}", peer(data, horizon, max(given.contexts))


def figures_of(name: str, measured: dict[str, Errors], given: argparse.Namespace) -> dict[str, float]:
    """Gives the figures of one data set: means over seeds, then over horizons."""
    figures: dict[str, float] = {}
    for length in given.contexts:
        suffix = "" if length == max(given.contexts) else f"_{length}"
        for kind in ("mse", "mae"):
            means = [
                float(
                    np.mean([getattr(measured[f"ours_{length}_{horizon}_seed{s}"], kind) for s in range(given.seeds)])
                )
                for horizon in HORIZONS
            ]
            figures |= {f"{name}{suffix}_{kind}_{h}": mean for h, mean in zip(HORIZONS, means, strict=True)}
            figures[f"{name}{suffix}_{kind}"] = float(np.mean(means))
            for other in ("ridge", "ridge_refitted"):
                bars = [getattr(measured[f"{other}_{length}_{horizon}"], kind) for horizon in HORIZONS]
                figures[f"{name}{suffix}_{other}_{kind}"] = float(np.mean(bars))
                if kind == "mse":
                    below = sum(mean < bar for mean, bar in zip(means, bars, strict=True))
                    figures[f"{name}{suffix}_horizons_below_{other}"] = below
    for other in ("peer_" + str(max(given.contexts)), "last_value"):
        if f"{other}_{HORIZONS[0]}" in measured:
            for kind in ("mse", "mae"):
                values = [getattr(measured[f"{other}_{horizon}"], kind) for horizon in HORIZONS]
                figures[f"{name}_{other.split('_')[0]}_{kind}"] = float(np.mean(values))
    return figures


def main() -> None:
    """Measures what is asked for and prints the record."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--only", choices=sorted(DATA_SETS))
    arguments.add_argument("--contexts", type=int, nargs="+", default=[512, 96])
    arguments.add_argument("--no-peer", dest="peer", action="store_false")
    given = arguments.parse_args()
    figures: dict[str, float] = {}
    details: dict[str, Any] = {}
    for name in [given.only] if given.only else DATA_SETS:
        measured: dict[str, Errors] = {}
        for row, scored in rows(DATA_SETS[name](given.data), given):
            measured[row] = scored
            print(f"{name} {row}: mse {scored.mse:.4f} mae {scored.mae:.4f}", flush=True)
        figures |= figures_of(name, measured, given)
        details[name] = {row: [round(scored.mse, 4), round(scored.mae, 4)] for row, scored in measured.items()}
    setup = machine_setup(["neuralforecast", "pytorch-lightning"]) | {"mse_and_mae": details, "peer": given.peer}
    setup |= {"peer_steps": PEER_STEPS if given.peer else None}
    record("long_horizon", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
