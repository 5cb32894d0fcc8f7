"""What can be asked beside quantiles: intervals, scenarios, roll-outs, streams, deadlines and fallbacks."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
import zstandard
from fastapi import FastAPI

from forecaster.arrays import FloatArray
from forecaster.question import Question
from forecaster.types import Forecast
from service.answers import fallback
from tests.conftest import noisy_waves
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, asking, post, post_each
from tests.service.request_bodies import HISTORY, series, valid
from tests.service.test_forecast import answer, request_of


def test_an_interval_reaches_from_one_quantile_to_another(service: httpx.Client) -> None:
    (forecast,) = answer(service, valid(intervals=[80, 50], quantiles=[0.1, 0.25, 0.75, 0.9]))["forecasts"]
    assert list(forecast["intervals"]) == ["80", "50"]
    assert forecast["intervals"]["80"] == {"lower": forecast["quantiles"]["0.1"], "upper": forecast["quantiles"]["0.9"]}
    assert forecast["intervals"]["50"]["upper"] == forecast["quantiles"]["0.75"]


def test_an_interval_wider_than_the_model_knows_is_refused(service: httpx.Client) -> None:
    reply = service.post("/v1/forecast", json=valid(intervals=[99]))
    assert (reply.status_code, reply.json()["code"]) == (422, "level-out-of-range")


def test_scenarios_are_those_of_the_predictor_and_the_same_for_the_same_seed(service: httpx.Client) -> None:
    body = request_of(noisy_waves(), samples={"number": 7, "seed": 3}, quantiles=[0.5])
    one, two, other = (answer(service, body | {"samples": {"number": 7, "seed": seed}}) for seed in (3, 3, 4))
    drawn = np.array([forecast["samples"] for forecast in one["forecasts"]])
    assert drawn.shape == (3, 7, 4)
    assert one == two != other
    assert list(one["forecasts"][0]["quantiles"]) == ["0.5"]


def test_scenarios_of_a_model_without_templates_are_refused(tmp_path: Path) -> None:
    reply = post(app_of(predictor_of(), tmp_path), valid(samples={"number": 2}))
    assert (reply.status_code, reply.json()["code"]) == (422, "no-templates")


def test_a_horizon_beyond_the_models_is_rolled_out_only_where_it_is_allowed(service: httpx.Client) -> None:
    assert service.post("/v1/forecast", json=valid(horizon=30)).json()["code"] == "horizon-out-of-range"
    rolled, plain = (
        answer(service, valid(horizon=horizon, roll_out=True))["forecasts"][0]["quantiles"]["0.5"]
        for horizon in (30, 12)
    )
    assert len(rolled) == 30
    np.testing.assert_allclose(rolled[:12], plain, rtol=1e-6)


def test_a_roll_out_is_computed_in_pieces_to_what_it_gives_at_once(tmp_path: Path) -> None:
    body = request_of(noisy_waves()) | {"horizon": 30, "roll_out": True}
    app = app_of(predictor_of(), tmp_path / "pieces", max_batch=1)
    predictor = app.state.service.models.find(None).bundle.predictor
    plain, sizes = predictor.blocks, []

    def counted(question: Question) -> Iterator[FloatArray]:
        sizes.append(len(question.series_ids))
        return plain(question)

    predictor.blocks = counted
    pieces = post(app, body).json()["forecasts"]
    whole = post(app_of(predictor_of(), tmp_path / "whole", max_batch=4096), body).json()["forecasts"]
    assert sizes == [1] * len(whole)
    for piece, one in zip(pieces, whole, strict=True):
        assert piece["id"] == one["id"]
        np.testing.assert_allclose(piece["quantiles"]["0.5"], one["quantiles"]["0.5"], rtol=1e-5, atol=1e-4)


def test_intervals_are_named_as_they_were_asked_for(service: httpx.Client) -> None:
    intervals = [80, 33.3333333, 33.3333334, 79.99999]
    found = answer(service, valid(intervals=intervals))["forecasts"][0]["intervals"]
    assert set(found) == {"80", "33.3333333", "33.3333334", "79.99999"}


def test_lines_hold_the_same_as_the_whole_reply(service: httpx.Client) -> None:
    body = request_of(noisy_waves())
    whole = answer(service, body)
    reply = service.post("/v1/forecast", json=body, headers={"accept": "application/x-ndjson"})
    assert reply.headers["content-type"] == "application/x-ndjson"
    head, *rest = (json.loads(line) for line in reply.text.splitlines())
    assert head == {"model": whole["model"]}
    assert rest == whole["forecasts"]


def test_lines_come_piece_by_piece_and_a_late_failure_is_the_last_one(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, max_batch=2)
    predictor = app.state.service.models.find(None).bundle.predictor
    plain, calls = predictor.answer, []

    def fails_later(*arguments: Any) -> Any:
        calls.append(1)
        return plain(*arguments) if len(calls) < 3 else np.full((2, 5, 3), np.nan)

    predictor.answer = fails_later
    many = [{"id": str(number), "start": "2024-01-01", "target": HISTORY} for number in range(8)]
    reply = post(app, valid(series=many), accept="application/x-ndjson")
    assert reply.status_code == 200
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert [line.get("id") for line in lines] == [None, "0", "1", "2", "3", None]
    assert lines[-1]["problem"]["code"] == "model-not-finite"


@pytest.mark.parametrize("changes", [{"samples": {"number": 2}}, {"fallback": "seasonal_naive"}])
def test_what_cannot_be_streamed_is_refused(service: httpx.Client, changes: dict[str, Any]) -> None:
    reply = service.post("/v1/forecast", json=valid(**changes), headers={"accept": "application/x-ndjson"})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-fields")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_compressed_body_is_answered_as_a_plain_one(service: httpx.Client, encoding: str) -> None:
    plain = json.dumps(valid()).encode()
    packed = gzip.compress(plain) if encoding == "gzip" else zstandard.compress(plain)
    headers = {"content-type": "application/json", "content-encoding": encoding}
    reply = service.post("/v1/forecast", content=packed, headers=headers)
    assert reply.json() == answer(service, valid())


def broken(tmp_path: Path) -> FastAPI:
    """A service whose model has a weight that is not finite."""
    app = app_of(predictor_of(), tmp_path)
    network = app.state.service.models.find(None).bundle.predictor.network
    with torch.no_grad():
        next(network.decoder.parameters()).fill_(torch.nan)
    return app


def test_a_model_that_gives_no_numbers_is_never_quoted(tmp_path: Path) -> None:
    reply = post(broken(tmp_path), valid())
    assert (reply.status_code, reply.json()["code"]) == (500, "model-not-finite")


def test_the_seasonal_naive_answers_for_it_where_the_caller_allows_that(tmp_path: Path) -> None:
    history = [float(step % 24) for step in range(60)]
    reply = post(broken(tmp_path), series(target=history) | {"fallback": "seasonal_naive"})
    assert reply.status_code == 200
    assert reply.json()["degraded"] == "model-not-finite"
    (forecast,) = reply.json()["forecasts"]
    assert forecast["quantiles"]["0.5"] == [12.0, 13.0, 14.0, 15.0]


def test_what_stands_in_is_computed_beside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, threads = fallback.seasonal_naive, []

    def noted(question: Question) -> Forecast:
        threads.append(threading.current_thread())
        return plain(question)

    monkeypatch.setattr(fallback, "seasonal_naive", noted)
    assert post(broken(tmp_path), valid(fallback="seasonal_naive")).status_code == 200
    assert len(threads) == 1
    assert threading.main_thread() not in threads  # which runs the loop here


def test_scenarios_that_are_late_are_bridged_as_forecasts_are(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path)
    predictor = app.state.service.models.find(None).bundle.predictor
    predictor.paths_of = lambda *_: time.sleep(1.0)
    bodies = (valid(samples={"number": 2}, fallback=named) for named in ("none", "seasonal_naive"))
    refused, bridged = post_each(app, bodies, **{"x-request-deadline-ms": "500"})
    assert (refused.status_code, refused.json()["code"]) == (504, "deadline-exceeded")
    assert bridged.status_code == 200
    assert bridged.json()["degraded"] in ("deadline-exceeded", "overloaded")
    assert "samples" not in bridged.json()["forecasts"][0]


def slow(tmp_path: Path) -> FastAPI:
    app = app_of(predictor_of(), tmp_path)
    bundle = app.state.service.models.find(None).bundle
    plain = bundle.predictor.answer

    def late(*arguments: Any) -> Any:
        time.sleep(0.5)
        return plain(*arguments)

    bundle.predictor.answer = late
    return app


def test_a_deadline_that_passes_is_said_or_bridged(tmp_path: Path) -> None:
    app = slow(tmp_path)

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        late = {"x-request-deadline-ms": "100"}
        return [
            await client.post("/v1/forecast", json=body, headers=late)
            for body in (valid(), valid(fallback="seasonal_naive"))
        ]

    refused, bridged = asking(app, ask)
    assert (refused.status_code, refused.json()["code"]) == (504, "deadline-exceeded")
    assert bridged.status_code in (200, 503)  # 503 where it is known by now how slow this model is
    if bridged.status_code == 200:  # "overloaded" where the first one's batch still runs when this one's time is over
        assert bridged.json()["degraded"] in ("deadline-exceeded", "overloaded")


@pytest.mark.parametrize("value", ["0", "-5", "soon", "1e3", "9999999999", "", "٣"])
def test_a_deadline_that_is_none_is_refused(service: httpx.Client, value: str) -> None:
    headers = {"x-request-deadline-ms": value.encode()}
    reply = service.post("/v1/forecast", json=valid(), headers=headers)  # type: ignore[arg-type]
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid-header")


def test_a_full_queue_is_refused_before_the_body_is_read(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, max_requests=1)

    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        with app.state.service.admission.admitted(float("inf")):
            return await client.post(
                "/v1/forecast", content=b"not even JSON", headers={"content-type": "application/json"}
            )

    reply = asking(app, ask)
    assert (reply.status_code, reply.json()["code"]) == (503, "overloaded")
    assert int(reply.headers["retry-after"]) >= 1


def test_every_reply_names_its_request_and_a_usable_name_is_kept(service: httpx.Client) -> None:
    mine = service.post("/v1/forecast", json=valid(), headers={"x-request-id": "order-17.a_b"})
    assert mine.headers["x-request-id"] == "order-17.a_b"
    for unusable in ("a b", "x" * 65, "<script>"):
        given = service.post("/v1/forecast", json=valid(horizon=0), headers={"x-request-id": unusable})
        assert given.headers["x-request-id"] == given.json()["request_id"] != unusable


def test_the_time_of_each_stage_is_in_the_headers(service: httpx.Client) -> None:
    timing = service.post("/v1/forecast", json=valid()).headers["server-timing"]
    stages = dict(part.strip().split(";dur=") for part in timing.split(","))
    assert list(stages) == ["queue", "compute", "serialise"]
    assert all(0 <= float(milliseconds) < 10_000 for milliseconds in stages.values())
