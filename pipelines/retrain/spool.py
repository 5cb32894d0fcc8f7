"""The spool: trainings are logged to a store in the home, so that an outage of MLflow costs none of what they give.

HOME/spool/mlflow.db, artifacts/     the runs of slots that are not uploaded yet
HOME/spool/slots/ID/checkpoints/     by data, config and start: a training that was killed goes on there
HOME/spool/slots/ID/results/bundle/  the bundle
HOME/spool/slots/ID/trained.json     written last: its run, and the tags of its version
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run

from forecaster.config import Config
from forecaster.secret_files import locked
from forecaster.training.fit import fit_key
from forecaster.training.start import Start
from pipelines.config import Environment, PipelineConfig
from pipelines.loading import LoadedPanel
from pipelines.tracking import connect, experiment_id, registry_errors
from pipelines.train import Beside, Places, fit_and_evaluate, training_run

SLOT_TAG = "slot"


class Spooled(Config):
    """What a training has left in the spool."""

    run_id: str  # in the spool
    tags: dict[str, str]  # of the version
    card: str
    metrics: dict[str, float]


class Spool:
    """The spool of a home."""

    def __init__(self, environment: Environment) -> None:
        self._home = environment.home / "spool"
        uri = f"sqlite:///{self._home.absolute() / 'mlflow.db'}"
        # What is in the spool is signed when it leaves it.
        self._environment = environment.model_copy(
            update={"home": self._home, "tracking_uri": uri, "signing_key_file": None}
        )

    def folder(self, slot_id: str) -> Path:
        """Gives the folder of a slot."""
        return self._home / "slots" / slot_id

    def bundle(self, slot_id: str) -> Path:
        """Gives the folder of the bundle of a slot."""
        return self.folder(slot_id) / "results" / "bundle"

    def found(self, slot_id: str) -> Spooled | None:
        """Gives what a training has left, None where none has ended."""
        path = self.folder(slot_id) / "trained.json"
        return Spooled.model_validate_json(path.read_bytes()) if path.exists() else None

    def train(
        self, slot_id: str, config: PipelineConfig, loaded: LoadedPanel, start: Start, *, show_progress: bool
    ) -> None:
        """Trains for a slot, without MLflow; goes on where a training of the same data, config and start was killed."""
        folder = self.folder(slot_id)
        shutil.rmtree(folder / "results", ignore_errors=True)
        key = fit_key(loaded.panel, config.forecaster, start)
        places = Places(folder / "checkpoints" / key, folder / "results")
        beside = Beside({SLOT_TAG: slot_id})
        with self._tracked(), training_run(self._environment, config, loaded, start, beside) as opened:
            trained = fit_and_evaluate(
                opened, config, loaded, places, start=start, beside=beside, show_progress=show_progress
            )
        draft = folder / ".trained.json"
        facts = {"run_id": trained.run_id, "tags": trained.tags, "card": trained.card, "metrics": trained.metrics}
        draft.write_text(Spooled(**facts).model_dump_json())
        draft.replace(folder / "trained.json")

    def runs(self, slot_id: str, experiment: str) -> list[Run]:
        """Gives the runs of a slot in the spool and their children, the oldest first, those of killed trainings too."""
        with self._tracked(), registry_errors():
            found: list[Run] = self.client().search_runs(
                [experiment_id(self._environment, experiment)],
                filter_string=f"tags.{SLOT_TAG} = '{slot_id}'",
                order_by=["attributes.start_time ASC"],
            )
        return found

    def slot_ids(self) -> list[str]:
        """Gives the slots that have something in the spool."""
        folder = self._home / "slots"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def client(self) -> MlflowClient:
        """Gives a client of the spool."""
        return MlflowClient(self._environment.tracking_uri, self._environment.tracking_uri)

    def clear(self, slot_id: str, experiment: str) -> None:
        """Takes a slot out of the spool."""
        if not self.folder(slot_id).exists():
            return
        for run in self.runs(slot_id, experiment):
            shutil.rmtree(artifacts_of(run).parent, ignore_errors=True)
            with registry_errors():
                self.client()._tracking_client.store._hard_delete_run(run.info.run_id)  # as `mlflow gc` does
        shutil.rmtree(self.folder(slot_id), ignore_errors=True)

    @contextmanager
    def _tracked(self) -> Iterator[None]:
        """Points MLflow at the spool, whose tables the first one makes, and back again."""
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        try:
            client = connect(self._environment)
            with registry_errors(), locked(self._home / "mlflow.db"):
                client.search_experiments(max_results=1)
            yield
        finally:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1])


def artifacts_of(run: Run) -> Path:
    """Gives the folder of the artifacts of a run in the spool."""
    return Path(unquote(urlsplit(str(run.info.artifact_uri)).path))
