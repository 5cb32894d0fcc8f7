"""Fine-tuning in TimeGPT's dialect over HTTP: the order is that of /v1, and whoever sends it again waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from forecaster.data.panel import Panel
from forecaster.ledger.finetune_order import FINETUNE as FINETUNE_KIND
from forecaster.ledger.finetune_order import FinetuneOrder, unpacked
from forecaster.ledger.job import Lease
from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from tests.conftest import Registry
from tests.service.finetune.test_finetune import STEPS, Place, placed, request_of, spikes
from tests.service.timegpt_bodies import FINETUNE, FORECAST, finetune, forecast, series_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SERIES = series_of(spikes(0, STEPS), X=...)
SOON = {"X-Request-Deadline-Ms": "3000"}


@pytest.fixture(scope="module")
def place(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placed(registry, tmp_path_factory.mktemp("home"), max_finetuned=5) as found:
        yield found


def asked(place: Place, name: str, **headers: str) -> httpx.Response:
    body = finetune(SERIES, output_model_id=name, finetune_steps=2)
    return place.client.post(FINETUNE, json=body, headers=headers, timeout=300)


def jobs(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.client.get("/v1/jobs").json()["jobs"]
    return found


def waiting(place: Place, threads: ThreadPoolExecutor, name: str) -> tuple[Future[httpx.Response], str]:
    """Sends an order in a thread; gives its answer to come, and the id of its job."""
    before = len(jobs(place))
    reply = threads.submit(asked, place, name)
    end = time.monotonic() + 60
    while len(found := jobs(place)) == before:
        assert time.monotonic() < end and not reply.done()
        time.sleep(0.05)
    return reply, found[0]["id"]


def order_of(place: Place, job_id: str, folder: Path) -> tuple[FinetuneOrder, Panel]:
    """Gives what a job orders, and ends it."""
    ledger = Ledger(place.environment.ledger_url)
    claimed = Jobs(ledger).claim((FINETUNE_KIND,), Lease("nobody", 60.0))
    ledger.close()
    assert claimed is not None and claimed.job.job_id == job_id
    assert place.client.post(f"/v2/async/jobs/{job_id}/cancel").status_code == 200
    return unpacked(claimed.request, folder)


def test_a_training_is_waited_for_by_whoever_sends_it_again(place: Place) -> None:
    assert jobs(place) == []
    late = asked(place, "ft-late", **SOON)
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (504, "still-training", "5")
    (job,) = jobs(place)
    assert job["id"] in late.json()["detail"]
    assert asked(place, "ft-late", **SOON).status_code == 504
    path = f"/v2/finetune/jobs/{job['id']}"
    assert place.client.get(path).json() == {"job_id": job["id"], "status": "pending", "result": None, "error": None}
    place.work()
    for _ in range(2):
        reply = asked(place, "ft-late")
        assert (reply.status_code, reply.json()) == (200, {"finetuned_model_id": "ft-late"}), reply.text
    assert [one["id"] for one in jobs(place)] == [job["id"]]
    told = place.client.get(path).json()
    assert (told["status"], told["result"]) == ("succeeded", {"finetuned_model_id": "ft-late"})

    one = place.client.get("/v2/finetuned_models/ft-late").json()
    assert place.client.get("/v2/finetuned_models").json() == {"finetuned_models": [one]}
    facts = {"id": "ft-late", "base_model_id": "waves/1", "model": "waves", "steps": 2, "depth": 1, "loss": "default"}
    assert one == {**facts, "freq": "h", "created_at": job["created"], "created_by": "anonymous"}
    body = forecast(SERIES, finetuned_model_id="ft-late")
    found = place.client.post(FORECAST, json=body, timeout=300).json()
    assert found["model"]["name"] == "ft-late"
    options = {key: value for key, value in request_of(model="ft-late").items() if "_" not in key}
    wanted = place.client.post("/v1/forecast", json={**options, "horizon": 4, "quantiles": [0.5]}).json()
    assert found["mean"] == wanted["forecasts"][0]["quantiles"]["0.5"]
    daily = place.client.post(FORECAST, json=body | {"freq": "D"})
    assert (daily.status_code, daily.json()["code"]) == (422, "frequency-mismatch")

    taken = place.client.post(f"{FINETUNE}/async", json=finetune(SERIES, output_model_id="ft-late", finetune_steps=3))
    assert (taken.status_code, taken.json()["errors"][0]["field"]) == (422, "output_model_id")
    assert place.client.delete("/v2/finetuned_models/ft-late").status_code == 204
    assert place.client.delete("/v2/finetuned_models/ft-late").status_code == 404
    assert place.client.post(FORECAST, json=body).json()["code"] == "unknown-model"
    place.work()  # which frees the name
    assert asked(place, "ft-late", **SOON).status_code == 504  # what was deleted is trained anew
    assert len(jobs(place)) == 2
    assert place.client.post(f"/v2/async/jobs/{jobs(place)[0]['id']}/cancel").status_code == 200


def test_a_training_that_fails_or_is_cancelled_is_told_and_not_tried_again(place: Place) -> None:
    place.registry.create_registered_model("ft-others")
    with ThreadPoolExecutor() as threads:
        reply, _ = waiting(place, threads, "ft-others")
        place.work()
        failed = reply.result(60)
        assert (failed.status_code, failed.json()["code"]) == (500, "name-taken"), failed.text
        reply, job_id = waiting(place, threads, "ft-ended")
        place.client.post(f"/v2/async/jobs/{job_id}/cancel")
        cancelled = reply.result(60)
        assert (cancelled.status_code, cancelled.json()["code"]) == (410, "training-cancelled")
    place.registry.delete_registered_model("ft-others")


@pytest.mark.parametrize(("depth", "blocks"), [(1, 0), (2, 1), (4, 1), (5, None)])
def test_the_order_is_that_of_v1(place: Place, tmp_path: Path, depth: int, blocks: int | None) -> None:
    body = finetune(SERIES, finetune_steps=7, finetune_depth=depth)
    job_id = place.client.post(f"{FINETUNE}/async", json=body).json()["job_id"]
    order, panel = order_of(place, job_id, tmp_path / "theirs")
    wanted = request_of(max_steps=7, trained_blocks=blocks)
    del wanted["learning_rate"]
    wanted["series"][0]["id"] = "0"
    ours, panel_of_v1 = order_of(place, place.client.post("/v1/finetune", json=wanted).json()["id"], tmp_path / "ours")
    assert order.model_copy(update={"name": ours.name}) == ours
    assert (order.trained_blocks, order.name.startswith("ft-")) == (blocks, True)
    assert panel.series_ids == panel_of_v1.series_ids
    np.testing.assert_array_equal(panel.values, panel_of_v1.values)
