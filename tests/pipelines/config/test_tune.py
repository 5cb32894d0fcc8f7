"""A space is checked when the config is read: names, values, and what would leave nothing to compare."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.config import PipelineConfig, with_values
from tests.pipelines.tune.factories import RATE, SPACE, config_with


def uniform(low: float, high: float) -> dict[str, Any]:
    return {"kind": "uniform", "low": low, "high": high}


def choice(*values: Any) -> dict[str, Any]:
    return {"kind": "choice", "values": values}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"model.depth": choice(1, 2)}, r"tune\.space: unknown setting model\.depth"),
        ({"model": choice(1, 2)}, "model cannot be tried, only settings of model and training can"),
        ({"split.step": choice(1, 2)}, r"split\.step cannot be tried, only settings"),
        ({"model.horizon": choice(6, 12)}, r"model\.horizon cannot be tried, it has to be the same"),
        ({"training.seed": choice(0, 1)}, r"training\.seed cannot be tried, it has to be the same"),
        ({"model.covariates.past": choice([], ["a"])}, r"model\.covariates\.past cannot be tried"),
        ({"model.dropout": uniform(0, 1)}, r"model\.dropout cannot be '1\.0': Input should be less than 1"),
        ({"model.num_layers": uniform(1, 4)}, r"model\.num_layers cannot be .* valid integer"),
        ({"model.skip": choice("ridge", "arima")}, r"model\.skip cannot be 'arima': Input should be"),
        ({RATE: uniform(0.1, 0.01)}, r"low 0\.1 must be below high 0\.01"),
        ({RATE: {"kind": "log_uniform", "low": 0, "high": 1}}, r"low\s+Input should be greater than 0"),
        ({RATE: {"kind": "normal"}}, r"does not match any of the expected tags"),
        ({RATE: choice(0.1)}, "at least 2 items"),
        ({RATE: choice(0.1, 0.2, 0.1)}, r"values holds 0\.1 more than once"),
        ({"model.num_layers": {"kind": "integer", "low": 0, "high": 2, "log": True}}, "low must be 1 or more"),
    ],
)
def test_what_is_wrong_with_a_space_is_named(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config_with(space)


def test_point_forecasts_have_no_quantile_loss_to_compare() -> None:
    heads = {"model.head": choice("quantile", "mae")}
    assert config_with(heads, metric="mase").tune.metric == "mase"
    with pytest.raises(ValidationError, match=r"model\.head has a point forecast"):
        config_with(heads, metric="wql")


def test_values_that_only_together_are_refused_are_left_to_the_draws() -> None:
    assert config_with({"model.num_heads": choice(2, 8), "model.d_model": choice(12, 16)}).tune.space


def test_a_config_with_other_values_keeps_all_else_and_has_nothing_to_tune() -> None:
    config = config_with(SPACE)
    other = with_values(config, {RATE: 0.02, "model.d_model": 8})
    assert (other.training.learning_rate, other.model.d_model) == (0.02, 8)
    assert other.tune.space == {}
    back = with_values(other, {RATE: config.training.learning_rate, "model.d_model": config.model.d_model})
    assert back == config.model_copy(update={"tune": PipelineConfig(name="waves").tune})
