"""Tables of MLflow's clients as they are read: what is bounded, and that nothing in them is a surprise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecaster.errors import ForecasterError
from forecaster.predictor import Predictor
from service.dialects.documents import document_of
from service.dialects.mlflow.frames import FrameIn, frame_of
from service.dialects.mlflow.tables import csv_sheet, invocation_of
from service.errors import InvalidFields, InvalidJson, InvalidTable
from service.schemas import ForecastOptions
from service.settings import Settings
from service.tables.panel import to_panel
from tests.explain.factories import predictor_of
from tests.pipelines.factories import priced_predictor

FEW = Settings(home=Path("home"), max_points=100, max_series=3)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return predictor_of()


def of_csv(text: str, predictor: Predictor) -> FrameIn:
    return frame_of(csv_sheet(text.encode()), predictor.network.config, FEW)


def of_rows(rows: list[dict[str, Any]], predictor: Predictor) -> FrameIn:
    content = orjson.dumps({"dataframe_records": rows})
    return frame_of(invocation_of(content).sheet, predictor.network.config, FEW)


def test_points_are_counted_and_bounded(predictor: Predictor) -> None:
    rows = [{"ds": hour, "y": 1.0} for hour in range(101)]
    assert of_rows(rows[:100], predictor).num_points == 100
    with pytest.raises(InvalidFields, match="101 rows, at most 100"):
        of_rows(rows, predictor)
    text = "\n".join(["ds,y", *(f"{hour},1" for hour in range(101))])
    with pytest.raises(InvalidFields, match="101 rows, at most 100"):
        of_csv(text, predictor)


def test_rows_that_lack_cells_cannot_make_a_large_table(predictor: Predictor) -> None:
    names = ",".join(["ds", "y", *(f"c{number}" for number in range(20))])
    assert len(of_csv(names + "\n1,1" * 36, predictor).frame) == 36
    with pytest.raises(InvalidFields, match="814 cells, at most 800"):
        of_csv(names + "\n1,1" * 37, predictor)
    rows: list[dict[str, Any]] = [
        {f"c{number}": 1 for number in range(20)} | {"ds": 1, "y": 1},
        *({} for _ in range(36)),
    ]
    with pytest.raises(InvalidFields, match="814 cells, at most 800"):
        of_rows(rows, predictor)


def test_columns_and_series_are_bounded(predictor: Predictor) -> None:
    with pytest.raises(InvalidFields, match="1002 columns, at most 1000"):
        of_csv("ds,y" + ",a" * 1000 + "\n1,1", predictor)
    rows = [{"unique_id": name, "ds": 1, "y": 1.0} for name in "abcd"]
    assert len(of_rows(rows[:3], predictor).frame) == 3
    with pytest.raises(InvalidFields, match="4 series, at most 3"):
        of_rows(rows, predictor)


def test_lines_are_counted_once_however_they_end(predictor: Predictor) -> None:
    for end in ("\n", "\r\n", "\r"):
        text = end.join(["ds,y", *(f"{hour},1" for hour in range(100))])
        assert len(of_csv(text, predictor).frame) == 100


def test_rows_ahead_count_what_is_known_alone() -> None:
    priced = priced_predictor()
    rows = [{"ds": hour, "y": 1.0 if hour < 4 else None, "price": 1.0, "size": 1, "kind": "big"} for hour in range(6)]
    assert of_rows(rows, priced).num_points == 4 * 2 + 2
    assert of_rows(rows, priced).unused == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{" * 5000, "is not JSON"),
        (b'{"a": NaN, ' + b"[" * 100_000, "even where NaN counts as null"),
        (b'{"a": NaN, "b": ' + b"9" * 5000 + b"}", "even where NaN counts as null"),
        (b'{"a": NaN, "b": "\xff"}', "even where NaN counts as null"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": NaN, "b": Infinity}', "Infinity is no number"),
        (b"NaN NaN", "even where NaN counts as null"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(InvalidJson, match=says):
        document_of(content)


def test_nan_is_null() -> None:
    assert document_of(b'{"a": [NaN, 1.5, null], "NaN": "NaN"}') == {"a": [None, 1.5, None], "NaN": "NaN"}


@pytest.mark.parametrize(
    "text",
    [
        'ds,y\n"2024-01-01,1\n',
        'ds,"y\n2024-01-01,1\n',
        "ds,y\n\0,1\n",
        "ds,y\n" + "x" * 200_000 + ",1\n",
        "ds,y," + "x" * 200_000 + "\n1,1\n",
        "\n\n,\n",
        "ds,y\n,\n",
        "ds;y\n2024-01-01;1\n",
        "ds,y\n1e400,1e400\n",
        "ds,y\n99999999999999999999,1\n",
    ],
)
def test_bad_csv_is_refused_on_purpose(predictor: Predictor, text: str) -> None:
    with pytest.raises(ForecasterError):
        to_panel(of_csv(text, predictor).frame, ForecastOptions(), predictor.frequency, predictor.network.config)


CELLS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("aé1-\n\0\ud800", max_size=8)
    | st.just("2024-01-01T00:00")
)
NAMES = st.sampled_from(["ds", "y", "unique_id", "price", "size", "kind", "x"])
ROWS = st.lists(st.dictionaries(NAMES, CELLS | st.lists(CELLS, max_size=2), max_size=7), max_size=5)


def test_half_a_pair_of_surrogates_is_no_text_beside_nan_either() -> None:
    good, bad = (
        json.dumps({"dataframe_records": [{"y": float("nan"), "x": text}]}).encode()
        for text in ("\U0001f600", "\ud800")
    )
    assert invocation_of(good).sheet.names == ["y", "x"]
    with pytest.raises(InvalidJson, match="not JSON"):
        invocation_of(bad)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_whatever_the_cells_are_it_is_a_panel_or_a_refusal(rows: list[dict[str, Any]]) -> None:
    for model in (_PLAIN, _PRICED):
        try:
            content = json.dumps({"dataframe_records": rows}).encode()
            frame = frame_of(invocation_of(content).sheet, model.network.config, FEW).frame
            to_panel(frame, ForecastOptions(), model.frequency, model.network.config)
        except ForecasterError as error:
            assert str(error)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(alphabet='ds,y\n\r"2024-01 T:é\0', max_size=60))
def test_whatever_the_text_is_it_is_a_panel_or_a_refusal(text: str) -> None:
    for head in ("", "ds,y\n", "unique_id,ds,y\n"):
        try:
            frame = of_csv(head + text, _PLAIN).frame
            to_panel(frame, ForecastOptions(), _PLAIN.frequency, _PLAIN.network.config)
        except ForecasterError as error:
            assert str(error)


_PLAIN, _PRICED = predictor_of(), priced_predictor()


def test_a_table_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidTable, match="no CSV in UTF-8"):
        csv_sheet(b"\xff\xfe\x00")
