"""The random model, the prepared answer that stands in for its forward, and how servers are asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from benchmarks.serving import contenders, floor, null_model
from benchmarks.serving.forward import load_predictor
from benchmarks.serving.model import MODEL, contexts, random_predictor, write_bundle
from forecaster import golden
from forecaster.model.skips.linear import LinearSkip
from forecaster.predictor import Predictor
from forecaster.runtime import choose


def test_the_model_reads_every_part_of_it_and_is_always_the_same(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    series = torch.from_numpy(contexts(2))
    observed = torch.ones_like(series, dtype=torch.bool)
    stored, anew = load_predictor(tmp_path / "bundle", "eager"), random_predictor()
    expected = anew.quantiles(series, observed, MODEL.levels)
    assert torch.equal(stored.quantiles(series, observed, MODEL.levels), expected)
    assert isinstance(anew.network.skip, LinearSkip)
    assert anew.network.skip.weight.count_nonzero() == MODEL.horizon * 512
    assert (expected.diff(dim=-1) > 0).all()


def test_the_null_model_answers_the_prepared_quantiles_whatever_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "bundle")
    monkeypatch.setattr(Predictor, "quantiles", Predictor.quantiles)
    for module in (choose, golden):
        monkeypatch.setattr(module, "replay_golden", golden.replay_golden)
    null_model.remove_forward()
    predictor = load_predictor(tmp_path / "bundle", "eager")
    series = torch.from_numpy(contexts(2))
    given = predictor.quantiles(series, torch.ones_like(series, dtype=torch.bool), MODEL.levels)
    assert np.array_equal(given.numpy(), np.stack([null_model.prepared()] * 2))


def test_every_body_holds_the_series() -> None:
    series = contexts(1)[0]
    bodies = {one.name: json.loads(one.body(series)) for one in (contenders.OURS, *contenders.VARIANTS["mlflow"])}
    assert bodies["ours"]["series"][0]["target"] == series.tolist()
    assert [row[2] for row in bodies["mlflow"]["dataframe_split"]["data"]] == series.tolist()
    assert bodies["mlflow_columns"]["inputs"]["y"] == series.tolist()
    assert [row["y"] for row in bodies["mlflow_records_1_worker"]["dataframe_records"]] == series.tolist()
    litserve = contenders.VARIANTS["litserve"][0]
    assert json.loads(litserve.body(series))["context"] == series.tolist()


def test_the_floor_answers_as_the_service_does() -> None:
    sent: list[floor.Message] = []

    async def receive() -> floor.Message:
        return {"type": "http.request", "body": contenders.OURS.body(contexts(1)[0])}

    async def send(message: floor.Message) -> None:
        sent.append(message)

    asyncio.run(floor.application()({"type": "http", "method": "POST"}, receive, send))
    assert sent[0]["status"] == 200
    assert np.array_equal(contenders.OURS.quantiles(sent[1]["body"]), null_model.prepared())


def test_the_floor_refuses_what_is_no_json() -> None:
    async def receive() -> floor.Message:
        return {"type": "http.request", "body": b"{"}

    async def send(message: floor.Message) -> None:
        raise AssertionError("answered")

    with pytest.raises(orjson.JSONDecodeError, match=r"EOF|unexpected end"):
        asyncio.run(floor.application()({"type": "http", "method": "POST"}, receive, send))


def test_commands_are_shown_without_folders_and_ports() -> None:
    shown = contenders.VARIANTS["mlflow"][0].shown_command()
    assert shown == "mlflow models serve --model-uri models:/speed@champion --env-manager local --port 0 --workers 2"
    assert contenders.OURS.shown_command().startswith("python -m forecaster serve --home HOME --port 0")
