"""Arrays: where each number stands."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forecaster.arrays import places_of_each


@given(st.lists(st.integers(-3, 3), max_size=30))
def test_each_number_comes_once_with_all_its_places(numbers: list[int]) -> None:
    array = np.array(numbers, dtype=np.int64)
    found = {number: places.tolist() for number, places in places_of_each(array)}
    assert list(found) == sorted(set(numbers))
    for number, places in found.items():
        assert places == [place for place, other in enumerate(numbers) if other == number]
