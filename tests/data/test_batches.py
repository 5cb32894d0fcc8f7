"""Batches of windows: every window once, and company never torn apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.batches import batches_of
from forecaster.data.windows import WindowAddresses
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
