"""Which settings may be tried with which values: what is wrong with a space is said before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from forecaster.config import POINT_HEADS
from pipelines.config.tune.settings import Choice, Dimension, Integer, TuneConfig

Settings = TypeVar("Settings", bound=BaseModel)

_GROUPS = ("model", "training")
# Trials could not be compared, or would not differ, if these were tried.
_SAME_FOR_ALL = {
    "model.horizon",
    "model.levels",
    "model.covariates",
    "training.calibration",
    "training.compile",
    "training.num_processes",
    "training.num_threads",
    "training.precision",
    "training.refit",
    "training.seed",
    "training.steps_per_validation",
}
_WITHIN = 0.381966  # a place in a range that is no round number


def applied(config: Settings, values: Mapping[str, Any]) -> Settings:
    """Gives a config with other values by dotted name, without its group `tune`; ValidationError where it refuses."""
    tree = config.model_dump(exclude_unset=True, exclude={"tune"})
    for name, value in values.items():
        group, _, setting = name.partition(".")
        tree.setdefault(group, {})[setting] = value
    return type(config).model_validate(tree)


def check_space(config: BaseModel, tune: TuneConfig) -> None:
    """Raises ValueError for a setting that is unknown or the same for all trials, and for a value that is refused.

    Values that are refused together alone are left to the draws.
    """
    for name, dimension in tune.space.items():
        if name.split(".")[0] not in _GROUPS or "." not in name:
            raise ValueError(f"tune.space: {name} cannot be tried, only settings of {' and '.join(_GROUPS)} can")
        if name in _SAME_FOR_ALL or name.startswith("model.covariates."):
            raise ValueError(f"tune.space: {name} cannot be tried, it has to be the same for all trials")
        for value in _samples(dimension):
            _check_value(config, name, value)
    heads = tune.space.get("model.head")
    if tune.metric == "wql" and isinstance(heads, Choice) and set(heads.values) & set(POINT_HEADS):
        raise ValueError(
            "tune.space: model.head has a point forecast among its values, which tune.metric wql is not for"
        )


def _samples(dimension: Dimension) -> tuple[Any, ...]:
    if isinstance(dimension, Choice):
        return dimension.values
    if isinstance(dimension, Integer):
        return dimension.low, dimension.high
    return dimension.low, dimension.high, dimension.low + _WITHIN * (dimension.high - dimension.low)


def _check_value(config: BaseModel, name: str, value: Any) -> None:
    try:
        applied(config, {name: value})
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            if problem["loc"][:2] != tuple(name.split(".", 1)):
                continue
            if problem["type"] == "extra_forbidden":
                raise ValueError(f"tune.space: unknown setting {name}") from error
            raise ValueError(f"tune.space: {name} cannot be {str(value)[:60]!r}: {problem['msg']}") from error
