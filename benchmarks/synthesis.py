"""How fast synthetic series are made on one thread, and pictures of every family.

    python -m benchmarks.synthesis [--save] [--pictures FOLDER]

`series_per_second` is that of the whole mixture, 1,024 steps each, the median over the cycles of all frequencies.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure

from benchmarks.record import machine_setup, record
from forecaster.config.cycles import Cycles
from forecaster.synthesis import CYCLE_WEIGHTS, FAMILIES, Draws, Order, synthesize

_NUM_SERIES, _NUM_STEPS, _ROUNDS = 512, 1_024, 5
_COLUMNS, _SHOWN_STEPS = 6, 400
_HOURLY, _MONTHLY = Cycles(24, 168), Cycles(12)


def main() -> None:
    """Times the mixture and each family, and draws them."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--save", action="store_true", help="write the record to docs/results")
    arguments.add_argument("--pictures", type=Path, help="folder to draw synthesis.png into")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rates = [_rate(synthesize, cycles) for cycles in CYCLE_WEIGHTS]
    figures = {"series_per_second": statistics.median(rates), "series_per_second_least": min(rates)}
    figures |= {f"series_per_second_{name}": _rate(family, _HOURLY) for name, family in FAMILIES.items()}
    if given.pictures is not None:
        draw(given.pictures / "synthesis.png")
    setup = machine_setup() | {"num_series": _NUM_SERIES, "num_steps": _NUM_STEPS, "rounds": _ROUNDS}
    record("synthesis", {name: round(value) for name, value in figures.items()}, setup, save=given.save)


def _rate(make: Callable[[Draws, Order], object], cycles: Cycles) -> float:
    """Gives series a second, the median of some rounds after one that warms up."""
    draws, order, seconds = Draws.seeded(0), Order(_NUM_SERIES, _NUM_STEPS, cycles), []
    for _ in range(_ROUNDS + 1):
        began = time.perf_counter()
        make(draws, order)
        seconds.append(time.perf_counter() - began)
    return _NUM_SERIES / statistics.median(seconds[1:])


def draw(path: Path) -> None:
    """Draws some series of each family, a row each, and in the last row some of the mixture, as training sees them."""
    draws = Draws.seeded(3)
    figure = Figure(figsize=(2.6 * _COLUMNS, 1.25 * (len(FAMILIES) + 1)), layout="constrained")
    axes = figure.subplots(len(FAMILIES) + 1, _COLUMNS)
    rows = {
        name: family(draws, Order(_COLUMNS, _SHOWN_STEPS, _HOURLY if place % 2 else _MONTHLY))
        for place, (name, family) in enumerate(FAMILIES.items())
    }
    mixed = synthesize(draws, Order(_COLUMNS, _SHOWN_STEPS, _HOURLY))
    rows["mixture"] = torch.where(mixed.observed, mixed.values, torch.nan)
    for row, (name, series) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(name.replace("_", "\n"), fontsize=8)
        for axis, values in zip(row, series, strict=True):
            axis.plot(values.numpy(), linewidth=0.7, color="#1f5fa8")
            axis.set_xticks([])
            axis.set_yticks([])
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    main()
