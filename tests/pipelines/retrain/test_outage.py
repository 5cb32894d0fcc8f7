"""MLflow's server is really down, and back: what was trained meanwhile is kept, uploaded and decided on."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.reliability.retrain_kills import MODEL, NOW, config_of, environment_of
from forecaster.ledger.slot import SlotState
from pipelines import registry, tracking
from pipelines.config import Environment, StartConfig
from pipelines.retrain.retrain import Asked, retrain_slot
from pipelines.retrain.spool import Spool
from tests.stack.servers import clean_environment, free_port, running

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(600)]


@contextmanager
def mlflow_server(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serves the MLflow store of a home."""
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}", "--artifacts-destination", str(home / "served")),
    ]
    variables = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment = Environment(home=home, tracking_uri=f"http://127.0.0.1:{port}")
    with running("mlflow", command, clean_environment(**variables), home, lambda: tracking.answers(environment)) as one:
        yield one


def test_a_retraining_outlasts_an_outage_of_mlflow(home: Path) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    environment = environment_of(home).model_copy(update={"tracking_uri": uri})
    begun = time.monotonic()
    assert not tracking.answers(environment)
    assert time.monotonic() - begun < 5

    def retrained(asked: Asked | None = None) -> list[SlotState]:
        return [slot.state for slot in retrain_slot(environment, config_of(home), lambda: NOW, asked=asked).slots]

    report = retrain_slot(environment, config_of(home), lambda: NOW)
    (slot,) = report.slots
    assert (slot.state, slot.version) == (SlotState.TRAINED, None)
    assert slot.reason.startswith("waits for upload")
    weights = Spool(environment).bundle(slot.slot_id) / "weights.safetensors"
    kept = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert retrained() == [SlotState.TRAINED]  # still down: it is not trained again
    with mlflow_server(home, port):
        assert retrained(Asked(only_finish=True)) == [SlotState.PROMOTED]
        assert retrained() == [SlotState.PROMOTED]
        client = tracking.connect(environment)
        version = registry.find_alias(client, MODEL, registry.CHAMPION)
        assert version is not None
        bundle = registry.load(version, ())
        run = client.get_run(str(client.get_model_version(MODEL, "1").run_id))
        assert bundle.manifest.provenance is not None
        assert bundle.manifest.provenance.run_id == run.info.run_id
        assert (run.info.status, len(client.get_metric_history(run.info.run_id, "validation_loss"))) == ("FINISHED", 6)
        assert len(client.search_model_versions(f"name='{MODEL}'")) == 1
        assert bundle.manifest.files["weights.safetensors"].sha256 == kept
    assert Spool(environment).slot_ids() == []


def test_a_training_that_begins_with_the_champion_waits_for_it(home: Path) -> None:
    environment = environment_of(home).model_copy(update={"tracking_uri": f"http://127.0.0.1:{free_port()}"})
    start = StartConfig(kind="warm_start", reference=f"{MODEL}@champion")
    config = config_of(home).model_copy(update={"start": start})
    (slot,) = retrain_slot(environment, config, lambda: NOW).slots
    assert (slot.state, slot.attempts) == (SlotState.BEGUN, 0)
    assert slot.reason.startswith("waits for MLflow")
    first, second = retrain_slot(environment, config, lambda: NOW + timedelta(days=1)).slots
    assert (first.slot_id, second.state) == (slot.slot_id, SlotState.BEGUN)
    (last,) = retrain_slot(environment, config, lambda: NOW + timedelta(days=1)).slots
    assert last.slot_id == second.slot_id  # the first one is covered
