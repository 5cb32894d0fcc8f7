"""Batches of windows: every window once, and company never torn apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.batches import batches_of, joined
from forecaster.data.windows import WindowAddresses, Windows
from tests.factories import panel_of


def test_without_groups_windows_come_in_order() -> None:
    addresses = WindowAddresses(np.zeros(7, dtype=np.int64), np.arange(7))
    batches = batches_of(panel_of(np.arange(10.0)), addresses, 3)
    assert [batch.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_no_windows_make_no_batches() -> None:
    panel = panel_of([1.0], [2.0])
    none = WindowAddresses(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    assert batches_of(panel, none, 3) == []
    assert batches_of(replace(panel, groups=np.array([0, 0])), none, 3) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_windows_of_one_group_and_time_share_a_batch_and_all_windows_have_one(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, 6)
    panel = replace(panel_of(*[np.arange(9.0)] * 6), groups=groups)
    addresses = WindowAddresses(rng.integers(0, 6, 40), rng.integers(0, 9, 40))
    batches = batches_of(panel, addresses, size)
    assert sorted(np.concatenate(batches).tolist()) == list(range(40))
    home = np.empty(40, dtype=np.int64)
    for number, batch in enumerate(batches):
        home[batch] = number
    same = (groups[addresses.series][:, None] == groups[addresses.series]) & (
        addresses.cutoffs[:, None] == addresses.cutoffs
    )
    if panel.is_grouped:
        assert (home[:, None] == home)[same].all()
        assert all(len(batch) >= size for batch in batches[:-1])


def test_joined_batches_hold_the_windows_in_order_and_keep_their_groups_apart() -> None:
    panel = panel_of([1.0, 2.0, 3.0], [4.0, np.nan, 6.0])
    windows = Windows(panel, 2, 0)
    one = windows.gather(WindowAddresses(np.array([0]), np.array([3])))
    grouped = Windows(replace(panel, groups=np.array([5, 5])), 2, 0)
    two = grouped.gather(WindowAddresses(np.array([1, 0]), np.array([3, 3])))
    both = joined([two, one, two])
    assert both.context.tolist() == [[0, 6], [2, 3], [2, 3], [0, 6], [2, 3]]
    assert both.observed.tolist() == [[False, True], [True, True], [True, True], [False, True], [True, True]]
    assert both.groups is not None
    numbers = both.groups.tolist()
    assert numbers[0] == numbers[1] != numbers[2] != numbers[3] == numbers[4] != numbers[0]
    assert joined([one]) is one
