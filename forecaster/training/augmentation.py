"""Augmentations: changes to training windows that leave what there is to learn as it is.

Each is a pure function of a batch and a generator, acts on a random half of the windows, and treats the windows of
one group that stand at one timestamp alike. Scaling a window or shifting its level is none of them: the network is
indifferent to both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from forecaster.config import ModelConfig
from forecaster.errors import ConfigError
from forecaster.model.heads import HEADS
from forecaster.model.scaling import scale_context, scale_target, unscale
from forecaster.types import CovariateBatch, Masked, WindowBatch

_SHARE = 0.5  # of the windows that an augmentation changes
_LEAST_KEPT = 1 / 8  # of the context that truncation leaves
_NUM_BLOCKS = 16  # that masking cuts a context into
_HIDDEN_BLOCKS = 0.15
_LEAST_JOINT = 0.5  # of a window's observed steps that are observed in its partner as well


def flip(batch: WindowBatch, generator: torch.Generator) -> WindowBatch:
    """Turns values upside down."""
    sign = 1.0 - 2.0 * _changed(batch, generator).to(batch.context.dtype).unsqueeze(1)
    return replace(batch, context=batch.context * sign, target=batch.target * sign)


def truncate(batch: WindowBatch, generator: torch.Generator) -> WindowBatch:
    """Hides all but the last 1/8 to 8/8 of the context, with the covariates there, as if the series began later."""
    length = batch.context.shape[1]
    kept = (_LEAST_KEPT + (1 - _LEAST_KEPT) * _per_company(batch, generator)) * length
    kept = torch.where(_changed(batch, generator), kept.ceil(), float(length))
    seen = torch.arange(length) >= (length - kept).unsqueeze(1)  # [B L]
    covariates = None if batch.covariates is None else _begun(batch.covariates, seen)
    return replace(_showing(batch, seen), covariates=covariates)


def mask(batch: WindowBatch, generator: torch.Generator) -> WindowBatch:
    """Hides 15 % of the sixteenths of the context, as if values were missing there; covariates stay."""
    length = batch.context.shape[1]
    block = torch.arange(length) * _NUM_BLOCKS // length  # [L]
    hidden = torch.stack([_per_company(batch, generator) for _ in range(_NUM_BLOCKS)], dim=1) < _HIDDEN_BLOCKS
    hidden &= _changed(batch, generator).unsqueeze(1)
    return _showing(batch, ~hidden[:, block])


def mix(batch: WindowBatch, generator: torch.Generator) -> WindowBatch:
    """Adds to a window up to as much of another one of the batch, each in units of its own spread.

    As in the mixup of time series of Ansari et al. 2024 (Chronos), with two windows. Where too few steps are observed
    in both, or one does not vary, the window stays.
    """
    num_windows = len(batch.context)
    partner = torch.randperm(num_windows, generator=generator)
    share = 1 - 0.5 * torch.rand(num_windows, 1, generator=generator)  # of the window itself
    window = scale_context(batch.context, batch.observed)
    context = share * window.values + (1 - share) * window.values[partner]
    scaled = scale_target(batch.target, window.scale)
    target = share * scaled + (1 - share) * scaled[partner]
    joint, joint_target = (
        batch.observed & batch.observed[partner],
        batch.target_observed & batch.target_observed[partner],
    )
    varies = (window.scale.spread > 0) & (window.scale.spread[partner] > 0)
    enough = joint.sum(dim=1, keepdim=True) >= _LEAST_JOINT * batch.observed.sum(dim=1, keepdim=True)
    changed = varies & enough & _changed(batch, generator).unsqueeze(1)
    mixed = WindowBatch(unscale(context, window.scale), joint, unscale(target, window.scale), joint_target)
    return replace(
        batch,
        context=torch.where(changed, mixed.context, batch.context).where(~changed | joint, 0.0),
        observed=torch.where(changed, joint, batch.observed),
        target=torch.where(changed, mixed.target, batch.target).where(~changed | joint_target, 0.0),
        target_observed=torch.where(changed, joint_target, batch.target_observed),
    )


@dataclass(frozen=True)
class Augmentation:
    """A change to windows, and what has to be so for it to be right."""

    change: Callable[[WindowBatch, torch.Generator], WindowBatch]
    alters_values: bool  # what covariates, other series of the group and counts say would no longer hold


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": Augmentation(flip, alters_values=True),
    "truncate": Augmentation(truncate, alters_values=False),
    "mask": Augmentation(mask, alters_values=False),
    "mix": Augmentation(mix, alters_values=True),
}


def augmented(batch: WindowBatch, names: Sequence[str], seed: int, step: int) -> WindowBatch:
    """Gives the batch of a step with these augmentations, one after the other, the same at every call."""
    if not names:
        return batch
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state >> 1))
    for name in names:
        batch = AUGMENTATIONS[name].change(batch, generator)
    return batch


def check_augmentations(names: Sequence[str], model: ModelConfig) -> None:
    """Raises ConfigError where an augmentation would teach such a model what is not so."""
    reasons = {
        "the model reads covariates": not model.covariates.is_empty,
        "series of a group see each other": model.channels == "group",
        "scaling 'log' is for values above 0": model.scaling == "log",
        f"head {model.head!r} forecasts counts": HEADS[model.head](model).counts_only,
    }
    for name in names:
        for reason, holds in reasons.items():
            if holds and AUGMENTATIONS[name].alters_values:
                raise ConfigError(f"augmentation {name!r} alters values, and {reason}: leave it out")


def _changed(batch: WindowBatch, generator: torch.Generator) -> torch.Tensor:
    """Gives which windows [B] an augmentation changes."""
    return _per_company(batch, generator) < _SHARE


def _per_company(batch: WindowBatch, generator: torch.Generator) -> torch.Tensor:
    """Gives a uniform draw for each window [B], one and the same for windows of equal group."""
    if batch.groups is None:
        return torch.rand(len(batch.context), generator=generator)
    companies = torch.unique(batch.groups, return_inverse=True)[1]
    return torch.rand(len(batch.context), generator=generator)[companies]


def _showing(batch: WindowBatch, seen: torch.Tensor) -> WindowBatch:
    """Hides the context outside of `seen` [B L]."""
    return replace(batch, context=batch.context.where(seen, 0.0), observed=batch.observed & seen)


def _begun(covariates: CovariateBatch, seen: torch.Tensor) -> CovariateBatch:
    """Hides the numbers of steps outside of `seen` [B L]; the calendar is known before a series begins, too."""
    num_ahead = covariates.known.values.shape[1] - seen.shape[1]
    ahead = torch.ones(len(seen), num_ahead, dtype=torch.bool)
    return replace(
        covariates,
        past=_shown(covariates.past, seen),
        known=_shown(covariates.known, torch.cat([seen, ahead], dim=1)),
    )


def _shown(numbers: Masked, seen: torch.Tensor) -> Masked:
    shown = seen.unsqueeze(-1)
    return Masked(numbers.values.where(shown, 0.0), numbers.observed & shown)
