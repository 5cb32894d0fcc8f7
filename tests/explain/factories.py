"""Small predictors to explain."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from forecaster.config import CovariateConfig
from forecaster.data.panel import Panel
from forecaster.data.windows import WindowAddresses, Windows
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from tests.factories import sine_panel
from tests.model.factories import awake_network, small_config

COVARIATES = CovariateConfig(
    past=("p0", "p1"),
    known=("k0", "k1"),
    static=("n0", "n1"),
    categories={"c0": ("A", "B"), "c1": ("A", "B", "C")},
)


def predictor_of(num_networks: int = 1, frequency: str = "h", **changes: Any) -> Predictor:
    """Gives a predictor of networks that are not trained, but whose every weight matters."""
    networks = [awake_network(seed, **changes) for seed in range(num_networks)]
    return Predictor(networks, Frequency.parse(frequency))


def waves(length: int = 60, **changes: Any) -> Panel:
    """Gives three noisy sines of a period that fits twice into a context of 24 steps."""
    return sine_panel(3, length, **{"period": 12.0, "noise": 0.3, "missing_share": 0.05} | changes)


def trained_predictor(num_steps: int = 60) -> tuple[Predictor, Panel]:
    """Gives a predictor that has learned the waves of a panel, and the panel."""
    torch.manual_seed(0)
    panel, network = waves(200), Network(small_config(context_length=48))
    windows, draw = Windows(panel, 48, 5), np.random.default_rng(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(num_steps):
        batch = windows.gather(WindowAddresses(draw.integers(0, 3, 64), draw.integers(48, 150, 64)))
        optimizer.zero_grad()
        torch.autograd.backward(network.loss(batch))
        optimizer.step()
    return Predictor(network, panel.axis.frequency), panel
