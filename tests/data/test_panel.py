from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel import Panel
from forecaster.errors import DataError, SeriesError, TimestampError, ValueTypeError
from forecaster.time.frequency import Frequency, TimeAxis

HOURLY = TimeAxis(Frequency("h"))
STEPS = TimeAxis(Frequency("step"))
START = np.datetime64("2024-01-01", "us")
NAN = float("nan")

values = st.floats(-1e30, 1e30) | st.just(NAN)
targets = st.lists(values, min_size=1, max_size=12).map(lambda tail: [1.0, *tail])


def panel_of(*series: Sequence[Any], axis: TimeAxis = HOURLY) -> Panel:
    starts = np.array([START if axis is HOURLY else np.int64(0)] * len(series))
    return Panel.from_arrays([f"s{i}" for i in range(len(series))], starts, series, axis)


def test_series_lie_one_after_the_other() -> None:
    panel = panel_of([1, 2, None], [4.5])
    assert (len(panel), panel.num_values, panel.lengths.tolist()) == (2, 4, [3, 1])
    np.testing.assert_array_equal(panel.target(0), [1.0, 2.0, NAN])
    np.testing.assert_array_equal(panel.target(panel.position("s1")), [4.5])


def test_ends_are_where_forecasts_start() -> None:
    assert panel_of([1, 2, 3], [4]).ends.tolist() == [START.item() + pd.Timedelta(hours=n) for n in (3, 1)]
    assert panel_of([1, 2, 3], [4], axis=STEPS).ends.tolist() == [3, 1]


def test_leading_missing_values_are_cut_off_and_trailing_ones_stay() -> None:
    panel = panel_of([None, NAN, 3.0, None], [1.0, 2.0])
    np.testing.assert_array_equal(panel.target(0), [3.0, NAN])
    assert panel.starts.tolist() == [START.item() + pd.Timedelta(hours=2), START.item()]
    assert panel.ends[0] == START + np.timedelta64(4, "h")


def test_arrays_are_read_only() -> None:
    panel = panel_of([1.0, 2.0])
    for array in (panel.values, panel.offsets, panel.starts, panel.target(0)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]


def test_target_is_a_view() -> None:
    panel = panel_of([1.0, 2.0], [3.0])
    assert np.shares_memory(panel.target(1), panel.values)


def test_unknown_series_have_no_position() -> None:
    with pytest.raises(SeriesError, match="no series 'x'"):
        panel_of([1.0]).position("x")


def test_select_gives_the_series_in_the_order_asked_for() -> None:
    panel = panel_of([1, 2], [3], [4, 5, 6]).select([2, 0])
    assert panel.series_ids == ("s2", "s0")
    assert (panel.values.tolist(), panel.offsets.tolist()) == ([4, 5, 6, 1, 2], [0, 3, 5])


@pytest.mark.parametrize(("positions", "problem"), [([], "there is no series"), ([0, 0], "not unique")])
def test_select_wants_each_series_once_and_at_least_one(positions: list[int], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        panel_of([1, 2]).select(positions)


def test_head_keeps_the_first_steps_of_each_series() -> None:
    panel = panel_of([1, 2, 3], [4, 5]).head(np.array([2, 1]))
    assert (panel.values.tolist(), panel.lengths.tolist()) == ([1, 2, 4], [2, 1])
    assert panel.starts.tolist() == [START.item()] * 2


@pytest.mark.parametrize("length", [0, -1, 3])
def test_head_refuses_lengths_a_series_does_not_have(length: int) -> None:
    with pytest.raises(SeriesError, match=f"series 's1' has 2 steps, the first {length}"):
        panel_of([1, 2, 3], [4, 5]).head(np.array([2, length]))


@pytest.mark.parametrize(
    ("target", "error", "code"),
    [
        ([], SeriesError, "empty-series"),
        ([[1.0]], SeriesError, "empty-series"),
        ([None, NAN], SeriesError, "no-observed-value"),
        ([1.0, float("inf")], ValueTypeError, "infinite"),
        ([1.0, -1.1e30], ValueTypeError, "value-out-of-range"),
        ([1, 10**400], ValueTypeError, "value-out-of-range"),
        ([True, False], ValueTypeError, "not-a-number"),
        ([1.0, None, True], ValueTypeError, "not-a-number"),
        (["1.5"], ValueTypeError, "not-a-number"),
        ([1.0, "2"], ValueTypeError, "not-a-number"),
    ],
)
def test_targets_that_are_no_series_of_numbers_are_refused(
    target: list[object], error: type[DataError], code: str
) -> None:
    with pytest.raises(error, match=r"series.* 's1'") as caught:
        panel_of([1.0], target)
    assert caught.value.code == code


def test_the_largest_value_is_allowed() -> None:
    assert panel_of([1e30, -1e30, 0]).num_values == 3


def test_ids_are_unique() -> None:
    with pytest.raises(DataError, match="not unique"):
        Panel.from_arrays(["a", "a"], np.array([0, 0]), [[1.0], [2.0]], STEPS)


def test_every_series_has_a_start_and_a_target() -> None:
    with pytest.raises(DataError, match="2 ids, 1 starts and 2 targets"):
        Panel.from_arrays(["a", "b"], np.array([0]), [[1.0], [2.0]], STEPS)


def test_starts_lie_on_the_grid() -> None:
    axis = TimeAxis(Frequency("W-SUN"))
    with pytest.raises(TimestampError, match="series 'b' starts at 2024-01-01T00:00:00"):
        Panel.from_arrays(["a", "b"], np.array([START - np.timedelta64(1, "D"), START]), [[1.0], [2.0]], axis)


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": np.array([0, 2])},
        {"offsets": np.array([0, 2, 2])},
        {"offsets": np.array([0, 3, 2])},
        {"offsets": np.array([1, 2, 3])},
        {"offsets": np.array([0.0, 2.0, 3.0])},
        {"values": np.zeros(3, dtype=np.float32)},
        {"values": np.zeros((3, 1))},
        {"starts": np.array([START])},
        {"starts": np.array([0, 0])},
        {"starts": np.array([START, np.datetime64("NaT")])},
        {"series_ids": ("a", 1)},
    ],
)
def test_arrays_that_do_not_fit_are_no_panel(change: dict[str, Any]) -> None:
    sound: dict[str, Any] = {"series_ids": ("a", "b"), "offsets": np.array([0, 2, 3]), "values": np.zeros(3)}
    with pytest.raises(DataError, match="no panel") as caught:
        Panel(**{**sound, "starts": np.array([START, START]), "axis": HOURLY, **change})
    assert caught.value.code == "invalid-panel"


def test_frame_has_one_row_per_step() -> None:
    frame = panel_of([1, None, 3], [4], axis=STEPS).to_frame("id", "t", "v")
    expected = pd.DataFrame({"id": ["s0"] * 3 + ["s1"], "t": [0, 1, 2, 0], "v": [1.0, NAN, 3.0, 4.0]})
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_fingerprint_does_not_see_how_values_are_held(tmp_path: Path) -> None:
    panel = panel_of([1.0, NAN, 0.0])
    np.save(tmp_path / "values.npy", np.array([1.0, -NAN, -0.0]))
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    twin = Panel(panel.series_ids, panel.offsets, mapped, panel.starts, panel.axis)
    assert twin.fingerprint() == panel.fingerprint()
    assert panel.fingerprint().startswith("sha256:")


@settings(deadline=None, max_examples=50)
@given(first=st.lists(targets, min_size=1, max_size=3), second=st.lists(targets, min_size=1, max_size=3))
def test_fingerprints_differ_exactly_where_values_do(first: list[list[float]], second: list[list[float]]) -> None:
    one, other = panel_of(*first), panel_of(*second)
    same = one.offsets.tolist() == other.offsets.tolist() and np.array_equal(one.values, other.values, equal_nan=True)
    assert (one.fingerprint() == other.fingerprint()) == same


def test_fingerprint_sees_ids_starts_and_axis() -> None:
    def fingerprint(name: str = "a", start: np.datetime64 = START, axis: TimeAxis = HOURLY) -> str:
        return Panel.from_arrays([name], np.array([start]), [[1.0, 2.0]], axis).fingerprint()

    changed = [
        fingerprint(name="b"),
        fingerprint(start=START + np.timedelta64(1, "h")),
        fingerprint(axis=TimeAxis(Frequency("D"))),
        fingerprint(axis=TimeAxis(Frequency("h"), "UTC")),
    ]
    assert len({fingerprint(), *changed}) == 5


def test_fingerprint_reads_long_values_in_chunks() -> None:
    long = np.arange(2_500_000, dtype=np.float64)
    changed = long.copy()
    changed[-1] += 1
    assert panel_of(list(long[:3])).fingerprint() != panel_of(list(long[:4])).fingerprint()
    one, other = (Panel(("a",), np.array([0, len(v)]), v, np.array([0]), STEPS) for v in (long, changed))
    assert one.fingerprint() != other.fingerprint()
