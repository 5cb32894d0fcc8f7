"""Synthetic series: what an encoder is trained on before it meets a real one."""

from forecaster.synthesis.draws import Draws
from forecaster.synthesis.mixture import FAMILIES, Synthetic, synthesize
from forecaster.synthesis.order import CYCLE_WEIGHTS, Order

__all__ = ["CYCLE_WEIGHTS", "FAMILIES", "Draws", "Order", "Synthetic", "synthesize"]
