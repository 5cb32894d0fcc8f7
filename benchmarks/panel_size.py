"""What a training window costs, in time and memory, out of a store of so many series.

The series are short (32 to 64 steps of noise) and memory-mapped. A window is drawn by the sampler and gathered, as
training does it; a step is one of a tiny network, in the middle of a fit. Resident memory counts the pages of the
store that were touched, which the system takes back when it needs them; anonymous memory is what the process holds.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.step_times import StepTimes
from benchmarks.windows import resident_bytes
from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.panel import Panel
from forecaster.data.sampling import WindowSampler
from forecaster.data.store import StoreWriter, open_store
from forecaster.data.windows import Windows, training_windows
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.training.fit import fit

SHORTEST, LONGEST = 32, 64
CONTEXT_LENGTH, HORIZON = 32, 8
BATCH_SIZE = 256
SERIES_PER_BLOCK = 100_000
WINDOW_SECONDS = 3.0
_WARM_UP_BATCHES = 20

CONFIG = ForecasterConfig(
    model=ModelConfig(
        horizon=HORIZON,
        context_length=CONTEXT_LENGTH,
        season_length=8,
        patch_length=8,
        d_model=16,
        num_heads=2,
        num_layers=1,
        d_ff=16,
    ),
    training=TrainingConfig(batch_size=BATCH_SIZE, max_steps=100, steps_per_validation=50, calibration="off"),
    split=SplitConfig(num_validation_folds=1, num_test_folds=1),
)


def panel_case(store: Path) -> dict[str, float]:
    """Measures one store: processor time per window, per step and of the whole fit, and memory in MB."""
    before = resident_bytes("RssAnon")
    panel = open_store(store)
    window = seconds_per_window(panel)
    sampling = resident_bytes("RssAnon") - before
    times, began = StepTimes(time.process_time), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        fit(panel, CONFIG, Path(folder), callbacks=[times])
    seconds = time.process_time() - began
    return {
        "window_microseconds": 1e6 * window,
        "step_milliseconds": 1e3 * times.seconds,
        "fit_seconds": seconds,
        "sampling_anonymous_mb": sampling / 2**20,
        "anonymous_mb": (resident_bytes("RssAnon") - before) / 2**20,
        "peak_mb": resident_bytes("VmHWM") / 2**20,
    }


def write_noise(folder: Path, num_series: int) -> None:
    """Writes a store of noise in series of random lengths, block by block."""
    generator = np.random.default_rng(0)
    axis = TimeAxis(Frequency.parse("step"))
    with StoreWriter(folder, axis) as writer:
        for begin in range(0, num_series, SERIES_PER_BLOCK):
            count = min(SERIES_PER_BLOCK, num_series - begin)
            offsets = np.append(0, np.cumsum(generator.integers(SHORTEST, LONGEST, count, endpoint=True)))
            ids = tuple(f"s{number}" for number in range(begin, begin + count))
            values = generator.standard_normal(offsets[-1])
            writer.append(Panel(ids, offsets, values, np.zeros(count, dtype=np.int64), axis))


def seconds_per_window(panel: Panel) -> float:
    """Gives the processor time that one window takes to be drawn and gathered."""
    sampler = WindowSampler(training_windows(panel, HORIZON, panel.lengths), BATCH_SIZE, seed=0)
    windows = Windows(panel, CONTEXT_LENGTH, HORIZON)
    for number in range(_WARM_UP_BATCHES):
        windows.gather(sampler.addresses(number))
    number, began = 0, time.process_time()
    while (passed := time.process_time() - began) < WINDOW_SECONDS:
        windows.gather(sampler.addresses(number))
        number += 1
    return passed / (number * BATCH_SIZE)
