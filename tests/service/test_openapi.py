"""The document of the interface says what may be sent and what may come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service import errors
from service.app import create_app
from service.explain.schemas import ExplainRequest
from service.openapi import FORECAST
from service.schemas import ForecastRequest
from service.settings import Settings

# Nobody reads the answer to a client that is gone; the others are of replays and of jobs alone.
OF_JOBS = {errors.JobNotDone, errors.JobCancelled, errors.JobDone, errors.NameTaken, errors.TooManyModels}
UNSEEN = {errors.ClientGone, errors.CannotReplay, *OF_JOBS}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home: Path = tmp_path_factory.mktemp("home")
    return create_app(Settings(home=home, registry_uri="http://127.0.0.1:1", authentication=False)).openapi()


def test_every_status_that_a_forecast_may_get_is_declared(document: dict[str, Any]) -> None:
    possible = {family.status for family in errors.ServiceError.__subclasses__() if family not in UNSEEN}
    declared = set(document["paths"][FORECAST]["post"]["responses"])
    assert declared == {"200", *map(str, possible)}


def test_every_status_that_an_explanation_may_get_is_declared(document: dict[str, Any]) -> None:
    possible = {family.status for family in errors.ServiceError.__subclasses__() if family not in UNSEEN}
    declared = set(document["paths"]["/v1/explain"]["post"]["responses"])
    assert declared == {"200", *map(str, possible - {errors.NotAcceptable.status})}


def test_every_status_that_a_replay_may_get_is_declared(document: dict[str, Any]) -> None:
    families = (errors.CannotReplay, errors.CostTooHigh, errors.ModelNotFinite, errors.UnknownForecast)
    declared = set(document["paths"]["/v1/forecasts/{forecast_id}/replay"]["post"]["responses"])
    assert {str(family.status) for family in families} <= declared


def test_every_answer_of_every_route_declares_the_id_of_its_request(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) >= 6
    for operation in operations:
        assert {"400", "408", "414", "431", "503"} <= set(operation["responses"])
        assert all("X-Request-Id" in response["headers"] for response in operation["responses"].values())


def test_every_answer_with_a_body_says_of_what_type_it_is(document: dict[str, Any]) -> None:
    bare = {
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if "content" not in answer and status != "204"
    }
    assert bare == set()


def test_headers_that_answers_alone_have_are_declared(document: dict[str, Any]) -> None:
    def headers(method: str, path: str, status: str) -> set[str]:
        return set(document["paths"][path][method]["responses"][status]["headers"]) - {"X-Request-Id"}

    assert headers("post", "/v1/forecasts/{forecast_id}/replay", "200") == {"X-Replay"}
    assert headers("post", "/v1/jobs/{kind}", "202") == headers("post", "/v1/finetune", "202") == {"Location"}
    for path in ("/v1/jobs/{kind}", "/v1/finetune"):  # beside what FastAPI knows of the answer
        content = document["paths"][path]["post"]["responses"]["202"]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/JobOut"}


def test_the_body_of_a_job_of_timegpts_may_say_how_long_it_takes(document: dict[str, Any]) -> None:
    for name in ("ForecastJob", "CrossValidationJob", "OnlineJob"):
        assert "job_options" in document["components"]["schemas"][name]["properties"]
    content = document["paths"]["/v2/{task}/async"]["post"]["requestBody"]["content"]["application/json"]
    assert {"$ref": "#/components/schemas/ForecastJob"} in content["schema"]["anyOf"]


def test_what_a_table_of_mlflows_cannot_tell_is_no_parameter_of_it(document: dict[str, Any]) -> None:
    operation = document["paths"]["/invocations"]["post"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert names >= {"model", "horizon", "quantiles"}
    assert not names & {"adapt", "intervals", "segment", "samples"}
    assert {"X-Model", "X-Degraded", "X-Unused-Columns"} <= set(operation["responses"]["200"]["headers"])


@pytest.mark.parametrize("path", ["/v1/actuals", "/v1/report", "/v1/forecasts/{forecast_id}/replay", "/v1/forecast"])
def test_routes_that_obey_a_deadline_say_so(document: dict[str, Any], path: str) -> None:
    names = {parameter["name"] for parameter in document["paths"][path]["post"]["parameters"]}
    assert "X-Request-Deadline-Ms" in names


def test_the_example_of_a_request_is_one(document: dict[str, Any]) -> None:
    content = document["paths"][FORECAST]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        assert ForecastRequest.model_validate(example["value"]).series


def test_the_example_of_an_explanation_is_one(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/explain"]["post"]
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
        assert ExplainRequest.model_validate(example["value"]).attention
    assert {"ExplainRequest", "ExplainReply"} <= set(document["components"]["schemas"])
    assert [parameter["name"] for parameter in operation["parameters"]] == ["X-Request-Deadline-Ms", "X-Request-Id"]


def test_the_webhook_is_there_with_its_secret_alone_and_asks_for_a_signature(
    document: dict[str, Any], tmp_path: Path
) -> None:
    path = "/v1/models/webhook"
    assert path not in document["paths"]
    found = create_app(Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", webhook_secret="w" * 32)).openapi()
    operation = found["paths"][path]["post"]
    assert operation["security"] == [{"delivery": []}]
    assert found["components"]["securitySchemes"]["delivery"]["name"] == "X-MLflow-Signature"
    assert {"202", "401", "413", "429"} <= set(operation["responses"])


@pytest.mark.parametrize("path", [FORECAST, "/v1/explain"])
def test_a_forecast_and_an_explanation_ask_for_a_key(document: dict[str, Any], path: str) -> None:
    (required,) = document["paths"][path]["post"]["security"]
    assert set(required) <= set(document["components"]["securitySchemes"])
