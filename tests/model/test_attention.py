"""Attention: equal to PyTorch's own, in outputs and gradients, and safe where a query sees nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from forecaster.model import attention
from forecaster.model.attention import (
    MultiHeadAttention,
    View,
    attention_weights,
    scaled_dot_product_attention,
    visibility,
)

SIZES = [(8, 1, 5), (16, 4, 12), (24, 3, 33)]  # D, A, N
MASKS = ["all visible", "padding", "causal", "padding and causal"]


def ours_and_torchs(d_model: int, num_heads: int) -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    """Gives both with the same weights, in float64."""
    torch.manual_seed(d_model)
    theirs = nn.MultiheadAttention(d_model, num_heads, batch_first=True).double()
    ours = MultiHeadAttention(d_model, num_heads).double()
    nn.init.normal_(theirs.in_proj_bias)
    nn.init.normal_(theirs.out_proj.bias)
    names = {"inward": "in_proj_", "outward": "out_proj."}
    weights = theirs.state_dict()
    ours.load_state_dict({f"{o}.{kind}": weights[t + kind] for o, t in names.items() for kind in ("weight", "bias")})
    return ours, theirs


def newest_last(num_tokens: int) -> torch.Tensor:
    return torch.arange(num_tokens - 1, -1, -1, dtype=torch.float32)


def all_visible(num_tokens: int) -> View:
    return View(visibility(torch.ones(1, num_tokens, dtype=torch.bool)))


def padding(mask: str, batch: int, num_tokens: int) -> torch.Tensor:
    """Gives real tokens [B N]: some are padded, the first never is, so that each query sees a key."""
    real = torch.ones(batch, num_tokens, dtype=torch.bool)
    if "padding" in mask:
        real = torch.rand(batch, num_tokens) < 0.6
        real[:, 0] = True
    return real


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("d_model", "num_heads", "num_tokens"), SIZES)
def test_it_equals_torchs_multihead_attention(d_model: int, num_heads: int, num_tokens: int, mask: str) -> None:
    ours, theirs = ours_and_torchs(d_model, num_heads)
    real, causal = padding(mask, 3, num_tokens), "causal" in mask
    tokens = torch.randn(3, num_tokens, d_model, dtype=torch.float64)
    inputs = [tokens.clone().requires_grad_() for _ in range(2)]
    later = torch.ones(num_tokens, num_tokens, dtype=torch.bool).triu(1) if causal else None
    expected, expected_weights = theirs(
        inputs[1], inputs[1], inputs[1], key_padding_mask=~real, attn_mask=later, average_attn_weights=False
    )
    view = View(visibility(real, newest_last(num_tokens) if causal else None))
    output = ours(inputs[0], view)
    torch.testing.assert_close(output, expected, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(ours.weights(tokens, view), expected_weights, rtol=1e-6, atol=1e-12)

    for result in (output, expected):
        result.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(ours.inward.weight.grad, theirs.in_proj_weight.grad, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(ours.outward.weight.grad, theirs.out_proj.weight.grad, rtol=1e-6, atol=1e-10)


def test_float32_equals_torchs_fused_kernel() -> None:
    torch.manual_seed(0)
    queries, keys, values = torch.randn(3, 2, 4, 10, 8)
    visible = visibility(torch.rand(2, 10) < 0.7)
    expected = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=visible)
    ours = scaled_dot_product_attention(queries, keys, values, View(visible))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mask", MASKS)
def test_many_scores_computed_in_turns_equal_those_computed_at_once(mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    real, ages = padding(mask, 7, 12), newest_last(12) if "causal" in mask else None
    view = all_visible(12) if mask == "all visible" else View(visibility(real, ages))
    found = []
    for scores_at_once in (1 << 21, 2 * 4 * 12 * 12, 1):  # all seven rows; two, two, two and one; one by one
        monkeypatch.setattr(attention, "_SCORES_AT_ONCE", scores_at_once)
        torch.manual_seed(1)
        queries, keys, values = (torch.randn(7, 4, 12, 8, requires_grad=True) for _ in range(3))
        output = scaled_dot_product_attention(queries, keys, values, view)
        torch.autograd.backward(output.square().sum())
        found.append([output.detach(), queries.grad, keys.grad, values.grad])
    for turns in found[1:]:
        torch.testing.assert_close(turns, found[0], rtol=1e-5, atol=1e-6)


def test_two_tokens_by_hand() -> None:
    queries = torch.tensor([[[[2.0], [0.0]]]])
    keys = torch.tensor([[[[1.0], [0.0]]]])
    weights = attention_weights(queries, keys, all_visible(2))
    share = math.e**2 / (math.e**2 + 1)
    torch.testing.assert_close(weights[0, 0], torch.tensor([[share, 1 - share], [0.5, 0.5]]), rtol=1e-6, atol=0.0)


def test_causal_visibility_is_a_lower_triangle_of_real_keys() -> None:
    visible = visibility(torch.tensor([[False, True, True]]), newest_last(3))
    assert visible.int().tolist() == [[[[0, 0, 0], [0, 1, 0], [0, 1, 1]]]]


def test_causal_visibility_goes_by_age_and_not_by_place() -> None:
    # Two resolutions side by side: coarse tokens that end 2 and 0 patches before the cutoff, then fine ones.
    ages = torch.tensor([2.0, 0.0, 3.0, 2.0, 1.0, 0.0])
    visible = visibility(torch.ones(1, 6, dtype=torch.bool), ages)[0, 0]
    for query in range(6):
        assert visible[query].tolist() == [bool(ages[key] >= ages[query]) for key in range(6)]


def test_a_query_that_sees_no_key_gets_0_and_no_nan_in_its_gradient() -> None:
    queries, keys, values = (torch.randn(1, 1, 3, 4, requires_grad=True) for _ in range(3))
    view = View(visibility(torch.tensor([[False, False, True]]), newest_last(3)))
    output = scaled_dot_product_attention(queries, keys, values, view)
    assert torch.equal(output[0, 0, :2], torch.zeros(2, 4))
    torch.autograd.backward(output.sum())
    assert all(part.grad is not None and part.grad.isfinite().all() for part in (queries, keys, values))


def test_weights_sum_to_1_over_visible_keys_and_are_0_elsewhere() -> None:
    real = torch.tensor([[True, False, True, True]])
    weights = attention_weights(torch.randn(1, 2, 4, 3), torch.randn(1, 2, 4, 3), View(visibility(real)))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 2, 4), rtol=1e-6, atol=0.0)
    assert not weights[..., 1].any()


def test_huge_scores_do_not_overflow() -> None:
    weights = attention_weights(torch.full((1, 1, 2, 4), 1e15), torch.randn(1, 1, 2, 4), all_visible(2))
    assert weights.isfinite().all()


def test_the_softmax_of_bfloat16_products_is_taken_in_float32() -> None:
    queries, keys = torch.randn(2, 1, 1, 4, 8, dtype=torch.bfloat16)
    weights = attention_weights(queries, keys, all_visible(4))
    assert weights.dtype == torch.float32


def test_bfloat16_keeps_its_rounded_weights_alone_for_the_way_back_and_has_the_gradients_of_float32() -> None:
    torch.manual_seed(0)
    exact = [torch.randn(2, 4, 12, 8).bfloat16().float().requires_grad_() for _ in range(3)]
    rounded = [part.detach().bfloat16().requires_grad_() for part in exact]
    view, direction = View(visibility(padding("padding", 2, 12))), torch.randn(2, 4, 12, 8)
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        output = scaled_dot_product_attention(*rounded, view)
    torch.autograd.backward((output.float() * direction).sum())
    torch.autograd.backward((scaled_dot_product_attention(*exact, view) * direction).sum())
    assert {tensor.dtype for tensor in kept if tensor.shape[-2:] == (12, 12)} == {torch.bfloat16}
    for found, expected in zip(rounded, exact, strict=True):
        assert found.grad is not None and expected.grad is not None
        error = (found.grad.float() - expected.grad).norm() / expected.grad.norm()
        assert error < 0.01  # a number in bfloat16 is .2 % off


def test_the_rotation_turns_queries_and_keys_but_not_values() -> None:
    torch.manual_seed(0)
    attention, tokens, plain = MultiHeadAttention(8, 2), torch.randn(1, 6, 8), all_visible(6)
    turned, bent = View(plain.visible, torch.neg), View(plain.visible, torch.sin)
    # Turning all of them by the same half turn changes the sign of queries and keys: no score moves.
    torch.testing.assert_close(attention(tokens, turned), attention(tokens, plain), rtol=1e-6, atol=1e-7)
    assert not torch.allclose(attention(tokens, bent), attention(tokens, plain), atol=1e-3)
