"""Point heads: each makes its own error small, and answers at one level."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from forecaster.config import DEFAULT_LEVELS, POINT_HEADS, ModelConfig
from forecaster.errors import RequestError
from forecaster.model.heads import HEADS
from tests.model.factories import small_config
from tests.model.heads.fitting import fitted

LOSSES = {"mse": 4.0, "mae": 2.0, "huber": 1.5}


@pytest.mark.parametrize("name", POINT_HEADS)
def test_losses_by_hand_for_an_error_of_2(name: str) -> None:
    loss = HEADS[name](small_config()).loss(torch.tensor([[[1.0]]]), torch.tensor([[3.0]]), torch.tensor([[True]]))
    assert loss.item() == LOSSES[name]


@pytest.mark.parametrize(("name", "expected"), [("mse", 1.0), ("mae", 0.693), ("huber", 0.82)])
def test_fitting_an_exponential_gives_mean_median_or_what_lies_between(name: str, expected: float) -> None:
    sample = -torch.log(torch.rand(20_000, generator=torch.Generator().manual_seed(0)))
    raw = fitted(HEADS[name](small_config()), sample, num_steps=200)
    assert raw.item() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("name", POINT_HEADS)
def test_the_only_level_is_the_middle(name: str) -> None:
    head = HEADS[name](small_config())
    assert head.quantiles(torch.tensor([[[3.0]]]), (0.5,)).tolist() == [[[3.0]]]
    with pytest.raises(RequestError, match=r"are outside 0\.5, all that a point forecast has"):
        head.quantiles(torch.tensor([[[3.0]]]), (0.4, 0.5))


@pytest.mark.parametrize("name", POINT_HEADS)
def test_the_config_of_a_point_head_has_one_level_and_no_other(name: str) -> None:
    config = ModelConfig.model_validate({"head": name})
    assert config.levels == (0.5,)
    assert ModelConfig(**config.model_dump()) == config
    with pytest.raises(ValidationError, match=r"forecasts level 0\.5 alone, got levels \[0\.1, 0\.5\]"):
        ModelConfig.model_validate({"head": name, "levels": (0.1, 0.5)})


def test_other_heads_keep_the_default_levels() -> None:
    assert ModelConfig(head="gaussian").levels == DEFAULT_LEVELS
