"""Parts: together they are the batch, and weigh what their targets weigh."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from forecaster.config import ModelConfig
from forecaster.model.network import Network
from forecaster.training.parts import cut_parts, num_targets
from forecaster.types import WindowBatch
from tests.training.factories import random_batch

MODEL = ModelConfig(
    horizon=8, context_length=32, patch_length=8, d_model=8, num_heads=2, num_layers=1, d_ff=8, dropout=0.0
)


def uneven_batch() -> WindowBatch:
    """Rows without a target, rows with a constant context, rows with a few targets."""
    batch = random_batch(12, missing=0.2)
    targets = batch.target_observed.clone()
    targets[:3] = False
    targets[3:5, 2:] = False
    context = batch.context.clone()
    context[9] = 7.0
    return replace(batch, context=context, target_observed=targets)


@pytest.mark.parametrize("num_parts", [1, 2, 3, 5, 12])
def test_the_weighted_mean_over_parts_is_the_loss_of_the_batch_and_so_is_its_gradient(num_parts: int) -> None:
    torch.manual_seed(0)
    network, batch = Network(MODEL), uneven_batch()
    whole = network.loss(batch)
    wanted = torch.autograd.grad(whole, list(network.parameters()))
    parts = cut_parts(batch, num_parts, MODEL.scaling, whole_groups=False)
    mean = torch.stack([network.loss(part.batch) * part.weight for part in parts]).mean()
    found = torch.autograd.grad(mean, list(network.parameters()))
    torch.testing.assert_close(mean, whole)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_parts_hold_every_row_once_and_are_numbered() -> None:
    batch = random_batch(10)
    parts = cut_parts(batch, 3, "mean_std", whole_groups=False)
    assert torch.equal(torch.cat([part.batch.context for part in parts]), batch.context)
    assert torch.equal(torch.cat([part.batch.target_observed for part in parts]), batch.target_observed)
    assert [part.number for part in parts] == [0, 1, 2]
    assert max(len(part.batch.context) for part in parts) - min(len(part.batch.context) for part in parts) <= 1


def test_a_batch_without_a_target_has_parts_without_weight() -> None:
    batch = random_batch(4)
    batch = replace(batch, target_observed=torch.zeros_like(batch.target_observed))
    assert [part.weight for part in cut_parts(batch, 2, "mean_std", whole_groups=False)] == [0.0, 0.0]


def test_no_part_tears_a_group() -> None:
    batch = replace(random_batch(9), groups=torch.tensor([5, 5, 5, 2, 2, 8, 8, 8, 8]))
    parts = cut_parts(batch, 2, "mean_std", whole_groups=True)
    groups = [set(part.batch.groups.tolist()) for part in parts if part.batch.groups is not None]
    assert len(groups) == 2
    assert not groups[0] & groups[1]
    assert sum(len(part.batch.context) for part in parts) == 9


def test_with_fewer_groups_than_parts_the_rest_weighs_nothing() -> None:
    batch = replace(random_batch(5), groups=torch.tensor([1, 1, 1, 1, 1]))
    parts = cut_parts(batch, 3, "mean_std", whole_groups=True)
    assert [part.weight for part in parts] == [pytest.approx(3.0), 0.0, 0.0]
    assert [len(part.batch.context) for part in parts] == [5, 5, 5]


def test_targets_count_where_they_are_observed_after_a_context_that_varies() -> None:
    batch = uneven_batch()
    counts = num_targets(batch, "mean_std")
    assert counts[:3].tolist() == [0, 0, 0]
    assert counts[9] == 0
    assert counts[10] == batch.target_observed[10].sum()


def test_rows_are_taken_of_all_that_has_rows() -> None:
    batch = replace(random_batch(6), groups=torch.arange(6))
    part = batch.rows(slice(2, 4))
    assert part.groups is not None
    assert part.groups.tolist() == [2, 3]
    assert torch.equal(part.target, batch.target[2:4])
    assert part.covariates is None
