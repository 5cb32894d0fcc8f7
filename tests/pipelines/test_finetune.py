"""What the metrics of a fine-tuning say of its base, and what a worker does that loses the ledger on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from mlflow import MlflowClient

from forecaster.bundle import Bundle, load_bundle
from forecaster.errors import LedgerUnavailableError
from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.job import Job, JobState, NewJob
from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from forecaster.manifest import StartFacts
from forecaster.pretrained import pretrained_encoder
from pipelines.config import Environment, PipelineConfig, load_config
from pipelines.finetune import worker
from pipelines.finetune.finetune import may_have_seen
from tests.factories import sine_panel
from tests.pipelines.factories import FACTS, save_priced

PANEL = sine_panel(2, 200)
FIRST_HELD_OUT = str(PANEL.starts[0] + np.timedelta64(200 - 5, "h"))
EARLIER = str(PANEL.starts[0])


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(save_priced(tmp_path / "priced"))


def has_seen(bundle: Bundle, **facts: Any) -> bool:
    manifest = bundle.manifest.model_copy(update={"training": FACTS.model_copy(update=facts)})
    config: PipelineConfig = load_config(None, {"name": "m", "split.num_test_folds": 1})
    return may_have_seen(replace(bundle, manifest=manifest), PANEL, config)


def test_times_tell_whether_a_base_that_began_from_scratch_has_seen_what_is_held_out(bundle: Bundle) -> None:
    assert not has_seen(bundle, cutoff=EARLIER, latest=EARLIER)
    assert has_seen(bundle, cutoff=FIRST_HELD_OUT, latest=FIRST_HELD_OUT)


@pytest.mark.parametrize("kind", ["warm_start", "fine_tune"])
def test_what_a_base_began_with_may_have_seen_it_whatever_the_base_has(bundle: Bundle, kind: Any) -> None:
    start = StartFacts(kind=kind, bundle_digest="sha256:0")
    assert has_seen(bundle, cutoff=EARLIER, latest=EARLIER, start=start)


def test_the_encoder_in_the_box_has_seen_nothing(bundle: Bundle) -> None:
    start = StartFacts(kind="fine_tune", bundle_digest=pretrained_encoder().digest)
    assert not has_seen(bundle, cutoff=EARLIER, latest=EARLIER, start=start)
    assert has_seen(bundle, cutoff=FIRST_HELD_OUT, latest=FIRST_HELD_OUT, start=start)


def test_a_worker_that_loses_the_ledger_for_a_moment_leaves_the_job_to_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(*_: object) -> None:
        raise LedgerUnavailableError("terminating connection due to administrator command")

    monkeypatch.setattr(worker, "finetune", broken_off)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    upgrade(ledger)
    jobs = Jobs(ledger)
    job = jobs.add(NewJob("finetune", "me", b"x", now_microseconds() + 10**12), 10)
    assert isinstance(job, Job)
    nobody = cast(MlflowClient, None)  # is asked: it does not come so far
    worker.Worker(Environment(home=tmp_path), nobody, ledger).run(once=True)
    found = jobs.job(job.job_id, "me")
    assert found is not None
    assert found.state is JobState.PENDING
    ledger.close()
