"""The encoder: equal to PyTorch's own, blind to padding, and blind to the future where it is causal."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.attention import visibility
from forecaster.model.encoder import Block, Encoder
from tests.model.factories import POSITION_KINDS, shaken, small_config

NAMES = {
    "attention_norm.": "norm1.",
    "attention.inward.": "self_attn.in_proj_",
    "attention.outward.": "self_attn.out_proj.",
    "feed_forward_norm.": "norm2.",
    "feed_forward.inward.": "linear1.",
    "feed_forward.outward.": "linear2.",
}


def torchs_block(config: ModelConfig) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        config.d_model, config.num_heads, config.d_ff, 0.0, activation="gelu", batch_first=True, norm_first=True
    )


def copied(block: nn.Module, theirs: nn.Module) -> None:
    weights = theirs.state_dict()
    block.load_state_dict({o + kind: weights[t + kind] for o, t in NAMES.items() for kind in ("weight", "bias")})


def padded_tokens(num_tokens: int = 9, d_model: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives tokens [B N D] and real [B N], where the first token is always real, so that no row sees nothing."""
    torch.manual_seed(1)
    real = torch.rand(4, num_tokens) < 0.6
    real[:, 0] = True
    return torch.randn(4, num_tokens, d_model, dtype=torch.float64), real


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_equals_torchs_encoder_layer(causal: bool) -> None:
    config = small_config()
    theirs = shaken(torchs_block(config), 0.1).double()
    ours = Block(config).double()
    copied(ours, theirs)
    tokens, real = padded_tokens()
    inputs = [tokens.clone().requires_grad_() for _ in range(2)]
    later = torch.ones(9, 9, dtype=torch.bool).triu(1) if causal else None
    output = ours(inputs[0], visibility(real, causal))
    expected = theirs(inputs[1], src_mask=later, src_key_padding_mask=~real)
    torch.testing.assert_close(output, expected, rtol=1e-6, atol=1e-12)
    for result in (output, expected):
        result.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
def test_the_stack_equals_torchs_encoder(causal: bool) -> None:
    config = small_config(positions="none", num_layers=3, causal=causal)
    stack = nn.TransformerEncoder(torchs_block(config), 3, nn.LayerNorm(config.d_model), enable_nested_tensor=False)
    theirs, ours = shaken(stack, 0.1).double(), Encoder(9, config).double()
    for block, layer in zip(ours.blocks, stack.layers, strict=True):
        copied(block, layer)
    ours.norm.load_state_dict(stack.norm.state_dict())  # type: ignore[union-attr]
    tokens, real = padded_tokens()
    later = torch.ones(9, 9, dtype=torch.bool).triu(1) if causal else None
    expected = theirs(tokens, mask=later, src_key_padding_mask=~real)
    torch.testing.assert_close(ours(tokens, real), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", POSITION_KINDS)
def test_later_tokens_cannot_change_earlier_encodings_of_a_causal_encoder(kind: str) -> None:
    encoder = shaken(Encoder(9, small_config(positions=kind, causal=True)), 0.1).double()
    tokens, real = padded_tokens()
    changed = tokens.clone()
    changed[:, 5:] += 10
    assert torch.equal(encoder(changed, real)[:, :5], encoder(tokens, real)[:, :5])


def test_later_tokens_do_change_earlier_encodings_of_any_other_encoder() -> None:
    encoder = shaken(Encoder(9, small_config()), 0.1).double()
    tokens, _ = padded_tokens()
    real = torch.ones(4, 9, dtype=torch.bool)
    changed = tokens.clone()
    changed[:, 5:] += torch.randn(4, 4, 16)
    assert not torch.allclose(encoder(changed, real)[:, :5], encoder(tokens, real)[:, :5], atol=1e-3)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", POSITION_KINDS)
def test_padding_on_the_left_changes_no_encoding(kind: str, causal: bool) -> None:
    encoder = shaken(Encoder(9, small_config(positions=kind, causal=causal)), 0.1).double()
    tokens, real = padded_tokens(6)
    front = 100 * torch.randn(4, 3, 16, dtype=torch.float64)
    longer = encoder(torch.cat([front, tokens], 1), torch.cat([torch.zeros(4, 3, dtype=torch.bool), real], 1))
    torch.testing.assert_close(longer[:, 3:], encoder(tokens, real), rtol=1e-9, atol=1e-12)
    assert longer.isfinite().all()


@pytest.mark.parametrize("kind", ["sinusoidal", "learned", "rotary"])
def test_the_order_of_tokens_matters_with_positions(kind: str) -> None:
    encoder = shaken(Encoder(9, small_config(positions=kind)), 0.1).double()
    tokens, real = padded_tokens()[0], torch.ones(4, 9, dtype=torch.bool)
    assert not torch.allclose(encoder(tokens.flip(1), real).flip(1), encoder(tokens, real), atol=1e-3)


def test_the_order_of_tokens_does_not_matter_without_positions() -> None:
    encoder = shaken(Encoder(9, small_config(positions="none")), 0.1).double()
    tokens, real = padded_tokens()
    flipped = encoder(tokens.flip(1), real.flip(1)).flip(1)
    torch.testing.assert_close(flipped, encoder(tokens, real), rtol=1e-9, atol=1e-12)


def test_attention_maps_are_those_that_torchs_layers_use() -> None:
    config = small_config(positions="none", num_layers=2)
    encoder = shaken(Encoder(9, config), 0.1).double()
    tokens, real = padded_tokens()
    maps = list(encoder.attention_maps(tokens, real))
    assert [tuple(weights.shape) for weights in maps] == [(4, 2, 9, 9)] * 2
    for weights, block in zip(maps, encoder.blocks, strict=True):
        assert isinstance(block, Block)
        theirs = torchs_block(config).double()
        theirs.load_state_dict({t + k: block.state_dict()[o + k] for o, t in NAMES.items() for k in ("weight", "bias")})
        normed = theirs.norm1(tokens)
        _, expected = theirs.self_attn(normed, normed, normed, key_padding_mask=~real, average_attn_weights=False)
        torch.testing.assert_close(weights, expected, rtol=1e-6, atol=1e-12)
        tokens = theirs(tokens, src_key_padding_mask=~real)
