"""What may be asked of a fine-tuned model by the key that has it: all that a model of everybody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.upgrade import upgrade
from service.errors import UnknownModel
from service.ledger.orders import LEDGER
from service.models.finetuned import FinetunedModels
from service.models.view import ServedModel
from service.requests.media import CSV, JSON, PARQUET
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.ledger.factories import given, observed, tune
from tests.service.dialects.inference_bodies import V2, infer, inference
from tests.service.factories import app_of, on_a_socket
from tests.service.fake_models import OneModel
from tests.service.fakes import FakeRegistry
from tests.service.jobs.factories import awaited
from tests.service.ledger.test_routes import outcomes, soon
from tests.service.request_bodies import HISTORY, valid
from tests.test_bundle import SMALL

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


def test_the_sdk_is_told_the_sizes_of_a_fine_tuned_model_by_its_name(client: httpx.Client) -> None:
    mine, theirs = (client.get("/model_params", params={"model": name, "freq": "h"}) for name in (NAME, THEIRS))
    assert mine.json() == {"detail": {"input_size": 1024, "horizon": SMALL.horizon}}
    assert (theirs.status_code, theirs.json()["code"]) == (404, "unknown-model")


def in_invocations(client: httpx.Client, name: str, media_type: str) -> httpx.Response:
    """Asks MLflow's scoring protocol for a forecast of a table of that kind."""
    times = pd.date_range("2024-01-01", periods=len(HISTORY), freq="h").map(pd.Timestamp.isoformat)
    table = pd.DataFrame({"unique_id": "a", "ds": times, "y": HISTORY})
    if media_type == JSON:
        sent = {"columns": list(table), "data": table.to_numpy(dtype=object).tolist()}
        return client.post("/invocations", json={"dataframe_split": sent, "params": {"model": name, "horizon": 4}})
    content = table.to_csv(index=False).encode() if media_type == CSV else table.to_parquet(index=False)
    headers = {"Content-Type": media_type}
    return client.post("/invocations", content=content, params={"model": name, "horizon": 4}, headers=headers)


@pytest.mark.parametrize("media_type", [JSON, CSV, PARQUET])
def test_mlflows_protocol_asks_a_fine_tuned_model_of_the_key(client: httpx.Client, media_type: str) -> None:
    reply = in_invocations(client, NAME, media_type)
    assert (reply.status_code, reply.headers.get("x-model")) == (200, f"{NAME}/1"), reply.text
    wanted = client.post("/v1/forecast", json=valid(model=NAME)).json()["forecasts"][0]["quantiles"]["0.5"]
    assert [row["0.5"] for row in reply.json()["predictions"]] == pytest.approx(wanted, rel=1e-6)
    unknown = in_invocations(client, THEIRS, media_type)
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("path", ["", "/versions/1"])
def test_the_open_inference_protocol_asks_a_fine_tuned_model_of_the_key(client: httpx.Client, path: str) -> None:
    mine, theirs = (f"{V2}/models/{name}{path}" for name in (NAME, THEIRS))
    found = infer(client, mine)
    assert (found["model_name"], found["model_version"]) == (NAME, "1")
    assert client.get(mine).json()["versions"] == ["1"]
    assert client.get(f"{mine}/ready").json() == {"name": NAME, "ready": True}
    unknown = [client.post(f"{theirs}/infer", json=inference()), client.get(theirs), client.get(f"{theirs}/ready")]
    assert [reply.status_code for reply in unknown] == [404, 404, 404]


def test_a_fine_tuned_model_has_no_other_version(client: httpx.Client) -> None:
    reply = client.get(f"{V2}/models/{NAME}/versions/2")
    assert (reply.status_code, "there are ['1']" in reply.json()["error"]) == (404, True)


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
