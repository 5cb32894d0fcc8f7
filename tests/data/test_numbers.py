from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from forecaster.data.numbers import parse_numbers

NAN = float("nan")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([1, 2]), [1, 2]),
        (pd.Series([1.5, None]), [1.5, NAN]),
        (pd.Series([1, None], dtype="Int64"), [1, NAN]),
        (pd.Series([1.5, None], dtype="float64[pyarrow]"), [1.5, NAN]),
        (pd.Series(["1.5", " 2e3 "]), [1.5, 2000]),
        (pd.Series(["1", "", " ", "nan", None], dtype=object), [1, NAN, NAN, NAN, NAN]),
        (pd.Series([1, "2", None], dtype=object), [1, 2, NAN]),
        (pd.Series([1, 2], dtype="category"), [1, 2]),
        (pd.Series(["1", "2"], dtype="category"), [1, 2]),
        (pd.Series([Decimal("1.5"), None], dtype=object), [1.5, NAN]),
        (pd.Series([None, None], dtype=object), [NAN, NAN]),
        (pd.Series(["inf", "-1"]), [np.inf, -1]),
    ],
)
def test_numbers_of_any_type_are_read(column: pd.Series, expected: list[float]) -> None:
    values, wrong = parse_numbers(column)
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == np.float64
    assert not wrong.any()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series(["1", "abc", "1,5", None]), [False, True, True, False]),
        (pd.Series([True, False]), [True, True]),
        (pd.Series([True, None], dtype="boolean"), [True, False]),
        (pd.Series([1.5, True, None], dtype=object), [False, True, False]),
        (pd.Series(["True", "1"]), [True, False]),
        (pd.Series(pd.DatetimeIndex(["2024-01-01", "NaT"])), [True, False]),
        (pd.Series(pd.to_timedelta(["1h"])), [True]),
        (pd.Series([1j]), [True]),
        (pd.Series([1j, 1.0, "x"], dtype=object), [True, False, True]),
        (pd.Series([[1.0]], dtype=object), [True]),
    ],
)
def test_what_is_no_number_is_pointed_out(column: pd.Series, expected: list[bool]) -> None:
    assert parse_numbers(column)[1].tolist() == expected


def test_an_integer_past_the_end_of_floats_is_never_taken_for_a_value() -> None:
    values, wrong = parse_numbers(pd.Series(np.array([1, -(10**400)], dtype=object)))
    assert values[0] == 1.0
    assert np.isinf(values[1]) or wrong[1]  # pandas 3 says infinite, pandas 2 no number
