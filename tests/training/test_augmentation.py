"""Augmentations: repeat themselves, change half of the windows, and only what they say."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from forecaster.config import CovariateConfig, ModelConfig
from forecaster.errors import ConfigError
from forecaster.model.scaling import scale_context, scale_target
from forecaster.training.augmentation import AUGMENTATIONS, augmented, check_augmentations
from forecaster.types import CovariateBatch, Masked, WindowBatch
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


@each_name
def test_windows_of_one_company_are_treated_alike(name: str) -> None:
    if AUGMENTATIONS[name].alters_values and name == "mix":
        pytest.skip("it is refused where series see each other")
    row = rows_alike(random_batch(1), 60)
    batch = replace(row, groups=torch.arange(60) // 3)
    after = augmented(batch, [name], 0, 0)
    assert changed_rows(batch, after).any()
    for company in range(20):
        rows = slice(3 * company, 3 * company + 3)
        assert (after.context[rows] == after.context[3 * company]).all()
        assert (after.observed[rows] == after.observed[3 * company]).all()


def rows_alike(batch: WindowBatch, num_rows: int) -> WindowBatch:
    return WindowBatch(*[tensor.expand(num_rows, -1).clone() for tensor in tensors(batch)])


def test_flip_negates_context_and_target_together() -> None:
    batch = random_batch(NUM_WINDOWS)
    after = augmented(batch, ["flip"], 0, 0)
    flipped = changed_rows(batch, after)
    assert torch.equal(after.context[flipped], -batch.context[flipped])
    assert torch.equal(after.target[flipped], -batch.target[flipped])


def test_truncate_hides_a_left_part_and_keeps_an_eighth_at_least() -> None:
    batch = random_batch(NUM_WINDOWS, missing=0.0)
    after = augmented(batch, ["truncate"], 0, 0)
    kept = after.observed.sum(dim=1)
    assert kept.min() >= 4
    assert kept.min() < 8
    for row, num in enumerate(kept.tolist()):
        assert after.observed[row, 32 - num :].all()
    assert torch.equal(after.target, batch.target)


def numbers(num_windows: int, steps: int) -> Masked:
    values = torch.randn(num_windows, steps, 2, dtype=torch.float64)
    return Masked(values, torch.ones_like(values, dtype=torch.bool))


def test_truncate_hides_covariates_of_the_same_steps_and_none_ahead() -> None:
    torch.manual_seed(0)
    static = Masked(torch.zeros(50, 0, dtype=torch.float64), torch.zeros(50, 0, dtype=torch.bool))
    covariates = CovariateBatch(
        numbers(50, 32), numbers(50, 40), torch.zeros(50, 40, 1), static, torch.zeros(50, 0, dtype=torch.int64)
    )
    covariates = replace(covariates, elapsed=torch.rand(50, 40))
    batch = replace(random_batch(50, missing=0.0), covariates=covariates)
    after = augmented(batch, ["truncate"], 0, 0)
    assert after.covariates is not None
    assert torch.equal(after.covariates.past.observed[..., 0], after.observed)
    assert torch.equal(after.covariates.known.observed[:, :32, 1], after.observed)
    assert after.covariates.known.observed[:, 32:].all()
    assert (after.covariates.past.values[~after.covariates.past.observed] == 0).all()
    assert after.covariates.elapsed is covariates.elapsed  # time passes before a series begins, too


def test_mask_hides_blocks_and_no_covariates() -> None:
    after = augmented(random_batch(NUM_WINDOWS, missing=0.0), ["mask"], 0, 0)
    blocks = after.observed.reshape(NUM_WINDOWS, 16, 2)
    assert (blocks.all(dim=2) | ~blocks.any(dim=2)).all()
    hidden = (~blocks.any(dim=2)).double().mean()
    assert 0.06 < hidden < 0.09  # 15 % of half of the windows


def test_mix_lies_between_two_windows_in_units_of_their_spread() -> None:
    batch = random_batch(NUM_WINDOWS, missing=0.0)
    scaled = scale_context(batch.context, batch.observed)
    after = augmented(batch, ["mix"], 0, 0)
    mixed = torch.nonzero(changed_rows(batch, after)).flatten()
    for row in mixed[:5].tolist():
        own = torch.cat([scaled.values, scale_target(batch.target, scaled.scale)], dim=1)
        scale = replace(scaled.scale, loc=scaled.scale.loc[row : row + 1], spread=scaled.scale.spread[row : row + 1])
        found = torch.cat([after.context[row : row + 1], after.target[row : row + 1]], dim=1)
        found = scale_target(found, scale)[0]
        # found - own = (1 - share) (partner - own): for the partner all steps give one share of at most a half.
        shares = (found - own[row]) / (own - own[row])
        partner = int(shares.std(dim=1).nan_to_num(torch.inf).argmin())
        assert shares[partner].std() < 1e-3
        assert 0 < shares[partner].mean() <= 0.5


def test_mix_leaves_windows_that_do_not_vary_or_share_too_few_steps() -> None:
    batch = random_batch(40, missing=0.0)
    context, observed = batch.context.clone(), batch.observed.clone()
    context[:20] = 3.0
    assert not changed_rows(replace(batch, context=context), augmented(replace(batch, context=context), ["mix"], 0, 0))[
        :20
    ].any()
    observed[:, :24] = torch.arange(40).unsqueeze(1) % 2 == 0
    apart = replace(batch, observed=observed, context=batch.context.where(observed, 0.0))
    after = augmented(apart, ["mix"], 0, 0)
    assert (after.observed.sum(dim=1) >= apart.observed.sum(dim=1) / 2).all()


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
        if AUGMENTATIONS[name].alters_values:
            with pytest.raises(ConfigError, match=reason):
                check_augmentations([name], model)
        else:
            check_augmentations([name], model)


def test_without_names_the_batch_is_what_it_was() -> None:
    batch = random_batch(3)
    assert augmented(batch, (), 0, 0) is batch
