"""The limits of a request hold for tables, while they are read and after; reading keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from fastapi import FastAPI

from forecaster.config import CovariateConfig
from service.requests.media import PARQUET, TABLES
from service.tables import parquet, tables
from tests.explain.factories import predictor_of
from tests.service.factories import app_of, asking
from tests.service.tables.factories import FORECAST, as_json, as_table, hours, parquet_of, replies

each_form = pytest.mark.parametrize("form", sorted(TABLES), ids=lambda form: form.split(".")[-1])


@each_form
def test_as_many_points_as_allowed_are_answered_and_one_more_is_not(tmp_path: Path, form: str) -> None:
    app = app_of(predictor_of(), tmp_path, max_points=120)
    most, more = replies(app, as_table(hours(60, "ab"), form), as_table(hours(60, "abc"), form))
    assert most.status_code == 200
    assert (more.status_code, more.json()["code"]) == (422, "invalid-fields")
    assert "at most 120 points" in more.json()["detail"]


@each_form
def test_covariates_are_points(tmp_path: Path, form: str) -> None:
    reads = CovariateConfig(past=("p",), known=("k",))
    frame = hours(60, "a")
    ahead = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-03 12:00", periods=5, freq="h"), "y": np.nan})
    frame = pd.concat([frame, ahead], ignore_index=True).assign(p=1.0, k=1.0)
    points = 60 * 3 + 5
    for allowed, status in ((points, 200), (points - 1, 422)):
        app = app_of(predictor_of(covariates=reads), tmp_path / str(allowed), max_points=allowed)
        (reply,) = replies(app, as_table(frame, form))
        assert reply.status_code == status, reply.text


@each_form
def test_as_many_series_as_allowed_are_answered_and_one_more_is_not(tmp_path: Path, form: str) -> None:
    app = app_of(predictor_of(), tmp_path, max_series=2)
    most, more = replies(app, as_table(hours(60, "ab"), form), as_table(hours(60, "abc"), form))
    assert most.status_code == 200
    assert (more.status_code, more.json()["errors"][0]["field"]) == (422, "unique_id")


@each_form
def test_a_body_that_is_too_large_is_refused(tmp_path: Path, form: str) -> None:
    (reply,) = replies(app_of(predictor_of(), tmp_path, max_body_bytes=1024), as_table(hours(60, "ab"), form))
    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")


def test_a_file_that_is_larger_than_a_body_once_read_is_refused(tmp_path: Path) -> None:
    frame = hours(60, "abcdefgh").assign(y=1.0, ds=pd.Timestamp("2024-01-01"))
    assert len(parquet_of(frame)) < 4096
    app = app_of(predictor_of(), tmp_path, max_body_bytes=4096)
    (reply,) = replies(app, as_table(frame, PARQUET))
    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")


class Waits:
    """Stands in for the reading of files: it lasts until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = threading.Event()
        self.num_begun = 0
        read = parquet.converted

        def waiting(*arguments: Any) -> parquet.Converted:
            self.num_begun += 1
            assert self.gate.wait(20)
            return read(*arguments)

        monkeypatch.setattr(tables.parquet, "converted", waiting)


def answered_meanwhile(app: FastAPI, waits: Waits, num_files: int) -> tuple[httpx.Response, list[httpx.Response]]:
    """Gives the answer to JSON while files are read, and then those to the files."""

    async def ask(client: httpx.AsyncClient) -> tuple[httpx.Response, list[httpx.Response]]:
        frame = hours(60, "a")
        files = [asyncio.create_task(client.post(FORECAST, **as_table(frame, PARQUET))) for _ in range(num_files)]
        while not waits.num_begun:
            await asyncio.sleep(0.01)
        json = await client.post(FORECAST, **as_json(hours(60, "abcdefghijklmnopqrstuvwxyz" * 4)))
        waits.gate.set()
        return json, list(await asyncio.gather(*files))

    return asking(app, ask)


def test_files_keep_nobody_else_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits(monkeypatch)
    json, files = answered_meanwhile(app_of(predictor_of(), tmp_path), waits, 20)
    assert json.status_code == 422  # its times repeat; large as it is, it was read in a thread
    assert waits.num_begun == 20
    assert [reply.status_code for reply in files] == [200] * 20


def test_few_files_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, seen = Waits(monkeypatch), []
    app = app_of(predictor_of(), tmp_path)

    async def ask(client: httpx.AsyncClient) -> None:
        files = [asyncio.create_task(client.post(FORECAST, **as_table(hours(60, "a"), PARQUET))) for _ in range(9)]
        await asyncio.sleep(0.3)
        seen.append(waits.num_begun)
        waits.gate.set()
        await asyncio.gather(*files)

    asking(app, ask)
    assert seen == [2]


def test_a_deadline_holds_for_files_that_wait_for_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits(monkeypatch)
    app = app_of(predictor_of(), tmp_path)

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        request = as_table(hours(60, "a"), PARQUET)
        request["headers"] |= {"X-Request-Deadline-Ms": "300"}
        found = await asyncio.gather(*(client.post(FORECAST, **request) for _ in range(5)))
        waits.gate.set()
        return list(found)

    found = [(reply.status_code, reply.json()["code"]) for reply in asking(app, ask)]
    assert found == [(504, "deadline-exceeded")] * 5
    assert waits.num_begun == 2
