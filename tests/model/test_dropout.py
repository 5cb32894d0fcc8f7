"""Dropout: as many zeros as asked for, independent of each other, and the same mean as before."""

from __future__ import annotations

import pytest
import torch

from forecaster.model.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_and_the_mean_are_as_promised(share: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(share)(torch.ones(1001, 999))
    error = (share * (1 - share) / dropped.numel()) ** 0.5  # of a share of independent draws
    assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=5 * error)
    assert dropped.mean().item() == pytest.approx(1.0, abs=5 * error / (1 - share))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)], rel=1e-4)


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 64])
def test_neighbours_are_dropped_independently(distance: int) -> None:
    torch.manual_seed(1)
    zeros = (Dropout(0.5)(torch.ones(400_000)) == 0).float() - 0.5
    assert (zeros[distance:] * zeros[:-distance]).mean().item() * 4 == pytest.approx(0.0, abs=0.01)


def test_the_seed_decides_which() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return Dropout(0.3)(torch.ones(7, 3))

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))


def test_outside_of_training_nothing_is_dropped() -> None:
    numbers = torch.randn(5)
    assert Dropout(0.5).eval()(numbers) is numbers
    assert Dropout(0.0)(numbers) is numbers


def test_gradients_reach_what_was_kept_and_nothing_else() -> None:
    numbers = torch.ones(1000, requires_grad=True)
    dropped = Dropout(0.25)(numbers)
    torch.autograd.backward(dropped.sum())
    assert numbers.grad is not None
    torch.testing.assert_close(numbers.grad, dropped.detach(), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_dtype_stays(dtype: torch.dtype) -> None:
    assert Dropout(0.5)(torch.ones(6, dtype=dtype)).dtype == dtype


def test_a_share_of_nearly_all_leaves_something() -> None:
    assert Dropout(0.999995)(torch.ones(1_000_000)).sum() > 0
