"""Forecast -> actuals -> adapted forecast, over HTTP and through a keeper that is a process; and its replay."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pandas as pd
import pytest

from forecaster.calibration import Calibration
from forecaster.ledger.records import OWN_CORE, Factors, Revision
from forecaster.predictor import Predictor
from service.ledger.adaptions import Adaptions
from service.ledger.giving import Adapting
from service.ledger.revision_file import read, written
from service.requests.adaption import Adaption
from service.requests.media import ARROW, LINES, PARQUET
from tests.explain.factories import predictor_of
from tests.factories import panel_of
from tests.service.factories import app_of, asking, post
from tests.service.ledger.test_routes import AHEAD, forecast, named, report, serving
from tests.service.request_bodies import HISTORY, valid
from tests.service.tables.factories import parquet_of
from tests.service.test_answers import broken

NUM_TIMES = 24
FAR = [1e3 * (-1) ** place for place in range(NUM_TIMES)]  # outside of any interval


def start_of(hour: int) -> str:
    return (pd.Timestamp("2024-01-01") + pd.Timedelta(hours=hour)).isoformat()


def at_hour(hour: int, series_id: str, **changes: Any) -> dict[str, Any]:
    """A request whose history begins at an hour, so that its four steps begin 60 hours later."""
    return valid(series=[{"id": series_id, "start": start_of(hour), "target": list(HISTORY)}], **changes)


def teach(client: httpx.Client, series_id: str) -> None:
    """Has a series forecast from 24 consecutive origins, and reports values that all lie outside."""
    for hour in range(NUM_TIMES):
        forecast(client, at_hour(hour, series_id))
    report(client, FAR, series_id)


def later(look: Callable[[], dict[str, Any]], is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Gives what is there in the end; each look is a forecast that the keeper then has to move, so there are few."""
    end, pause = time.monotonic() + 90, threading.Event()
    while not is_there(found := look()) and time.monotonic() < end:
        pause.wait(1.0)
    return found


def adapted_once_known(client: httpx.Client, body: dict[str, Any], source: str = "series") -> dict[str, Any]:
    """Gives the first reply that is adapted by a factor of its own: the keeper comes by every few seconds."""
    return later(lambda: forecast(client, body).json(), lambda reply: reply["forecasts"][0]["adapted_by"] == source)


def widths(reply: dict[str, Any]) -> np.ndarray[Any, Any]:
    quantiles = {level: np.array(values) for level, values in reply["forecasts"][0]["quantiles"].items()}
    return np.stack([quantiles["0.5"] - quantiles["0.1"], quantiles["0.9"] - quantiles["0.5"]])


def drawing() -> Predictor:
    """A predictor that paths can be drawn by."""
    plain = predictor_of()
    templates = np.random.default_rng(0).uniform(0, 1, (20, plain.horizon)).astype(np.float32)
    return Predictor(plain.networks, plain.frequency, Calibration(0.5, np.ones(plain.horizon), templates))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[httpx.Client]:
    with serving(home, drawing()) as client:
        teach(client, "a")
        adapted_once_known(client, valid(adapt=True))
        yield client


def test_intervals_widen_where_values_lay_outside_and_the_revision_is_named(service: httpx.Client) -> None:
    plain, reply = forecast(service).json(), forecast(service, valid(adapt=True)).json()
    ratio = widths(reply) / widths(plain)
    np.testing.assert_allclose(ratio, np.exp(0.04 * NUM_TIMES), rtol=1e-9)  # by 24 misses, one after the other
    assert reply["forecasts"][0]["quantiles"]["0.5"] == plain["forecasts"][0]["quantiles"]["0.5"]
    assert reply["adaption_revision"] >= 1
    assert "adaption_revision" not in plain
    assert "adapted_by" not in plain["forecasts"][0]


def test_a_series_of_which_nothing_is_known_stays_as_it_is(service: httpx.Client) -> None:
    plain, reply = forecast(service, named("new")).json(), forecast(service, named("new") | {"adapt": True}).json()
    assert reply["forecasts"][0].pop("adapted_by") == "none"
    assert reply["forecasts"] == plain["forecasts"]


def test_all_levels_and_intervals_are_adapted_alike_without_the_median_being_asked_for(service: httpx.Client) -> None:
    asked = {"quantiles": [0.2, 0.9], "intervals": [50]}
    plain = forecast(service, valid(**{**asked, "quantiles": [0.2, 0.5, 0.9]})).json()["forecasts"][0]
    reply = forecast(service, valid(**asked, adapt=True)).json()["forecasts"][0]
    assert sorted(reply["quantiles"]) == ["0.2", "0.9"]
    middle, factor = np.array(plain["quantiles"]["0.5"]), np.exp(0.04 * NUM_TIMES)
    for name, own in reply["quantiles"].items():
        np.testing.assert_allclose(own - middle, factor * (np.array(plain["quantiles"][name]) - middle), rtol=1e-6)
    for end, own in reply["intervals"]["50"].items():
        raw = np.array(plain["intervals"]["50"][end])
        np.testing.assert_allclose(own - middle, factor * (raw - middle), rtol=1e-6)


def test_samples_are_drawn_from_what_is_adapted(service: httpx.Client) -> None:
    wanted = {"samples": {"number": 200, "seed": 1}}
    plain, reply = (forecast(service, valid(**wanted, **also)).json()["forecasts"][0] for also in ({}, {"adapt": True}))
    middle = np.array(plain["quantiles"]["0.5"])
    raw, adapted = (np.array(one["samples"]) - middle for one in (plain, reply))
    np.testing.assert_allclose(adapted, np.exp(0.04 * NUM_TIMES) * raw, rtol=1e-6, atol=1e-9)


def test_lines_name_the_revision_first_and_the_source_with_each_series(service: httpx.Client) -> None:
    series = [*valid()["series"], *named("new")["series"]]
    reply = service.post("/v1/forecast", json=valid(series=series, adapt=True), headers={"accept": LINES})
    head, *found = (orjson.loads(line) for line in reply.content.splitlines())
    whole = forecast(service, valid(series=series, adapt=True)).json()
    assert head["adaption_revision"] == whole["adaption_revision"]
    assert sorted(found, key=lambda one: one["id"]) == sorted(whole["forecasts"], key=lambda one: one["id"])


@pytest.mark.parametrize("accept", [ARROW, PARQUET, "application/json"])
def test_tables_are_adapted_and_come_out_the_same(service: httpx.Client, accept: str) -> None:
    hours = pd.date_range("2024-01-01", periods=60, freq="h")
    content = parquet_of(pd.DataFrame({"unique_id": "a", "ds": hours, "y": HISTORY}))
    path = "/v1/forecast?model=waves&horizon=4&quantiles=0.1,0.9&adapt=true"
    reply = service.post(path, content=content, headers={"content-type": PARQUET, "accept": accept})
    assert reply.status_code == 200, reply.text
    if accept != "application/json":
        assert int(reply.headers["x-adaption-revision"]) >= 1
    if accept == ARROW:
        import pyarrow as pa

        table = pa.ipc.open_stream(reply.content).read_all()
        said = orjson.loads(table.schema.metadata[b"forecast"])
        assert said["adapted_by"] == {"a": "series"}
        wanted = forecast(service, valid(quantiles=[0.1, 0.9], adapt=True)).json()["forecasts"][0]["quantiles"]
        np.testing.assert_allclose(table.column("0.9").to_numpy(), wanted["0.9"], rtol=1e-6)
    assert_same(service, reply, reply.headers.get("x-forecast-id") or reply.json()["id"])


def assert_same(client: httpx.Client, reply: httpx.Response, forecast_id: str) -> None:
    again = client.post(f"/v1/forecasts/{forecast_id}/replay")
    assert again.status_code == 200, again.text
    assert (again.content, again.headers["x-replay"]) == (reply.content, "same")


def test_a_replay_has_the_same_bytes_after_newer_revisions(tmp_path: Path) -> None:
    with serving(tmp_path, drawing()) as client:
        teach(client, "b")
        body = at_hour(0, "b", adapt=True, samples={"number": 3, "seed": 2}, intervals=[80])
        first = adapted_once_known(client, body)
        kept = [forecast(client, body), forecast(client, {**body, "adapt": False}), forecast(client, at_hour(0, "b"))]
        report(client, [10.0] * NUM_TIMES, "b")  # corrected: the factor becomes another one
        newer = later(
            lambda: forecast(client, body).json(), lambda one: one["adaption_revision"] > first["adaption_revision"]
        )
        assert newer["forecasts"][0]["quantiles"] != first["forecasts"][0]["quantiles"]
        for reply in kept:
            assert_same(client, reply, reply.json()["id"])
    with serving(tmp_path, drawing(), adapt="always") as client:  # nor does it hang on how the service is set
        for reply in kept:
            assert_same(client, reply, reply.json()["id"])
        unasked = forecast(client, at_hour(0, "b"))
        assert unasked.json()["adaption_revision"] >= newer["adaption_revision"]
        assert "adaption_revision" not in forecast(client, at_hour(0, "b", adapt=False)).json()
    with serving(tmp_path, drawing(), adapt="off") as client:
        for reply in (*kept, unasked):
            assert_same(client, reply, reply.json()["id"])


def test_adapted_and_plain_forecasts_in_any_mixture_lead_to_the_same_factor(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        teach(client, "c")
        before = adapted_once_known(client, at_hour(0, "c", adapt=True))
        for hour in range(NUM_TIMES):  # of the same times once more, published as adapted
            forecast(client, at_hour(hour, "c", adapt=True))
        report(client, FAR, "c")
        report(client, [1e3], "c", start=start_of(60 + NUM_TIMES))
        after = later(
            lambda: forecast(client, at_hour(0, "c", adapt=True)).json(),
            lambda one: one["adaption_revision"] > before["adaption_revision"],
        )
    np.testing.assert_allclose(widths(after), np.exp(0.04) * widths(before), rtol=1e-9)


def test_an_adaption_that_is_switched_off_is_refused(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, adapt="off")
    reply = post(app, valid(adapt=True))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-fields")
    assert reply.json()["errors"][0]["field"] == "adapt"


@pytest.mark.parametrize("wrong", ["yes", 1, [True]])
def test_what_is_neither_true_nor_false_is_refused(tmp_path: Path, wrong: Any) -> None:
    reply = post(app_of(predictor_of(), tmp_path), valid(adapt=wrong))
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "adapt")


def knowing(home: Path) -> Path:
    """Gives a home whose keeper has left factors."""
    (home / "ledger").mkdir(parents=True)
    factors = {("waves", "1"): Factors({"a": 5.0}, None)}
    (home / "ledger" / "adaption.json").write_bytes(written(Revision(4, factors)))
    return home


def test_a_fallback_is_not_adapted(tmp_path: Path) -> None:
    plain = post(broken(knowing(tmp_path / "plain")), valid(fallback="seasonal_naive")).json()
    reply = post(broken(knowing(tmp_path / "reply")), valid(adapt=True, fallback="seasonal_naive")).json()
    assert (reply["degraded"], reply["adaption_revision"]) == ("model-not-finite", None)
    assert reply["forecasts"][0].pop("adapted_by") == "none"
    assert reply["forecasts"] == plain["forecasts"]
    good = post(app_of(predictor_of(), knowing(tmp_path / "good")), valid(adapt=True)).json()
    assert (good["adaption_revision"], good["forecasts"][0]["adapted_by"]) == (4, "series")


def test_mlflows_protocol_has_no_place_for_it(tmp_path: Path) -> None:
    body = {"params": {"adapt": True}, "dataframe_records": [{"unique_id": "a", "ds": AHEAD, "y": 1.0}]}
    app = app_of(predictor_of(), tmp_path)
    reply = asking(app, lambda client: client.post("/invocations", json=body))
    assert reply.status_code == 400
    assert "adapt" in reply.text


def test_a_file_of_factors_is_followed_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path, now = tmp_path / "adaption.json", [0.0]
    followed = Adaptions(path, lambda: now[0])

    def current() -> Revision | None:
        now[0] += 10
        return asyncio.run(followed.current())

    assert current() is None
    first = Revision(1, {("m", "1"): Factors({"a": 2.0}, 1.5)})
    path.write_bytes(written(first))
    assert current() == first
    path.write_bytes(b'{"number": 2')
    assert current() == first
    second = Revision(3, {})
    path.write_bytes(written(second))
    os.utime(path, (1, 1))
    assert asyncio.run(followed.current()) == first  # it is not looked at all the time
    assert current() == second
    path.unlink()
    assert current() == second


def test_the_ledger_keeps_what_a_model_of_counts_said_where_rounding_hides_it() -> None:
    predictor = predictor_of(head="negative_binomial")
    panel = panel_of(*np.random.default_rng(0).poisson(5.0, (2, 60)))
    own = predictor.predict(panel, 4, (0.1, 0.5, 0.9))
    adaption = Adaption(7, (1.0, 0.1), ("none", "series"))
    facts = Adapting(own, adaption).facts(adaption.of_forecast(own, predictor.support))
    kept = orjson.loads(orjson.dumps(facts))
    assert kept[OWN_CORE] == [None, own.values[1].tolist()]
    assert Adaption.kept(kept) == adaption


def test_a_series_has_its_own_factor_else_that_of_its_version() -> None:
    revision = Revision(7, {("m", "1"): Factors({"a": 2.0}, 1.5), ("m", "2"): Factors({"a": 3.0}, None)})
    assert read(written(revision)) == revision
    found = Adaption.of(revision, "m", "1", ("b", "a"))
    assert (found.revision, found.factors, found.sources) == (7, (1.5, 2.0), ("model", "series"))
    assert Adaption.of(revision, "m", "2", ("b", "a")).sources == ("none", "series")
    assert Adaption.of(revision, "m", "3", ("a",)) == Adaption(7, (1.0,), ("none",))
    assert Adaption.of(None, "m", "1", ("a",)) == Adaption(None, (1.0,), ("none",))
    assert Adaption.kept(orjson.loads(orjson.dumps(found.facts))) == found
    assert found.at([1]) == Adaption(7, (2.0,), ("series",))
