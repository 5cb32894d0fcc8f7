"""Columns of numbers, read as float64: numbers of any type, and texts that are numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype
from pandas.api.types import infer_dtype, is_bool_dtype, is_complex_dtype, is_numeric_dtype

from forecaster.arrays import BoolArray, FloatArray

Dtype = np.dtype[Any] | ExtensionDtype


def is_plainly_numeric(dtype: Dtype) -> bool:
    """Says whether a type alone makes a column numbers."""
    return is_numeric_dtype(dtype) and not is_bool_dtype(dtype) and not is_complex_dtype(dtype)


def parse_numbers(column: pd.Series) -> tuple[FloatArray, BoolArray]:
    """Gives the values [R], NaN where missing, and where [R] the column holds what is no number.

    Nulls, blank texts and the text 'nan' are missing; booleans, dates and all other texts are no numbers.
    """
    if is_plainly_numeric(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=np.bool_)
    missing = column.isna().to_numpy(dtype=np.bool_)
    if column.dtype.kind in "bcmM" or not _may_hold_numbers(column):
        return np.full(len(column), np.nan), ~missing
    cells = column.astype(object)
    values = _coerced(cells)
    wrong = np.isnan(values) & ~missing
    wrong[wrong] = [not _means_missing(cell) for cell in cells[wrong]]
    if infer_dtype(cells, skipna=True).startswith(("mixed", "boolean")):
        wrong |= np.fromiter((isinstance(cell, bool | np.bool_) for cell in cells), np.bool_, len(cells))
    return values, wrong


def parse_covariate(column: pd.Series) -> tuple[FloatArray, BoolArray]:
    """Gives what `parse_numbers` gives, but booleans are 0 and 1."""
    is_flags = is_bool_dtype(column.dtype) or infer_dtype(column, skipna=True) == "boolean"
    return parse_numbers(column.astype("boolean").astype("Float64") if is_flags else column)


def _coerced(cells: pd.Series) -> FloatArray:
    try:
        numbers = pd.to_numeric(cells, errors="coerce")
    except OverflowError:  # an integer past the end of float64
        return _coerced(cells.map(lambda cell: str(cell) if isinstance(cell, int) else cell))
    if is_complex_dtype(numbers.dtype):
        return _coerced(cells.map(lambda cell: None if isinstance(cell, complex) else cell))
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _may_hold_numbers(column: pd.Series) -> bool:
    return column.dtype.kind in "OUT" or isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype)


def _means_missing(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in ("", "nan")
