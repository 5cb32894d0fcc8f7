"""The signals that triggers look at: by name, each a function of what is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from mlflow import MlflowClient

from forecaster.ledger.ledger import Ledger
from pipelines import registry
from pipelines.config import Environment, PipelineConfig
from pipelines.drift import drift
from pipelines.retrain.times import to_microseconds

_RECENT = timedelta(days=7)


@dataclass(frozen=True)
class Looking:
    """What a signal may look at: the model of a config, its ledger and its registry, at one moment."""

    environment: Environment
    client: MlflowClient
    ledger: Ledger
    config: PipelineConfig
    now: datetime

    @cached_property
    def drift(self) -> Mapping[str, float]:
        """The drift of the champion by kind; measured once, and left as a run."""
        return drift.signals(self.environment, self.client, self.config, clock=lambda: to_microseconds(self.now))


# Gives the value of a signal, None where it cannot be told. What it raises fails the look, not the training.
Signal = Callable[[Looking], float | None]


def live_relative_mase(looking: Looking) -> float | None:
    """Gives the MASE of the champion's forecasts of the last seven days over that of the seasonal naive."""
    name = looking.config.name
    champion = registry.find_alias(looking.client, name, registry.CHAMPION)
    if champion is None:
        return None
    since, until = to_microseconds(looking.now - _RECENT), to_microseconds(looking.now)
    skills = looking.ledger.skill(name, since, until, by_segment=False)
    return next((skill.relative_mase for skill in skills if skill.version == str(champion.number)), None)


def _of_drift(name: str) -> Signal:
    return lambda looking: looking.drift.get(name)


SIGNALS: Mapping[str, Signal] = {
    "live_relative_mase": live_relative_mase,
    **{name: _of_drift(name) for name in ("drift_input", "drift_error", "drift_coverage")},
}
