"""Decoders: which encodings have a say in which step of the forecast."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from forecaster.config import ModelConfig
from forecaster.model.decoders import DECODERS, Decoder
from forecaster.model.tokens import TokenEmbedding
from tests.model.factories import COVARIATES, shaken, small_config

NUM_PARAMETERS = 3


def made(**changes: Any) -> tuple[Decoder, TokenEmbedding]:
    torch.manual_seed(0)
    config = small_config(**changes)
    tokens = TokenEmbedding(config, 24, 4)
    return shaken(DECODERS[config.decoder](config, tokens, NUM_PARAMETERS), 0.2), tokens


def test_every_name_the_config_allows_is_in_the_table() -> None:
    assert set(DECODERS) == set(get_args(ModelConfig.model_fields["decoder"].annotation))


@pytest.mark.parametrize("horizon", [1, 4, 5, 8])
@pytest.mark.parametrize("decoder", ["flattened", "queries"])
def test_there_are_parameters_for_each_step_of_the_horizon(decoder: str, horizon: int) -> None:
    decode, tokens = made(decoder=decoder, horizon=horizon)
    parameters = decode(torch.randn(2, tokens.num_tokens, 16), torch.ones(2, tokens.num_tokens, dtype=torch.bool))
    assert parameters.shape == (2, horizon, NUM_PARAMETERS)


def test_the_flattened_one_is_one_linear_map_of_all_real_tokens() -> None:
    decode, _ = made()
    encodings, real = torch.randn(2, 6, 16), torch.rand(2, 6) < 0.5
    for row in range(2):
        kept = [encodings[row, place] if real[row, place] else torch.zeros(16) for place in range(6)]
        expected = (decode.linear.weight @ torch.cat(kept) + decode.linear.bias).reshape(5, NUM_PARAMETERS)
        torch.testing.assert_close(decode(encodings, real)[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"covariates": COVARIATES}, {"coarse_patch_length": 8}], ids=str)
def test_a_step_comes_from_the_token_of_its_own_future_patch_alone(changes: dict[str, Any]) -> None:
    decode, tokens = made(decoder="queries", horizon=10, **changes)
    encodings = torch.randn(1, tokens.num_tokens, 16)
    real = torch.ones(1, tokens.num_tokens, dtype=torch.bool)
    before = decode(encodings, real)
    for place, (first, last) in enumerate(tokens.spans):
        changed = encodings.clone()
        changed[:, place] += 1
        moved = (decode(changed, real) != before).any(dim=-1)[0]
        assert moved.tolist() == [first <= step <= last for step in range(10)]


def test_all_future_patches_share_one_map() -> None:
    decode, tokens = made(decoder="queries", horizon=8)
    encodings = torch.randn(1, 1, 16).expand(1, tokens.num_tokens, 16)
    parameters = decode(encodings, torch.ones(1, tokens.num_tokens, dtype=torch.bool))
    torch.testing.assert_close(parameters[:, :4], parameters[:, 4:], rtol=1e-6, atol=1e-6)
    expected = (decode.linear.weight @ encodings[0, 0] + decode.linear.bias).reshape(4, NUM_PARAMETERS)
    torch.testing.assert_close(parameters[0, :4], expected, rtol=1e-5, atol=1e-5)
