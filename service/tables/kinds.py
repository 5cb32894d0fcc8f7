"""What kinds of values arrays of Arrow hold, and whether their bytes are what they say."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np

from service.errors import InvalidTable

if TYPE_CHECKING:
    import pyarrow

# The longest texts that are read have 256 characters, of 4 bytes at most.
_MOST_BYTES = 1024


class Kind(Enum):
    """What the values of an array are, however they are held."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    FLAG = auto()
    TIME = auto()
    NOTHING = auto()
    OTHER = auto()  # nested, binary, durations and all else


def kind_of(found: pyarrow.DataType) -> Kind:
    """Gives the kind of a type; dictionaries of texts and of integers count as what they hold."""
    from pyarrow import BaseExtensionType, types

    if isinstance(found, BaseExtensionType):
        return Kind.OTHER
    if types.is_dictionary(found):
        held = kind_of(found.value_type)
        return held if held in (Kind.TEXT, Kind.INTEGER) else Kind.OTHER
    kinds = {
        Kind.TEXT: (types.is_string, types.is_large_string, types.is_string_view),
        Kind.INTEGER: (types.is_integer,),
        Kind.NUMBER: (types.is_floating, types.is_decimal),
        Kind.FLAG: (types.is_boolean,),
        Kind.TIME: (types.is_timestamp, types.is_date),
        Kind.NOTHING: (types.is_null,),
    }
    return next((kind for kind, tests in kinds.items() if any(test(found) for test in tests)), Kind.OTHER)


class Validator:
    """Looks at every byte of arrays; at dictionaries, which many arrays may share, once each."""

    def __init__(self) -> None:
        self._dictionaries: set[tuple[object, ...]] = set()

    def check(self, array: pyarrow.Array) -> None:
        """Raises InvalidTable for an array whose buffers are not as they should be."""
        import pyarrow as pa

        try:
            if pa.types.is_dictionary(array.type):
                self._check_dictionary(array)
            else:
                _check_values(array)
        except pa.ArrowException as error:
            raise InvalidTable("an array of the table is damaged") from error

    def _check_dictionary(self, array: pyarrow.DictionaryArray) -> None:
        array.validate()
        indices, values = array.indices, array.dictionary
        indices.validate(full=True)
        held = indices.drop_null().to_numpy()
        if len(held) and (held.min() < 0 or held.max() >= len(values)):
            raise InvalidTable("an array of the table points beyond its dictionary")
        places = (None if buffer is None else buffer.address for buffer in values.buffers())
        key = (str(values.type), values.offset, len(values), *places)
        if key not in self._dictionaries:
            _check_values(values)
            self._dictionaries.add(key)


def _check_values(array: pyarrow.Array) -> None:
    import pyarrow as pa

    array.validate()
    if pa.types.is_string_view(array.type):
        _check_lengths(array)
    array.validate(full=True)


def _check_lengths(array: pyarrow.StringViewArray) -> None:
    """Refuses long texts by what their views say: to read each may take the bytes of all."""
    views = array.buffers()[1]
    if views is None or not len(array):
        return
    lengths = np.frombuffer(views, "<i4")[::4][array.offset : array.offset + len(array)]
    wrong = (lengths < 0) | (lengths > _MOST_BYTES)
    if (wrong & array.is_valid().to_numpy(zero_copy_only=False)).any():
        raise InvalidTable(f"a text of the table has more than {_MOST_BYTES} bytes")
