"""The fits of the ablation as MLflow runs: one parent per data set, a fit below it, and what is finished is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from forecaster.config import ForecasterConfig
from pipelines.config import Environment
from pipelines.tracking import connect, log_config, run

EXPERIMENT = "ablation"
_PARENT = "mlflow.parentRunId"
_PAGE = 1000


@dataclass(frozen=True)
class Measured:
    """What one fit came to; None for what its head does not forecast."""

    mase: float
    wql: float | None
    coverage_80: float | None
    seconds: float  # of the processor, for fitting
    num_parameters: float

    def as_metrics(self) -> dict[str, float]:
        """Gives what there is, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, float]) -> Measured:
        """Gives back what `as_metrics` gave."""
        return cls(**{field.name: metrics.get(field.name) for field in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class FitName:
    """Which fit of the ablation it is."""

    data: str
    flag: str
    seed: int
    key: str  # of data and config together, so that a fit of another base is not taken for this one


class AblationRuns:
    """The runs in a local store under one folder."""

    def __init__(self, folder: Path) -> None:
        """Opens the store, creating it where there is none, and reads what is finished."""
        uri = f"sqlite:///{(folder / 'mlflow.db').absolute()}"
        self._environment = Environment(home=folder, tracking_uri=uri)
        self._client = connect(self._environment)
        self._parents: dict[str, str] = {}
        self._finished: dict[FitName, Measured] = {}
        for found in self._runs("attributes.status = 'FINISHED'"):
            tags = found.data.tags
            if "key" in tags:
                name = FitName(tags["data"], tags["flag"], int(tags["seed"]), tags["key"])
                self._finished[name] = Measured.of_metrics(found.data.metrics)

    def finished(self, name: FitName) -> Measured | None:
        """Gives what this fit came to, None where it has not been run to its end."""
        return self._finished.get(name)

    def write(self, name: FitName, config: ForecasterConfig, measured: Measured) -> None:
        """Logs a finished fit: its settings as parameters, its figures as metrics."""
        import mlflow

        tags = {key: str(value) for key, value in asdict(name).items()} | {_PARENT: self._parent(name.data)}
        with run(self._environment, EXPERIMENT, f"{name.data} {name.flag} seed {name.seed}", tags):
            log_config(config)
            mlflow.log_params({"data": name.data, "flag": name.flag, "seed": name.seed})
            mlflow.log_metrics(measured.as_metrics())
        self._finished[name] = measured

    def _parent(self, data: str) -> str:
        """Gives the run that all fits of a data set lie under."""
        if data not in self._parents:
            found = next(self._runs(f"tags.parent_of = '{data}'"), None)
            if found is None:
                with run(self._environment, EXPERIMENT, data, {"parent_of": data}) as identity:
                    self._parents[data] = identity
            else:
                self._parents[data] = found.info.run_id
        return self._parents[data]

    def _runs(self, wanted: str) -> Iterator[Any]:
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        token = None
        while experiment is not None:
            page = self._client.search_runs([experiment.experiment_id], wanted, max_results=_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return
