"""The data report over HTTP: series come back as they are read, with what should be known of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.access.keys import KeyFiles, KeyStore, KeyTerms, Scope
from service.access.rate import Rate
from service.app import create_app
from service.report.schemas import ReportReply
from service.settings import Settings
from tests.service.factories import asking

PATH = "/v1/report"
DAYS = ["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"]


def one(**series: Any) -> dict[str, Any]:
    return {"series": [{"id": "a", "timestamps": DAYS, "target": [1.0, None, 3.0, 2.0], **series}]}


def test_gaps_and_missing_values_are_told_and_filled_with_null(service: httpx.Client) -> None:
    reply = service.post(PATH, json=one())
    assert reply.status_code == 200, reply.text
    report = reply.json()
    ReportReply.model_validate(report)
    assert (report["frequency"], report["frequency_inferred"], report["season_length"]) == ("D", True, 7)
    (series,) = report["series"]
    assert series["timestamps"] == [f"2024-01-0{day}T00:00:00" for day in range(1, 6)]
    assert series["target"] == [1.0, None, None, 3.0, 2.0]
    assert (series["num_missing"], series["minimum"], series["maximum"]) == (2, 1.0, 3.0)
    assert {warning["code"] for warning in series["warnings"]} == {"gap", "missing-value", "short-series"}


def test_series_come_back_in_the_order_of_the_request(service: httpx.Client) -> None:
    series = [{**one()["series"][0], "id": name} for name in ("z", "a", "m")]
    report = service.post(PATH, json={"series": series}).json()
    assert [found["id"] for found in report["series"]] == ["z", "a", "m"]


def test_a_series_too_short_to_say_its_frequency_is_read_with_one(service: httpx.Client) -> None:
    short = one(timestamps=DAYS[:1], target=[1.0])
    assert service.post(PATH, json=short).json()["code"] == "frequency-needed"
    report = service.post(PATH, json={**short, "frequency": "D"}).json()
    assert (report["frequency"], report["frequency_inferred"]) == ("D", False)


def test_a_start_needs_a_frequency_and_is_then_read_as_that_of_a_forecast(service: httpx.Client) -> None:
    started = {"series": [{"id": "a", "start": "2024-03-30T12:00:00", "target": [1.0, 2.0]}]}
    assert service.post(PATH, json=started).json()["errors"][0]["field"] == "series.0.timestamps"
    report = service.post(PATH, json={**started, "frequency": "D", "timezone": "Europe/Berlin"}).json()
    assert report["series"][0]["timestamps"] == ["2024-03-30T12:00:00+01:00", "2024-03-31T12:00:00+02:00"]
    assert report["timezone"] == "Europe/Berlin"


def test_steps_are_counted_as_integers(service: httpx.Client) -> None:
    report = service.post(PATH, json=one(timestamps=[3, 4, 6, 7])).json()
    assert (report["frequency"], report["series"][0]["timestamps"]) == ("step", [3, 4, 5, 6, 7])


def test_the_report_needs_a_key_for_forecasts_and_is_paid_for_by_points(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, registry_uri="http://127.0.0.1:1")
    store = KeyStore(KeyFiles.of(settings))
    rich = store.create(KeyTerms((Scope.FORECAST,))).token
    poor = store.create(KeyTerms((Scope.FORECAST,), rate=Rate(burst=3, per_minute=1))).token
    other = store.create(KeyTerms((Scope.EXPLAIN,))).token

    async def ask(client: httpx.AsyncClient) -> list[int]:
        headers = [{"Authorization": f"Bearer {key}"} for key in (rich, poor, other)]
        return [(await client.post(PATH, json=one(), headers=each)).status_code for each in ({}, *headers)]

    assert asking(create_app(settings), ask) == [401, 200, 413, 403]


def test_a_few_rows_cannot_ask_for_an_answer_without_end(service: httpx.Client) -> None:
    hours = ["2024-01-01T00:00:00", "2024-01-01T01:00:00", "2026-06-01T00:00:00"]
    reply = service.post(PATH, json={**one(timestamps=hours, target=[1.0, 2.0, 3.0]), "frequency": "h"})
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "series")
    assert "21169 steps, at most 20000" in reply.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"unique_id,ds,y"])
def test_a_body_that_is_none_is_refused(service: httpx.Client, content: bytes) -> None:
    assert service.post(PATH, content=content, headers={"Content-Type": "text/csv"}).status_code == 415
    assert service.post(PATH, content=content, headers={"Content-Type": "application/json"}).status_code in (400, 422)
