"""Requests whose answers say which version computed them: versions of random weights differ in every number."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.reliability.history import Claim, nearest
from benchmarks.reliability.serving import CONTEXT_LENGTH, MODEL
from benchmarks.serving.connection import Address, http_request
from benchmarks.serving.load import Sent
from forecaster.arrays import FloatArray
from forecaster.bundle import load_bundle
from forecaster.config import TableConfig
from forecaster.data.reading import read_panel

TOLERANCE = 1e-3  # of the reach of an answer: other batches sum in another order
_NUM_BODIES, _NUM_STREAMED_SERIES = 20, 80
_LINES = "application/x-ndjson"


def bodies() -> list[dict[str, Any]]:
    """Gives requests of two series, and as the last one of many, whose answer takes several forward passes."""
    generator = np.random.default_rng(0)
    sizes = [2] * (_NUM_BODIES - 1) + [_NUM_STREAMED_SERIES]
    return [body_of([waves(generator) for _ in range(size)]) for size in sizes]


def answers_of(bundle: Path) -> tuple[FloatArray, ...]:
    """Gives what a bundle answers to each of `bodies` [S H Q]."""
    predictor = load_bundle(bundle).predictor
    panels = [read_panel(_table(body), TableConfig(frequency="h")).panel for body in bodies()]
    return tuple(predictor.predict(panel).values for panel in panels)


def requests_to(address: tuple[str, int]) -> list[bytes]:
    """Gives `bodies` as they go over the wire; the last one asks for lines."""
    plain: dict[str, str] = {}
    headers = [plain] * (_NUM_BODIES - 1) + [{"Accept": _LINES}]
    contents = [json.dumps(body).encode() for body in bodies()]
    to = Address(*address)
    return [http_request(to, "/v1/forecast", one, more) for one, more in zip(contents, headers, strict=True)]


def claim_of(sent: Sent, answers: Mapping[str, Sequence[FloatArray]]) -> Claim:
    """Reads an answer: the version it names, and the one that its numbers are of; None for numbers of two."""
    number = sent.number % _NUM_BODIES
    model, forecasts = _read(sent.body or b"")
    by_series = [np.array([list(map(float, row)) for row in one["quantiles"].values()]).T for one in forecasts]
    known = {version: found[number] for version, found in answers.items()}
    return Claim(
        sent.started,
        sent.ended,
        model["version"],
        model["digest"],
        model["generation"],
        nearest(np.stack(by_series), known, TOLERANCE),
    )


def _read(body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Gives what an answer, of one piece or of lines, says of the model, and its forecasts."""
    head, *lines = [json.loads(line) for line in body.splitlines()]
    return head["model"], head.get("forecasts", lines)


def waves(generator: np.random.Generator, length: int = CONTEXT_LENGTH) -> FloatArray:
    """Gives a noisy day's wave [L]."""
    steps = np.arange(length)
    wave = generator.uniform(5, 50) * np.sin(2 * np.pi * (steps + generator.uniform(0, 24)) / 24)
    return np.round(generator.uniform(50, 500) + wave + generator.standard_normal(length), 3)


def body_of(series: Sequence[FloatArray]) -> dict[str, Any]:
    """Gives a forecast request of these series."""
    named = [
        {"id": f"{number:03d}", "start": "2024-01-01T00:00:00", "target": target.tolist()}
        for number, target in enumerate(series)
    ]
    return {"model": MODEL, "frequency": "h", "series": named}


def _table(body: Mapping[str, Any]) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                "unique_id": one["id"],
                "ds": pd.date_range(one["start"], periods=len(one["target"]), freq="h"),
                "y": one["target"],
            }
        )
        for one in body["series"]
    ]
    return pd.concat(frames, ignore_index=True)


def refuse_alike(answers: Mapping[str, Sequence[FloatArray]]) -> None:
    """AssertionError where two versions answer so much alike that they could not be told apart."""
    for one, other in itertools.combinations(answers.values(), 2):
        for mine, theirs in zip(one, other, strict=True):
            difference = np.abs(mine - theirs).max() / np.abs(mine).max()
            assert difference > 5 * TOLERANCE, f"two versions differ by {difference:.1e} of their reach alone"
