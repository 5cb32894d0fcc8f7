"""The encoder: equal to PyTorch's own, blind to padding, and blind to the future where it is causal."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import nn

from forecaster.config import ModelConfig
from forecaster.model.attention import View, visibility
from forecaster.model.encoder import NORMS, Block, Encoder, group_visibility
from forecaster.model.tokens import Tokens
from tests.model.factories import POSITION_KINDS, shaken, small_config

NAMES = {
    "attention.norm.": "norm1.",
    "attention.part.inward.": "self_attn.in_proj_",
    "attention.part.outward.": "self_attn.out_proj.",
    "feed_forward.norm.": "norm2.",
    "feed_forward.part.inward.": "linear1.",
    "feed_forward.part.outward.": "linear2.",
}
KINDS = ("weight", "bias")
EACH_PLACEMENT = pytest.mark.parametrize(
    "changes",
    [{"norm_placement": "pre", "feed_forward": "gelu"}, {"norm_placement": "post", "feed_forward": "relu"}],
    ids=["pre-norm and gelu", "post-norm and relu"],
)
EACH_KIND = pytest.mark.parametrize("kind", POSITION_KINDS)
EACH_SIGHT = pytest.mark.parametrize("causal", [False, True])


def torchs_block(config: ModelConfig) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        config.d_model,
        config.num_heads,
        config.d_ff,
        0.0,
        activation=config.feed_forward,
        batch_first=True,
        norm_first=config.norm_placement == "pre",
    )


def copied(block: nn.Module, theirs: nn.Module) -> None:
    weights = theirs.state_dict()
    block.load_state_dict({o + kind: weights[t + kind] for o, t in NAMES.items() for kind in KINDS})


def padded_tokens(num_tokens: int = 9, d_model: int = 16) -> Tokens:
    """Gives tokens of 4 rows, where the first token is always real, so that no row sees nothing."""
    torch.manual_seed(1)
    real = torch.rand(4, num_tokens) < 0.6
    real[:, 0] = True
    return tokens_of(torch.randn(4, num_tokens, d_model, dtype=torch.float64), real)


def tokens_of(values: torch.Tensor, real: torch.Tensor) -> Tokens:
    return Tokens(values, real, torch.arange(values.shape[1] - 1, -1, -1, dtype=torch.float32))


def all_real(tokens: Tokens) -> Tokens:
    return Tokens(tokens.values, torch.ones_like(tokens.real), tokens.ages)


def later_than(causal: bool, num_tokens: int = 9) -> torch.Tensor | None:
    return torch.ones(num_tokens, num_tokens, dtype=torch.bool).triu(1) if causal else None


def awake_encoder(num_tokens: int = 9, **changes: Any) -> Encoder:
    torch.manual_seed(0)
    return shaken(Encoder(num_tokens, small_config(**changes)), 0.1).double()


def test_every_name_the_config_allows_is_in_the_table() -> None:
    assert set(NORMS) == set(get_args(ModelConfig.model_fields["norm"].annotation))


@EACH_PLACEMENT
@EACH_SIGHT
def test_a_block_equals_torchs_encoder_layer(changes: dict[str, Any], causal: bool) -> None:
    config = small_config(**changes)
    theirs = shaken(torchs_block(config), 0.1).double()
    ours = Block(config).double()
    copied(ours, theirs)
    tokens = padded_tokens()
    inputs = [tokens.values.clone().requires_grad_() for _ in range(2)]
    output = ours(inputs[0], View(visibility(tokens.real, tokens.ages if causal else None)))
    expected = theirs(inputs[1], src_mask=later_than(causal), src_key_padding_mask=~tokens.real)
    torch.testing.assert_close(output, expected, rtol=1e-6, atol=1e-12)
    for result in (output, expected):
        result.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-6, atol=1e-10)


@EACH_PLACEMENT
@EACH_SIGHT
def test_the_stack_equals_torchs_encoder(changes: dict[str, Any], causal: bool) -> None:
    config = small_config(positions="none", num_layers=3, causal=causal, **changes)
    pre = config.norm_placement == "pre"
    last = nn.LayerNorm(config.d_model) if pre else None
    stack = nn.TransformerEncoder(torchs_block(config), 3, last, enable_nested_tensor=False)
    theirs, ours = shaken(stack, 0.1).double(), Encoder(9, config).double()
    for block, layer in zip(ours.blocks, stack.layers, strict=True):
        copied(block, layer)
    if stack.norm is not None:
        ours.norm.load_state_dict(stack.norm.state_dict())
    tokens = padded_tokens()
    expected = theirs(tokens.values, mask=later_than(causal), src_key_padding_mask=~tokens.real)
    torch.testing.assert_close(ours(tokens), expected, rtol=1e-6, atol=1e-12)


def test_post_norm_blocks_give_normalised_tokens_and_no_last_norm_follows() -> None:
    encoder = Encoder(9, small_config(norm_placement="post")).double()
    encodings = encoder(all_real(padded_tokens()))
    torch.testing.assert_close(encodings.mean(dim=-1), torch.zeros(4, 9).double(), rtol=0.0, atol=1e-9)
    torch.testing.assert_close(encodings.std(dim=-1, correction=0), torch.ones(4, 9).double(), rtol=1e-4, atol=0.0)
    assert isinstance(encoder.norm, nn.Identity)


def test_the_rms_norm_divides_by_the_root_of_the_mean_square() -> None:
    norm = shaken(NORMS["rms"](6), 0.3)
    tokens = torch.randn(2, 3, 6)
    for row in range(2):
        for place in range(3):
            token = tokens[row, place]
            size = (sum(number**2 for number in token.tolist()) / 6) ** 0.5
            torch.testing.assert_close(norm(tokens)[row, place], token / size * norm.weight, rtol=1e-5, atol=1e-6)


@EACH_KIND
def test_later_tokens_cannot_change_earlier_encodings_of_a_causal_encoder(kind: str) -> None:
    encoder = awake_encoder(positions=kind, causal=True)
    tokens = padded_tokens()
    changed = tokens.values.clone()
    changed[:, 5:] += 10
    assert torch.equal(encoder(tokens_of(changed, tokens.real))[:, :5], encoder(tokens)[:, :5])


def test_later_tokens_do_change_earlier_encodings_of_any_other_encoder() -> None:
    encoder, tokens = awake_encoder(), all_real(padded_tokens())
    changed = tokens.values.clone()
    changed[:, 5:] += torch.randn(4, 4, 16)
    assert not torch.allclose(encoder(tokens_of(changed, tokens.real))[:, :5], encoder(tokens)[:, :5], atol=1e-3)


@EACH_SIGHT
@pytest.mark.parametrize("kind", [kind for kind in POSITION_KINDS if kind != "learned"])
def test_padding_on_the_left_changes_no_encoding(kind: str, causal: bool) -> None:
    encoder, tokens = awake_encoder(positions=kind, causal=causal), padded_tokens(6)
    front = 100 * torch.randn(4, 3, 16, dtype=torch.float64)
    unreal = torch.zeros(4, 3, dtype=torch.bool)
    longer = encoder(tokens_of(torch.cat([front, tokens.values], 1), torch.cat([unreal, tokens.real], 1)))
    torch.testing.assert_close(longer[:, 3:], encoder(tokens), rtol=1e-9, atol=1e-12)
    assert longer.isfinite().all()


@pytest.mark.parametrize("kind", ["sinusoidal", "learned", "rotary"])
def test_the_order_of_tokens_matters_with_positions(kind: str) -> None:
    # Distance alone cannot tell a row of tokens from its mirror image, so the order is shifted and not flipped.
    encoder, tokens = awake_encoder(positions=kind), all_real(padded_tokens())
    rolled = encoder(tokens_of(tokens.values.roll(2, dims=1), tokens.real)).roll(-2, dims=1)
    assert not torch.allclose(rolled, encoder(tokens), atol=1e-3)


def test_the_order_of_tokens_does_not_matter_without_positions() -> None:
    encoder, tokens = awake_encoder(positions="none"), padded_tokens()
    flipped = encoder(tokens_of(tokens.values.flip(1), tokens.real.flip(1))).flip(1)
    torch.testing.assert_close(flipped, encoder(tokens), rtol=1e-9, atol=1e-12)


@EACH_PLACEMENT
def test_attention_maps_are_those_that_torchs_layers_use(changes: dict[str, Any]) -> None:
    encoder, tokens = awake_encoder(positions="none", num_layers=2, **changes), padded_tokens()
    maps = list(encoder.attention_maps(tokens))
    assert [tuple(weights.shape) for weights in maps] == [(4, 2, 9, 9)] * 2
    flow = tokens.values
    for weights, block in zip(maps, encoder.blocks, strict=True):
        theirs = torchs_block(small_config(**changes)).double()
        theirs.load_state_dict({t + k: block.state_dict()[o + k] for o, t in NAMES.items() for k in KINDS})
        shown = theirs.norm1(flow) if changes["norm_placement"] == "pre" else flow
        _, expected = theirs.self_attn(shown, shown, shown, key_padding_mask=~tokens.real, average_attn_weights=False)
        torch.testing.assert_close(weights, expected, rtol=1e-6, atol=1e-12)
        flow = theirs(flow, src_key_padding_mask=~tokens.real)


def test_across_rows_a_token_sees_the_real_ones_of_its_place_in_its_group() -> None:
    real = torch.tensor([[True, True], [False, True], [True, True], [True, False]])
    groups = torch.tensor([7, 7, 3, 7])
    visible = group_visibility(real, groups).visible
    assert visible.shape == (2, 1, 4, 4)
    for place in range(2):
        for query in range(4):
            for key in range(4):
                expected = bool(groups[query] == groups[key]) and bool(real[key, place])
                assert visible[place, 0, query, key].item() == expected


def test_without_groups_each_row_sees_itself_alone() -> None:
    visible = group_visibility(torch.ones(3, 2, dtype=torch.bool), None).visible
    assert torch.equal(visible[:, 0], torch.eye(3, dtype=torch.bool).expand(2, 3, 3))
