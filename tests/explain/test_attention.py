"""Roll-out of attention over the layers, against a slow loop and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from forecaster.arrays import FloatArray
from forecaster.explain import explain
from forecaster.explain.attention import attention_roll_out
from tests.explain.factories import predictor_of, waves


def random_maps(num_tokens: int = 5) -> FloatArray:
    """Gives maps of 2 networks, 3 layers and 4 heads whose rows sum to 1."""
    maps = np.random.default_rng(0).random((2, 3, 4, num_tokens, num_tokens))
    return np.asarray(maps / maps.sum(axis=-1, keepdims=True))


def slow_roll_out(maps: FloatArray, readers: list[int]) -> FloatArray:
    num_networks, num_layers, num_heads, num_tokens, _ = maps.shape
    weights = np.zeros(num_tokens)
    for network in range(num_networks):
        for reader in readers:
            share = np.eye(num_tokens)[reader]
            for layer in reversed(range(num_layers)):
                below = np.zeros(num_tokens)
                for looking in range(num_tokens):
                    below[looking] += 0.5 * share[looking]
                    for seen in range(num_tokens):
                        mean = sum(maps[network, layer, head, looking, seen] for head in range(num_heads)) / num_heads
                        below[seen] += 0.5 * share[looking] * mean
                share = below
            weights += share / (num_networks * len(readers))
    return weights


@pytest.mark.parametrize("num_future", [0, 2])
def test_roll_out_follows_attention_down_the_layers_from_the_tokens_read(num_future: int) -> None:
    maps, real = random_maps(), np.array([True, False, True, True, True])
    readers = [3, 4] if num_future else [0, 2, 3, 4]
    np.testing.assert_allclose(attention_roll_out(maps, real, num_future), slow_roll_out(maps, readers), rtol=1e-12)


def test_two_layers_that_only_look_at_the_first_token_by_hand() -> None:
    maps = np.zeros((1, 2, 1, 3, 3))
    maps[..., 0] = 1.0
    # Each layer leaves half of a token where it is and takes the other half to the first.
    expected = [[1, 0, 0], [0.75, 0.25, 0], [0.75, 0, 0.25]]
    np.testing.assert_allclose(
        attention_roll_out(maps, np.ones(3, dtype=bool), 0), np.mean(expected, axis=0), rtol=1e-12
    )
    np.testing.assert_allclose(attention_roll_out(maps, np.ones(3, dtype=bool), 1), expected[2], rtol=1e-12)


def test_a_token_that_sees_nothing_passes_on_itself() -> None:
    maps = np.zeros((1, 2, 2, 2, 2))
    np.testing.assert_allclose(attention_roll_out(maps, np.ones(2, dtype=bool), 1), [0.0, 1.0], rtol=1e-12)


def test_the_maps_of_an_explanation_are_those_of_the_networks() -> None:
    predictor, panel = predictor_of(num_networks=2, num_layers=3), waves(missing_share=0.0)
    explanation = explain(predictor, panel, 1)
    context = torch.from_numpy(panel.target(1)[-24:].copy()).unsqueeze(0)
    for place, network in enumerate(predictor.networks):
        with torch.no_grad():
            maps = torch.stack(network.attention(context, torch.ones_like(context, dtype=torch.bool)))[:, 0]
        np.testing.assert_allclose(explanation.attention[place], maps.numpy(), rtol=1e-5, atol=1e-7)
