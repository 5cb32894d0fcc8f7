"""Memory of training beside NeuralForecast's PatchTST, the estimate beside the measurement, and panels of any size.

    python -m benchmarks.memory [--save] [--threads 1] [--largest 1000000] [--no-peer]

Peaks are those of processes of their own: ETTh1, L = 512, H = 96, 256 windows a step, a few steps and one validation
in each, in batches of the same size. The cases are those of the train_speed benchmark, and the same architecture in
float32, as the peer has it.
"peak_mb" is all that the process ever held, libraries included; "fit_mb" is what fitting added to what was there
before, which is what the estimate foretells. For panels see benchmarks/panel_size.py.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.data import etth1, parser
from benchmarks.panel_size import panel_case, write_noise
from benchmarks.processes import in_process
from benchmarks.record import machine_setup, record
from benchmarks.train_speed import BATCH_SIZE, CONTEXT_LENGTH, DEFAULT, HORIZON, SAME_ARCHITECTURE
from benchmarks.windows import resident_bytes
from forecaster.config import ForecasterConfig, ModelConfig, TrainingConfig
from forecaster.data.reading import read_panel
from forecaster.training.fit import fit, resolve
from forecaster.training.memory import memory_estimate

NUM_STEPS = 8
SIZES = (1_000, 10_000, 100_000, 1_000_000)
PEER = "peer"
OURS: dict[str, tuple[ModelConfig, TrainingConfig]] = {
    "same_architecture": (SAME_ARCHITECTURE, TrainingConfig(calibration="off")),
    "same_architecture_float32": (SAME_ARCHITECTURE, TrainingConfig(calibration="off", precision="float32")),
    "default": (DEFAULT, TrainingConfig()),
}

Cases = Mapping[str, Mapping[str, float]]


def main() -> None:
    """Runs every case and prints the record."""
    given = _arguments()
    if given.case or given.store:
        torch.set_num_threads(given.threads)
        print(json.dumps(panel_case(given.store) if given.store else _measured(given.case, given.data)), flush=True)
        return
    sizes = [size for size in SIZES if size <= given.largest]
    results: dict[str, dict[str, float]] = {}
    for case in [*([PEER] if given.peer else []), *OURS]:
        results[case] = _in_process(case, ["--case", case, "--data", str(given.data)], given.threads)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_noise(Path(folder) / "store", size)
            results[str(size)] = _in_process(str(size), ["--store", str(Path(folder) / "store")], given.threads)
    figures = training_figures(results) | panel_figures({size: results[str(size)] for size in sizes})
    setup = machine_setup(["neuralforecast", "pytorch-lightning"]) | {"threads": given.threads, "cases": results}
    record("memory", {name: round(value, 4) for name, value in figures.items()}, setup, save=given.save)


def training_figures(results: Cases) -> dict[str, float]:
    """Gives our peaks over the peer's, and the estimates over what was measured."""
    figures = {f"peak_mb_{case}": results[case]["peak_mb"] for case in OURS}
    ratios = {case: results[case]["estimate_mb"] / results[case]["fit_mb"] for case in OURS}
    figures |= {f"estimate_over_measured_{case}": ratio for case, ratio in ratios.items()}
    figures["estimate_over_measured"] = max(ratios.values(), key=lambda ratio: max(ratio, 1 / ratio))
    if PEER in results:
        figures["peak_mb_peer"] = results[PEER]["peak_mb"]
        figures["ratio_peak_memory"] = results["same_architecture"]["peak_mb"] / results[PEER]["peak_mb"]
        figures["ratio_peak_memory_float32"] = (
            results["same_architecture_float32"]["peak_mb"] / results[PEER]["peak_mb"]
        )
        figures["ratio_peak_memory_default"] = results["default"]["peak_mb"] / results[PEER]["peak_mb"]
    return figures


def panel_figures(results: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Gives cost at the largest size over that at the smallest, and the memory that a further series takes."""
    smallest, largest = min(results), max(results)
    low, high = results[smallest], results[largest]
    span = f"{_power(largest)}_over_{_power(smallest)}"
    figures = {f"window_cost_ratio_{span}": high["window_microseconds"] / low["window_microseconds"]}
    figures[f"step_cost_ratio_{span}"] = high["step_milliseconds"] / low["step_milliseconds"]
    for size, found in results.items():
        for name in ("window_microseconds", "step_milliseconds", "fit_seconds", "peak_mb", "anonymous_mb"):
            figures[f"{name}_{_power(size)}"] = found[name]
    if largest > smallest:
        added = (high["anonymous_mb"] - low["anonymous_mb"]) * 2**20
        figures["bytes_per_series"] = added / (largest - smallest)
    return figures


def _power(size: int) -> str:
    """Gives 1e6 for a million."""
    return f"{size:.0e}".replace("e+0", "e")


def _in_process(case: str, options: list[str], num_threads: int) -> dict[str, float]:
    found = in_process("benchmarks.memory", [*options, "--threads", str(num_threads)], num_threads)
    print(case, {name: round(value, 3) for name, value in found.items()}, flush=True)
    return found


def _measured(case: str, folder: Path) -> dict[str, float]:
    return _peer(folder) if case == PEER else _ours(folder, *OURS[case])


def _ours(folder: Path, model: ModelConfig, training: TrainingConfig) -> dict[str, float]:
    data = etth1(folder)
    panel = read_panel(data.table).panel
    short = {"batch_size": BATCH_SIZE, "max_steps": NUM_STEPS, "steps_per_validation": NUM_STEPS}
    trained = training.model_copy(update=short)
    config = resolve(panel, ForecasterConfig(model=model, training=trained, split=data.split(HORIZON)))
    estimate = memory_estimate(config, panel).total

    def run() -> None:
        with tempfile.TemporaryDirectory() as checkpoints:
            fit(panel, config, Path(checkpoints))

    return {"estimate_mb": estimate / 2**20, **_peaks(run)}


def _peer(folder: Path) -> dict[str, float]:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import PatchTST

    data = etth1(folder)
    long = data.table.melt("date", var_name="unique_id", value_name="y").rename(columns={"date": "ds"})
    seen = long[long["ds"] < data.table["date"].iloc[data.validation_end]]
    model = PatchTST(
        h=HORIZON,
        input_size=CONTEXT_LENGTH,
        loss=MSE(),
        batch_size=7,
        windows_batch_size=BATCH_SIZE,
        inference_windows_batch_size=BATCH_SIZE,
        max_steps=NUM_STEPS,
        val_check_steps=NUM_STEPS,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    library = NeuralForecast([model], freq="h")
    return _peaks(lambda: library.fit(seen, val_size=data.validation_end - data.train_end))


def _peaks(run: Callable[[], object]) -> dict[str, float]:
    """Gives the peak of the process in MB, and by how much it rises above what was there before."""
    before = resident_bytes("VmRSS")
    run()
    peak = resident_bytes("VmHWM")
    return {"peak_mb": peak / 2**20, "fit_mb": (peak - before) / 2**20}


def _arguments() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--largest", type=int, default=max(SIZES), choices=SIZES, help="panel, in series")
    arguments.add_argument("--no-peer", dest="peer", action="store_false")
    arguments.add_argument("--case", choices=[PEER, *OURS], help=argparse.SUPPRESS)
    arguments.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    return arguments.parse_args()


if __name__ == "__main__":
    main()
