"""Does online adaption bring 80 % intervals back after a break, and what does it do where nothing breaks?

    python -m benchmarks.online_conformal [--save] [--only etth1] [--processes 2]

Synthetic series, whose noise becomes two and four times as large and then as it was: models trained before the break
(five seeds, 20 series each) forecast from every step on, and each actual value is scored before the next forecast.
The coverage of all forecasts of a time, whenever they were made, is averaged over seeds, series and 48 times. Counted
are the steps from the break to the end of the first such window from which on, until the next break, none leaves
76 to 84 %.

    xR_steps, xR_back_steps     until then, after the noise has grown R times, and after it has shrunk; null for never
    xR_at_N                     coverage of the window that ends N steps after the break

Real series (the test rows of ETTh1 and of exchange rates, ten days of 100 series of M4 hourly) say whether it hurts:
coverage, its deviation over series, interval score and weighted quantile loss with and without, and the ratios.
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from benchmarks.data import parser
from benchmarks.online_conformal_tasks import AFTER, BEFORE, BROKEN, HORIZON, REAL, Rolled, broken
from benchmarks.record import machine_setup, record
from forecaster.arrays import FloatArray
from forecaster.metrics import score
from forecaster.online import LOWER, MEMORY, UPPER, adapted, distances, log_factors

RATIOS = (2.0, 4.0)
SEEDS = range(5)
WINDOW = 48
_NEAR = (0.76, 0.84)
_SHOWN = (48, 96, 144, 192, 288, 384)
_BEGUN = 50  # origins that are not judged, of real series: there is nothing to learn from yet


def main() -> None:
    """Rolls over all series and prints the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--only", nargs="+", choices=["broken", *REAL], default=["broken", *REAL])
    arguments.add_argument("--processes", type=int, default=1, help="at work at once; no figure depends on it")
    given = arguments.parse_args()
    figures: dict[str, object] = {}
    with ProcessPoolExecutor(given.processes, get_context("spawn"), initializer=_prepare) as pool:
        seeds = [pool.submit(coverages_of, seed) for seed in SEEDS if "broken" in given.only]
        real = {name: pool.submit(_figures_of_real, name, given.data) for name in REAL if name in given.only}
        if seeds:
            figures |= figures_of_breaks([seed.result() for seed in seeds])
        for name, found in real.items():
            print(name, found.result(), flush=True)
            figures |= {f"{name}_{key}": value for key, value in found.result().items()}
    setup = machine_setup(["pytorch-lightning"]) | {"window": WINDOW, "seeds": len(SEEDS), "horizon": HORIZON}
    record("online_conformal", figures, setup, save=given.save)


def _prepare() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)


def coverages_of(seed: int) -> dict[str, FloatArray]:
    """Gives the coverage [T] by time of each size of the break, adapted and as the model says it, of one seed."""
    found = {}
    for ratio, raw in broken(seed, RATIOS).items():
        found[f"x{ratio:g}"] = coverage_by_time(adapted_rolled(raw))
        found[f"raw_x{ratio:g}"] = coverage_by_time(raw)
    return found


def figures_of_breaks(by_seed: list[dict[str, FloatArray]]) -> dict[str, object]:
    """Gives steps and coverages of each size of the break, adapted and as the model says it."""
    figures: dict[str, object] = {}
    for name in by_seed[0]:
        found = _figures_of_break(window_means(np.mean([one[name] for one in by_seed], axis=0)))
        print(name, found, flush=True)
        figures |= {f"{name}_{key}": value for key, value in found.items()}
    return figures


def _figures_of_real(name: str, folder: Path) -> dict[str, float]:
    return figures_of_real(REAL[name](folder))


def _figures_of_break(moving: FloatArray) -> dict[str, object]:
    """Gives what the coverage of windows [T], by the time at which each ends, says of the break and its end."""
    grown, back = BEFORE, BEFORE + BROKEN
    found: dict[str, object] = {
        "before": round(float(moving[grown - 1]), 4),
        "steps": steps_until_near(moving[grown:back]),
        "back_steps": steps_until_near(moving[back : back + AFTER - HORIZON]),
    }
    found |= {f"at_{steps}": round(float(moving[grown + steps - 1]), 4) for steps in _SHOWN}
    return found | {f"back_at_{steps}": round(float(moving[back + steps - 1]), 4) for steps in _SHOWN}


def adapted_rolled(raw: Rolled) -> Rolled:
    """Gives the forecasts as a service would have: each adapted by what was known at its origin."""
    num_series, num_origins, horizon, _ = raw.quantiles.shape
    flat = distances(raw.actual.ravel(), raw.quantiles.reshape(-1, len(raw.levels)), raw.levels)
    by_time = np.full((num_series, MEMORY + num_origins, horizon), np.nan)
    for step, own in enumerate(np.moveaxis(flat.reshape(raw.actual.shape), 2, 0)):
        by_time[:, MEMORY + step :, step] = own[:, : num_origins - step]
    # The factor of an origin is made of the MEMORY times before it.
    windows = np.lib.stride_tricks.sliding_window_view(by_time, MEMORY, axis=1)[:, :num_origins]
    factors = np.stack([np.exp(log_factors(one.swapaxes(1, 2))) for one in windows])
    values = adapted(raw.quantiles.reshape(-1, horizon, len(raw.levels)), raw.levels, factors.ravel())
    return Rolled(values.reshape(raw.quantiles.shape), raw.actual, raw.levels)


def coverage_by_time(one: Rolled) -> FloatArray:
    """Gives the share [T] of forecasts of each time whose 80 % interval held it, over series and origins."""
    lower, upper = (one.quantiles[..., one.levels.index(level)] for level in (LOWER, UPPER))
    hits = ((one.actual >= lower) & (one.actual <= upper)).mean(axis=0)
    origins, steps = np.indices(hits.shape)
    times = (origins + steps).ravel()
    return np.bincount(times, hits.ravel()) / np.bincount(times)


def window_means(values: FloatArray) -> FloatArray:
    """Gives the mean [T] of each value and those before it, WINDOW together; NaN for the first ones."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    means = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    return np.concatenate([np.full(WINDOW - 1, np.nan), means])


def steps_until_near(moving: FloatArray) -> int | None:
    """Gives the steps after which windows that lie in this stretch alone stay near 80 % until its end; None: never."""
    own = moving[WINDOW - 1 :]
    astray = np.flatnonzero((own < _NEAR[0]) | (own > _NEAR[1]))
    first = 0 if not len(astray) else int(astray[-1]) + 1
    return None if first == len(own) else WINDOW + first


def figures_of_real(raw: Rolled) -> dict[str, float]:
    """Gives what both ways are worth where nothing is known to break, and the ratios of their losses."""
    plain, with_it = _quality(raw), _quality(adapted_rolled(raw))
    ratios = {f"{key}_ratio": with_it[key] / plain[key] for key in ("interval_score", "wql")}
    found = with_it | {f"raw_{key}": value for key, value in plain.items()} | ratios
    return {key: round(value, 4) for key, value in found.items()}


def _quality(one: Rolled) -> dict[str, float]:
    values, actual = one.quantiles[:, _BEGUN:], one.actual[:, _BEGUN:]
    lower, upper = (values[..., one.levels.index(level)] for level in (LOWER, UPPER))
    by_series = ((actual >= lower) & (actual <= upper)).mean(axis=(1, 2))
    scores = upper - lower + 10 * (np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0))
    flat = actual.reshape(-1, HORIZON)
    found = score(flat, values.reshape(*flat.shape, -1), one.levels, np.full(len(flat), np.nan))
    return {
        "coverage_80": float(by_series.mean()),
        "coverage_deviation": float(by_series.std()),
        "interval_score": float(scores.mean()),
        "wql": found.weighted_quantile_loss,
    }


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
