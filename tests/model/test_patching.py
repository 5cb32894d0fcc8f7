"""Patching: which steps end up in which patch, and how old each patch is."""

from __future__ import annotations

import pytest
import torch

from forecaster.errors import RequestError
from forecaster.model.patching import cut_patches, left_pad, patch_ages


def test_left_pad_puts_missing_steps_before_the_given_ones() -> None:
    context, observed = left_pad(torch.tensor([[1.0, 2.0]]), torch.tensor([[True, False]]), 5)
    assert context.tolist() == [[0.0, 0.0, 0.0, 1.0, 2.0]]
    assert observed.tolist() == [[False, False, False, True, False]]


def test_a_context_longer_than_the_model_sees_is_refused() -> None:
    with pytest.raises(RequestError, match=r"has 6 steps, the model sees at most 5") as refusal:
        left_pad(torch.zeros(1, 6), torch.ones(1, 6, dtype=torch.bool), 5)
    assert refusal.value.code == "context-too-long"


def test_patches_are_runs_of_steps_and_the_newest_ends_with_the_last() -> None:
    steps = torch.arange(8).unsqueeze(0)
    assert cut_patches(steps, 4, 4).tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7]]]
    assert cut_patches(steps, 4, 2).tolist() == [[[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]]


@pytest.mark.parametrize(("patch_length", "stride"), [(1, 1), (4, 4), (4, 2), (4, 1), (12, 3), (24, 24)])
def test_every_step_of_a_patch_keeps_its_columns(patch_length: int, stride: int) -> None:
    steps = torch.randn(2, 24, 3)
    patches = cut_patches(steps, patch_length, stride)
    assert patches.shape == (2, (24 - patch_length) // stride + 1, patch_length, 3)
    for number in range(patches.shape[1]):
        begin = number * stride
        assert torch.equal(patches[:, number], steps[:, begin : begin + patch_length])


@pytest.mark.parametrize(("patch_length", "stride"), [(4, 4), (4, 2), (8, 8), (12, 3)])
def test_the_age_of_a_patch_is_the_number_of_steps_after_its_last(patch_length: int, stride: int) -> None:
    last_steps = cut_patches(torch.arange(24).unsqueeze(0), patch_length, stride)[0, :, -1]
    assert patch_ages(24, patch_length, stride).tolist() == [23 - last for last in last_steps.tolist()]
