"""The flags of the ablation: each changes one setting of a base configuration, the most telling ones first."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from forecaster.config import POINT_HEADS, ForecasterConfig, ModelConfig, TrainingConfig

Need = Literal["groups", "timestamps"]


@dataclass(frozen=True)
class Flag:
    """One setting at another value than the default."""

    setting: str  # a field of ModelConfig or TrainingConfig
    label: str  # the value in words, as it stands in names and tables
    value: Callable[[ModelConfig], object]
    need: Need | None = None  # what a data set must have for the setting to mean anything

    @property
    def name(self) -> str:
        """setting_label, the name of its figures."""
        return f"{self.setting}_{self.label}"

    def changed(self, base: ForecasterConfig) -> ForecasterConfig:
        """Gives the base with this one setting changed, validated anew."""
        value = self.value(base.model)
        if self.setting in TrainingConfig.model_fields:
            training = TrainingConfig(**{**base.training.model_dump(), self.setting: value})
            return base.model_copy(update={"training": training})
        settings: dict[str, Any] = {**base.model.model_dump(), self.setting: value}
        if settings["head"] in POINT_HEADS:
            del settings["levels"]
        return base.model_copy(update={"model": ModelConfig(**settings)})


def _flag(setting: str, value: object, label: str = "", need: Need | None = None) -> Flag:
    return Flag(setting, label or str(value), lambda _: value, need)


def _patches(model: ModelConfig) -> int:
    assert model.patch_length is not None, "the base of a task is resolved"
    return model.patch_length


# Values that the base has are there too: `flags_for` leaves out what changes nothing.
FLAGS: tuple[Flag, ...] = (
    _flag("skip", "ridge"),
    _flag("skip", "none"),
    _flag("channels", "group", need="groups"),
    _flag("channels", "independent", need="groups"),
    _flag("calendar", "auto", need="timestamps"),
    _flag("calendar", "off", need="timestamps"),
    _flag("decoder", "queries"),
    _flag("decoder", "flattened"),
    _flag("scaling", "asinh"),
    _flag("scaling", "mean_std"),
    _flag("scaling", "log"),
    _flag("positions", "none"),
    _flag("positions", "rotary"),
    _flag("positions", "time", need="timestamps"),
    Flag("patch_length", "half", lambda model: _patches(model) // 2),
    Flag("patch_length", "double", lambda model: _patches(model) * 2),
    _flag("d_model", 128),
    _flag("d_model", 64),
    _flag("num_layers", 1),
    _flag("num_layers", 2),
    _flag("num_layers", 3),
    _flag("head", "student_t"),
    _flag("head", "quantile"),
    _flag("skip", "theta"),
    _flag("dropout", 0.0),
    _flag("dropout", 0.1),
    _flag("dropout", 0.3),
    _flag("ema_decay", 0.98),
    _flag("ema_decay", None, "off"),
    _flag("scaling", "robust"),
    Flag("patch_stride", "half", lambda model: _patches(model) // 2),
    Flag("coarse_patch_length", "fourfold", lambda model: _patches(model) * 4),
    _flag("series_weighting", "series"),
    _flag("series_weighting", "window"),
    _flag("norm_placement", "post"),
    _flag("norm_placement", "pre"),
    _flag("feed_forward", "swiglu"),
    _flag("feed_forward", "gelu"),
    _flag("norm", "rms"),
    _flag("norm", "layer"),
    _flag("causal", True, "on"),
    _flag("causal", False, "off"),
    _flag("augmentations", ("flip",), "flip"),
    _flag("head", "gaussian"),
    _flag("head", "mae"),
    _flag("positions", "sinusoidal"),
    _flag("positions", "learned"),
    _flag("feed_forward", "relu"),
    _flag("calibration", "off"),
    _flag("calibration", "conformal"),
    _flag("scaling", "off"),
    _flag("num_members", 3),
)


def flags_for(base: ForecasterConfig, kinds: Collection[Need]) -> tuple[Flag, ...]:
    """Gives the flags that change something of this base, on data that has these kinds of knowledge."""
    fitting = (flag for flag in FLAGS if flag.need is None or flag.need in kinds)
    return tuple(flag for flag in fitting if flag.changed(base) != base)
