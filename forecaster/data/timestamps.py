"""One column of timestamps, read: texts, datetimes, dates, periods or integers become flat arrays.

Integers are steps, never epochs and never dates. Texts are ISO 8601, or have another order of day, month
and year if only one such order fits the whole column; what leaves a choice is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from itertools import product

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_integer_dtype

from forecaster.arrays import IntArray
from forecaster.errors import TimestampError
from forecaster.time.grid import StoredTimes
from forecaster.time.stored import microseconds, whole_steps
from forecaster.time.zones import zone_name

_OFFSET = r"[T ]\d{1,2}[\d:.,]*\s*([Zz]|[+-]\d{2}(?::?\d{2})?)$"
_SIGNED = r"[T ]\d[\d:.,]*\s*[+-]"  # an offset of whatever form: pandas reads some that are none of ISO 8601's
_OTHER_LAYOUTS = tuple(
    date + time for date, time in product(("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y"), ("", " %H:%M", " %H:%M:%S"))
)
_INTEGER_DATES = (("%Y%m%d", 16_780_101, 22_611_231), ("%Y%m", 167_801, 226_112))
_DATE_OBJECTS = ("date", "datetime", "datetime64")


@dataclass(frozen=True)
class Times:
    """Timestamps as read: integers, naive times, or instants in UTC with the zone to show them in."""

    values: StoredTimes  # [R] int64 or datetime64[us], NaT where unreadable
    timezone: str | None = None  # None: integers or naive

    @property
    def are_steps(self) -> bool:
        """True for integers."""
        return bool(self.values.dtype.kind == "i")


def parse_times(column: pd.Series) -> Times:
    """Reads a column without nulls; unreadable texts become NaT.

    TimestampError for a column of another kind (floats, booleans ...), for texts that mix times with and
    without an offset or leave the order of day and month open, and for times out of range.
    """
    column = _unwrapped(column)
    if is_integer_dtype(column.dtype):
        return Times(whole_steps(column))
    if column.dtype.kind == "M":
        index = pd.DatetimeIndex(column)
        return Times(microseconds(index), None if index.tz is None else zone_name(index.tz))
    kind = infer_dtype(column)
    if kind == "integer":
        return Times(whole_steps(column))
    if kind in ("string", "empty"):
        return _from_texts(column)
    raise TimestampError(
        f"time column {str(column.name)!r} holds values of type {kind}: wanted timestamps, ISO 8601 texts or integers",
        code="not-timestamps",
    )


def refuse_integer_dates(steps: IntArray) -> None:
    """Raises TimestampError for integers that look like dates, for a reader whom nothing tells that they are steps."""
    if looks_like_dates(steps):
        message = f"integer timestamps such as {steps[0]} look like dates: write them as ISO 8601 texts"
        raise TimestampError(message, code="integer-dates")


def looks_like_dates(steps: IntArray) -> bool:
    """Says whether integers look like dates written as 20240131 or 202401: such a count would be full of gaps."""
    distinct = pd.Series(np.unique(steps))
    return any(
        len(distinct) > 1
        and low <= distinct.iloc[0] < distinct.iloc[-1] <= high
        and pd.to_datetime(distinct.astype(str), format=layout, errors="coerce").notna().all()
        for layout, low, high in _INTEGER_DATES
    )


def _unwrapped(column: pd.Series) -> pd.Series:
    """Gives the column without the wrapping of categories and periods, and date objects as texts."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, pd.PeriodDtype):
        return pd.Series(pd.PeriodIndex(column).to_timestamp())
    if column.dtype.kind == "O" and infer_dtype(column) in _DATE_OBJECTS:
        zones = {getattr(cell, "tzinfo", None) for cell in column}
        column = column.map(str) if None in zones or len(zones) > 1 else _in_zone(column, zones.pop())
    return column


def _in_zone(column: pd.Series, zone: tzinfo | None) -> pd.Series:
    return pd.Series(pd.DatetimeIndex(pd.to_datetime(column, utc=True)).tz_convert(zone))


def zone_of_cells(cells: Iterable[object]) -> str | None:
    """Gives the time zone that the offsets of texts say, 'UTC' where they differ; None where there are none.

    TimestampError where some texts have an offset and others have none. What is no text is left to `parse_times`.
    """
    return _text_zone(pd.Series([cell.strip() for cell in cells if isinstance(cell, str)], dtype=object))


def _text_zone(texts: pd.Series) -> str | None:
    """Gives the time zone of texts without blanks around them: 'UTC' where offsets differ, None where there is none."""
    offsets = texts.str.extract(_OFFSET, expand=False)
    aware = offsets.notna()
    if aware.any() and not aware.all():
        raise TimestampError(
            f"some timestamps have an offset ({texts[aware].iloc[0][:40]!r}), others have none "
            f"({texts[~aware].iloc[0][:40]!r}): give it to all or to none",
            code="mixed-offsets",
        )
    return _common_zone(offsets) if aware.any() else None


def _from_texts(column: pd.Series) -> Times:
    codes, found = pd.factorize(column)
    texts = pd.Series(found, dtype=object).str.strip()
    timezone = _text_zone(texts)
    times = _in_any_layout(texts) if timezone is None else _laid_out(texts, "ISO8601", utc=True)
    return Times(microseconds(times)[codes], timezone)


def _in_any_layout(texts: pd.Series) -> pd.DatetimeIndex:
    as_iso = _laid_out(texts, "ISO8601")
    if as_iso.notna().any():
        return as_iso
    sample = texts.head(20)
    likely = [layout for layout in _OTHER_LAYOUTS if _laid_out(sample, layout).notna().all()]
    fits = {layout: index for layout in likely if (index := _laid_out(texts, layout)).notna().all()}
    if len(fits) > 1:
        raise TimestampError(
            f"timestamps such as {texts.iloc[0][:40]!r} can be read as {' and as '.join(fits)}: write them as ISO 8601",
            code="ambiguous-date-order",
        )
    return next(iter(fits.values()), as_iso)


def _laid_out(texts: pd.Series, layout: str, *, utc: bool = False) -> pd.DatetimeIndex:
    """Gives texts as times, NaT where they are not of that layout."""
    readable = texts.str.match(r"\d")  # pandas would take 'now' and 'today' for the time of reading
    if not utc:
        readable &= ~texts.str.contains(_SIGNED)
    return pd.DatetimeIndex(pd.to_datetime(texts.where(readable), format=layout, errors="coerce", utc=utc))


def _common_zone(offsets: pd.Series) -> str:
    """Gives 'UTC+01:00' where all offsets say so, and 'UTC' where they differ."""
    digits = offsets.str.upper().str.replace(":", "").replace("Z", "+00").str.ljust(5, "0").unique()
    if len(digits) > 1 or digits[0][1:] == "0000":
        return "UTC"
    return f"UTC{digits[0][:3]}:{digits[0][3:]}"
