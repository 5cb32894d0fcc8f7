"""Plain requests: read without a panel they are the same series, the same windows and the same forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecaster.config import CovariateConfig, ModelConfig
from forecaster.errors import TimestampError
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from service.requests.plain import plain_series_of
from service.requests.translate import to_panel
from service.schemas import ForecastRequest
from tests.service.request_bodies import HISTORY, series, valid
from tests.test_predictor import network

MODEL = ModelConfig(horizon=8, context_length=32)
STARTS = {
    "h": "2024-03-30T05:00:00",
    "15min": "2024-03-30 05:15",
    "D": "2024-03-30",
    "W-MON": "2024-04-01",
    "B": "2024-04-01",
    "MS": "2024-04-01T00:00:00",
}


def request_of(body: dict[str, Any]) -> ForecastRequest:
    return ForecastRequest.model_validate(body)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(STARTS)),
    st.sampled_from(["", "Z", "+05:30"]),
    st.sampled_from([None, "Europe/Berlin"]),
    st.lists(st.integers(2, 250), min_size=1, max_size=4),
    st.integers(0, 1000),
)
def test_a_plain_request_is_what_it_is_by_way_of_a_panel(
    alias: str, offset: str, timezone: str | None, lengths: list[int], seed: int
) -> None:
    assume("T" in STARTS[alias] or not offset)
    draw, frequency = np.random.default_rng(seed), Frequency.parse(alias)
    many = [
        {"id": f"s{number}", "start": STARTS[alias] + offset, "target": draw.normal(size=length).tolist()}
        for number, length in enumerate(lengths)
    ]
    request = request_of(valid(series=many, frequency=..., timezone=timezone or ...))
    found = plain_series_of(request, frequency, MODEL)
    try:
        read = to_panel(request, frequency, MODEL)
    except TimestampError:  # in another zone a start is off the grid
        assert found is None
        return
    assert (found is None) == bool(read.warnings)  # about short series
    if found is None:
        return
    predictor = Predictor(network(), frequency)
    plain, long = predictor.plain_question(found, 4, [0.5]), predictor.question(read.panel, 4, [0.5])
    assert plain.to_panel().fingerprint() == read.panel.fingerprint()
    assert (plain.series_ids, plain.axis, plain.horizon, plain.levels) == (
        long.series_ids,
        long.axis,
        long.horizon,
        long.levels,
    )
    assert (plain.ends == long.ends).all()
    for ours, theirs in zip(plain.batches(3), long.batches(3), strict=True):
        assert (ours == theirs).all()
        one, other = plain.windows(ours), long.windows(theirs)
        for name in ("context", "observed", "target", "target_observed"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert one.covariates is other.covariates is None
        assert one.groups is other.groups is None


@pytest.mark.parametrize(
    "body",
    [valid(), valid(frequency=...), valid(frequency="60min"), valid(timezone="Europe/Berlin"), valid(roll_out=True)],
    ids=["valid", "no-frequency", "other-spelling", "timezone", "roll-out"],
)
def test_what_clients_send_is_plain(body: dict[str, Any]) -> None:
    assert plain_series_of(request_of(body), Frequency("h"), MODEL) is not None


@pytest.mark.parametrize(
    "body",
    [
        series(target=[*HISTORY, None]),
        series(target=[None, *HISTORY]),
        series(target=[5.0] * 60),
        series(target=HISTORY[:47]),
        series(target=[*HISTORY, 1e31]),
        series(target=[*HISTORY, -1e31]),
        series(start=3),
        series(start="2024-01-01T00:00:00 noon"),
        series(start=..., timestamps=[f"2024-01-{1 + step // 24:02d}T{step % 24:02d}:00" for step in range(60)]),
        series(past={"price": HISTORY}),
        series(known={"price": HISTORY}),
        series(static={"shop": "a"}),
        series(group="g"),
        valid(frequency="D"),
        valid(timezone="Mars/Olympus"),
        series(start="2024-03-31T02:30:00") | {"timezone": "Europe/Berlin"},
        valid(series=valid()["series"] * 2),
    ],
)
def test_whatever_else_comes_takes_the_way_through_a_panel(body: dict[str, Any]) -> None:
    assert plain_series_of(request_of(body), Frequency("h"), MODEL) is None


def test_a_start_off_the_grid_takes_the_way_through_a_panel() -> None:
    body = series(start="2024-01-02") | {"frequency": "W-MON"}
    assert plain_series_of(request_of(body), Frequency("W-MON"), MODEL) is None


@pytest.mark.parametrize(
    "changes", [{"covariates": CovariateConfig(calendar=("day_of_week_sin",))}, {"positions": "time"}]
)
def test_a_model_that_reads_more_than_values_takes_the_way_through_a_panel(changes: dict[str, Any]) -> None:
    model = ModelConfig(horizon=8, context_length=32, **changes)
    assert plain_series_of(request_of(valid()), Frequency("h"), model) is None
