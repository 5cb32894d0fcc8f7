"""Augmentations: changes to training windows that leave what there is to learn as it is.

Each is a pure function of a batch and a generator, and acts on a random half of the windows. Scaling a window or
shifting its level is none of them: the network is indifferent to both. Cutting contexts short, hiding parts of them and
mixing windows were tried, and taken out again (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from forecaster.config import ModelConfig
from forecaster.counts import forecasts_counts
from forecaster.errors import ConfigError
from forecaster.types import WindowBatch

_SHARE = 0.5  # of the windows that an augmentation changes


def flip(batch: WindowBatch, generator: torch.Generator) -> WindowBatch:
    """Turns values upside down."""
    changed = torch.rand(len(batch.context), generator=generator) < _SHARE
    sign = 1.0 - 2.0 * changed.to(batch.context.dtype).unsqueeze(1)
    return replace(batch, context=batch.context * sign, target=batch.target * sign)


AUGMENTATIONS: dict[str, Callable[[WindowBatch, torch.Generator], WindowBatch]] = {"flip": flip}


def augmented(batch: WindowBatch, names: Sequence[str], seed: int, step: int) -> WindowBatch:
    """Gives the batch of a step with these augmentations, one after the other, the same at every call."""
    if not names:
        return batch
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state >> 1))
    for name in names:
        batch = AUGMENTATIONS[name](batch, generator)
    return batch


def check_augmentations(names: Sequence[str], model: ModelConfig) -> None:
    """Raises ConfigError where an augmentation would teach such a model what is not so."""
    reasons = {
        "the model reads covariates": not model.covariates.is_empty,
        "series of a group see each other": model.channels == "group",
        "scaling 'log' is for values above 0": model.scaling == "log",
        f"head {model.head!r} forecasts counts": forecasts_counts(model),
    }
    for name in names:
        for reason, holds in reasons.items():
            if holds:
                raise ConfigError(f"augmentation {name!r} alters values, and {reason}: leave it out")
