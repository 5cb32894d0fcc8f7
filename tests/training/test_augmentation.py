"""Augmentations: repeat themselves, change half of the windows, and only what they say."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from forecaster.config import CovariateConfig, ModelConfig
from forecaster.errors import ConfigError
from forecaster.training.augmentation import AUGMENTATIONS, augmented, check_augmentations
from forecaster.types import WindowBatch
from tests.training.factories import random_batch

NUM_WINDOWS = 400
NAMES = tuple(AUGMENTATIONS)
each_name = pytest.mark.parametrize("name", NAMES)


def changed_rows(before: WindowBatch, after: WindowBatch) -> torch.Tensor:
    """Which windows [B] differ in any of their four tensors."""
    names = ("context", "observed", "target", "target_observed")
    return torch.stack([(getattr(before, name) != getattr(after, name)).any(dim=1) for name in names]).any(dim=0)


def tensors(batch: WindowBatch) -> list[torch.Tensor]:
    return [getattr(batch, f.name) for f in fields(batch) if isinstance(getattr(batch, f.name), torch.Tensor)]


@each_name
def test_it_depends_on_seed_and_step_alone(name: str) -> None:
    batch = random_batch(NUM_WINDOWS)
    first, again = (augmented(batch, [name], 3, 7) for _ in range(2))
    assert all(map(torch.equal, tensors(first), tensors(again)))
    for seed, step in ((3, 8), (4, 7)):
        other = augmented(batch, [name], seed, step)
        assert not all(map(torch.equal, tensors(first), tensors(other)))


@each_name
def test_it_changes_about_half_of_the_windows_and_leaves_its_input_alone(name: str) -> None:
    batch = random_batch(NUM_WINDOWS)
    kept = [tensor.clone() for tensor in tensors(batch)]
    share = changed_rows(batch, augmented(batch, [name], 0, 0)).double().mean()
    assert 0.4 < share < 0.6
    assert all(map(torch.equal, kept, tensors(batch)))


@each_name
def test_what_is_not_observed_is_zero(name: str) -> None:
    after = augmented(random_batch(NUM_WINDOWS, missing=0.3), [name], 0, 0)
    assert (after.context[~after.observed] == 0).all()
    assert (after.target[~after.target_observed] == 0).all()


def test_flip_negates_context_and_target_together() -> None:
    batch = random_batch(NUM_WINDOWS)
    after = augmented(batch, ["flip"], 0, 0)
    flipped = changed_rows(batch, after)
    assert torch.equal(after.context[flipped], -batch.context[flipped])
    assert torch.equal(after.target[flipped], -batch.target[flipped])


@each_name
def test_what_alters_values_is_refused_where_something_else_speaks_of_them(name: str) -> None:
    plain = ModelConfig(horizon=4, context_length=16, patch_length=4)
    check_augmentations([name], plain)
    for changes, reason in (
        ({"covariates": CovariateConfig(known=("price",))}, "reads covariates"),
        ({"channels": "group"}, "see each other"),
        ({"head": "negative_binomial"}, "forecasts counts"),
        ({"scaling": "log"}, "for values above 0"),
    ):
        model = ModelConfig(**{**plain.model_dump(), **changes})
        with pytest.raises(ConfigError, match=reason):
            check_augmentations([name], model)


def test_without_names_the_batch_is_what_it_was() -> None:
    batch = random_batch(3)
    assert augmented(batch, (), 0, 0) is batch
