"""Windows per second: random training windows out of 100,000 series on one core, beside NeuralForecast.

    python -m benchmarks.windows [--save]

Ours draws every window uniformly from the whole panel. NeuralForecast draws `batch_size` series, lists all
their windows and samples `windows_batch_size` of those; it is measured over the same panel by the calls of
its own training step (loader, `_create_windows`, `_sample_windows`, `_parse_windows`), without scaling or
network, at its default setting and at settings that favour it. Both are timed from nothing to the tensors
that a network is given: ours float64 values and bool masks, theirs float32 values and float32 masks. Time is
processor time of the one core, which on an idle machine is wall time: what other programs take is left out.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.record import machine_setup, record
from forecaster.data.panel import Panel
from forecaster.data.sampling import WindowSampler
from forecaster.data.store import open_store, write_store
from forecaster.data.windows import WindowAddresses, Windows, training_windows
from forecaster.time.frequency import Frequency, TimeAxis

NUM_SERIES = 100_000
SHORTEST, LONGEST = 600, 1000
CONTEXT_LENGTH, HORIZON = 512, 24
BATCH_SIZE = 1024
MISSING_SHARE = 0.01
REPEATS = 7
SECONDS_PER_REPEAT = 0.5

# (batch_size in series, windows_batch_size or None for all windows of those series); the first is the default.
PEER_SETTINGS: tuple[tuple[int, int | None], ...] = ((32, 1024), (32, None), (1, None), (2, 1024), (4, 1024))

MAPPED = "ours, memory-mapped"
ONE_SERIES = "ours, all windows of 1 series"
SERIES_COUNTS = (1_000, 10_000, NUM_SERIES)

Step = Callable[[], int]  # makes one batch, gives its number of windows


@dataclass(frozen=True)
class Rates:
    """Windows per second of one way of making them: the median of the repeats, and all of them."""

    median: float
    repeats: list[float]


def main() -> None:
    """Measures all ways in turn, repeat by repeat, and records their medians."""
    parser = argparse.ArgumentParser(description="windows per second beside NeuralForecast")
    parser.add_argument("--save", action="store_true", help="write docs/results/windows.json")
    save = parser.parse_args().save
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    setup = machine_setup(["neuralforecast"])

    panel = build_panel()
    print(f"panel: {len(panel):,} series, {panel.num_values:,} values, {panel.values.nbytes / 1e9:.2f} GB")
    copied = memory_taken(our_step(panel)) / 1e9
    print(f"memory taken by 200 batches: {copied:.3f} GB")

    with tempfile.TemporaryDirectory() as folder:
        write_store(panel, Path(folder) / "store")
        steps = our_steps(panel, open_store(Path(folder) / "store")) | peer_steps(panel)
        rates = measure(steps)
    for name, rate in rates.items():
        print(f"{name:<44} {rate.median:>12,.0f} windows/s")

    record("windows", figures_of(rates, copied), setup | setting_of(panel, rates), save=save)


def figures_of(rates: dict[str, Rates], copied: float) -> dict[str, object]:
    """Gives the figures of the record; `copied` is the memory taken, in GB."""
    ours, default, best = (
        rates["ours"].median,
        rates[peer_name(PEER_SETTINGS[0])].median,
        rates[best_peer(rates)].median,
    )
    return {
        "windows_per_second": round(ours),
        "panel_copy_gb": round(copied, 3),
        "neuralforecast_windows_per_second": round(default),
        "ratio": round(ours / default, 1),
        "neuralforecast_best_windows_per_second": round(best),
        "ratio_to_best": round(ours / best, 1),
        "one_series_windows_per_second": round(rates[ONE_SERIES].median),
        "ratio_of_one_series": round(rates[ONE_SERIES].median / rates[peer_name((1, None))].median, 1),
        "windows_per_second_mapped": round(rates[MAPPED].median),
        "windows_per_second_by_series": {str(count): round(rates[our_name(count)].median) for count in SERIES_COUNTS},
    }


def setting_of(panel: Panel, rates: dict[str, Rates]) -> dict[str, object]:
    """Gives what of the setting this benchmark itself decides, and the rates of all repeats."""
    return {
        "panel": f"{NUM_SERIES} series of {SHORTEST}..{LONGEST} steps, {panel.values.nbytes / 1e9:.2f} GB float64, "
        f"{MISSING_SHARE:.0%} missing; every cutoff from 1 on",
        "seconds": f"processor time, single thread on one core, median of {REPEATS} repeats in turn",
        "window": {"context_length": CONTEXT_LENGTH, "horizon": HORIZON, "windows_per_batch": BATCH_SIZE},
        "neuralforecast_default": peer_name(PEER_SETTINGS[0]),
        "neuralforecast_best": best_peer(rates),
        "repeats": {name: [round(value) for value in rate.repeats] for name, rate in rates.items()},
    }


def best_peer(rates: dict[str, Rates]) -> str:
    """Gives NeuralForecast's fastest setting."""
    return max(map(peer_name, PEER_SETTINGS), key=lambda name: rates[name].median)


def build_panel() -> Panel:
    """Builds a panel of noise in series of random lengths, with some values missing."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(SHORTEST, LONGEST, NUM_SERIES, endpoint=True)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = generator.standard_normal(offsets[-1])
    values[generator.integers(0, offsets[-1], int(offsets[-1] * MISSING_SHARE))] = np.nan
    ids = tuple(f"s{number}" for number in range(NUM_SERIES))
    return Panel(ids, offsets, values, np.zeros(NUM_SERIES, dtype=np.int64), TimeAxis(Frequency.parse("step")))


def first_series(panel: Panel, count: int) -> Panel:
    """Gives a panel of the first series that shares its values with `panel`."""
    offsets = panel.offsets[: count + 1]
    return Panel(panel.series_ids[:count], offsets, panel.values[: offsets[-1]], panel.starts[:count], panel.axis)


def our_name(count: int) -> str:
    """Gives the name under which a panel of so many series is measured."""
    return "ours" if count == NUM_SERIES else f"ours, {count} series"


def our_step(panel: Panel) -> Step:
    """Gives the making of one training batch: addresses drawn at random, windows cut."""
    sampler = WindowSampler(training_windows(panel, HORIZON, panel.lengths), BATCH_SIZE, seed=0)
    windows = Windows(panel, CONTEXT_LENGTH, HORIZON)
    numbers = iter(range(10**9))

    def step() -> int:
        return len(windows.gather(sampler.addresses(next(numbers))).context)

    return step


def our_steps(panel: Panel, mapped: Panel) -> dict[str, Step]:
    """Gives ours over the first series, over the whole panel, and over a store of it."""
    return {our_name(count): our_step(first_series(panel, count)) for count in SERIES_COUNTS} | {
        MAPPED: our_step(mapped),
        ONE_SERIES: one_series_step(panel),
    }


def one_series_step(panel: Panel) -> Step:
    """Gives the making of all windows of one random series: what NeuralForecast does at its fastest setting."""
    generator = np.random.default_rng(0)
    windows = Windows(panel, CONTEXT_LENGTH, HORIZON)

    def step() -> int:
        series = generator.integers(len(panel))
        cutoffs = np.arange(1, panel.lengths[series] - HORIZON + 1)
        return len(windows.gather(WindowAddresses(np.full(len(cutoffs), series), cutoffs)).context)

    return step


def peer_steps(panel: Panel) -> dict[str, Step]:
    """Gives NeuralForecast's making of one training batch over the same panel, at each of its settings."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    from neuralforecast.models import MLP
    from neuralforecast.tsdataset import TimeSeriesDataset

    observed = ~np.isnan(panel.values)
    temporal = np.stack([np.where(observed, panel.values, 0), observed], axis=1).astype(np.float32)
    dataset = TimeSeriesDataset(temporal, pd.Index(["y", "available_mask"]), panel.offsets, y_idx=0)
    model = MLP(h=HORIZON, input_size=CONTEXT_LENGTH, num_layers=1, hidden_size=8, max_steps=1)
    model.val_size = model.test_size = 0
    return {peer_name(setting): peer_step(model, dataset, *setting) for setting in PEER_SETTINGS}


def peer_name(setting: tuple[int, int | None]) -> str:
    """Gives the name of a setting of NeuralForecast."""
    return f"neuralforecast, {setting[0]} series, {setting[1] or 'all'} windows"


def peer_step(model: Any, dataset: Any, num_series: int, size: int | None) -> Step:
    """Gives one training batch made by the calls of NeuralForecast's `training_step`, in its order."""
    from neuralforecast.tsdataset import TimeSeriesLoader

    def batches() -> Iterator[Any]:
        while True:
            yield from TimeSeriesLoader(dataset, batch_size=num_series, shuffle=True)

    source = batches()

    def step() -> int:
        batch = next(source)
        temporal, static, static_cols, valid, weight, columns = model._create_windows(batch, step="train")
        chosen = torch.arange(len(valid))
        if size is not None:
            few = len(valid) < size
            chosen = torch.randint(0, len(valid), size=(size,)) if few else torch.randperm(len(valid))[:size]
        windows = model._sample_windows(temporal, static, static_cols, columns, chosen, valid, weight)
        return len(model._parse_windows(batch, windows)[0])

    return step


def measure(steps: dict[str, Step]) -> dict[str, Rates]:
    """Times every way in each repeat, one after the other, so that a busy moment does not hit one alone."""
    for step in steps.values():
        step()
    repeats: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(REPEATS):
        for name, step in steps.items():
            repeats[name].append(rate_of(step))
    return {name: Rates(statistics.median(values), values) for name, values in repeats.items()}


def rate_of(step: Step) -> float:
    """Gives windows per processor second, over at least `SECONDS_PER_REPEAT` of them."""
    count, begin = 0, time.process_time()
    while (passed := time.process_time() - begin) < SECONDS_PER_REPEAT:
        count += step()
    return count / passed


def memory_taken(step: Step, num_steps: int = 200) -> int:
    """Gives by how many bytes the peak of resident memory rises above what was in use before."""
    before = resident_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
    for _ in range(num_steps):
        step()
    return max(resident_bytes("VmHWM") - before, 0)


def resident_bytes(field: str) -> int:
    """Gives VmRSS (in use) or VmHWM (the peak) of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()
