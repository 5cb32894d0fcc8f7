"""Windows for small networks, and what a predictor of them was exported as."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from forecaster.golden import golden_window
from forecaster.model.ensemble import EnsembleOutput, Executor
from forecaster.model.inputs import CONTEXT, GROUPS, OBSERVED, covariates_of
from forecaster.predictor import Predictor


@dataclass(frozen=True)
class Exported:
    """A predictor and its graph."""

    predictor: Predictor
    graph: bytes


def windows(predictor: Predictor, num_rows: int) -> dict[str, torch.Tensor]:
    """Gives named inputs: golden ones again and again, each time of other values, each row in a group of its own."""
    golden = golden_window(predictor.network.config, predictor.network.context_length)
    rows = torch.arange(num_rows) % len(golden[CONTEXT])
    found = {name: tensor[rows] for name, tensor in golden.items()}
    noise = torch.randn(found[CONTEXT].shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found[CONTEXT] = found[CONTEXT] + noise * found[OBSERVED]
    return found | ({GROUPS: torch.arange(num_rows)} if GROUPS in found else {})


def answer(executor: Executor, inputs: dict[str, torch.Tensor]) -> EnsembleOutput:
    """Gives what an executor says of named inputs."""
    with torch.inference_mode():
        return executor(inputs[CONTEXT], inputs[OBSERVED], covariates_of(inputs), inputs.get(GROUPS))


def rows_of(inputs: dict[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    """Gives one of the windows."""
    return {name: tensor[row : row + 1] for name, tensor in inputs.items()}
