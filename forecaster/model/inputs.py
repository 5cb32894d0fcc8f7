"""The inputs of a network as named tensors: for a file or a graph, neither of which knows our types."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from forecaster.config import ModelConfig
from forecaster.errors import RequestError
from forecaster.types import CovariateBatch, Masked

CONTEXT, OBSERVED, GROUPS = "context", "observed", "groups"
PAST, KNOWN, STATIC = "past", "known", "static"
CALENDAR, CATEGORIES, ELAPSED = "calendar", "categories", "elapsed"

NamedInputs = Mapping[str, torch.Tensor]


def input_names(config: ModelConfig) -> tuple[str, ...]:
    """Gives the names of what networks of this config read, in one order."""
    names = [CONTEXT, OBSERVED] + ([GROUPS] if config.channels == "group" else [])
    if not config.reads_context_alone:
        names += [f"{kind}.{part}" for kind in (PAST, KNOWN, STATIC) for part in ("values", "observed")]
        names += [CALENDAR, CATEGORIES]
    return (*names, *([ELAPSED] if config.reads_elapsed else []))


def covariates_of(inputs: NamedInputs) -> CovariateBatch | None:
    """Gives the covariates among named inputs, if there are any."""
    if CALENDAR not in inputs:
        return None
    past, known, static = (
        Masked(inputs[f"{kind}.values"], inputs[f"{kind}.observed"]) for kind in (PAST, KNOWN, STATIC)
    )
    return CovariateBatch(past, known, inputs[CALENDAR], static, inputs[CATEGORIES], inputs.get(ELAPSED))


def named_covariates(covariates: CovariateBatch, config: ModelConfig) -> dict[str, torch.Tensor]:
    """Gives covariates by name; RequestError where the elapsed time is read and missing."""
    found = {CALENDAR: covariates.calendar, CATEGORIES: covariates.categories}
    for kind, numbers in ((PAST, covariates.past), (KNOWN, covariates.known), (STATIC, covariates.static)):
        found |= {f"{kind}.values": numbers.values, f"{kind}.observed": numbers.observed}
    if config.reads_elapsed:
        if covariates.elapsed is None:
            raise RequestError("this model needs the elapsed time of each step and got none", code="missing-covariates")
        found[ELAPSED] = covariates.elapsed
    return found
