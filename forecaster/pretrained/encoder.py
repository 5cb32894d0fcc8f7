"""The weights in the box, as a bundle for the frequency and the length of the series at hand.

The weights of the encoder depend neither on the frequency nor on a length: what a frequency brings along are the lags
by which the network looks at a season (`forecaster.time.cycles`), and contexts are as long as the data makes them pay.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

from forecaster.bundle import Bundle, load_bundle, save_bundle
from forecaster.config import ModelConfig, SplitConfig
from forecaster.config.cycles import Cycles
from forecaster.config.pretraining import PretrainingConfig
from forecaster.errors import ConfigError
from forecaster.manifest import TrainingFacts
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.stored_predictor import config_of
from forecaster.time.aliases import STEP
from forecaster.time.cycles import cycles_of
from forecaster.time.frequency import Frequency

_BUNDLE = Path(__file__).parent / "bundle"

# The settings that the encoder in the box was made with.
TRAINING = Path(__file__).parent / "training.yaml"


@cache
def pretrained_encoder() -> Bundle:
    """Gives the bundle in the box, verified, for series of counted steps; the same one at each call.

    BundleError where the installation lacks it, or it was changed.
    """
    return load_bundle(_BUNDLE)


def encoder_for(
    frequency: Frequency,
    longest: int,
    *,
    horizon: int | None = None,
    season_length: int | None = None,
    encoder: Bundle | None = None,
) -> Bundle:
    """Gives the pretrained encoder for series of a frequency, `longest` steps long at most; its weights are shared.

    It looks back `context_for(longest)` steps, and forecasts `horizon` (default: the longest that it was trained for).
    `season_length` stands for the cycle of the frequency, where that is another one or none; `encoder` for the one in
    the box, where `forecaster pretrain` has made another. ConfigError for a horizon that it was not trained for.
    """
    found = encoder or pretrained_encoder()
    network = found.predictor.network
    cycles = cycles_for(frequency) if season_length is None else Cycles(season_length)
    trained = network.config.horizon
    steps = trained if horizon is None else horizon
    if not 1 <= steps <= trained:
        further = "; roll it out" if steps > trained else ""
        raise ConfigError(f"horizon {steps} is outside 1..{trained}, what the encoder was trained for{further}")
    suited = network.reshaped(context_length=context_for(longest, found), horizon=steps, lags=cycles.lags)
    predictor = Predictor(suited, frequency)
    return replace(found, predictor=predictor, config=config_of(predictor))


def cycles_for(frequency: Frequency) -> Cycles:
    """Gives the cycles by which the encoder looks back: those of the frequency, but for a year of days.

    A day is hardly like that of the year before, and the encoder believes it more than it should; a week of hours
    helps it from the first one on (docs/experiments.md).
    """
    cycles = cycles_of(frequency)
    return cycles if frequency.is_tick else Cycles(cycles.season)


def context_for(longest: int, encoder: Bundle | None = None) -> int:
    """Gives how many steps the encoder looks back at series of at most `longest`: whole patches."""
    model = (encoder or pretrained_encoder()).config.model
    patch, limit = model.patch_length or 1, model.context_length or 1
    return min(limit, max(1, math.ceil(longest / patch)) * patch)


def fine_tunable(model: ModelConfig) -> ModelConfig:
    """Gives the shape of the encoder with the settings that a config names: what its weights are trained on with.

    Horizon and context may be any, and the lags are those of the data's frequency. Settings that no weights of the
    encoder fit are refused by the training.
    """
    settled = pretrained_encoder().config.model.model_dump(exclude={"context_length", "horizon", "season_length"})
    named = model.model_dump(include=model.model_fields_set)
    return ModelConfig(**{**settled, "lags": "cycles", **named})


def save_encoder(network: Network, config: PretrainingConfig, num_steps: int, loss: float, folder: Path) -> str:
    """Writes a pretrained network as the bundle of counted steps that `encoder_for` fits to a frequency.

    Gives its digest. BundleError where the folder exists already.
    """
    facts = TrainingFacts(
        data_fingerprint=f"synthetic:{config.seed}",
        num_series=num_steps * config.num_orders * config.windows_per_order,
        frequency=STEP,
        timezone=None,
        horizon=network.config.horizon,
        cutoff="0",
        latest="0",
        used_up=(),
        split=SplitConfig(),
        is_synthetic=True,
        num_steps=num_steps,
        validation_loss=loss,
    )
    return save_bundle(folder, Predictor(network, Frequency(STEP)), facts)
