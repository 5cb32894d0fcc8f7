from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.errors import DataError
from forecaster.time.frequency import Frequency, TimeAxis

NAN = float("nan")
START = np.datetime64("2024-01-31", "us")


def long(ids: object, times: object, values: object) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": ids, "ds": times, "y": values})


def panel_of(table: pd.DataFrame, **settings: object) -> Panel:
    return read_panel(table, TableConfig(**settings)).panel


def test_a_long_table_becomes_a_panel_in_the_order_of_its_series() -> None:
    days = pd.date_range("2024-01-01", periods=3)
    table = pd.concat([long("b", days, [1, 2, 3]), long("a", days[:2], [4, 5])])
    panel = panel_of(table)
    assert (panel.series_ids, panel.offsets.tolist()) == (("b", "a"), [0, 3, 5])
    assert (panel.values.tolist(), panel.axis) == ([1, 2, 3, 4, 5], TimeAxis(Frequency("D")))


def test_a_wide_table_becomes_the_panel_of_its_melted_rows() -> None:
    wide = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4), "a": [NAN, 1, NAN, 3], "b": [4, 5, 6, NAN]})
    melted = wide.melt("t", var_name="unique_id", value_name="y").rename(columns={"t": "ds"})
    assert replace(panel_of(wide), groups=np.arange(2)).fingerprint() == panel_of(melted).fingerprint()


def test_series_of_a_wide_table_are_one_group_and_those_of_a_long_one_their_own() -> None:
    wide = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4), "a": range(4), "b": range(4)})
    melted = wide.melt("t", var_name="unique_id", value_name="y").rename(columns={"t": "ds"})
    assert panel_of(wide).group_numbers.tolist() == [0, 0]
    assert panel_of(melted).group_numbers.tolist() == [0, 1]


def test_a_table_without_ids_holds_one_series_named_like_its_target() -> None:
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=3), "y": 1.0})
    assert panel_of(table).series_ids == panel_of(table, layout="wide").series_ids == ("y",)


@pytest.mark.parametrize("ids", [[1, 1], pd.Categorical(["1", "1"], ["0", "1"]), ["1", "1"]])
def test_ids_become_texts(ids: object) -> None:
    assert panel_of(long(ids, [0, 1], [1.0, 2.0])).series_ids == ("1",)


def test_rows_of_series_may_be_interleaved() -> None:
    panel = panel_of(long(["a", "b", "a", "b"], [0, 5, 1, 6], [1, 2, 3, 4]))
    assert (panel.values.tolist(), panel.starts.tolist()) == ([1, 3, 2, 4], [0, 5])


def test_steps_without_a_row_and_rows_without_a_value_are_missing() -> None:
    panel = panel_of(long("a", [0, 1, 3], [1.0, None, 4.0]))
    np.testing.assert_array_equal(panel.values, [1, NAN, NAN, 4])


def test_leading_missing_values_are_cut_off_and_trailing_ones_stay() -> None:
    wide = pd.DataFrame({"a": [NAN, NAN, 1.0, NAN], "b": [1.0, 2.0, 3.0, 4.0]})
    panel = panel_of(wide)
    np.testing.assert_array_equal(panel.target(0), [1, NAN])
    assert (panel.starts.tolist(), panel.ends.tolist()) == ([2, 0], [4, 4])


def test_a_series_too_short_to_tell_takes_the_frequency_of_the_others() -> None:
    times = [*pd.date_range("2024-01-01", periods=5, freq="h"), pd.Timestamp("2024-03-01")]
    panel = panel_of(long([*"aaaaa", "b"], times, 1.0))
    assert (panel.axis.frequency.alias, panel.lengths.tolist()) == ("h", [5, 1])


def test_a_given_frequency_is_obeyed() -> None:
    panel = panel_of(long("a", pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-05"]), 1.0), frequency="D")
    assert panel.lengths.tolist() == [5]


def test_hours_with_offsets_on_both_sides_of_a_clock_change_are_regular() -> None:
    index = pd.date_range("2024-10-26", periods=72, freq="h", tz="Europe/Berlin")
    panel = panel_of(long("a", [time.isoformat() for time in index], 1.0), timezone="Europe/Berlin")
    assert (panel.lengths.tolist(), panel.axis) == ([72], TimeAxis(Frequency("h"), "Europe/Berlin"))
    assert list(panel.axis.show(panel.starts[0], 72)) == list(index)


def test_offsets_that_differ_are_shown_in_utc_unless_a_zone_is_set() -> None:
    table = long("a", ["2024-01-01T00:00+01:00", "2024-01-01T02:00+02:00", "2024-01-01T01:00+00:00"], 1.0)
    assert panel_of(table).to_frame()["ds"].iloc[0] == pd.Timestamp("2023-12-31T23:00Z")
    assert panel_of(table).axis.timezone == "UTC"


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("start", ["2024-03-28", "2024-10-25"])
def test_a_named_zone_is_kept_and_its_midnights_are_days(start: str, unit: str) -> None:
    index = pd.date_range(start, periods=6, tz="Europe/Berlin").astype(f"datetime64[{unit}, Europe/Berlin]")
    panel = panel_of(long("a", index, 1.0))
    assert panel.axis == TimeAxis(Frequency("D"), "Europe/Berlin")
    assert list(panel.axis.show(panel.starts[0], 6)) == list(index)


def test_naive_times_are_read_in_the_zone_that_is_set() -> None:
    table = long("a", pd.date_range("2024-07-01", periods=3, freq="h"), 1.0)
    assert panel_of(table, timezone="Europe/Berlin").starts.astype(str).tolist() == ["2024-06-30T22:00:00.000000"]
    assert panel_of(table).starts.astype(str).tolist() == ["2024-07-01T00:00:00.000000"]


panels = st.builds(
    lambda targets, alias: Panel.from_arrays(
        [f"s{i}" for i in range(len(targets))],
        np.full(len(targets), np.int64(3) if alias == "step" else START),
        [[1.0, *target, 2.0] for target in targets],
        TimeAxis(Frequency.parse(alias)),
    ),
    st.lists(st.lists(st.floats(-1e30, 1e30) | st.just(NAN), max_size=9), min_size=1, max_size=4),
    st.sampled_from(["step", "h", "15min", "D", "B", "ME", "W-WED"]),
)


@settings(deadline=None, max_examples=40)
@given(panel=panels)
def test_a_panel_survives_being_a_table(panel: Panel) -> None:
    frame = panel.to_frame()
    reading = read_panel(frame, TableConfig(frequency=panel.axis.frequency.alias))
    assert reading.panel.fingerprint() == panel.fingerprint()
    assert reading.report.num_gap_steps == 0


@settings(deadline=None, max_examples=20)
@given(panel=panels, seed=st.integers(0, 99))
def test_shuffling_series_changes_their_order_only(panel: Panel, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(panel))
    shuffled = pd.concat([panel.select([i]).to_frame() for i in order])
    read = panel_of(shuffled, frequency=panel.axis.frequency.alias)
    assert read.fingerprint() == panel.select(order).fingerprint()


def test_the_table_itself_is_not_changed() -> None:
    table = long(["b", "a", "b"], [2, 0, 1], ["1", None, "inf"])
    before = table.copy()
    table = table.drop(index=1)
    panel_of(table, unsorted="sort", infinite="missing")
    pd.testing.assert_frame_equal(table, before.drop(index=1))


def test_twenty_thousand_series_are_read_at_once() -> None:
    table = long(np.repeat(np.arange(20_000), 10), np.tile(np.arange(10), 20_000), 1.5)
    assert len(panel_of(table)) == 20_000


cells: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        NAN,
        1,
        -3,
        10**20,
        1.5,
        float("inf"),
        True,
        "a",
        "",
        "2024-01-01",
        "2024-01-01T00:00Z",
        "now",
        "7",
        b"x",
        [],
        1j,
    ]
)
columns = (
    st.lists(cells, min_size=3, max_size=3) | st.just([1, 2, 3]) | st.just(["2024-01-01", "2024-01-02", "2024-01-03"])
)


@settings(deadline=None, max_examples=100)
@given(
    table=st.fixed_dictionaries({"y": columns}, optional={"unique_id": columns, "ds": columns, "x": columns}),
    layout=st.sampled_from(["auto", "long", "wide"]),
    frequency=st.sampled_from([None, "D", "step"]),
)
def test_any_table_is_read_or_refused_with_a_reason(
    table: dict[str, object], layout: str, frequency: str | None
) -> None:
    try:
        panel = panel_of(pd.DataFrame(table), layout=layout, frequency=frequency, timezone=None)
    except DataError as error:
        assert 0 < len(str(error)) < 500
    else:
        assert np.isfinite(panel.values[panel.offsets[:-1]]).all()
