"""Names for the arrays of the library; their axes are in a comment where one is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def places_of_each(numbers: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yields each number of `numbers` [n] once, ascending, with the places where it stands, ascending too."""
    order = np.argsort(numbers, kind="stable")
    values, begins = np.unique(numbers[order], return_index=True)
    for value, begin, end in zip(values, begins, np.append(begins, len(order))[1:], strict=True):
        yield int(value), order[begin:end]
