"""The Server-Timing header: where the time of an answer went."""

from __future__ import annotations

from service.compute.engine import Stages


def server_timing(stages: Stages, serialise: float) -> str:
    """Gives the stages of an answer in milliseconds, `serialise` being given in seconds as they are."""
    named = {"queue": stages.queue, "compute": stages.compute, "serialise": serialise}
    return ", ".join(f"{name};dur={1000 * seconds:.3f}" for name, seconds in named.items())
