"""A predictor as what can be stored: a config in JSON, weights and calibration as named tensors, and back again."""

from __future__ import annotations

import torch
from pydantic import Field

from forecaster.calibration import Calibration
from forecaster.config import Config, Level, ModelConfig
from forecaster.errors import BundleError
from forecaster.model.network import Network
from forecaster.model.undrawn import Undrawn
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency


class CalibrationFacts(Config):
    """What is known of a calibration beside its numbers."""

    anchor: Level = Field(description="The level that it leaves as it is.")
    coverage_before: float | None = Field(description="Share of validation targets within the interval nearest 80 %.")
    coverage_after: float | None = Field(description="The same, calibrated on other validation windows.")


class BundleConfig(Config):
    """What is needed to build the network and to read data for it."""

    model: ModelConfig
    frequency: str
    num_networks: int = Field(ge=1, le=100, description="Networks that answer as one.")
    calibration: CalibrationFacts | None = Field(description="None: the forecasts are not calibrated.")


def config_of(predictor: Predictor) -> BundleConfig:
    """Gives what of a predictor is no tensor."""
    calibration = predictor.calibration
    return BundleConfig(
        model=predictor.network.config,
        frequency=predictor.frequency.alias,
        num_networks=len(predictor.networks),
        calibration=calibration
        and CalibrationFacts(
            anchor=calibration.anchor,
            coverage_before=calibration.coverage_before,
            coverage_after=calibration.coverage_after,
        ),
    )


def predictor_of(
    config: BundleConfig, weights: dict[str, torch.Tensor], calibration: dict[str, torch.Tensor]
) -> Predictor:
    """Builds the predictor again; BundleError where the tensors do not fit the config."""
    networks = _build_networks(config, weights)
    return Predictor(networks, Frequency.parse(config.frequency), _load_calibration(config, calibration))


def weights_of(predictor: Predictor) -> dict[str, torch.Tensor]:
    """Gives the parameters of all networks, each name after the number of its network."""
    return {
        f"{number}.{name}": value.cpu().contiguous()
        for number, network in enumerate(predictor.networks)
        for name, value in network.state_dict().items()
    }


def _build_networks(config: BundleConfig, weights: dict[str, torch.Tensor]) -> list[Network]:
    parts: list[dict[str, torch.Tensor]] = [{} for _ in range(config.num_networks)]
    for name, value in weights.items():
        number, _, parameter = name.partition(".")
        if not number.isdecimal() or int(number) >= config.num_networks:
            raise BundleError(f"the weights hold {name!r}, but the config names {config.num_networks} network(s)")
        parts[int(number)][parameter] = value
    return [_build_network(config.model, part) for part in parts]


def _build_network(config: ModelConfig, weights: dict[str, torch.Tensor]) -> Network:
    with Undrawn():
        network = Network(config)
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise BundleError("the weights do not fit the network in the config") from error
    return network.eval()


def calibration_tensors(predictor: Predictor) -> dict[str, torch.Tensor]:
    """Gives the factors [H] and rank templates [T H] of the calibration, empty where there is none."""
    calibration = predictor.calibration
    if calibration is None:
        return {"factors": torch.empty(0), "templates": torch.empty(0, 0)}
    return {
        "factors": torch.from_numpy(calibration.factors).contiguous(),
        "templates": torch.from_numpy(calibration.templates).contiguous(),
    }


def _load_calibration(config: BundleConfig, tensors: dict[str, torch.Tensor]) -> Calibration | None:
    facts, horizon = config.calibration, config.model.horizon
    if set(tensors) != {"factors", "templates"}:
        raise BundleError(f"the calibration holds {sorted(tensors)}, wanted ['factors', 'templates']")
    if facts is None:
        return None
    factors, templates = tensors["factors"], tensors["templates"]
    if factors.shape != (horizon,) or templates.ndim != 2 or (len(templates) and templates.shape[1] != horizon):
        raise BundleError("the calibration does not fit the horizon in the config")
    return Calibration(facts.anchor, factors.numpy(), templates.numpy(), facts.coverage_before, facts.coverage_after)
