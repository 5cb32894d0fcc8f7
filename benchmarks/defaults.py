"""The default of every setting that the ablation changes, and what speaks for it besides the measurement."""

from __future__ import annotations

from dataclasses import dataclass

from forecaster.config import ModelConfig, TrainingConfig


@dataclass(frozen=True)
class Default:
    """A default and the reason for it, which was given for this value alone."""

    setting: str
    value: object
    reason: str
    words: str = ""  # the value, where it does not say itself what happens

    @property
    def shown(self) -> str:
        """The value in words."""
        return self.words or str(self.value)

    @property
    def is_current(self) -> bool:
        """True while the library has this default."""
        fields = ModelConfig.model_fields | TrainingConfig.model_fields
        return bool(fields[self.setting].default == self.value)


DEFAULTS: tuple[Default, ...] = (
    Default(
        "skip",
        "ridge",
        "a linear map is hard to beat where histories are long, and the encoder's share is validated where it is not",
    ),
    Default("channels", "independent", "the forecast of a series depends on no other, so any of them can be asked for"),
    Default("calendar", "off", "data whose timestamps say nothing is served alike, with fewer inputs to learn"),
    Default("decoder", "flattened", "one matrix product gives all steps"),
    Default("scaling", "mean_std", "two moments, by which a forecast follows shift and scale of its series exactly"),
    Default("positions", "rotary", "attention sees distances, and there is no table of positions to learn"),
    Default(
        "patch_length",
        None,
        "attention costs the square of the number of patches",
        "16 steps from a context of 256 on, else 8",
    ),
    Default("d_model", 64, "a step takes a quarter of the time that width 128 takes"),
    Default("num_layers", 2, "attention has composed two looks back, and time grows with each further one"),
    Default("head", "quantile", "no distribution is assumed, and the levels trained for are those that are asked for"),
    Default("dropout", 0.1, "small data is learned by heart within a few hundred steps"),
    Default("ema_decay", None, "the checkpoint with the lowest validation loss does part of the same", "no averaging"),
    Default("patch_stride", None, "overlapping patches double the tokens", "patch_length, no overlap"),
    Default("coarse_patch_length", None, "attention can sum up patches without tokens of their own", "none"),
    Default("series_weighting", "window", "every window counts once, as in the loss that is validated"),
    Default("norm_placement", "pre", "deep stacks train without a long warm-up"),
    Default("feed_forward", "gelu", "a smooth activation with two matrices, where a gate needs a third"),
    Default("norm", "layer", "it takes off the mean as well, at next to no cost"),
    Default("causal", False, "the whole context is known when a forecast is made", "off"),
    Default("augmentations", (), "training sees the data as it is", "none"),
    Default("calibration", "conformal", "coverage is to hold where training overfits, too"),
    Default("num_members", 1, "several networks take their multiple of time and memory"),
)
