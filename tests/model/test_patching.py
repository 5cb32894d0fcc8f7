"""Patching: which steps end up in which token, and which tokens are real."""

from __future__ import annotations

import math

import pytest
import torch

from forecaster.errors import RequestError
from forecaster.model.patching import PatchEmbedding, left_pad
from tests.model.factories import random_context, random_observed


def test_left_pad_puts_missing_steps_before_the_given_ones() -> None:
    context, observed = left_pad(torch.tensor([[1.0, 2.0]]), torch.tensor([[True, False]]), 5)
    assert context.tolist() == [[0.0, 0.0, 0.0, 1.0, 2.0]]
    assert observed.tolist() == [[False, False, False, True, False]]


def test_a_context_longer_than_the_model_sees_is_refused() -> None:
    with pytest.raises(RequestError, match=r"has 6 steps, the model sees at most 5") as refusal:
        left_pad(torch.zeros(1, 6), torch.ones(1, 6, dtype=torch.bool), 5)
    assert refusal.value.code == "context-too-long"


def test_a_token_is_the_linear_map_of_its_own_values_and_mask() -> None:
    embedding = PatchEmbedding(3, 8)
    values, observed = random_context(2, 6).float(), random_observed(2, 6)
    tokens, _ = embedding(values, observed)
    for index in range(2):
        steps = slice(3 * index, 3 * index + 3)
        seen = observed[:, steps].float()
        expected = embedding.linear(torch.cat([values[:, steps] * seen, seen], dim=1))
        torch.testing.assert_close(tokens[:, index], expected, rtol=1e-5, atol=1e-5)


def test_a_token_is_real_where_its_patch_has_an_observed_step() -> None:
    observed = torch.tensor([[False, False, False, False, True, False, True, True]])
    _, real = PatchEmbedding(2, 8)(torch.zeros(1, 8), observed)
    assert real.tolist() == [[False, False, True, True]]


def test_a_length_that_is_no_multiple_of_the_patch_is_padded_on_the_left() -> None:
    embedding = PatchEmbedding(4, 8)
    values, observed = random_context(2, 7).float(), torch.ones(2, 7, dtype=torch.bool)
    tokens, real = embedding(values, observed)
    padded_tokens, padded_real = embedding(*left_pad(values, observed, 8))
    assert torch.equal(tokens, padded_tokens)
    assert torch.equal(real, padded_real)
    assert tokens.shape == (2, 2, 8)


def test_missing_and_a_real_0_are_different_tokens() -> None:
    embedding = PatchEmbedding(2, 8)
    seen, _ = embedding(torch.zeros(1, 2), torch.tensor([[True, True]]))
    unseen, _ = embedding(torch.zeros(1, 2), torch.tensor([[True, False]]))
    assert not torch.allclose(seen, unseen)


def test_nan_under_missing_stays_outside() -> None:
    tokens, _ = PatchEmbedding(2, 8)(torch.tensor([[1.0, math.nan]]), torch.tensor([[True, False]]))
    assert tokens.isfinite().all()
