"""Cutting: rows of a flat buffer copied from many positions at once, and where a real value stands in them."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecaster.arrays import BoolArray, FloatArray, IntArray

_FEW = 8

Number = TypeVar("Number", bound=np.floating[Any])


def leading(counts: IntArray, width: int) -> BoolArray:
    """Marks the first `counts` [B] of `width` columns; a count may be negative or beyond the width."""
    # Clipped first, so that int32 holds them, which is faster to compare.
    columns = np.arange(width, dtype=np.int32)
    return columns < np.clip(counts, 0, width).astype(np.int32)[:, np.newaxis]


def cut(values: FloatArray, begins: IntArray, exists: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Gives the values [B W] from the flat positions `begins` [B] on, and where one is observed [B W].

    Observed is what exists [B W] and is not NaN; all else is 0.
    """
    return masked(copy_rows(values, begins, exists.shape[1]), exists)


def cut_table(table: FloatArray, begins: IntArray, exists: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Gives the rows [B W F] of a table [n F] from row `begins` [B] on, and where a value is observed [B W F]."""
    shape, num_columns = (*exists.shape, table.shape[1]), table.shape[1]
    # Flat rows: numpy would step through a last axis of few columns one by one.
    values, observed = cut(table.reshape(-1), begins * num_columns, np.repeat(exists, num_columns, axis=1))
    return values.reshape(shape), observed.reshape(shape)


def masked(values: FloatArray, exists: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Gives `values`, changed in place to 0 where there is none, and where one is: it exists and is not NaN."""
    observed = exists & (values == values)  # NaN alone differs from itself; ~np.isnan would take another pass
    np.copyto(values, 0.0, where=~observed)
    return values, observed


def copy_rows(values: NDArray[Number], begins: IntArray, width: int) -> NDArray[Number]:
    """Copies `width` values from each flat position; where a row leaves the buffer, any value stands in.

    Indexing the strided view copies whole rows: as fast as torch's index_select on such a view, and it takes
    a read-only or memory-mapped buffer. np.take, unlike indexing, would first write the whole view out.
    """
    last = len(values) - width
    if last < 0 or width == 0:
        return _copy_clipped(values, begins, width)
    if len(begins) <= _FEW:
        return _copy_one_by_one(values, begins, width)
    rows = sliding_window_view(values, width)[np.clip(begins, 0, last)]
    edges = np.flatnonzero((begins < 0) | (begins > last))
    rows[edges] = _copy_clipped(values, begins[edges], width)
    return rows


def _copy_one_by_one(values: NDArray[Number], begins: IntArray, width: int) -> NDArray[Number]:
    """Copies row by row, which costs less than the strided view as long as rows are few: one request, say."""
    rows = np.empty((len(begins), width), dtype=values.dtype)
    for row, begin in zip(rows, begins.tolist(), strict=True):
        if 0 <= begin <= len(values) - width:
            row[:] = values[begin : begin + width]
        else:
            row[:] = _copy_clipped(values, np.array([begin]), width)[0]
    return rows


def _copy_clipped(values: NDArray[Number], begins: IntArray, width: int) -> NDArray[Number]:
    """Copies value by value; past either end of the buffer its outermost value is repeated."""
    positions = begins[:, np.newaxis] + np.arange(width)
    return np.asarray(values[np.clip(positions, 0, len(values) - 1)])
