"""What a stream announces is read as the library reads it, and refused before it does."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pyarrow as pa
import pytest

from service.errors import InvalidFields, InvalidTable, ServiceError, UnsupportedMediaType
from service.tables import messages
from service.tables.messages import check_messages
from tests.service.tables.factories import arrow_of, hours

VIEWS = pa.table({"unique_id": pa.array(["a text longer than a view holds"] * 3, pa.string_view()), "y": [1.0] * 3})


def refused(body: bytes, max_rows: int = 1000) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        check_messages(body, max_rows)
    return caught.value


@pytest.mark.parametrize("rows_at_once", [None, 1, 7, 60])
def test_rows_are_counted_over_all_batches(rows_at_once: int | None) -> None:
    body = arrow_of(hours(30, "ab"), rows_at_once)
    check_messages(body, 60)
    assert isinstance(refused(body, 59), InvalidFields)


def test_rows_that_take_no_bytes_are_counted() -> None:
    """A batch of nulls has any number of rows in a few bytes."""
    few = arrow_of(pa.table({"y": pa.nulls(12345)}))
    check_messages(few, 12345)
    many = few.replace(struct.pack("<q", 12345), struct.pack("<q", 1 << 40))
    assert isinstance(refused(many), InvalidFields)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_buffers_are_seen(compression: str) -> None:
    found = refused(arrow_of(VIEWS, compression=compression))
    assert isinstance(found, UnsupportedMediaType)
    assert "Content-Encoding" in str(found)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_dictionaries_are_seen(compression: str) -> None:
    body = arrow_of(pa.table({"unique_id": pa.array(["a"] * 3).dictionary_encode()}), compression=compression)
    assert isinstance(refused(body), UnsupportedMediaType)


def test_metadata_that_could_say_compressed_elsewhere_is_refused() -> None:
    body = arrow_of(VIEWS.select(["y"]), metadata_version=pa.ipc.MetadataVersion.V4)
    assert isinstance(refused(body), UnsupportedMediaType)


def test_many_messages_are_refused() -> None:
    body = arrow_of(pa.table({"y": pa.nulls(10_001)}), 1)
    assert "10000 messages" in str(refused(body, 1 << 20))


def changed(change: Callable[[bytearray, messages._Table, int], None]) -> bytes:
    """Gives a stream of views whose batch is changed in place: its bytes, its table, and where its flatbuffer is."""
    body = bytearray(arrow_of(VIEWS))
    *_, last = messages._messages(bytes(body))
    data = last.metadata.to_pybytes()
    batch = messages._Table.root(data).table(messages._HEADER)
    assert batch is not None
    change(body, batch, body.index(data))
    return bytes(body)


def place_of(batch: messages._Table, field: int) -> int:
    place = batch._pointed_at(field)
    assert place is not None
    return place + 4


@pytest.mark.parametrize("count", [-1, 1 << 31, 1 << 62])
def test_texts_spread_over_more_buffers_than_there_are_are_refused(count: int) -> None:
    def change(body: bytearray, batch: messages._Table, begin: int) -> None:
        struct.pack_into("<q", body, begin + place_of(batch, messages._VARIADIC_COUNTS), count)

    assert isinstance(refused(changed(change)), InvalidTable)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (0, -8),  # a buffer that begins before its message
        (2, 4),  # one that is not aligned
        (3, -1),  # one of fewer than no bytes
        (3, 1 << 40),  # one that is longer than its message
        (3, 88),  # one that stands on the bytes of others
    ],
)
def test_buffers_that_do_not_stand_side_by_side_are_refused(number: int, value: int) -> None:
    def change(body: bytearray, batch: messages._Table, begin: int) -> None:
        struct.pack_into("<q", body, begin + place_of(batch, messages._BUFFERS) + 8 * number, value)

    assert isinstance(refused(changed(change)), InvalidTable)


def test_a_batch_of_fewer_than_no_rows_is_refused() -> None:
    def change(body: bytearray, batch: messages._Table, begin: int) -> None:
        struct.pack_into("<q", body, begin + batch.place + batch._offset(messages._LENGTH), -3)

    assert isinstance(refused(changed(change)), InvalidTable)


def test_numbers_of_the_other_byte_order_are_refused() -> None:
    body = bytearray(arrow_of(VIEWS))
    first = next(messages._messages(bytes(body)))
    data = first.metadata.to_pybytes()
    schema = messages._Table.root(data).table(messages._HEADER)
    assert schema is not None
    listing = schema.place - struct.unpack_from("<i", data, schema.place)[0]
    begin = body.index(data)
    # The default, little, is left out. Its entry is pointed at bytes of the table that are not 0.
    struct.pack_into("<H", body, begin + listing + 4, 4)
    assert isinstance(refused(bytes(body)), UnsupportedMediaType)


@pytest.mark.parametrize("length", range(0, 1500, 37))
def test_a_stream_cut_off_anywhere_is_refused(length: int) -> None:
    body = arrow_of(hours(20, "ab"))
    assert length < len(body)
    assert isinstance(refused(body[:length]), InvalidTable)
