"""What may be asked of a fine-tuned model by the key that has it: all that a model of everybody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from service.errors import UnknownModel
from service.ledger.orders import LEDGER
from service.models.finetuned import FinetunedModels
from service.models.view import ServedModel
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.ledger.factories import given, observed, tune
from tests.service.factories import app_of, on_a_socket
from tests.service.fake_models import OneModel
from tests.service.fakes import FakeRegistry
from tests.service.jobs.factories import awaited
from tests.service.ledger.test_routes import outcomes, soon
from tests.service.request_bodies import HISTORY, valid

NAME, GONE, THEIRS, OWNER = "ft-mine", "ft-gone", "ft-theirs", "anonymous"
SERIES = valid()["series"]
AHEAD = "2024-01-03T12:00:00"  # the first step after HISTORY


class OfEverybody(OneModel):
    """Serves 'waves', and knows no model that was fine-tuned."""

    def find(self, name: str | None, *, is_awaited: bool = True) -> ServedModel:
        if name not in (None, "waves"):
            raise UnknownModel(f"no model of the name {name} is served")
        return super().find(name)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service that has a fine-tuned model for those who ask without a key."""
    home: Path = tmp_path_factory.mktemp("home")
    registry = FakeRegistry(home / "registry")
    reference = registry.add(NAME)
    app = app_of(predictor_of(), home, ledger_share=1.0)
    service = app.state.service
    (home / LEDGER).mkdir()
    ledger = Ledger(service.settings.resolved_ledger_url())
    upgrade(ledger)
    tune(ledger, NAME, OWNER, reference.digest)
    tune(ledger, GONE, OWNER, registry.add(GONE).digest)
    tune(ledger, THEIRS, "another", reference.digest)
    for model in (THEIRS, "waves"):
        forecast = given(model, model=model, digest=reference.digest, created=now_microseconds())
        ledger.add([forecast], [observed([11.0], model=model, received=now_microseconds())])
    ledger.close()
    models: Any = OfEverybody(service.models.find(None).bundle)
    finetuned = FinetunedModels(service.settings, registry, service.desk.tuned)
    app.state.service = replace(service, models=models, finetuned=finetuned)
    with on_a_socket(app, Settings(home=home, port=0, authentication=False)) as found:
        yield found


ASKED: dict[str, dict[str, Any]] = {
    "actuals": {"series": [{"id": "a", "start": AHEAD, "target": [10.0, 11.0]}]},
    "explain": {"series": SERIES},
    "forecast": {"series": SERIES},
    "backtest": {"series": [{**SERIES[0], "target": HISTORY}], "num_windows": 1},
    "anomalies": {"series": SERIES},
}


@pytest.mark.parametrize("path", ASKED)
def test_a_fine_tuned_model_is_asked_all_that_others_are(client: httpx.Client, path: str) -> None:
    reply = client.post(f"/v1/{path}", json={**ASKED[path], "model": NAME})
    assert reply.status_code == 200, reply.text
    if path != "actuals":
        assert reply.json()["model"]["name"] == NAME


@pytest.mark.parametrize("path", ASKED)
def test_one_that_the_key_does_not_have_is_unknown(client: httpx.Client, path: str) -> None:
    reply = client.post(f"/v1/{path}", json={**ASKED[path], "model": THEIRS})
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown-model")


def test_what_came_true_meets_the_forecast_of_a_fine_tuned_model(client: httpx.Client) -> None:
    forecast_id = client.post("/v1/forecast", json={"model": NAME, "series": SERIES}).json()["id"]
    client.post("/v1/actuals", json={**ASKED["actuals"], "model": NAME})
    (found,) = soon(lambda: outcomes(client, forecast_id), lambda found: found[0]["num_observed"] == 2)
    assert found["num_observed"] == 2


def test_skill_tells_of_the_models_of_everybody_and_of_the_key_that_asks(client: httpx.Client) -> None:
    client.post("/v1/forecast", json={"model": NAME, "series": SERIES})
    client.post("/v1/actuals", json={**ASKED["actuals"], "model": NAME})

    def told(**params: str) -> set[str]:
        return {row["model"] for row in client.get("/v1/skill", params=params).json()["skill"]}

    assert soon(told, lambda models: NAME in models) == {NAME, "waves"}
    assert told(model=THEIRS) == set()
    assert told(model=NAME) == {NAME}


def test_metrics_of_skill_name_no_fine_tuned_model(client: httpx.Client) -> None:
    shown = soon(lambda: client.get("/metrics").text, lambda text: "forecaster_live_num_observed{" in text)
    assert 'forecaster_live_num_observed{model="waves",version="1"}' in shown
    assert THEIRS not in shown


AGAIN: dict[str, dict[str, Any]] = {
    "/v1/jobs/forecast": {"model": GONE, "series": SERIES},
    "/v1/finetune": {"model": GONE, "series": [{**SERIES[0], "target": 10 * HISTORY}], "max_steps": 1},
}


def test_what_is_sent_again_is_known_by_its_key_whatever_has_become_of_the_model(client: httpx.Client) -> None:
    def sent(path: str, key: str) -> httpx.Response:
        return client.post(path, json=AGAIN[path], headers={"Idempotency-Key": f"{key} {path}"})

    first = {path: sent(path, "a") for path in AGAIN}
    assert [reply.status_code for reply in first.values()] == [202, 202]
    awaited(client, first["/v1/jobs/forecast"].json())
    assert client.delete(f"/v1/finetuned/{GONE}").status_code == 204
    for path in AGAIN:
        again = sent(path, "a")
        assert (again.status_code, again.json().get("id")) == (202, first[path].json()["id"]), again.text
        assert sent(path, "b").json()["code"] == "unknown-model"
