"""Configs: frozen, strict, resolved by stated rules."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from forecaster.config import ForecasterConfig, ModelConfig
from forecaster.config.cycles import Cycles


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 30, "num_heads": 4}, "is not a multiple of num_heads"),
        ({"d_model": 12, "num_heads": 4}, "rotary positions need an even width"),
        ({"d_model": 12, "num_heads": 4, "positions": "time"}, "time positions need an even width"),
        ({"d_model": 5, "num_heads": 1, "positions": "sinusoidal"}, "even d_model"),
        ({"levels": (0.5, 0.1)}, "ascend strictly"),
        ({"levels": (0.0, 0.5)}, "greater than 0"),
        ({"context_length": 100, "patch_length": 16}, "not a multiple of patch_length"),
        ({"positions": "absolute"}, "Input should be"),
        ({"layers": 3}, "Extra inputs"),
        ({"horizon": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig(**settings)


@pytest.mark.parametrize(
    ("season", "longest", "horizon", "context", "patch"),
    [
        (24, 10_000, 24, 192, 8),
        (24, 10_000, 96, 384, 16),
        (12, 120, 18, 96, 8),
        (1, 20, 6, 24, 8),
        (52, 2000, 26, 416, 16),
    ],
)
def test_context_and_patch_follow_the_stated_rules(
    season: int, longest: int, horizon: int, context: int, patch: int
) -> None:
    resolved = ModelConfig(horizon=horizon).resolved(Cycles(season), longest)
    assert (resolved.context_length, resolved.patch_length) == (context, patch)


def test_a_given_context_is_kept_and_divided_into_whole_patches() -> None:
    resolved = ModelConfig(context_length=90).resolved(Cycles(24), 50)
    assert (resolved.context_length, resolved.patch_length) == (90, 6)


def test_configs_are_frozen_and_round_trip_through_json() -> None:
    config = ForecasterConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.model = ModelConfig()  # type: ignore[misc]
    assert ForecasterConfig.model_validate_json(config.model_dump_json()) == config
