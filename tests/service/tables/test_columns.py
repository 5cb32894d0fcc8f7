"""Columns of every type that says the same are read as the same, and all other types are named and refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecaster.config import CovariateConfig
from forecaster.data.panel import Panel
from forecaster.errors import ForecasterError, TimestampError
from forecaster.time.frequency import Frequency
from service.errors import InvalidFields, InvalidTable
from service.schemas import ForecastOptions
from service.settings import Settings
from service.tables.panel import to_panel
from service.tables.stream import table_of
from tests.model.factories import small_config
from tests.service.tables.factories import arrow_of

SETTINGS = Settings(authentication=False, max_series=10, max_points=1000)
COVARIATES = CovariateConfig(past=("p",), known=("k",), static=("n",), categories={"c": ("A", "B")})
HOURS = pd.date_range("2024-03-31", periods=4, freq="h").to_numpy().astype("datetime64[us]")
PLAIN = small_config()


def panel_of(table: pa.Table, model: Any = PLAIN, frequency: str = "h", **options: Any) -> Panel:
    read = table_of(arrow_of(table), model, SETTINGS)
    return to_panel(read.frame, ForecastOptions(**options), Frequency.parse(frequency), model).panel


def table(**changes: Any) -> pa.Table:
    """Four hours of one series."""
    columns = {"unique_id": ["a"] * 4, "ds": pa.array(HOURS), "y": [1.0, 2.0, None, 4.0]}
    return pa.table({**columns, **changes})


def refusal(found: pa.Table, model: Any = PLAIN) -> ForecasterError:
    with pytest.raises(ForecasterError) as caught:
        panel_of(found, model)
    return caught.value


TIMES = {
    **{f"{unit}": pa.array(HOURS).cast(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")},
    "texts": pa.array([str(hour) for hour in HOURS]),
    "large texts": pa.array([str(hour) for hour in HOURS], pa.large_string()),
    "views": pa.array([str(hour) for hour in HOURS], pa.string_view()),
    "dictionary": pa.array([str(hour) for hour in HOURS]).dictionary_encode(),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_times_of_every_type_are_the_same_times(times: pa.Array) -> None:
    assert panel_of(table(ds=times)).fingerprint() == panel_of(table()).fingerprint()


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.string()])
def test_dates_of_every_type_are_the_same_days(kind: pa.DataType) -> None:
    days = pa.array(pd.date_range("2024-01-30", periods=4).to_numpy().astype("datetime64[D]"))
    panel = panel_of(table(ds=days.cast(kind)), frequency="D")
    assert panel.starts.tolist() == [pd.Timestamp("2024-01-30")]
    assert panel.lengths.tolist() == [4]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+02:00"])
def test_times_keep_their_zone(unit: str, zone: str) -> None:
    panel = panel_of(table(ds=pa.array(HOURS).cast(pa.timestamp(unit)).cast(pa.int64()).cast(pa.timestamp(unit, zone))))
    assert panel.axis.timezone == {"+02:00": "UTC+02:00"}.get(zone, zone)
    assert panel.starts.tolist() == [HOURS[0].item()]  # stored in UTC, which Arrow counts in


def test_texts_with_offsets_are_instants() -> None:
    texts = ["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T02:00Z", "2024-03-31T05:00+02:00"]
    panel = panel_of(table(ds=texts))
    assert (panel.axis.timezone, panel.lengths.tolist()) == ("UTC", [4])


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.int64(), pa.uint16(), pa.uint64()])
def test_integers_are_steps(kind: pa.DataType) -> None:
    panel = panel_of(table(ds=pa.array([3, 4, 5, 6], kind)), frequency="step")
    assert (panel.starts.tolist(), panel.lengths.tolist()) == ([3], [4])


IDS = {
    "texts": pa.array(["7"] * 4),
    "large texts": pa.array(["7"] * 4, pa.large_string()),
    "views": pa.array(["7"] * 4, pa.string_view()),
    "dictionary": pa.array(["7"] * 4).dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays(pa.array([0] * 4), pa.array(["7"], pa.string_view())),
    "dictionary of integers": pa.array([7] * 4).dictionary_encode(),
    "integers": pa.array([7] * 4),
    "unsigned": pa.array([7] * 4, pa.uint8()),
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_ids_of_every_type_are_the_same_texts(ids: pa.Array) -> None:
    assert panel_of(table(unique_id=ids)).series_ids == ("7",)


def test_integers_that_floats_cannot_tell_apart_are_different_ids() -> None:
    many = table(unique_id=pa.array([2**53, 2**53, 2**53 + 1, 2**53 + 1]), y=1.0 * np.arange(4))
    assert panel_of(many).series_ids == (str(2**53), str(2**53 + 1))


NUMBERS = {
    "int8": pa.array([1, 2, None, 4], pa.int8()),
    "uint64": pa.array([1, 2, None, 4], pa.uint64()),
    "half": pa.array([1, 2, None, 4], pa.float16()),
    "float": pa.array([1, 2, None, 4], pa.float32()),
    "decimal": pa.array([Decimal(1), Decimal(2), None, Decimal(4)], pa.decimal128(10, 3)),
    "large decimal": pa.array([Decimal(1), Decimal(2), None, Decimal(4)], pa.decimal256(60, 3)),
    "small decimal": pa.array([Decimal(1), Decimal(2), None, Decimal(4)], pa.decimal32(5, 1)),
    "NaN": pa.array([1, 2, float("nan"), 4]),
}


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_every_type_are_the_same_numbers(values: pa.Array) -> None:
    assert panel_of(table(y=values)).fingerprint() == panel_of(table()).fingerprint()


OTHERS = {
    "list": pa.array([[1.0]] * 4),
    "struct": pa.array([{"a": 1}] * 4),
    "map": pa.array([[("a", 1)]] * 4, pa.map_(pa.string(), pa.int64())),
    "union": pa.UnionArray.from_sparse(pa.array([0] * 4, pa.int8()), [pa.array([1.0] * 4)]),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([4], pa.int32()), pa.array([1.0])),
    "bytes": pa.array([b"1"] * 4),
    "time": pa.array([1] * 4, pa.time64("us")),
    "duration": pa.array([1] * 4, pa.duration("us")),
    "dictionary of times": pa.DictionaryArray.from_arrays(pa.array([0] * 4), pa.array(HOURS[:1])),
    "extension": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"x" * 16] * 4, pa.binary(16))),
}


@pytest.mark.parametrize("name", ["unique_id", "ds", "y"])
@pytest.mark.parametrize("values", OTHERS.values(), ids=OTHERS)
def test_any_other_type_is_refused_with_the_name_of_its_column(name: str, values: pa.Array) -> None:
    found = refusal(table(**{name: values}))
    assert isinstance(found, InvalidFields)
    assert found.fields[0]["field"] == name
    assert "is of type" in found.fields[0]["message"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_texts_in_the_place_of_numbers_are_called_texts_however_they_are_held(kind: pa.DataType) -> None:
    found = refusal(table(y=pa.array(["1", "2", "3", "x"]).cast(kind)))
    assert str(found) == "y: is of type text: wanted are numbers"


def test_a_long_name_of_a_type_is_cut_where_that_can_be_seen() -> None:
    many = pa.array([{f"field {number}": 1 for number in range(9)}] * 4)
    assert (
        str(refusal(table(y=many))) == "y: is of type struct<field 0: int64, field 1: int64, f ...: wanted are numbers"
    )


def test_covariates_may_be_flags_and_nothing() -> None:
    columns = table(p=[True, None, False, True], k=pa.nulls(4), n=pa.nulls(4), c=pa.nulls(4))
    held = panel_of(columns, small_config(covariates=COVARIATES)).covariates
    np.testing.assert_equal(held.past[:, 0], [1, np.nan, 0, 1])
    assert np.isnan(held.known).all()
    assert held.categories.tolist() == [[None]]


def test_whole_numbers_are_categories_as_they_are_in_files() -> None:
    columns = {"p": [1.0] * 4, "k": [1.0] * 4, "n": [1] * 4}
    for c in ([3, None, 3, 3], [3.0, None, 3.0, 3.0], ["3", None, "3", "3"]):
        held = panel_of(table(**columns, c=c), small_config(covariates=COVARIATES)).covariates
        assert held.categories.tolist() == [["3"]]


@pytest.mark.parametrize(
    ("name", "values", "row", "said"),
    [
        ("unique_id", ["a", "a", "\x00", "a"], 3, "must not hold control characters"),
        ("unique_id", ["a", "", "a", "a"], 2, "at least 1 character"),
        ("unique_id", ["a", "a", "a", "x" * 257], 4, "at most 256 characters"),
        ("ds", [*map(str, HOURS[:3]), "tomorrow"], 4, "is not an ISO 8601 time"),
        ("ds", [*map(str, HOURS[:2]), "2024-13-01", "2024"], 3, "is not an ISO 8601 time"),
        ("ds", [str(HOURS[0]), "2024-01-01\n", *map(str, HOURS[2:])], 2, "is not an ISO 8601 time"),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_a_text_that_is_not_to_be_read_is_told_with_its_row(
    name: str, values: list[str], row: int, said: str, kind: pa.DataType
) -> None:
    found = refusal(table(**{name: pa.array(values).cast(kind)}))
    assert isinstance(found, InvalidFields)
    assert found.fields[0]["field"] == name
    assert found.fields[0]["message"].startswith(f"in row {row}: ")
    assert said in found.fields[0]["message"]


def test_rows_are_counted_over_batches_and_pieces() -> None:
    ids = ["a"] * 20_000
    ids[17_000] = "\x7f"
    many = pa.table({"unique_id": ids, "ds": np.arange(20_000), "y": [1.0] * 20_000})
    settings = SETTINGS.model_copy(update={"max_points": 20_000})
    for rows_at_once in (None, 9_000):
        with pytest.raises(InvalidFields, match="unique_id: in row 17001: must not"):
            table_of(arrow_of(many, rows_at_once), PLAIN, settings)


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("value", [-(2**62), 2**62])
def test_times_that_would_wrap_around_are_refused(unit: str, value: int) -> None:
    with pytest.raises(TimestampError, match="in row 1 a time outside the years 1678 to 2261"):
        panel_of(table(ds=pa.array([value] * 4, pa.timestamp(unit))))


def test_dates_that_would_wrap_around_are_refused() -> None:
    with pytest.raises(TimestampError, match="in row 2 a time outside"):
        panel_of(table(ds=pa.array([0, 2**31 - 1, 1, 2], pa.date32())))


def test_more_different_ids_than_allowed_are_refused_before_all_are_read() -> None:
    many = pa.table({"unique_id": [str(number) for number in range(1000)], "ds": [0] * 1000, "y": [1.0] * 1000})
    with pytest.raises(InvalidFields, match="more than 10 series"):
        table_of(arrow_of(many), PLAIN, SETTINGS)


def test_points_are_counted_before_columns_that_take_no_bytes_become_numbers() -> None:
    reads = small_config(covariates=CovariateConfig(past=tuple(f"p{number}" for number in range(99))))
    columns = {name: pa.nulls(1000) for name in reads.covariates.past}
    with pytest.raises(InvalidFields, match="100000 points, at most 1000 are allowed"):
        panel_of(pa.table({"unique_id": ["a"] * 1000, "ds": range(1000), "y": pa.nulls(1000), **columns}), reads)


def test_long_views_are_refused_before_they_are_read() -> None:
    """1000 ids of 4 MB each, all of them the same bytes."""
    long = pa.array(["x" * (4 << 20)], pa.string_view()).buffers()
    views = np.tile(np.frombuffer(long[1], np.uint8), 1000).tobytes()
    ids = pa.Array.from_buffers(pa.string_view(), 1000, [None, pa.py_buffer(views), long[2]])
    columns = [ids, pa.array(np.zeros(1000)), pa.array(np.zeros(1000, dtype=np.int64))]
    batch = pa.record_batch(columns, ["unique_id", "y", "ds"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(InvalidTable, match="more than 1024 bytes"):
        table_of(bytes(sink.getvalue()), PLAIN, SETTINGS)


def test_a_type_that_another_library_registered_and_cannot_read_is_damage() -> None:
    """pandas makes types of its own out of JSON in the metadata of a field."""
    pa.array(pd.period_range("2024", periods=1, freq="D"))  # registers them
    field = pa.field(
        "z", pa.int64(), metadata={"ARROW:extension:name": "pandas.period", "ARROW:extension:metadata": "?"}
    )
    schema = pa.schema([("unique_id", pa.string()), ("ds", pa.int64()), ("y", pa.float64()), field])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([["a"], [0], [1.0], [1]], schema=schema))
    with pytest.raises(InvalidTable):
        table_of(bytes(sink.getvalue()), PLAIN, SETTINGS)
