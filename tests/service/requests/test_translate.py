"""Requests become panels: at once or as a table, the same panel, the same warnings, the same refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelConfig, TableConfig
from forecaster.data.reading import read_panel
from forecaster.errors import DataError, TimestampError
from forecaster.time.frequency import Frequency
from service.errors import InvalidFields
from service.requests.translate import to_panel
from service.schemas import ForecastRequest
from tests.service.request_bodies import series, valid

PLAIN = ModelConfig(horizon=4, context_length=24)
GROUPED = ModelConfig(horizon=4, context_length=24, channels="group")


def request_of(**changes: Any) -> ForecastRequest:
    return ForecastRequest.model_validate(valid(**changes))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["h", "D", "B", "W-MON", "MS", "15min"]),
    st.sampled_from([None, "UTC", "Europe/Berlin"]),
    st.lists(st.booleans(), min_size=6, max_size=30),
    st.booleans(),
    st.integers(0, 1000),
)
def test_a_request_is_read_as_the_same_rows_in_a_file_are(
    frequency: str, timezone: str | None, kept: list[bool], by_start: bool, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01")
    times = pd.date_range(start, periods=len(kept), freq=frequency, tz=timezone)
    if by_start:
        kept = [True] * len(kept)
    kept[:2] = [True, True]
    values = [None if draw.random() < 0.2 else float(draw.normal()) for _ in kept]
    values[1] = 1.0
    rows = [(time, value) for time, value, keep in zip(times, values, kept, strict=True) if keep]
    one: dict[str, Any] = {"id": "a", "target": [value for _, value in rows]}
    texts = [time.isoformat() for time, _ in rows]
    one |= {"start": texts[0]} if by_start else {"timestamps": texts}
    request = request_of(series=[one], frequency=frequency, timezone=timezone or ...)

    table = pd.DataFrame({"unique_id": "a", "ds": [time for time, _ in rows], "y": [value for _, value in rows]})
    table["y"] = table["y"].astype(float)
    reading = read_panel(table, TableConfig(frequency=frequency, timezone=timezone))
    read = to_panel(request, Frequency.parse(frequency), PLAIN)
    assert read.panel.fingerprint() == reading.panel.fingerprint()
    found = [(warning.code, warning.message) for warning in read.warnings.get("a", [])]
    assert found == [(finding.code, finding.message) for finding in reading.report.findings]


FAR_APART = [
    {"id": "a", "timestamps": ["2024-01-01", "2200-01-01"], "target": [1.0, 2.0], "group": "g"},
    {"id": "b", "start": "2024-01-01", "target": [1.0, 2.0], "group": "g"},
]


def test_a_series_of_few_steps_far_apart_keeps_its_group() -> None:
    panel = to_panel(request_of(series=FAR_APART, frequency="D"), Frequency("D"), GROUPED).panel
    assert panel.lengths[0] > 60_000
    assert list(panel.groups) == [0, 0]


def test_a_series_of_few_steps_far_apart_has_no_group_where_each_is_alone() -> None:
    with pytest.raises(InvalidFields) as refused:
        to_panel(request_of(series=FAR_APART, frequency="D"), Frequency("D"), PLAIN)
    assert refused.value.fields[0]["field"] == "series.0.group"


def test_a_series_of_few_steps_far_apart_may_have_no_covariates() -> None:
    far = [{name: value for name, value in one.items() if name != "group"} for one in FAR_APART]
    far[1] |= {"past": {"load": [1.0, 2.0]}}
    with pytest.raises(InvalidFields, match="may span 100 steps for each of them") as refused:
        to_panel(request_of(series=far, frequency="D"), Frequency("D"), PLAIN)
    assert refused.value.fields[0]["field"] == "series.0.timestamps"


def test_series_come_in_the_order_of_the_request() -> None:
    many = [{"id": name, "start": "2024-01-01", "target": [1.0, 2.0]} for name in ("z", "a", "m")]
    assert to_panel(request_of(series=many), Frequency("h"), PLAIN).panel.series_ids == ("z", "a", "m")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2024-01-01T00:00", "2024-01-01T02:00", "2024-01-01T01:00"], "order|ascend|sort"),
        (["2024-01-01T00:00", "2024-01-01T00:00"], "twice|duplicate|repeat"),
        (["2024-01-01T00:00", "2024-01-01T00:30"], "off the grid"),
    ],
)
def test_timestamps_that_do_not_fit_are_refused_by_the_door_of_files(times: list[str], message: str) -> None:
    request = request_of(series=[{"id": "a", "timestamps": times, "target": [1.0] * len(times)}])
    with pytest.raises(DataError, match=message):
        to_panel(request, Frequency("h"), PLAIN)


def test_integer_steps_start_anywhere() -> None:
    request = ForecastRequest.model_validate(series(start=7, target=[1.0, 2.0]) | {"frequency": "step"})
    panel = to_panel(request, Frequency("step"), PLAIN).panel
    assert panel.starts.tolist() == [7]
    assert panel.ends.tolist() == [9]


DATES = [20240130, 20240131, 20240201]


@pytest.mark.parametrize("covariates", [{}, {"past": {"load": [1.0, 2.0, 3.0]}}])
def test_integer_timestamps_that_look_like_dates_are_refused(covariates: dict[str, Any]) -> None:
    request = request_of(
        series=[{"id": "a", "timestamps": DATES, "target": [1.0, 2.0, 3.0], **covariates}], frequency=...
    )
    with pytest.raises(TimestampError, match="20240130 look like dates: write them as ISO 8601 texts") as refused:
        to_panel(request, Frequency("step"), PLAIN)
    assert refused.value.code == "integer-dates"


@pytest.mark.parametrize(
    ("one", "frequency"),
    [
        ({"timestamps": DATES[:2]}, "step"),
        ({"start": DATES[0]}, None),
        ({"timestamps": DATES[:1]}, None),
        ({"timestamps": [20240198, 20240199]}, None),
    ],
)
def test_integers_are_steps_where_they_are_said_to_be_or_do_not_look_like_dates(
    one: dict[str, Any], frequency: str | None
) -> None:
    target = [1.0, 2.0][: len(one.get("timestamps", "ab"))]
    request = request_of(series=[{"id": "a", "target": target, **one}], frequency=frequency or ...)
    panel = to_panel(request, Frequency("step"), PLAIN).panel
    assert panel.starts.tolist() == [one.get("start", one.get("timestamps", [0])[0])]


def test_only_all_series_together_look_like_dates_as_in_a_table() -> None:
    many = [
        {"id": "a", "timestamps": DATES[:2], "target": [1.0, 2.0]},
        {"id": "b", "timestamps": [7], "target": [1.0]},
    ]
    panel = to_panel(request_of(series=many, frequency=...), Frequency("step"), PLAIN).panel
    assert panel.starts.tolist() == [DATES[0], 7]
