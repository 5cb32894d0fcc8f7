"""The feed-forward part of a block, each kind against a loop over its tokens."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from forecaster.config import ModelConfig
from forecaster.model.feed_forward import FEED_FORWARDS, FeedForward
from tests.model.factories import shaken, small_config


def made(kind: str, **changes: int) -> FeedForward:
    torch.manual_seed(0)
    return shaken(FEED_FORWARDS[kind](small_config(feed_forward=kind, d_model=4, d_ff=9, **changes)), 0.2).double()


def relu(number: float) -> float:
    return max(0.0, number)


def gelu(number: float) -> float:
    return number * 0.5 * (1 + math.erf(number / math.sqrt(2)))


def silu(number: float) -> float:
    return number / (1 + math.exp(-number))


def test_every_name_the_config_allows_is_in_the_table() -> None:
    assert set(FEED_FORWARDS) == set(get_args(ModelConfig.model_fields["feed_forward"].annotation))


@pytest.mark.parametrize(("kind", "activation"), [("relu", relu), ("gelu", gelu)])
def test_a_plain_one_is_two_linear_maps_around_its_activation(kind: str, activation: object) -> None:
    part = made(kind)
    assert callable(activation)
    for token in torch.randn(5, 4, dtype=torch.float64):
        hidden = [activation(number) for number in part.inward(token).tolist()]
        expected = part.outward.weight @ torch.tensor(hidden, dtype=torch.float64) + part.outward.bias
        torch.testing.assert_close(part(token), expected, rtol=1e-9, atol=1e-12)


def test_swiglu_gates_one_half_of_the_hidden_numbers_by_the_other() -> None:
    part = made("swiglu")
    for token in torch.randn(5, 4, dtype=torch.float64):
        hidden = part.inward(token).tolist()
        gated = [silu(gate) * value for gate, value in zip(hidden[:6], hidden[6:], strict=True)]
        expected = part.outward.weight @ torch.tensor(gated, dtype=torch.float64) + part.outward.bias
        torch.testing.assert_close(part(token), expected, rtol=1e-9, atol=1e-12)


def test_swiglu_costs_what_a_plain_one_does() -> None:
    weights = {
        kind: sum(weight.numel() for weight in FEED_FORWARDS[kind](small_config(d_model=64, d_ff=192)).parameters())
        for kind in ("gelu", "swiglu")
    }
    assert weights["swiglu"] == pytest.approx(weights["gelu"], rel=0.01)


@pytest.mark.parametrize("kind", sorted(FEED_FORWARDS))
def test_tokens_do_not_see_each_other(kind: str) -> None:
    part, tokens = made(kind), torch.randn(3, 7, 4, dtype=torch.float64)
    for row in range(3):
        for place in range(7):
            torch.testing.assert_close(part(tokens)[row, place], part(tokens[row, place]), rtol=1e-12, atol=1e-12)
