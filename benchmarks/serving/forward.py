"""The bare forward: how fast a predictor answers tensors, with no server around it, in a process of its own.

    python -m benchmarks.serving.forward --bundle FOLDER [--threads 1] [--runtime eager]

The last line is a JSON object: the median seconds of one forward by batch size.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import torch

from benchmarks.serving.model import contexts
from forecaster.bundle import load_bundle
from forecaster.predictor import Predictor

BATCH_SIZES = (1, 8, 32, 64)

_WARM_UP, _FEWEST = 3, 10


def runtime_names() -> tuple[str, ...]:
    """Names the runtimes that a bundle can be loaded into; eager torch alone where `load_bundle` leaves no choice."""
    wanted = get_type_hints(load_bundle).get("runtime")
    return ("eager",) if wanted is None else tuple(sorted(name for name in get_args(wanted) if name != "auto"))


def load_predictor(folder: Path, runtime: str) -> Predictor:
    """Loads the predictor of a bundle in one of the runtimes."""
    has_choice = "runtime" in get_type_hints(load_bundle)
    options: dict[str, Any] = {"runtime": runtime} if has_choice else {}
    return load_bundle(folder, **options).predictor


def forward_seconds(predictor: Predictor, batch_size: int, seconds: float) -> float:
    """Gives the median seconds of one forward, over as many as fit into `seconds`."""
    context = torch.from_numpy(contexts(batch_size))
    observed = torch.ones_like(context, dtype=torch.bool)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < _WARM_UP + _FEWEST:
        start = time.perf_counter()
        predictor.quantiles(context, observed, predictor.levels)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[_WARM_UP:]))


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bundle", type=Path, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--runtime", choices=runtime_names(), default="eager")
    arguments.add_argument("--seconds", type=float, default=2.0)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    predictor = load_predictor(given.bundle, given.runtime)
    print(json.dumps({str(size): forward_seconds(predictor, size, given.seconds) for size in BATCH_SIZES}), flush=True)


if __name__ == "__main__":
    main()
