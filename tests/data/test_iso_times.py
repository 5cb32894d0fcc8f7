"""Plain times: the short way reads what the long way reads, or leaves it to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forecaster.data.iso_times import parse_plain
from forecaster.data.timestamps import parse_times
from forecaster.errors import TimestampError

SUFFIXES = ["", "Z", "+00:00", "-00:00", "+05:30", "-11:45", "+23:59"]
LAYOUTS = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"]
MOMENTS = st.datetimes(min_value=pd.Timestamp("1677-01-01"), max_value=pd.Timestamp("2263-01-01"))


@settings(max_examples=300, deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=4), st.sampled_from(LAYOUTS), st.sampled_from(SUFFIXES))
@example([pd.Timestamp("2261-12-31T23:30:00")], LAYOUTS[3], "-11:45")
@example([pd.Timestamp("1678-01-01T00:30:00")], LAYOUTS[3], "+05:30")
def test_what_is_read_in_short_is_read_the_same_at_length(
    moments: list[pd.Timestamp], layout: str, suffix: str
) -> None:
    texts = [moment.strftime(layout).rjust(len(moments[0].strftime(layout)), "0") + suffix for moment in moments]
    short = parse_plain(texts)
    if short is None:
        return
    at_length = parse_times(pd.Series(texts))
    assert short.timezone == at_length.timezone
    np.testing.assert_array_equal(short.values, at_length.values)
    assert short.values.dtype == at_length.values.dtype


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ordinary_times_are_read_in_short(suffix: str) -> None:
    times = parse_plain([f"2024-02-29T23:15:00{suffix}", f"2024-03-01T00:15:00{suffix}"])
    assert times is not None
    assert times.values[1] - times.values[0] == np.timedelta64(1, "h")


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["2024-02-30"],
        ["2016-12-31T23:59:60"],
        ["2024-01-01T24:00:00"],
        ["now"],
        ["2024"],
        ["13.02.2024"],
        ["2024-01-01", "2024-01-02T00:00"],
        ["2024-01-01T00:00Z", "2024-01-01T01:00"],
        ["2024-01-01T00:00+25:00"],
        ["2024-01-01T00:00:00.0000005"],
        ["0001-01-01"],
        ["9999-12-31"],
        ["2024-01-01\n"],
        ["２０２４-01-01"],
    ],
)
def test_the_rest_is_left_to_the_long_way(texts: list[str]) -> None:
    assert parse_plain(texts) is None


def test_the_long_way_still_refuses_what_the_short_way_leaves() -> None:
    with pytest.raises(TimestampError, match="outside the years"):
        parse_times(pd.Series(["9999-12-31"]))
