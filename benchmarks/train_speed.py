"""Training and prediction speed beside NeuralForecast's PatchTST, same machine, same data, in one run.

    python -m benchmarks.train_speed [--save] [--threads N]

ETTh1, L = 512, H = 96, batches of 256 windows, squared error. Every case runs in a process of its own with the same
number of threads: NeuralForecast's PatchTST with its default architecture (d128, 16 heads, ff 256, 3 layers, patches
of 16 every 8 steps), the same architecture of ours without a skip, and our default configuration, whose ridge has
seen the validation rows in the end, as the peer has not. Ours multiply in bfloat16 where the processor does so
natively, which is the default, the peer in float32, as it comes; `same_architecture_float32` is ours in that format.
Both predict from a table. A step's time is the median over steps after the first ten; memory is the peak of the
process; the test error is that of all windows, after training to the end of the case's own schedule. The matrix-product
share is the floating point operations of one of our steps (counted by torch) over its time, against the best rate of a
large matrix product in the same format.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.data import LongHorizon, etth1, parser
from benchmarks.processes import in_process
from benchmarks.record import machine_setup, record
from benchmarks.step_times import StepTimes
from benchmarks.windows import resident_bytes
from forecaster.config import ForecasterConfig, ModelConfig, TrainingConfig
from forecaster.data.reading import read_panel
from forecaster.data.splits import split_panel
from forecaster.evaluation import evaluate
from forecaster.training.fit import fit
from forecaster.training.precision import lightning_precision

CONTEXT_LENGTH, HORIZON, BATCH_SIZE = 512, 96, 256
PEER_STEPS = 300
REPEATS = 5
FLOAT32 = "same_architecture_float32"

SAME_ARCHITECTURE = ModelConfig(
    horizon=HORIZON,
    context_length=CONTEXT_LENGTH,
    patch_length=16,
    patch_stride=8,
    d_model=128,
    num_heads=16,
    d_ff=256,
    num_layers=3,
    dropout=0.2,
    head="mse",
    levels=(0.5,),
    skip="none",
)
DEFAULT = ModelConfig(horizon=HORIZON, context_length=CONTEXT_LENGTH)


def main() -> None:
    """Runs every case and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments.add_argument("--case", choices=sorted(CASES), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.case:
        torch.set_num_threads(given.threads)
        print(json.dumps(CASES[given.case](etth1(given.data))), flush=True)
        return
    results = {case: _measured(case, given) for case in CASES}
    peer, same, default = results["peer"], results["same_architecture"], results["default"]
    figures = {
        "ratio_same_architecture": same["windows_per_second"] / peer["windows_per_second"],
        "ratio_same_architecture_float32": results[FLOAT32]["windows_per_second"] / peer["windows_per_second"],
        "ratio_default": default["windows_per_second"] / peer["windows_per_second"],
        "ratio_memory": max(same["peak_mb"], default["peak_mb"]) / peer["peak_mb"],
        "ratio_predict_one": peer["predict_one_seconds"] / default["predict_one_seconds"],
        "ratio_predict_all": peer["predict_all_seconds"] / default["predict_all_seconds"],
        "matmul_share": default["matmul_share"],
        "default_test_mse": default["test_mse"],
        "peer_test_mse": peer["test_mse"],
    }
    setup = machine_setup(["neuralforecast", "pytorch-lightning"]) | {"threads": given.threads, "cases": results}
    setup |= {"precision": {"ours": lightning_precision("auto"), "peer": "32-true"}}
    record("train_speed", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def _measured(case: str, given: argparse.Namespace) -> dict[str, float]:
    arguments = ["--case", case, "--data", str(given.data), "--threads", str(given.threads)]
    result = in_process("benchmarks.train_speed", arguments, given.threads)
    print(case, result, flush=True)
    return result


def _ours(data: LongHorizon, model: ModelConfig, training: TrainingConfig) -> dict[str, float]:
    panel = read_panel(data.table).panel
    config = ForecasterConfig(model=model, training=training, split=data.split(HORIZON))
    times = StepTimes()
    with tempfile.TemporaryDirectory() as folder:
        result = fit(panel, config, Path(folder), callbacks=[times])
    peak = _peak_mb()
    folds = split_panel(panel, HORIZON, config.split).test
    last = data.table.iloc[-CONTEXT_LENGTH:, [0, -1]]
    began = time.perf_counter()
    evaluation = evaluate(result.predictor, panel, folds, (0.5,))
    seconds = time.perf_counter() - began
    error = evaluation.actual - evaluation.quantiles[..., 0]
    return {
        "windows_per_second": BATCH_SIZE / times.seconds,
        "peak_mb": peak,
        "test_mse": float(np.mean(error**2)),
        "correction_share": result.facts.correction_share,  # of the encoder; with 0 the error is that of the ridge
        "predict_one_seconds": _median_seconds(lambda: result.predictor.predict(read_panel(last).panel)),
        "predict_all_seconds": seconds,
        "steps": len(times.starts),
        "matmul_share": _matmul_share(result.predictor.network, times.seconds, training),
    }


def _peer(data: LongHorizon) -> dict[str, float]:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import PatchTST
    from neuralforecast.tsdataset import TimeSeriesDataset

    model = PatchTST(
        h=HORIZON,
        input_size=CONTEXT_LENGTH,
        loss=MSE(),
        batch_size=7,
        windows_batch_size=BATCH_SIZE,
        max_steps=PEER_STEPS,
        val_check_steps=100,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[StepTimes()],
    )
    long = data.table.melt("date", var_name="unique_id", value_name="y").rename(columns={"date": "ds"})
    library = NeuralForecast([model], freq="h")
    library.fit(long[long["ds"] < data.table["date"].iloc[data.validation_end]], val_size=2880)
    peak = _peak_mb()
    fitted = library.models[0]
    # The library trains a copy of the model, callbacks and all.
    times = next(callback for callback in fitted.trainer_kwargs["callbacks"] if isinstance(callback, StepTimes))
    one = long[long["unique_id"] == "OT"].tail(CONTEXT_LENGTH)
    dataset = TimeSeriesDataset.from_df(long)[0]
    fitted.set_test_size(len(data.table) - data.validation_end)
    began = time.perf_counter()
    forecasts = fitted.predict(dataset, step_size=1)
    seconds = time.perf_counter() - began
    return {
        "windows_per_second": BATCH_SIZE / times.seconds,
        "peak_mb": peak,
        "test_mse": _peer_error(forecasts, data.table, data.validation_end),
        "predict_one_seconds": _median_seconds(lambda: library.predict(one)),
        "predict_all_seconds": seconds,
        "steps": len(times.starts),
    }


def _peer_error(forecasts: np.ndarray[Any, Any], table: pd.DataFrame, begin: int) -> float:
    """Gives the mean squared error of all windows; series come sorted by name, windows in order."""
    actual = table.drop(columns="date").sort_index(axis=1).to_numpy()[begin:]
    windows = np.lib.stride_tricks.sliding_window_view(actual, HORIZON, axis=0)  # [W C H]
    expected = windows.transpose(1, 0, 2).reshape(-1)
    return float(np.mean((expected - forecasts.reshape(-1)) ** 2))


def _matmul_share(network: torch.nn.Module, seconds: float, training: TrainingConfig) -> float:
    """Gives the rate of one training step over that of a large matrix product in the same format."""
    from torch.utils.flop_counter import FlopCounterMode

    context = torch.randn(BATCH_SIZE, CONTEXT_LENGTH, dtype=torch.float64)
    observed = torch.ones_like(context, dtype=torch.bool)
    with FlopCounterMode(display=False) as counter:
        network.train()(context, observed).parameters.sum().backward()
    dtype = torch.bfloat16 if lightning_precision(training.precision) == "bf16-mixed" else torch.float32
    square = torch.randn(2048, 2048, dtype=dtype)
    peak = 2 * 2048**3 / _median_seconds(lambda: square @ square)
    return float(counter.get_total_flops() / seconds / peak)


def _median_seconds(call: Callable[[], object]) -> float:
    call()
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _peak_mb() -> float:
    return resident_bytes("VmHWM") / 2**20


CASES: dict[str, Callable[[LongHorizon], dict[str, float]]] = {
    "peer": _peer,
    "same_architecture": lambda data: _ours(
        data, SAME_ARCHITECTURE, TrainingConfig(batch_size=BATCH_SIZE, max_steps=100, calibration="off")
    ),
    FLOAT32: lambda data: _ours(
        data,
        SAME_ARCHITECTURE,
        TrainingConfig(batch_size=BATCH_SIZE, max_steps=100, calibration="off", precision="float32"),
    ),
    "default": lambda data: _ours(data, DEFAULT, TrainingConfig(batch_size=BATCH_SIZE)),
}


if __name__ == "__main__":
    main()
