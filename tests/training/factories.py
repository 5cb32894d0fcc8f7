"""Small fits: configs that train in a second, and batches of windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from forecaster.config import ForecasterConfig, ModelConfig, SplitConfig, TrainingConfig
from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.predictor import Predictor
from forecaster.training.fit import FitResult
from forecaster.types import WindowBatch
from tests.factories import panel_of, sine_panel

CONFIG = ForecasterConfig(
    model=ModelConfig(horizon=6, context_length=24, patch_length=6, d_model=16, num_heads=2, num_layers=1, d_ff=16),
    training=TrainingConfig(max_steps=20, steps_per_validation=5, batch_size=16, learning_rate=5e-3, num_threads=1),
    split=SplitConfig(num_validation_folds=1, num_test_folds=2),
)

PANEL = sine_panel(3, 120, noise=0.1, missing_share=0.05)


def with_training(config: ForecasterConfig = CONFIG, **changes: object) -> ForecasterConfig:
    training = TrainingConfig(**{**config.training.model_dump(), **changes})
    return config.model_copy(update={"training": training})


def with_model(config: ForecasterConfig = CONFIG, **changes: object) -> ForecasterConfig:
    return config.model_copy(update={"model": ModelConfig(**{**config.model.model_dump(), **changes})})


def with_split(config: ForecasterConfig = CONFIG, **changes: object) -> ForecasterConfig:
    return config.model_copy(update={"split": SplitConfig(**{**config.split.model_dump(), **changes})})


def same_weights(first: FitResult | Predictor, second: FitResult | Predictor) -> bool:
    """True where all networks of two predictors have equal weights, those fitted without a gradient included."""
    one, other = (found.predictor if isinstance(found, FitResult) else found for found in (first, second))
    if len(one.networks) != len(other.networks):
        return False
    pairs = zip(one.networks, other.networks, strict=True)
    return all(
        torch.equal(a, b)
        for left, right in pairs
        for a, b in zip(left.state_dict().values(), right.state_dict().values(), strict=True)
    )


def priced_panel(num_series: int = 3, length: int = 120, effect: float = 3.0) -> Panel:
    """Noise plus `effect` times a known price, drawn anew at each step and known 6 steps ahead."""
    draw = np.random.default_rng(3)
    prices = [draw.standard_normal(length + 6) for _ in range(num_series)]
    targets = [10 + effect * price[:length] + 0.1 * draw.standard_normal(length) for price in prices]
    panel = panel_of(*targets)
    return replace(panel, covariates=PanelCovariates.from_arrays(known={"price": prices}))


def grouped(panel: Panel, groups: list[int]) -> Panel:
    """The same series in these groups."""
    numbers = np.asarray(groups, dtype=np.int64)
    return Panel(panel.series_ids, panel.offsets, panel.values, panel.starts, panel.axis, panel.covariates, numbers)


def random_batch(num_windows: int = 64, *, missing: float = 0.1, seed: int = 0) -> WindowBatch:
    """Windows of noise with L = 32 and H = 8, with missing values, 0 where missing."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        values = torch.randn(num_windows, steps, generator=generator, dtype=torch.float64)
        observed = torch.rand(num_windows, steps, generator=generator) >= missing
        return values.where(observed, 0.0), observed

    return WindowBatch(*drawn(32), *drawn(8))
