"""The Open Inference Protocol over HTTP: each demand of its text by name, and what the text leaves to a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from forecaster.predictor import Predictor
from service.settings import Settings
from tests.explain.factories import COVARIATES, predictor_of
from tests.service.dialects import musts_of_endpoints, musts_of_inference
from tests.service.dialects.inference_bodies import (
    MODEL,
    Case,
    assert_error,
    infer,
    inference,
    inputs,
    outputs_of,
    refuse,
    tensor,
)
from tests.service.factories import app_of, on_a_socket
from tests.service.request_bodies import HISTORY

MUSTS = {**musts_of_endpoints.MUSTS, **musts_of_inference.MUSTS}
LENGTH = len(HISTORY)


def test_no_demand_is_written_twice() -> None:
    assert len(MUSTS) == len(musts_of_endpoints.MUSTS) + len(musts_of_inference.MUSTS) >= 60


@pytest.mark.parametrize("case", MUSTS.values(), ids=MUSTS)
def test_the_text_of_the_protocol(service: httpx.Client, case: Case) -> None:
    case(service)


@contextmanager
def served(predictor: Predictor, home: Path, **settings: Any) -> Iterator[httpx.Client]:
    """Serves a predictor as 'waves' on a real socket."""
    app = app_of(predictor, home, **settings)
    with on_a_socket(app, Settings(home=home, registry_uri="http://127.0.0.1:1", port=0)) as client:
        yield client


def by_json(client: httpx.Client, series: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    reply = client.post("/v1/forecast", json={"model": "waves", "series": series, **options})
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["forecasts"]
    return found


def assert_same(found: dict[str, dict[str, Any]], forecasts: list[dict[str, Any]]) -> None:
    """Asserts that tensors say what the forecasts of a reply in JSON say, to the last bit."""
    num_series, horizon, num_levels = found["quantiles"]["shape"]
    values = np.reshape(found["quantiles"]["data"], (num_series, horizon, num_levels))
    stamps = np.reshape(found["timestamps"]["data"], (num_series, horizon)).tolist()
    assert [forecast["id"] for forecast in forecasts] == found["unique_id"]["data"]
    for place, forecast in enumerate(forecasts):
        assert forecast["timestamps"] == stamps[place]
        assert list(forecast["quantiles"]) == [str(level) for level in found["levels"]["data"]]
        for column, numbers in enumerate(forecast["quantiles"].values()):
            assert values[place, :, column].tolist() == numbers
    rows = np.reshape(found["warnings"]["data"], (-1, 3)).tolist()
    assert rows == [[f["id"], warning["code"], warning["message"]] for f in forecasts for warning in f["warnings"]]


@pytest.mark.parametrize("missing", [None, "NaN"], ids=["null", "NaN"])
@pytest.mark.parametrize("start", ["2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+05:30"])
def test_missing_values_and_zones_are_those_of_json(tmp_path: Path, missing: str | None, start: str) -> None:
    target: list[Any] = [None, None, *HISTORY[2:30], None, *HISTORY[31:]]
    sent = [missing if value is None else value for value in target]
    body = [
        tensor("target", "FP64", [1, LENGTH], sent),
        tensor("start", "BYTES", [1], [start]),
        tensor("unique_id", "BYTES", [1], ["a"]),
    ]
    with served(predictor_of(), tmp_path) as client:
        found = outputs_of(infer(client, inputs=body, parameters={}))
        forecasts = by_json(client, [{"id": "a", "start": start, "target": target}])
    assert forecasts[0]["warnings"]
    assert_same(found, forecasts)


def test_a_bare_nan_is_a_missing_value(service: httpx.Client) -> None:
    content = str(inference(inputs=inputs(data=[None, *HISTORY[1:]]))).replace("None", "NaN").replace("'", '"')
    reply = service.post(f"{MODEL}/infer", content=content, headers={"Content-Type": "application/json"})
    assert reply.json() == infer(service, inputs=inputs(data=[None, *HISTORY[1:]]))
    infinite = content.replace("NaN", "Infinity")
    reply = service.post(f"{MODEL}/infer", content=infinite, headers={"Content-Type": "application/json"})
    assert_error(reply, "Infinity is no number")


def test_steps_are_integers(tmp_path: Path) -> None:
    body = [inputs()[0], tensor("start", "INT64", [1], [7]), inputs()[2]]
    with served(predictor_of(frequency="step"), tmp_path) as client:
        declared = {one["name"]: one["datatype"] for one in client.get(MODEL).json()["outputs"]}
        found = outputs_of(infer(client, inputs=body, parameters={}))
        forecasts = by_json(client, [{"id": "s0", "start": 7, "target": HISTORY}])
    assert declared["timestamps"] == found["timestamps"]["datatype"] == "INT64"
    assert_same(found, forecasts)


def test_covariates_of_every_kind_are_inputs(tmp_path: Path) -> None:
    ahead = [*HISTORY, *HISTORY[:5]]
    more = {
        "past.p0": tensor("past.p0", "FP64", [2, LENGTH], [HISTORY, HISTORY[::-1]]),
        "past.p1": tensor("past.p1", "FP64", [2, LENGTH], [HISTORY[::-1], [None, *HISTORY[1:]]]),
        "known.k0": tensor("known.k0", "FP64", [2, LENGTH + 5], [ahead, ahead[::-1]]),
        "known.k1": tensor("known.k1", "FP64", [2, LENGTH + 5], [*ahead, *ahead]),
        "static.n0": tensor("static.n0", "FP64", [2], [2.5, None]),
        "static.n1": tensor("static.n1", "FP64", [2], [1, 2]),
        "static.c0": tensor("static.c0", "BYTES", [2], ["A", None]),
        "static.c1": tensor("static.c1", "BYTES", [2], ["C", "B"]),
    }
    pasts = [{"p0": HISTORY, "p1": HISTORY[::-1]}, {"p0": HISTORY[::-1], "p1": [None, *HISTORY[1:]]}]
    knowns = [{"k0": ahead, "k1": ahead}, {"k0": ahead[::-1], "k1": ahead}]
    statics = [{"n0": 2.5, "n1": 1, "c0": "A", "c1": "C"}, {"n0": None, "n1": 2, "c0": None, "c1": "B"}]
    series = [
        {"id": f"s{place}", "start": "2024-01-01", "target": HISTORY, "past": past, "known": known, "static": static}
        for place, (past, known, static) in enumerate(zip(pasts, knowns, statics, strict=True))
    ]
    with served(predictor_of(covariates=COVARIATES), tmp_path) as client:
        names = [one["name"] for one in client.get(MODEL).json()["inputs"]]
        found = outputs_of(infer(client, inputs=[*inputs(2), *more.values()], parameters={}))
        assert_same(found, by_json(client, series))
        assert names == ["target", "start", "unique_id", *more]
        for name in more:
            rest = [one for other, one in more.items() if other != name]
            refuse(client, f"{name}: is missing", inputs=[*inputs(2), *rest])
        short = {**more, "past.p0": tensor("past.p0", "FP64", [2, 2], [1, 2, 3, 4])}
        refuse(client, "past.p0: row 0: has 2 numbers for 60 values", inputs=[*inputs(2), *short.values()])


def test_groups_are_an_input_of_models_that_read_them(tmp_path: Path) -> None:
    draw = np.random.default_rng(0).normal(size=(3, LENGTH)).tolist()
    body = inputs(3, data=draw)
    groups: list[str | None] = ["x", "x", None]
    with served(predictor_of(channels="group"), tmp_path) as client:
        refuse(client, "group: is missing", inputs=body)
        found = outputs_of(infer(client, inputs=[*body, tensor("group", "BYTES", [3], groups)], parameters={}))
        series = [
            {"id": f"s{place}", "start": "2024-01-01", "target": draw[place], "group": groups[place]}
            for place in range(3)
        ]
        assert_same(found, by_json(client, series))


def test_a_fallback_says_so_in_the_parameters(tmp_path: Path) -> None:
    class Broken(Predictor):
        def answer(self, *_: Any) -> Any:
            return np.full((1, 5, 3), np.nan)

    plain = predictor_of()
    app = app_of(plain, tmp_path)
    app.state.service.models.find(None).bundle.predictor.__class__ = Broken
    with on_a_socket(app, Settings(home=tmp_path, registry_uri="http://127.0.0.1:1", port=0)) as client:
        refuse(client, "model-not-finite: ", inputs=inputs(), parameters={}, status=500)
        found = infer(client, inputs=inputs(), parameters={"fallback": "seasonal_naive"})
    assert found["parameters"]["degraded"] == "model-not-finite"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_may_be_compressed(service: httpx.Client, encoding: str) -> None:
    import gzip

    import orjson
    import zstandard

    shrunk = {"gzip": gzip.compress, "zstd": zstandard.compress}[encoding](orjson.dumps(inference()))
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    assert service.post(f"{MODEL}/infer", content=shrunk, headers=headers).json() == infer(service)


def test_every_name_of_a_model_is_one_here(service: httpx.Client) -> None:
    assert infer(service, "/oip/v2/models/waves@champion") == infer(service)
    assert service.get("/oip/v2/models/waves@champion/versions/1/ready").status_code == 200


def test_too_many_series_and_points_are_refused_before_they_are_read(service: httpx.Client) -> None:
    refuse(service, "target: 9 series, at most 8 are allowed", inputs=inputs(9))
    many = inputs(data=[1.0] * 20_001, shape=[1, 20_001])
    refuse(service, "20001 points, at most 20000 are allowed", inputs=many)
