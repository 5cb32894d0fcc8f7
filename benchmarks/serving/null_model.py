"""The service without its model: everything but the forward, which gives a prepared answer.

    python -m benchmarks.serving.null_model serve ...

Any arguments are those of `forecaster`. The answer has as many digits as a real one, so that its text is as long.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.serving.model import HORIZON, MODEL, contexts
from forecaster import cli, golden
from forecaster.arrays import FloatArray
from forecaster.predictor import Predictor
from forecaster.types import CovariateBatch


def prepared() -> FloatArray:
    """Gives the answer [H Q] to every context, ascending."""
    wave = contexts(1, HORIZON)[0]
    generator = np.random.default_rng(2)
    return np.sort(wave[:, None] + generator.standard_normal((HORIZON, len(MODEL.levels))), axis=1)


def null_quantiles(
    _: Predictor,
    context: torch.Tensor,
    observed: torch.Tensor,  # noqa: ARG001
    levels: Sequence[float],  # noqa: ARG001
    covariates: CovariateBatch | None = None,  # noqa: ARG001
    groups: torch.Tensor | None = None,  # noqa: ARG001
) -> torch.Tensor:
    """Gives the prepared quantiles [B H Q] in the place of `Predictor.quantiles`."""
    return _PREPARED.expand(len(context), *_PREPARED.shape)


def remove_forward() -> None:
    """Lets every predictor give the prepared answer; the golden forecast, which it contradicts, is not replayed."""
    setattr(Predictor, "quantiles", null_quantiles)  # noqa: B010 - an assignment would be typed as a bound method
    replay = golden.replay_golden
    for module in list(sys.modules.values()):
        if getattr(module, "replay_golden", None) is replay:
            vars(module)["replay_golden"] = lambda *_: None


_PREPARED = torch.from_numpy(prepared())

if __name__ == "__main__":
    remove_forward()
    cli.main(sys.argv[1:])
