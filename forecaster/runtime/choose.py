"""Which way a bundle is executed: the one that is asked for, or the faster one on this machine as it is now.

Both are timed in turns on the golden inputs, alone and in a batch of 32, so that what else the machine does meets both
alike. The medians are compared by the product of the two ratios: what one way loses at one size, it has to win at the
other.
"""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from forecaster.errors import BundleError
from forecaster.golden import golden_window, replay_golden
from forecaster.model.ensemble import Executor
from forecaster.model.inputs import CONTEXT, GROUPS, OBSERVED, NamedInputs, covariates_of
from forecaster.predictor import Predictor
from forecaster.runtime.onnx import OnnxEnsemble
from forecaster.types import CovariateBatch

log = logging.getLogger(__name__)

Runtime = Literal["auto", "eager", "onnx"]

_BATCH_SIZES = (1, 32)
_MOST_ROUNDS, _MOST_SECONDS = 9, 0.15  # at each batch size; at least one round is timed

Timings = Mapping[str, Mapping[int, float]]
Windows = tuple[torch.Tensor, torch.Tensor, CovariateBatch | None, torch.Tensor | None]  # an executor's arguments


@dataclass(frozen=True)
class RuntimeChoice:
    """What executes a bundle, and what that was decided by."""

    name: Literal["eager", "onnx"]
    milliseconds: Timings = field(default_factory=dict)  # by name and batch size, empty where there was no choice


def chosen(
    predictor: Predictor, golden: dict[str, torch.Tensor], graph: bytes | None, runtime: Runtime, num_threads: int = 1
) -> tuple[Predictor, RuntimeChoice]:
    """Gives the predictor with what shall execute it, each way checked by the golden forecast before it is used.

    With 'auto' networks are eager where the bundle has no graph, or ONNX Runtime is missing or cannot open it; with
    'onnx' that is a BundleError. GoldenError where either way answers differently from when the bundle was saved.
    """
    replay_golden(predictor, golden)
    executor = None if runtime == "eager" else _opened(predictor, graph, runtime, num_threads)
    if executor is None:
        return predictor, RuntimeChoice("eager")
    exported = predictor.executed_by(executor)
    replay_golden(exported, golden)
    if runtime == "onnx":
        return exported, RuntimeChoice("onnx")
    timings = measured({"eager": predictor.ensemble, "onnx": executor})
    executor.give_back_memory(*_windows(executor, 1))
    faster = _product(timings["onnx"]) < _product(timings["eager"])
    return (exported, RuntimeChoice("onnx", timings)) if faster else (predictor, RuntimeChoice("eager", timings))


def _opened(predictor: Predictor, graph: bytes | None, runtime: Runtime, num_threads: int) -> OnnxEnsemble | None:
    """Gives the networks in ONNX Runtime; None with 'auto' where that cannot be."""
    try:
        if graph is None:
            raise BundleError("the bundle has no graph for ONNX Runtime", code="no-graph")
        return OnnxEnsemble(graph, predictor.networks, num_threads)
    except (BundleError, ImportError) as error:
        if runtime == "onnx":
            reason = "ONNX Runtime is not installed" if isinstance(error, ImportError) else str(error)
            raise BundleError(f"the bundle cannot be executed by ONNX Runtime: {reason}", code="no-onnx") from error
        if graph is not None:
            log.warning("onnx_not_used", extra={"fields": {"reason": str(error)}})
        return None


def measured(executors: Mapping[str, Executor]) -> dict[str, dict[int, float]]:
    """Gives the median milliseconds of each executor by batch size, timed in turns on golden inputs."""
    timings: dict[str, dict[int, float]] = {name: {} for name in executors}
    for size in _BATCH_SIZES:
        calls = [_call(executor, size) for executor in executors.values()]
        for name, seconds in zip(executors, _medians(calls), strict=True):
            timings[name][size] = round(1e3 * seconds, 3)
    return timings


def _call(executor: Executor, size: int) -> Callable[[], object]:
    """Gives a forward pass of some golden windows."""
    windows = _windows(executor, size)

    def forward() -> object:
        with torch.inference_mode():
            return executor(*windows)

    return forward


def _windows(executor: Executor, size: int) -> Windows:
    """Gives what an executor is called with for so many golden windows."""
    network = executor.networks[0]
    window = _repeated(golden_window(network.config, network.context_length), size)
    here = {name: tensor.to(executor.device) for name, tensor in window.items()}
    return here[CONTEXT], here[OBSERVED], covariates_of(here), here.get(GROUPS)


def _repeated(window: NamedInputs, size: int) -> dict[str, torch.Tensor]:
    """Gives `size` windows, the golden ones again and again."""
    rows = torch.arange(size) % len(window[CONTEXT])
    again = {name: tensor[rows] for name, tensor in window.items()}
    return again | ({GROUPS: torch.arange(size) // 2} if GROUPS in window else {})


def _medians(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Gives the median seconds of each call after a first one, timed in turns until time is up."""
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + _MOST_SECONDS
    for number in range(_MOST_ROUNDS):
        if number and time.perf_counter() > end:
            break
        for call, found in zip(calls, seconds, strict=True):
            begin = time.perf_counter()
            call()
            found.append(time.perf_counter() - begin)
    return [statistics.median(found) for found in seconds]


def _product(milliseconds: Mapping[int, float]) -> float:
    return math.prod(milliseconds.values())
