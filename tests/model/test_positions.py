"""Positions: each kind against its formula, and what must not depend on where counting starts."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelConfig
from forecaster.model.positions import (
    POSITIONS,
    Positions,
    RotaryPositions,
    SinusoidalPositions,
    angles,
)
from tests.model.factories import POSITION_KINDS, small_config

AGES = torch.tensor([6.0, 5.0, 4.5, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0])  # with an overlap, and with a future


def made(kind: str) -> Positions:
    torch.manual_seed(0)
    return POSITIONS[kind](len(AGES), small_config(positions=kind))


def turned(rotary: RotaryPositions, heads: torch.Tensor, ages: torch.Tensor) -> torch.Tensor:
    rotate = rotary.rotation(ages)
    assert rotate is not None
    return rotate(heads)


def test_every_name_the_config_allows_is_in_the_table() -> None:
    assert set(POSITIONS) == set(get_args(ModelConfig.model_fields["positions"].annotation)) == set(POSITION_KINDS)


def test_the_sinusoidal_waves_follow_the_formula() -> None:
    width = 6
    waves = SinusoidalPositions().add(torch.zeros(1, len(AGES), width), AGES)[0]
    for index, age in enumerate(AGES.tolist()):
        for pair in range(width // 2):
            angle = age / 10000 ** (2 * pair / width)
            assert waves[index, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert waves[index, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_rotary_turns_each_pair_of_coordinates_by_its_angle() -> None:
    heads = torch.randn(1, 1, len(AGES), 6)
    as_complex = torch.complex(heads[..., :3], heads[..., 3:]) * torch.exp(1j * angles(AGES, 6))
    expected = torch.cat([as_complex.real, as_complex.imag], dim=-1)
    torch.testing.assert_close(turned(RotaryPositions(6), heads, AGES), expected, rtol=1e-5, atol=1e-6)


@given(st.floats(-3, 30), st.floats(-3, 30), st.floats(0, 30), st.integers(0, 100))
@settings(deadline=None, max_examples=50)
def test_rotary_scores_depend_on_the_distance_only(query_age: float, key_age: float, shift: float, seed: int) -> None:
    query, key = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(seed))

    def score(at: float) -> float:
        ages = torch.tensor([[query_age + at], [key_age + at]])
        return float((turned(RotaryPositions(8), query, ages[0]) * turned(RotaryPositions(8), key, ages[1])).sum())

    assert score(0.0) == pytest.approx(score(shift), abs=1e-4)


def test_rotary_scores_do_depend_on_the_distance() -> None:
    heads = turned(RotaryPositions(8), torch.ones(1, 1, 10, 8), torch.arange(10.0))[0, 0]
    assert abs(float(heads[9] @ heads[9] - heads[9] @ heads[5])) > 0.1


def test_rotary_preserves_the_norm() -> None:
    heads = torch.randn(3, 2, len(AGES), 8)
    lengths = turned(RotaryPositions(8), heads, AGES).norm(dim=-1)
    torch.testing.assert_close(lengths, heads.norm(dim=-1), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("kind", [kind for kind in POSITION_KINDS if kind != "learned"])
def test_older_tokens_in_front_change_no_position(kind: str) -> None:
    positions, tokens, heads = made(kind), torch.randn(2, 9, 16), torch.randn(2, 2, 9, 8)
    assert torch.equal(positions.add(tokens, AGES)[:, 4:], positions.add(tokens[:, 4:], AGES[4:]))
    longer, shorter = positions.rotation(AGES), positions.rotation(AGES[4:])
    if longer is not None and shorter is not None:
        assert torch.equal(longer(heads)[:, :, 4:], shorter(heads[:, :, 4:]))


@pytest.mark.parametrize("kind", [kind for kind in POSITION_KINDS if kind != "learned"])
def test_ages_of_each_window_are_to_its_row_what_ages_of_all_are_to_all(kind: str) -> None:
    positions, tokens, heads = made(kind), torch.randn(3, 9, 16), torch.randn(3, 2, 9, 8)
    each = torch.stack([AGES, 1.03 * AGES - 0.2, AGES.clamp(max=2.0)])
    added, rotate = positions.add(tokens, each), positions.rotation(each)
    for row, ages in enumerate(each):
        assert torch.equal(added[row], positions.add(tokens[row : row + 1], ages)[0])
        turned_alone = positions.rotation(ages)
        if rotate is not None and turned_alone is not None:
            assert torch.equal(rotate(heads)[row], turned_alone(heads[row : row + 1])[0])


def test_the_angle_of_a_month_is_that_of_its_days() -> None:
    # A cutoff at the end of March 2023, patches of one month: February ends 31 days before it, January 59.
    days, mean = torch.tensor([[59.0, 31.0, 0.0, -30.0]]), 30.436875
    positions = made("time")
    assert isinstance(positions, RotaryPositions)
    heads = turned(positions, torch.tensor([1.0] * 4 + [0.0] * 4).expand(1, 1, 4, 8), days / mean)[0, 0]
    for token, passed in enumerate(days[0].tolist()):
        for pair, frequency in enumerate([1.0, 0.1, 0.01, 0.001]):
            assert heads[token, pair].item() == pytest.approx(math.cos(passed / mean * frequency), abs=1e-6)
            assert heads[token, 4 + pair].item() == pytest.approx(math.sin(passed / mean * frequency), abs=1e-6)


def test_each_kind_enters_at_one_of_the_two_places() -> None:
    tokens, places = torch.ones(1, 9, 16), {}
    for kind in POSITION_KINDS:
        positions = made(kind)
        adds = not torch.equal(positions.add(tokens, AGES), tokens)
        places[kind] = [adds, positions.rotation(AGES) is not None]
    assert places == {
        "sinusoidal": [True, False],
        "learned": [True, False],
        "rotary": [False, True],
        "time": [False, True],
        "none": [False, False],
    }


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_what_is_added_differs_from_token_to_token(kind: str) -> None:
    added = made(kind).add(torch.zeros(1, 9, 16), AGES)[0]
    assert all((added[first] != added[second]).any() for first in range(9) for second in range(first))
