"""A head owns the distribution: how many numbers describe it, its loss, its quantiles. One table of names."""

from __future__ import annotations

from collections.abc import Callable

from forecaster.config import ModelConfig
from forecaster.model.heads.gaussian import GaussianHead
from forecaster.model.heads.head import SMALLEST_SCALE, Head
from forecaster.model.heads.negative_binomial import NegativeBinomialHead
from forecaster.model.heads.point import PointHead, absolute_error, huber_error, squared_error
from forecaster.model.heads.quantile import QuantileHead
from forecaster.model.heads.student_t import StudentTHead

HEADS: dict[str, Callable[[ModelConfig], Head]] = {
    "quantile": lambda config: QuantileHead(config.levels),
    "student_t": lambda _: StudentTHead(),
    "gaussian": lambda _: GaussianHead(),
    "negative_binomial": lambda _: NegativeBinomialHead(),
    "mse": lambda _: PointHead(squared_error),
    "mae": lambda _: PointHead(absolute_error),
    "huber": lambda _: PointHead(huber_error),
}

__all__ = [
    "HEADS",
    "SMALLEST_SCALE",
    "GaussianHead",
    "Head",
    "NegativeBinomialHead",
    "PointHead",
    "QuantileHead",
    "StudentTHead",
]
