"""The model that is served: random weights of a telling size, registered as a champion, and series to forecast."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forecaster.arrays import FloatArray
from forecaster.bundle import load_bundle, save_bundle
from forecaster.config import ModelConfig, SplitConfig
from forecaster.manifest import TrainingFacts
from forecaster.model.network import Network
from forecaster.model.skips.linear import LinearSkip
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency

NAME = "speed"
FREQUENCY = "h"
START = "2024-01-01T00:00:00"
NUM_SERIES = 64
CONTEXT_LENGTH, HORIZON = 512, 96
MODEL = ModelConfig(
    context_length=CONTEXT_LENGTH,
    horizon=HORIZON,
    season_length=24,
    patch_length=16,
    d_model=128,
    num_layers=3,
    num_heads=2,
    d_ff=256,
    levels=tuple(round(0.1 * tenth, 1) for tenth in range(1, 10)),
    skip="ridge",
)

_SEED = 1


@dataclass(frozen=True)
class Home:
    """Where the model lies: a working folder with its registry, and a bundle as it was registered."""

    folder: Path
    bundle: Path

    @property
    def registry_uri(self) -> str:
        """The registry, as `forecaster serve --home` takes it by default."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"


def random_predictor(config: ModelConfig = MODEL) -> Predictor:
    """Gives a predictor with random weights, always the same ones; its ridge weighs every value."""
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        network = Network(config)
        skip = network.skip
        assert isinstance(skip, LinearSkip), f"the model has the skip {config.skip!r}"
        skip.start_at(0.02 * torch.randn(skip.weight.shape, dtype=torch.float64))
    return Predictor(network.eval(), Frequency.parse(FREQUENCY))


def contexts(num_series: int = NUM_SERIES, length: int = CONTEXT_LENGTH) -> FloatArray:
    """Gives the series to forecast [S L]: daily waves with noise, with as many digits as a meter gives."""
    generator = np.random.default_rng(_SEED)
    steps = np.arange(length)
    levels, sizes, phases = generator.uniform([[50], [5], [0]], [[500], [50], [24]], (3, num_series))
    waves = np.sin(2 * np.pi * (steps + phases[:, None]) / 24)
    noise = generator.standard_normal(waves.shape)
    return np.asarray(np.round(levels[:, None] + sizes[:, None] * (waves + 0.3 * noise), 3))


def register_model(folder: Path) -> Home:
    """Writes the bundle and registers it in a new registry in `folder`, as champion, by the way that trainings take."""
    from pipelines.config import Environment
    from pipelines.registry import CHAMPION, register
    from pipelines.tracking import connect, run

    home = Home(folder / "home", folder / "bundle")
    write_bundle(home.bundle)
    environment = Environment(home=home.folder, tracking_uri=home.registry_uri)
    client = connect(environment)
    with run(environment, NAME, "random weights", {}):
        version = register(client, NAME, home.bundle, load_bundle(home.bundle), {})
    client.set_registered_model_alias(NAME, CHAMPION, str(version.number))
    return home


def write_bundle(folder: Path) -> None:
    """Writes the bundle, with the network's graph where bundles hold one. What else trainers put in belongs here."""
    predictor = random_predictor()
    options: dict[str, Any] = {}
    if "graph" in inspect.signature(save_bundle).parameters:
        options["graph"] = importlib.import_module("forecaster.runtime.export").export_networks(predictor)
    save_bundle(folder, predictor, _FACTS, **options)


_FACTS = TrainingFacts(
    data_fingerprint="none: random weights",
    num_series=NUM_SERIES,
    frequency=FREQUENCY,
    timezone=None,
    horizon=MODEL.horizon,
    cutoff=START,
    latest=START,
    used_up=(),
    split=SplitConfig(),
    num_steps=0,
    validation_loss=1.0,
)
