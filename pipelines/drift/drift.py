"""Drift with its effects: the champion and a panel are loaded and compared, what is found is a run in MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient

from forecaster.bundle import Bundle
from forecaster.data.panel import Panel
from forecaster.drift.input import InputDrift, input_drift, input_table
from forecaster.leakage import seen_ends
from forecaster.ledger.ids import now_microseconds
from pipelines import registry
from pipelines.config import Environment, PipelineConfig
from pipelines.drift.backtest import backtest_outcomes
from pipelines.drift.live import live_outcomes
from pipelines.drift.outcomes import Outcomes
from pipelines.loading import load_for
from pipelines.registry import Version
from pipelines.tracking import run

_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Drift:
    """How far data and forecasts are from what a champion was trained on."""

    version: Version
    input: InputDrift
    outcomes: Outcomes | None  # None where nothing has come true since training
    signals: dict[str, float]  # `drift_input`, `drift_error`, `drift_coverage`, each where it can be known
    limits: dict[str, float]
    table: pd.DataFrame  # a row for each series, worst first

    @property
    def exceeded(self) -> list[str]:
        """Names of the signals beyond their limits."""
        return [name for name, value in self.signals.items() if value > self.limits[name]]


def signals(
    environment: Environment,
    client: MlflowClient,
    config: PipelineConfig,
    panel: Panel | None = None,
    clock: Callable[[], int] = now_microseconds,
) -> dict[str, float]:
    """Gives a number for each kind of drift of the champion, and leaves a run in MLflow.

    Of the keys each is there where it can be known, and none where there is no champion:

        drift_input      share of the series that have drifted, from 0 to 1
        drift_error      share by which the MASE beside that of the seasonal naive has grown; below 0 it fell
        drift_coverage   by how much further the coverage of the 80 % interval is from that; below 0 it is nearer

    `config.drift.limits` has the limits of all three. Without a panel that of the config is loaded. Raises what `drift`
    raises.
    """
    champion = registry.find_alias(client, config.name, registry.CHAMPION)
    if champion is None:
        return {}
    return drift(environment, config, champion, panel, clock)[1].signals


def drift(
    environment: Environment,
    config: PipelineConfig,
    version: Version,
    panel: Panel | None = None,
    clock: Callable[[], int] = now_microseconds,
) -> tuple[str, Drift]:
    """Measures the drift since a version was trained and logs it as a run, whose id comes first.

    Raises RegistryError, BundleError, DataError for a panel that is none or not of the model's frequency, LeakageError
    for one of another time zone, and LedgerUnavailableError for a ledger that there is and that does not answer.
    """
    bundle = registry.load(version, environment.verifying_keys)
    panel = load_for([bundle], config.source, config.table).panel if panel is None else panel
    tags = {"stage": "drift", "model": version.name, "version": str(version.number)}
    with run(environment, config.name, f"drift {version.number}", tags) as run_id:
        found = measured(environment, config, version, bundle, panel, clock)
        _log(found)
    return run_id, found


def measured(
    environment: Environment,
    config: PipelineConfig,
    version: Version,
    bundle: Bundle,
    panel: Panel,
    clock: Callable[[], int] = now_microseconds,
) -> Drift:
    """Measures the drift of a panel since a version was trained: outcomes by the ledger, or else by a backtest."""
    settings = config.drift
    ends = seen_ends(panel, bundle.facts)
    season_length = bundle.config.model.season_length or panel.axis.frequency.season_length
    departed = input_drift(panel, ends, season_length, settings.recent_seasons, settings.false_discovery_rate)
    num_recent = settings.recent_seasons * season_length
    outcomes = live_outcomes(environment, version, clock() - _microseconds(panel, num_recent))
    by_outcome = {} if outcomes is None else outcomes.signals(settings.min_forecasts)
    if not by_outcome:
        outcomes = backtest_outcomes(version, bundle, panel, config, ends, num_recent)
        by_outcome = {} if outcomes is None else outcomes.signals(settings.min_forecasts)
    by_input = {} if departed.share is None else {"drift_input": departed.share}
    table = input_table(panel, departed)
    if outcomes is not None:
        table = table.merge(outcomes.table(), on="series", how="left")
    return Drift(version, departed, outcomes, by_input | by_outcome, settings.limits, table)


def _microseconds(panel: Panel, num_steps: int) -> int:
    """Gives how long so many steps last; a step that is a number alone counts as a day."""
    if panel.axis.frequency.is_step:
        return num_steps * _DAY
    last = panel.ends.max()
    begin = panel.axis.frequency.advance(panel.ends[[panel.ends.argmax()]], -num_steps)[0]
    return int((last - begin) / np.timedelta64(1, "us"))


def _log(found: Drift) -> None:
    """Logs signals, what they are made of, the curve of the input's and the table to the active run."""
    import mlflow

    mlflow.log_metrics({**found.signals, **_numbers(found)})
    shares = found.input.shares
    for step, share in enumerate(shares.tolist() if len(found.input.series) else [], start=1 - len(shares)):
        mlflow.log_metric("drift_input_by_stretch", share, step=step)
    source = "none" if found.outcomes is None else found.outcomes.source
    mlflow.set_tags({"outcomes": source, "exceeded": ", ".join(found.exceeded) or "none"})
    mlflow.log_params({f"limit.{name}": value for name, value in found.limits.items()})
    mlflow.log_table(found.table, "drift.json")


def _numbers(found: Drift) -> Mapping[str, float]:
    counts = {"drift_num_series": len(found.input.series), "drift_num_drifted": int(found.input.is_drifted.sum())}
    levels = {} if found.outcomes is None else found.outcomes.levels()
    return {**counts, **{f"drift_{name}": value for name, value in levels.items()}}


def summary(run_id: str, found: Drift, num_worst: int = 20) -> dict[str, Any]:
    """Gives the outcome, JSON-safe, with the worst series."""
    worst = found.table.head(num_worst)
    return {
        "run_id": run_id,
        "model": found.version.name,
        "version": found.version.number,
        "signals": found.signals,
        "limits": found.limits,
        "exceeded": found.exceeded,
        "outcomes": None if found.outcomes is None else found.outcomes.source,
        "num_series": len(found.input.series),
        "num_drifted": int(found.input.is_drifted.sum()),
        "worst": worst.astype(object).where(worst.notna(), None).to_dict("records"),
    }
