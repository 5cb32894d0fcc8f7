"""The pretrained encoder in the box: a forecaster of any frequency, before any training on real series.

bundle/        the weights as a bundle like any other, of counted steps; `encoder_for` fits it to a frequency
training.yaml  the settings that `forecaster pretrain` made it with
CARD.md        what it was trained on, what it is good for and what not
"""

from forecaster.config.pretraining import ZERO_SHOT
from forecaster.pretrained.encoder import (
    TRAINING,
    context_for,
    cycles_for,
    encoder_for,
    fine_tunable,
    pretrained_encoder,
    save_encoder,
)
from forecaster.pretrained.own_history import CalibratedOnHistory, calibrated

__all__ = [
    "TRAINING",
    "ZERO_SHOT",
    "CalibratedOnHistory",
    "calibrated",
    "context_for",
    "cycles_for",
    "encoder_for",
    "fine_tunable",
    "pretrained_encoder",
    "save_encoder",
]
