"""The bare forward passes of a bundle, in processes of a thread each, on windows that lie ready in memory."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmarks.serving.model import contexts
from forecaster.bundle import NETWORK, load_bundle

_NUM_BATCHES, _BATCH_SIZE, _WARM_UP = 256, 256, 4  # the batch size is the predictor's


def forward_seconds(bundle: Path, runtime: str, num_processes: int) -> float:
    """Gives the seconds per series of so many processes that forecast at the same time."""
    command = [sys.executable, "-m", "benchmarks.batch_forward", str(bundle), runtime]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(num_processes)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    each = [float(json.loads(process.communicate()[0])) for process in processes]
    return sum(each) / num_processes / num_processes


def measured(bundle: Path, runtime: str) -> float:
    """Gives the seconds per series of this process, once it is told to go."""
    torch.set_num_threads(1)
    settled = runtime if runtime != "auto" else ("onnx" if (bundle / NETWORK).is_file() else "eager")
    predictor = load_bundle(bundle, settled).predictor  # type: ignore[arg-type]
    context = torch.from_numpy(contexts(_BATCH_SIZE * 4, predictor.network.context_length))
    batches = [part.contiguous() for part in context.split(_BATCH_SIZE)]
    observed = torch.ones_like(batches[0], dtype=torch.bool)
    for number in range(_WARM_UP):
        predictor.quantiles(batches[number], observed, predictor.levels)
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    for number in range(_NUM_BATCHES):
        predictor.quantiles(batches[number % len(batches)], observed, predictor.levels)
    return (time.perf_counter() - begin) / (_NUM_BATCHES * _BATCH_SIZE)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("bundle", type=Path)
    arguments.add_argument("runtime")
    given = arguments.parse_args()
    print(json.dumps(measured(given.bundle, given.runtime)), flush=True)
