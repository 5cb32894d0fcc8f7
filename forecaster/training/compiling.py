"""Compilation of the training step, where the machine can."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import torch

from forecaster.errors import reason_of

log = logging.getLogger(__name__)

Loss = Callable[..., torch.Tensor]


def compiled(loss: Loss) -> Loss:
    """Gives the compiled function, or where no compiler works, with a warning logged, the function itself.

    Random numbers are torch's own: those that the compiler makes up cost more on a CPU than compilation gains.
    """
    problem = compiler_problem()
    if problem is not None:
        log.warning("not_compiled", extra={"fields": {"reason": problem}})
        return loss
    return torch.compile(loss, options={"fallback_random": True})


@cache
def compiler_problem() -> str | None:
    """Gives what keeps this machine from compiling, found out by compiling something small; None where it can."""
    try:
        torch.compile(_doubled)(torch.ones(8))
    except (RuntimeError, OSError) as error:  # whatever a tool chain that is not whole may raise
        return reason_of(error)
    return None


def _doubled(values: torch.Tensor) -> torch.Tensor:
    return 2 * values
