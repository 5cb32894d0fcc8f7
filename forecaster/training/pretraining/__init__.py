"""Pretraining: one network, trained on series that are made up as it goes."""

from forecaster.training.pretraining.pretrain import Pretraining, pretrain

__all__ = ["Pretraining", "pretrain"]
