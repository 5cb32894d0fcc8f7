"""Columns of Arrow -> columns of pandas, as `read_panel` wants them.

The arrays are made of bytes that anybody may have sent. Each is validated before a value of it is looked at, and texts
are taken a few thousand at a time: many of them may stand on the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.data.timestamps import parse_times
from forecaster.errors import TimestampError
from forecaster.time.stored import EARLIEST, LATEST
from forecaster.time.zones import zone
from service.errors import InvalidFields
from service.schemas import Name, Text, Time
from service.tables.kinds import Kind, kind_of
from service.tables.roles import Role

if TYPE_CHECKING:
    import pyarrow

Chunks = Sequence["pyarrow.Array"]

_AT_ONCE = 1 << 13  # texts
_LONGEST_TYPE = 40  # characters
_TEXTS: Mapping[Role, TypeAdapter[list[str]]] = MappingProxyType(
    {
        Role.ID: TypeAdapter(list[Name]),
        Role.GROUP: TypeAdapter(list[Name]),
        Role.CATEGORY: TypeAdapter(list[Text]),
        Role.TIME: TypeAdapter(list[Time]),
    }
)
_NUMBERS = frozenset({Role.TARGET, Role.COVARIATE, Role.STATIC})
_KINDS: Mapping[Role, frozenset[Kind]] = MappingProxyType(
    {
        Role.ID: frozenset({Kind.TEXT, Kind.INTEGER}),
        Role.TIME: frozenset({Kind.TEXT, Kind.INTEGER, Kind.TIME}),
        Role.TARGET: frozenset({Kind.INTEGER, Kind.NUMBER, Kind.NOTHING}),
        Role.COVARIATE: frozenset({Kind.INTEGER, Kind.NUMBER, Kind.FLAG, Kind.NOTHING}),
        Role.STATIC: frozenset({Kind.INTEGER, Kind.NUMBER, Kind.NOTHING}),
        Role.CATEGORY: frozenset({Kind.TEXT, Kind.INTEGER, Kind.NUMBER, Kind.NOTHING}),
        Role.GROUP: frozenset({Kind.TEXT, Kind.INTEGER, Kind.NOTHING}),
    }
)


def refuse_type(name: str, role: Role, found: pyarrow.DataType) -> None:
    """Raises InvalidFields for a type that a column of this role may not have."""
    if kind_of(found) not in _KINDS[role]:
        raise InvalidFields.of(name, f"is of type {_named(found)}: wanted are {role.value}")


def _named(found: pyarrow.DataType) -> str:
    """Names a type in a few words: texts are texts, whatever holds them, and a file's are read as a dictionary."""
    if kind_of(found) is Kind.TEXT:
        return "text"
    name = str(found)
    return name if len(name) <= _LONGEST_TYPE else f"{name[:_LONGEST_TYPE]} ..."


def column_of(name: str, role: Role, chunks: Chunks, max_series: int) -> pd.Series:
    """Gives a column [R] out of validated chunks of a type that its role may have.

    InvalidFields names the first row with a text that is too long or not printable, or that is no time; and says
    where there are more than `max_series` ids. TimestampError for times that nothing can be stored for.
    """
    import pyarrow as pa

    try:
        return _converted(name, role, chunks, max_series)
    except pa.ArrowException as error:
        raise InvalidFields.of(name, f"cannot be read as {role.value}") from error


def _converted(name: str, role: Role, chunks: Chunks, max_series: int) -> pd.Series:
    kind = kind_of(chunks[0].type)
    if role in _NUMBERS or kind in (Kind.NUMBER, Kind.NOTHING):
        return pd.Series(_joined(chunks, _numbers), dtype=np.float64)
    if kind is Kind.TEXT:
        codes, texts = _texts(name, role, chunks, max_series)
        return _times_of(name, codes, texts) if role is Role.TIME else _categories(codes, texts)
    if kind is Kind.TIME:
        return _times(name, chunks)
    return _integers(chunks)


def _joined(chunks: Chunks, function: Callable[[pyarrow.Array], Any]) -> Any:
    parts = [function(chunk) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _numbers(chunk: pyarrow.Array) -> FloatArray:
    import pyarrow as pa

    plain = chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk
    return np.asarray(plain.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _nulls(chunk: pyarrow.Array) -> BoolArray:
    return np.asarray(chunk.is_null().to_numpy(zero_copy_only=False))


def _integers(chunks: Chunks) -> pd.Series:
    import pyarrow as pa

    plain = [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in chunks]
    values = _joined(plain, lambda chunk: chunk.fill_null(0).to_numpy(zero_copy_only=False))
    nulls = _joined(plain, _nulls)
    return pd.Series(pd.arrays.IntegerArray(values, nulls) if nulls.any() else values)


def _times(name: str, chunks: Chunks) -> pd.Series:
    """Gives timestamps and dates, in their zone if they have one."""
    import pyarrow as pa

    found = chunks[0].type
    unit = "D" if pa.types.is_date32(found) else "ms" if pa.types.is_date64(found) else found.unit
    whole = pa.int32() if unit == "D" else pa.int64()
    counts = _joined(chunks, lambda chunk: chunk.cast(whole).fill_null(0).to_numpy(zero_copy_only=False))
    nulls = _joined(chunks, _nulls)
    first, last = (end.astype(f"datetime64[{unit}]").astype(np.int64) for end in (EARLIEST, LATEST))
    outside = np.flatnonzero(((counts < first) | (counts > last)) & ~nulls)
    if len(outside):
        message = f"column {name!r} has in row {outside[0] + 1} a time outside the years 1678 to 2261"
        raise TimestampError(message, code="timestamp-out-of-range")
    times = counts.astype(np.int64).view(f"datetime64[{unit}]").astype(f"datetime64[{'ns' if unit == 'ns' else 'us'}]")
    times[nulls] = np.datetime64("NaT")
    return _in_zone(times, _timezone_of(name, found))


def _timezone_of(name: str, found: pyarrow.DataType) -> str | None:
    try:
        return getattr(found, "tz", None)
    except UnicodeDecodeError as error:
        raise InvalidFields.of(name, "has a time zone that is not UTF-8") from error


def _in_zone(times: NDArray[np.datetime64], timezone: str | None) -> pd.Series:
    column = pd.Series(times)
    return column if timezone is None else column.dt.tz_localize("UTC").dt.tz_convert(zone(timezone))


def _times_of(name: str, codes: IntArray, texts: Sequence[str]) -> pd.Series:
    """Gives texts, of which each row has one or -1, as the times that they say."""
    times = parse_times(pd.Series(texts, dtype=object))
    unread = np.isnat(times.values)
    if unread.any():
        row = int((unread[codes] & (codes >= 0)).argmax())
        raise InvalidFields.of(name, f"in row {row + 1}: is not an ISO 8601 time")
    return _in_zone(np.append(times.values, np.datetime64("NaT"))[codes], times.timezone)


def _categories(codes: IntArray, texts: Sequence[str]) -> pd.Series:
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(np.array(texts, dtype=object))))


def _texts(name: str, role: Role, chunks: Chunks, max_series: int) -> tuple[IntArray, list[str]]:
    """Gives which text each row has, -1 for nulls, and the different texts in the order in which they come up."""
    most = None if role is Role.TIME else max_series
    codes = np.empty(sum(map(len, chunks)), dtype=np.int64)
    known: dict[str, int] = {}
    begin = 0
    for part in (chunk.slice(start, _AT_ONCE) for chunk in chunks for start in range(0, len(chunk), _AT_ONCE)):
        own, texts = _distinct(part)
        _refuse_texts(name, role, texts, own, begin)
        numbers = [-1 if text is None else known.setdefault(text, len(known)) for text in texts]
        codes[begin : begin + len(part)] = np.array([*numbers, -1])[own]
        begin += len(part)
        if most is not None and len(known) > most:
            what = "series" if role is Role.ID else "different texts"
            raise InvalidFields.of(name, f"more than {most} {what}, at most {most} series are allowed")
    return codes, list(known)


def _distinct(part: pyarrow.Array) -> tuple[IntArray, list[str | None]]:
    """Gives the different texts of a few rows [n], and which one each row has: -1 for nulls."""
    import pyarrow as pa

    encoded = part if pa.types.is_dictionary(part.type) else part.dictionary_encode()
    indices = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    used, own = np.unique(indices, return_inverse=True)
    has_null = int(used[0] == -1)
    values, places = encoded.dictionary, used[has_null:]
    if pa.types.is_string_view(values.type):  # has no `take`
        return own - has_null, [values[int(place)].as_py() for place in places]
    return own - has_null, values.take(pa.array(places)).to_pylist()


def _refuse_texts(name: str, role: Role, texts: Sequence[str | None], own: IntArray, begin: int) -> None:
    present = [number for number, text in enumerate(texts) if text is not None]
    try:
        _TEXTS[role].validate_python([texts[number] for number in present])
    except ValidationError as error:
        field = InvalidFields.from_validation(error).fields[0]
        row = begin + int((own == present[int(field["field"].split(".")[0])]).argmax())
        raise InvalidFields.of(name, f"in row {row + 1}: {field['message']}") from error
