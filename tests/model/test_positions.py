"""Positions: the tables against their formulas, and what must not depend on where counting starts."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelConfig
from forecaster.model.positions import POSITIONS, RotaryPositions, SinusoidalPositions, ages, angles
from tests.model.factories import POSITION_KINDS, small_config


def test_every_name_the_config_allows_is_in_the_table() -> None:
    assert set(POSITIONS) == set(get_args(ModelConfig.model_fields["positions"].annotation)) == set(POSITION_KINDS)


def test_the_newest_token_has_position_0() -> None:
    assert ages(4).tolist() == [3.0, 2.0, 1.0, 0.0]


def test_the_sinusoidal_table_follows_the_formula() -> None:
    num_patches, width = 7, 6
    table = SinusoidalPositions(num_patches, width).table
    for index in range(num_patches):
        position = num_patches - 1 - index
        for pair in range(width // 2):
            angle = position / 10000 ** (2 * pair / width)
            assert table[index, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[index, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_rotary_turns_each_pair_of_coordinates_by_its_angle() -> None:
    heads = torch.randn(1, 1, 5, 6)
    turned = RotaryPositions(5, 6).rotate(heads)
    as_complex = torch.complex(heads[..., :3], heads[..., 3:]) * torch.exp(1j * angles(5, 6))
    expected = torch.cat([as_complex.real, as_complex.imag], dim=-1)
    torch.testing.assert_close(turned, expected, rtol=1e-5, atol=1e-6)


@given(st.integers(0, 29), st.integers(0, 29), st.integers(0, 30), st.integers(0, 100))
@settings(deadline=None, max_examples=50)
def test_rotary_scores_depend_on_the_distance_only(query_at: int, key_at: int, shift: int, seed: int) -> None:
    rotary = RotaryPositions(60, 8)
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(seed))

    def score(query_index: int, key_index: int) -> float:
        everywhere = [rotary.rotate(vector.expand(1, 1, 60, 8))[0, 0] for vector in (query, key)]
        return float(everywhere[0][query_index] @ everywhere[1][key_index])

    assert score(query_at, key_at) == pytest.approx(score(query_at + shift, key_at + shift), abs=1e-4)


def test_rotary_scores_do_depend_on_the_distance() -> None:
    turned = RotaryPositions(10, 8).rotate(torch.ones(1, 1, 10, 8))[0, 0]
    assert abs(float(turned[9] @ turned[9] - turned[9] @ turned[5])) > 0.1


def test_rotary_preserves_the_norm() -> None:
    heads = torch.randn(3, 2, 20, 8)
    turned = RotaryPositions(20, 8).rotate(heads)
    torch.testing.assert_close(turned.norm(dim=-1), heads.norm(dim=-1), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("kind", POSITION_KINDS)
def test_older_tokens_in_front_change_no_position(kind: str) -> None:
    torch.manual_seed(0)
    positions = POSITIONS[kind](9, small_config(positions=kind))
    tokens, heads = torch.randn(2, 9, 16), torch.randn(2, 2, 9, 8)
    assert torch.equal(positions.add(tokens)[:, 4:], positions.add(tokens[:, 4:]))
    assert torch.equal(positions.rotate(heads)[:, :, 4:], positions.rotate(heads[:, :, 4:]))


@pytest.mark.parametrize("kind", ["sinusoidal", "learned", "rotary"])
def test_a_position_leaves_a_trace_in_tokens_or_in_heads(kind: str) -> None:
    positions = POSITIONS[kind](9, small_config(positions=kind))
    tokens, heads = positions.add(torch.ones(1, 9, 16)), positions.rotate(torch.ones(1, 2, 9, 8))
    assert (tokens[:, 0] != tokens[:, 1]).any() or (heads[:, :, 0] != heads[:, :, 1]).any()


def test_without_positions_nothing_is_added() -> None:
    tokens = torch.randn(1, 9, 16)
    assert POSITIONS["none"](9, small_config(positions="none")).add(tokens) is tokens
