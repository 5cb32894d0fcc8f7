"""What the messages of an Arrow IPC stream announce, read before any array is made of them.

The library lays arrays over the bytes of a stream. There are ways to make it take more memory or time than the stream
has bytes: compressed buffers, those of the other byte order, those that overlap, dictionaries that grow by a little
with each message. No common writer needs them, and they are refused here, by the flatbuffers of the messages.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from forecaster.arrays import IntArray
from service.errors import InvalidFields, InvalidTable, UnsupportedMediaType

if TYPE_CHECKING:
    import pyarrow

_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_MOST_MESSAGES = 10_000
_VERSION_5 = 4  # of metadata, since 2020: earlier ones had another place to say that buffers are compressed

# Places of fields in their tables, as Message.fbs and Schema.fbs of the format have them.
_VERSION, _HEADER_KIND, _HEADER = 0, 1, 2
_ENDIANNESS = 0
_LENGTH, _BUFFERS, _COMPRESSION, _VARIADIC_COUNTS = 0, 2, 3, 4
_DICTIONARY, _IS_DELTA = 1, 2


def check_messages(body: bytes, max_rows: int) -> None:
    """Refuses a stream that is damaged or cut off, one of more rows than allowed, and what is told above.

    Raises InvalidTable, InvalidFields and UnsupportedMediaType.
    """
    num_rows = 0
    for number, message in enumerate(_messages(body), start=1):
        if number > _MOST_MESSAGES:
            raise InvalidFields.of("body", f"more than {_MOST_MESSAGES} messages: write fewer, larger record batches")
        try:
            num_rows += _rows_of(message)
        except (struct.error, IndexError, ValueError) as error:
            raise _damaged() from error
        if num_rows > max_rows:
            raise InvalidFields.of("body", f"more than {max_rows} rows, at most {max_rows} points are allowed")


def _messages(body: bytes) -> Iterator[pyarrow.ipc.Message]:
    """Yields each message. The library has verified that all offsets of its flatbuffer are within it."""
    import pyarrow as pa

    source = pa.BufferReader(pa.py_buffer(body))
    try:
        reader = pa.ipc.MessageReader.open_stream(source)
        while (message := _next(reader)) is not None:
            yield message
    except (pa.ArrowException, OSError) as error:
        raise _damaged() from error
    if source.tell() != len(body) or not body.endswith(_END):
        raise InvalidTable("the Arrow IPC stream is cut off, was not closed by its writer, or goes on after its end")


def _next(reader: pyarrow.ipc.MessageReader) -> pyarrow.ipc.Message | None:
    try:
        return reader.read_next_message()
    except StopIteration:
        return None


def _rows_of(message: pyarrow.ipc.Message) -> int:
    """Gives the rows that a message adds."""
    root = _Table.root(message.metadata.to_pybytes())
    if root.number(_VERSION, "<h") != _VERSION_5:
        raise UnsupportedMediaType("send an Arrow IPC stream of metadata version 5, as all writers do since 2020")
    kind, header = root.number(_HEADER_KIND, "<B"), root.table(_HEADER)
    if kind not in _HEADERS or header is None:
        raise InvalidTable("the Arrow IPC stream holds something else than record batches")
    return _HEADERS[kind](header, 0 if message.body is None else message.body.size)


def _of_schema(schema: _Table, _: int) -> int:
    if schema.number(_ENDIANNESS, "<h") != 0:
        raise UnsupportedMediaType("send an Arrow IPC stream in little-endian order")
    return 0


def _of_dictionary(dictionary: _Table, num_bytes: int) -> int:
    if dictionary.number(_IS_DELTA, "<B") != 0:
        raise UnsupportedMediaType("send whole dictionaries, not what is to be added to them")
    batch = dictionary.table(_DICTIONARY)
    if batch is not None and _of_batch(batch, num_bytes) > 8 * num_bytes:
        raise _damaged()
    return 0


def _of_batch(batch: _Table, num_bytes: int) -> int:
    if batch.table(_COMPRESSION) is not None:
        raise UnsupportedMediaType(
            "the buffers of the Arrow IPC stream are compressed: send them as they are, "
            "and the body with Content-Encoding gzip or zstd"
        )
    begins, lengths = batch.integers(_BUFFERS, 2).T
    counts = batch.integers(_VARIADIC_COUNTS, 1)
    fits = (begins >= 0).all() and (lengths >= 0).all() and lengths.sum(dtype=np.float64) <= num_bytes
    length = batch.number(_LENGTH, "<q")
    if not fits or (begins % 8).any() or (counts < 0).any() or (counts > len(begins)).any() or length < 0:
        raise _damaged()
    return length


_HEADERS: Mapping[int, Callable[[_Table, int], int]] = MappingProxyType(
    {1: _of_schema, 2: _of_dictionary, 3: _of_batch}
)


def _damaged() -> InvalidTable:
    return InvalidTable("the body is no Arrow IPC stream, or is damaged")


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer: fields that are left out have their default, which is 0 for all read here."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _read(data, 0, "<I"))

    def number(self, field: int, layout: str) -> int:
        offset = self._offset(field)
        return _read(self.data, self.place + offset, layout) if offset else 0

    def table(self, field: int) -> _Table | None:
        place = self._pointed_at(field)
        return None if place is None else _Table(self.data, place)

    def integers(self, field: int, width: int) -> IntArray:
        """Gives a vector of `width` integers each [n width]; ValueError where it is not whole."""
        place = self._pointed_at(field)
        number = 0 if place is None else _read(self.data, place, "<I")
        if place is None or not number:
            return np.empty((0, width), dtype=np.int64)
        return np.frombuffer(self.data, "<i8", number * width, place + 4).reshape(number, width)

    def _pointed_at(self, field: int) -> int | None:
        offset = self._offset(field)
        return self.place + offset + _read(self.data, self.place + offset, "<I") if offset else None

    def _offset(self, field: int) -> int:
        """Gives where a field stands, from the table on; 0 where it is left out."""
        listing = self.place - _read(self.data, self.place, "<i")
        entry = 4 + 2 * field
        return _read(self.data, listing + entry, "<H") if entry < _read(self.data, listing, "<H") else 0


def _read(data: bytes, place: int, layout: str) -> int:
    if place < 0:
        raise IndexError("a place before the flatbuffer")
    found: int = struct.unpack_from(layout, data, place)[0]
    return found
