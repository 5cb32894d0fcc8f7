"""Forecast -> actuals -> outcome and skill, over HTTP and through a keeper that is a process."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest

from forecaster.ledger.scoring import outcome
from forecaster.metrics import seasonal_scale
from forecaster.predictor import Predictor
from forecaster.seasons import last_season
from forecaster.time.frequency import Frequency
from service.errors import InvalidFields
from service.ledger.actuals import observed_of
from service.ledger.journal import segments
from service.ledger.orders import JOURNAL
from service.ledger.schemas import ActualsIn
from service.models.registry import VersionRef
from service.settings import Settings
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, on_a_socket
from tests.service.request_bodies import HISTORY, timestamps, valid

T = TypeVar("T")

ACTUALS = [10.5, 10.0, 9.0, 30.0]
AHEAD = "2024-01-03T12:00:00"  # the first step after the 60 hours of HISTORY


@contextmanager
def serving(home: Path, predictor: Predictor | None = None, **settings: Any) -> Iterator[httpx.Client]:
    shutil.rmtree(home / "bundle", ignore_errors=True)
    app = app_of(predictor or predictor_of(), home, ledger_share=1.0, **settings)
    with on_a_socket(app, Settings(home=home, port=0, authentication=False)) as client:
        yield client


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("home")) as client:
        yield client


def forecast(client: httpx.Client, body: dict[str, Any] | None = None) -> httpx.Response:
    reply = client.post("/v1/forecast", json=body or valid())
    assert reply.status_code == 200, reply.text
    return reply


def report(client: httpx.Client, values: list[Any], series_id: str = "a", start: str = AHEAD, **given: Any) -> None:
    series = [{"id": series_id, "start": start, "target": values}]
    reply = client.post("/v1/actuals", json={"model": "waves", "frequency": "h", "series": series, **given})
    assert (reply.status_code, reply.json()) == (200, {"values": len(values)}), reply.text


def soon(look: Callable[[], T], is_there: Callable[[T], bool]) -> T:
    """Gives what is there in the end: the keeper comes by a few times a second."""
    end, pause = time.monotonic() + 60, threading.Event()
    while not is_there(found := look()) and time.monotonic() < end:
        pause.wait(0.1)
    return found


def outcomes(client: httpx.Client, forecast_id: str) -> list[dict[str, Any]]:
    reply = client.get(f"/v1/forecasts/{forecast_id}/outcome")
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["series"]
    return found


def named(series_id: str) -> dict[str, Any]:
    body = valid()
    body["series"][0]["id"] = series_id
    return body


def test_a_forecast_can_be_fetched_at_once_and_later_byte_for_byte(service: httpx.Client) -> None:
    given = forecast(service)
    path = f"/v1/forecasts/{given.json()['id']}"
    early = service.get(path)
    assert (early.content, early.headers["content-type"]) == (given.content, given.headers["content-type"])
    report(service, ACTUALS)
    soon(lambda: outcomes(service, given.json()["id"]), lambda found: found[0]["num_observed"] == 4)
    assert service.get(path).content == given.content


def test_every_forecast_has_an_id_of_its_own_and_later_ones_sort_behind(service: httpx.Client) -> None:
    ids = [forecast(service).json()["id"] for _ in range(5)]
    assert len(set(ids)) == 5
    assert ids == sorted(ids)


def test_what_came_of_a_forecast_is_what_scoring_says(service: httpx.Client) -> None:
    given = forecast(service, named("scored")).json()
    report(service, ACTUALS, "scored")
    (found,) = soon(lambda: outcomes(service, given["id"]), lambda found: found[0]["num_observed"] == 4)
    quantiles = np.array([given["forecasts"][0]["quantiles"][level] for level in ("0.1", "0.5", "0.9")]).T
    history = np.array(HISTORY)
    wanted = outcome(
        np.array(ACTUALS), quantiles, (0.1, 0.5, 0.9), last_season(history, 24)[:4], seasonal_scale(history, 24)
    )
    assert found == {"id": "scored", **vars(wanted)}


def test_values_may_come_late_again_and_corrected(service: httpx.Client) -> None:
    given = forecast(service, named("late")).json()
    report(service, ACTUALS[:1], "late")
    report(service, [100.0], "late", start="2024-01-03T14:00:00")
    soon(lambda: outcomes(service, given["id"]), lambda found: found[0]["num_observed"] == 2)
    report(service, [*ACTUALS[:3], None], "late")
    report(service, [*ACTUALS[:3], None], "late")
    report(service, ACTUALS[3:], "late", start="2024-01-03T15:00:00")
    (late,) = soon(lambda: outcomes(service, given["id"]), lambda found: found[0]["num_observed"] == 4)
    again = forecast(service, named("late")).json()  # the values are known before it is made
    (early,) = soon(lambda: outcomes(service, again["id"]), lambda found: found[0]["num_observed"] == 4)
    assert late == early


def test_times_in_a_zone_meet_those_of_utc(service: httpx.Client) -> None:
    given = forecast(service, timestamps(*[f"2024-03-01T{hour:02d}:00:00Z" for hour in range(3)])).json()
    series = [{"id": "a", "timestamps": ["2024-03-01T05:00:00+02:00", "2024-03-01T04:00:00Z"], "target": [1, 2]}]
    reply = service.post("/v1/actuals", json={"frequency": "h", "series": series})
    assert reply.json() == {"values": 2}
    (found,) = soon(lambda: outcomes(service, given["id"]), lambda found: found[0]["num_observed"] == 2)
    assert found["num_observed"] == 2


def test_skill_is_told_by_segment_and_time(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        assert client.get("/v1/skill").json() == {"skill": []}
        for segment in ("north", "south"):
            forecast(client, named(segment) | {"segment": segment})
        report(client, ACTUALS, "north")
        report(client, ACTUALS[:2], "south")
        found = soon(
            lambda: client.get("/v1/skill", params={"model": "waves"}).json()["skill"], lambda rows: len(rows) == 2
        )
        assert [(row["version"], row["segment"], row["num_observed"]) for row in found] == [
            ("1", "north", 4),
            ("1", "south", 2),
        ]
        assert all(row["relative_mase"] == pytest.approx(row["mase"] / row["naive_mase"]) for row in found)
        for params, number in (
            ({"since": "2020-01-01T00:00:00Z"}, 2),
            ({"until": "2020-01-01T00:00:00+02:00"}, 0),
            ({"model": "other"}, 0),
        ):
            assert len(client.get("/v1/skill", params=params).json()["skill"]) == number, params
        assert [row["drift"] for row in found] == [None, None]  # nothing is older than seven days
        for recent_days in ("0", "-1", "inf", "nan", "soon"):
            assert client.get("/v1/skill", params={"recent_days": recent_days}).status_code == 422
        for time_of_no_zone_or_none in ("2020-01-01T00:00:00", "0.5", "1577836800", "2020-01-01", "soon"):
            assert client.get("/v1/skill", params={"since": time_of_no_zone_or_none}).status_code == 422
        assert client.get("/v1/skill", params={"model": "a\0"}).status_code == 422
        shown = soon(lambda: client.get("/metrics").text, lambda text: "live_num_observed{" in text and "} 6.0" in text)
        assert 'forecaster_live_num_observed{model="waves",version="1"} 6.0' in shown
        assert "north" not in shown


def test_skill_tells_how_recent_forecasts_differ_from_earlier_ones(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        forecast(client, named("a"))
        time.sleep(0.01)
        between = datetime.now(UTC)
        forecast(client, named("b"))
        until = datetime.now(UTC) + timedelta(seconds=1)
        report(client, ACTUALS, "a")
        report(client, [value + 100 for value in ACTUALS], "b")
        params = {"until": until.isoformat(), "recent_days": (until - between) / timedelta(days=1)}
        (row,) = soon(
            lambda: client.get("/v1/skill", params=params).json()["skill"],
            lambda rows: bool(rows) and rows[0]["num_observed"] == 8,
        )
        earlier, recent = (
            client.get("/v1/skill", params={end: between.isoformat()}).json()["skill"][0] for end in ("until", "since")
        )
        assert row["drift"]["num_forecasts"] == 1
        assert row["drift"]["relative_mase"] == pytest.approx(recent["relative_mase"] / earlier["relative_mase"])
        assert row["drift"]["coverage_80"] == pytest.approx(recent["coverage_80"] - earlier["coverage_80"])
        assert recent["mase"] > earlier["mase"]


def test_a_service_that_ends_leaves_nothing_in_its_journal(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        given = forecast(client).json()
    assert soon(lambda: segments(tmp_path / "ledger" / JOURNAL), lambda left: not left) == []
    with serving(tmp_path) as client:
        assert client.get(f"/v1/forecasts/{given['id']}").json() == given


def test_where_the_journal_cannot_be_written_forecasts_are_given_without_an_id(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("not a folder")
    with serving(tmp_path) as client:
        assert "id" not in forecast(client).json()
        reply = client.post("/v1/actuals", json={"series": [{"id": "a", "start": AHEAD, "target": [1.0]}]})
        assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (503, "ledger-full", "10")
        assert 'forecaster_not_kept_total{reason="not-written"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize("path", ["skill", f"forecasts/{'0' * 32}", f"forecasts/{'0' * 32}/outcome"])
def test_where_the_folder_cannot_be_used_the_ledger_is_down(tmp_path: Path, path: str) -> None:
    (tmp_path / "ledger").write_text("not a folder")
    with serving(tmp_path) as client:
        reply = client.get(f"/v1/{path}")
        assert (reply.status_code, reply.json()["code"]) == (503, "ledger-down")


def test_while_the_database_is_down_forecasts_and_values_are_kept(tmp_path: Path) -> None:
    with serving(tmp_path, ledger_url="postgresql+psycopg2://nobody@127.0.0.1:1/nowhere?connect_timeout=1") as client:
        given = forecast(client).json()
        report(client, ACTUALS)
        reply = client.get(f"/v1/forecasts/{given['id']}")
        assert (reply.status_code, reply.json()["code"]) == (503, "ledger-down")
        assert client.get("/v1/skill").status_code == 503
    with serving(tmp_path) as client:
        (found,) = soon(lambda: outcomes(client, given["id"]), lambda found: found[0]["num_observed"] == 4)
        assert found["num_observed"] == 4


def test_a_share_of_forecasts_is_kept(tmp_path: Path) -> None:
    app = app_of(predictor_of(), tmp_path, ledger_share=0.5)
    with on_a_socket(app, Settings(home=tmp_path, port=0, authentication=False)) as client:
        kept = sum("id" in forecast(client).json() for _ in range(60))
    assert 10 < kept < 50


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"series": []}, "series"),
        ({"horizon": 4}, "horizon"),
        ({"series": [{"id": "a", "target": [1.0]}]}, "series.0"),
        ({"series": [{"id": "a", "start": AHEAD, "target": ["x"]}]}, "series.0.target.0"),
        ({"series": [{"id": "a", "start": AHEAD, "target": [1.0], "past": {}}]}, "series.0.past"),
        ({"series": 2 * [{"id": "a", "start": AHEAD, "target": [1.0]}]}, "series"),
        ({"series": [{"id": "a", "timestamps": [AHEAD, AHEAD], "target": [1.0, 2.0]}]}, "series.0.timestamps"),
        ({"series": [{"id": "a", "start": "soon", "target": [1.0]}]}, "series.0.start"),
        ({"series": [{"id": "a", "start": 5, "target": [1.0]}]}, "series.0"),
    ],
)
def test_bad_values_are_refused_and_named(service: httpx.Client, changes: dict[str, Any], field: str) -> None:
    good = {"model": "waves", "frequency": "h", "series": [{"id": "a", "start": AHEAD, "target": [1.0]}]}
    reply = service.post("/v1/actuals", json=good | changes)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-fields"), reply.text
    assert reply.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"frequency": "D"}, "frequency-mismatch"),
        ({"frequency": "2h"}, "frequency-mismatch"),
        ({"series": [{"id": "a", "start": AHEAD, "target": [1.0, -1e31]}]}, "value-out-of-range"),
    ],
)
def test_values_that_no_forecast_of_the_model_could_meet_are_refused(
    service: httpx.Client, changes: dict[str, Any], code: str
) -> None:
    good = {"model": "waves", "frequency": "h", "series": [{"id": "a", "start": AHEAD, "target": [1.0]}]}
    reply = service.post("/v1/actuals", json=good | changes)
    assert (reply.status_code, reply.json()["code"]) == (422, code), reply.text


@pytest.mark.parametrize(
    ("times", "timezone", "named"),
    [
        (["2024-03-30T02:30", "2024-03-31T03:00", "2024-04-01T02:30"], "Europe/Berlin", "2024-03-31T03:00"),
        (["2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"], None, "2024-03-31T22:00"),
    ],
)
def test_days_that_are_no_days_apart_are_refused(times: list[str], timezone: str | None, named: str) -> None:
    series = [{"id": "a", "timestamps": times, "target": [1.0] * len(times)}]
    request = ActualsIn.model_validate({"series": series, "frequency": "D", "timezone": timezone})
    with pytest.raises(InvalidFields, match=f"series.0.timestamps: {named}.* is no step of D from"):
        observed_of(request, VersionRef("waves", "1", "sha256:0"), Frequency("D"), received=0)


def test_a_forecast_that_was_never_given_is_not_known(service: httpx.Client) -> None:
    reply = service.get(f"/v1/forecasts/{'0' * 32}")
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown-forecast")
    assert service.get("/v1/forecasts/xyz/outcome").status_code == 422
