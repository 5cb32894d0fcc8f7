"""Replies: numbers and times as the predictor and pandas have them, in the documented shape."""

from __future__ import annotations

import numpy as np
import orjson
import pandas as pd
import pytest

from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.types import Forecast
from service.model_spec import ModelSpec
from service.models.registry import VersionRef
from service.models.view import ServedModel
from service.requests.reply import Answer, encoded, first_line, levels_of, lines
from service.schemas import DataWarning, ForecastReply, ForecastRequest, ModelRef
from tests.service.request_bodies import valid

MODEL = ServedModel(ModelSpec("waves", "champion"), VersionRef("waves", "3", "sha256:0"), None, 2)  # type: ignore[arg-type]
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def answer(**changes: object) -> Answer:
    values = np.arange(40.0).reshape(2, 4, 5) / 3
    start = np.array(["2024-03-31T00:00"], dtype="datetime64[us]").repeat(2)
    forecast = Forecast(("a", "b"), TimeAxis(Frequency("h"), "UTC"), start, LEVELS, values)
    warnings = {"b": [DataWarning(code="gap", message="one")]}
    return Answer(**{"model": MODEL, "forecast": forecast, "levels": (0.1, 0.5), "warnings": warnings, **changes})  # type: ignore[arg-type]


def test_a_reply_is_what_its_schema_says() -> None:
    request = ForecastRequest.model_validate(valid(intervals=[50, 80]))
    samples = np.arange(24.0).reshape(2, 3, 4)
    content = orjson.loads(encoded(request, answer(samples=samples, degraded="deadline-exceeded")))
    reply = ForecastReply.model_validate(content)
    assert reply.model == ModelRef(name="waves", version="3", digest="sha256:0", generation=2)
    assert reply.degraded == "deadline-exceeded"
    first, second = reply.forecasts
    assert (first.id, second.id) == ("a", "b")
    values = answer().forecast.values
    assert second.quantiles == {"0.1": values[1, :, 0].tolist(), "0.5": values[1, :, 2].tolist()}
    assert second.intervals["50"].lower == values[1, :, 1].tolist()
    assert second.intervals["80"].upper == values[1, :, 4].tolist()
    assert second.samples == samples[1].tolist()
    assert first.warnings == []
    assert second.warnings[0].code == "gap"


def test_what_was_not_asked_for_is_left_out() -> None:
    content = orjson.loads(encoded(ForecastRequest.model_validate(valid()), answer()))
    assert list(content) == ["model", "forecasts"]
    assert list(content["forecasts"][0]) == ["id", "timestamps", "quantiles", "warnings"]


def test_lines_hold_the_same_as_the_whole() -> None:
    request = ForecastRequest.model_validate(valid())
    whole = orjson.loads(encoded(request, answer()))
    head, *rest = (first_line(answer()) + lines(request, answer())).splitlines()
    assert orjson.loads(head) == {"model": whole["model"]}
    assert [orjson.loads(line) for line in rest] == whole["forecasts"]


def written(axis: TimeAxis, start: np.generic, num: int) -> list[str] | list[int]:
    """The timestamps of a reply as a client reads them."""
    forecast = Forecast(("a",), axis, np.array([start]), (0.5,), np.zeros((1, num, 1)))
    request = ForecastRequest.model_validate(valid())
    content = encoded(request, Answer(MODEL, forecast, (0.5,), {}))
    found: list[str] | list[int] = orjson.loads(content)["forecasts"][0]["timestamps"]
    return found


@pytest.mark.parametrize("frequency", ["h", "D", "MS", "B", "30s"])
@pytest.mark.parametrize("timezone", [None, "UTC", "Europe/London", "UTC+05:30", "America/Sao_Paulo"])
@pytest.mark.parametrize("start", ["2024-03-01T00:00:00", "1999-11-01T00:00:00"])
def test_timestamps_are_written_as_pandas_writes_them(frequency: str, timezone: str | None, start: str) -> None:
    axis = TimeAxis(Frequency(frequency), timezone)
    stored = np.datetime64(start, "us")
    expected = [stamp.isoformat().replace("+00:00", "Z") for stamp in axis.show(stored, 60)]
    assert written(axis, stored, 60) == expected


def test_fractions_of_a_second_are_kept() -> None:
    axis = TimeAxis(Frequency("h"), "UTC")
    assert written(axis, np.datetime64("2024-01-01T00:00:00.25", "us"), 1) == ["2024-01-01T00:00:00.250000Z"]
    assert pd.Timestamp("2024-01-01T00:00:00.250000Z").microsecond == 250_000


def test_integer_steps_are_integers() -> None:
    assert written(TimeAxis(Frequency("step")), np.int64(5), 3) == [5, 6, 7]


@pytest.mark.parametrize(
    ("changes", "levels"),
    [
        ({}, [0.1, 0.5, 0.9]),
        ({"quantiles": ...}, None),
        ({"quantiles": ..., "intervals": [95]}, [0.025, 0.2, 0.5, 0.8, 0.975]),
        ({"quantiles": [0.5], "intervals": [80.0]}, [0.1, 0.5, 0.9]),
        ({"quantiles": [0.5], "samples": {"number": 3}}, [0.2, 0.5, 0.8]),
        ({"quantiles": [0.5, 0.5], "intervals": [80]}, [0.5, 0.5]),
    ],
)
def test_levels_are_those_of_quantiles_intervals_and_samples(changes: dict, levels: list[float] | None) -> None:
    assert levels_of(ForecastRequest.model_validate(valid(**changes)), (0.2, 0.5, 0.8)) == levels
