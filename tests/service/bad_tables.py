"""The table of bad requests whose body is a table: Arrow IPC streams and Parquet files, and the query beside them.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

import datetime
import gzip
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from service.requests.media import ARROW, PARQUET
from tests.service.bad_requests import BODY, COUNTS, HOURS, MARKER, PRICED, BadRequest
from tests.service.tables.factories import arrow_of, hours, parquet_of

QUERY = "?model=waves&horizon=4"
PATH = f"/v1/forecast{QUERY}"

FRAME = hours(60, "a")
ARROW_BODY, PARQUET_BODY = arrow_of(FRAME), parquet_of(FRAME)


def sent(what: str, status: int, code: str, body: bytes, field: str = "", media_type: str = ARROW) -> BadRequest:
    return BadRequest(what, status, code, body, field, path=PATH, headers=(("content-type", media_type),))


def parquet(what: str, status: int, code: str, body: bytes, field: str = "") -> BadRequest:
    return sent(what, status, code, body, field, PARQUET)


def column(what: str, name: str, values: Any, code: str = "invalid-fields", field: str | None = None) -> BadRequest:
    """A table of three rows with one column replaced, or left out by None."""
    columns = {"unique_id": ["a"] * 3, "ds": HOURS[:3], "y": [1.0, 2.0, 3.0]} | {name: values}
    table = pa.table({key: one for key, one in columns.items() if one is not None})
    return sent(what, 422, code, arrow_of(table), name if field is None and code == "invalid-fields" else field or "")


def query(what: str, text: str, field: str) -> BadRequest:
    return replace(
        sent(what, 422, "invalid-fields", ARROW_BODY, field), path=f"/v1/forecast?model=waves{text and '&'}{text}"
    )


def with_bytes(body: bytes, old: bytes, new: bytes) -> bytes:
    """Replaces the last of some bytes."""
    before, found, after = body.rpartition(old)
    assert found, "the bytes are not there"
    return before + new + after


def spoiled(spoil: Callable[[bytearray], None]) -> bytes:
    body = bytearray(arrow_of(pa.table({"unique_id": ["a", "b", "c"], "ds": HOURS[:3], "y": [1.0, 2.0, 3.0]})))
    spoil(body)
    return bytes(body)


def _text_beyond_its_bytes(body: bytearray) -> None:
    place = body.index(struct.pack("<4i", 0, 1, 2, 3))
    body[place : place + 16] = struct.pack("<4i", 0, 1, 2, 1 << 30)


def _texts_backwards(body: bytearray) -> None:
    place = body.index(struct.pack("<4i", 0, 1, 2, 3))
    body[place : place + 16] = struct.pack("<4i", 0, 3, 1, 3)


def _text_not_utf8(body: bytearray) -> None:
    place = body.index(b"abc")
    body[place : place + 3] = b"a\xffc"


def beyond_its_dictionary() -> bytes:
    body = arrow_of(pa.table({"unique_id": pa.array([*"abb"]).dictionary_encode(), "ds": HOURS[:3], "y": [1.0] * 3}))
    return with_bytes(body, struct.pack("<3i", 0, 1, 1), struct.pack("<3i", 0, 2, 1))


def in_deltas() -> bytes:
    """A dictionary that grows with the second batch."""
    first, second = (pa.array(ids).dictionary_encode() for ids in (["a"], ["a", "b"]))
    batches = [
        pa.record_batch({"unique_id": ids, "ds": HOURS[: len(ids)], "y": [1.0] * len(ids)}) for ids in (first, second)
    ]
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def shares_bytes(length: int) -> pa.Table:
    """Ids of a kind of which each may stand on the same bytes."""
    return pa.table({"unique_id": pa.array(["x" * length] * 3, pa.string_view()), "ds": HOURS[:3], "y": [1.0] * 3})


def of_rows(num: int) -> pa.Table:
    zeros = np.zeros(num, dtype=np.int64)
    return pa.table({"unique_id": pa.array(["a"]).take(pa.array(zeros)), "ds": zeros, "y": zeros})


def long_text(length: int) -> pa.Table:
    return pa.table({"unique_id": ["x" * length], "ds": HOURS[:1], "y": [1.0]})


STREAMS = (
    sent("nothing", 400, "invalid-table", b""),
    sent("JSON", 400, "invalid-table", BODY),
    sent("a Parquet file", 400, "invalid-table", PARQUET_BODY),
    sent("an Arrow file, which begins with `ARROW1`", 400, "invalid-table", b"ARROW1\0\0" + ARROW_BODY),
    sent("a stream that is cut off in a batch", 400, "invalid-table", ARROW_BODY[:-100]),
    sent("a stream that is cut off between batches", 400, "invalid-table", ARROW_BODY[:-8]),
    sent("a stream with a head alone", 400, "invalid-table", ARROW_BODY[:64]),
    sent("something after the end of a stream", 400, "invalid-table", ARROW_BODY + b"x"),
    sent("two streams", 400, "invalid-table", ARROW_BODY * 2),
    sent("zeros", 400, "invalid-table", bytes(1000)),
    sent("a message of 2 GB that is announced", 400, "invalid-table", b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100)),
    sent("texts that begin beyond their bytes", 400, "invalid-table", spoiled(_text_beyond_its_bytes)),
    sent("texts that end before they begin", 400, "invalid-table", spoiled(_texts_backwards)),
    sent("a text that is not UTF-8", 400, "invalid-table", spoiled(_text_not_utf8)),
    sent("a value beyond its dictionary", 400, "invalid-table", beyond_its_dictionary()),
    sent("ids of 2 kB each on the same bytes", 400, "invalid-table", arrow_of(shares_bytes(2000))),
    sent("buffers compressed by zstd", 415, "unsupported-media-type", arrow_of(FRAME, compression="zstd")),
    sent("buffers compressed by lz4", 415, "unsupported-media-type", arrow_of(FRAME, compression="lz4")),
    sent("dictionaries that grow", 415, "unsupported-media-type", in_deltas()),
    sent(
        "metadata of version 4",
        415,
        "unsupported-media-type",
        arrow_of(FRAME, metadata_version=pa.ipc.MetadataVersion.V4),
    ),
    sent("more rows than points are allowed", 422, "invalid-fields", arrow_of(of_rows(20_001)), "body"),
    sent("no rows", 422, "empty-table", arrow_of(FRAME[:0])),
    sent(
        "1,001 columns",
        422,
        "invalid-fields",
        arrow_of(pa.table({f"c{number}": [1] for number in range(1001)})),
        "body",
    ),
    replace(
        sent(
            "gzip of a stream, twice", 400, "invalid-table", gzip.compress(gzip.compress(ARROW_BODY, mtime=0), mtime=0)
        ),
        headers=(("content-type", ARROW), ("content-encoding", "gzip")),
    ),
    replace(
        sent("a stream with a parameter of its type", 415, "unsupported-media-type", ARROW_BODY),
        headers=(("content-type", f"{ARROW}; version=1"),),
    ),
)

FILES = (
    parquet("nothing as Parquet", 400, "invalid-table", b""),
    parquet("an Arrow IPC stream as Parquet", 400, "invalid-table", ARROW_BODY),
    parquet("Parquet that is cut off", 400, "invalid-table", PARQUET_BODY[:-10]),
    parquet("Parquet without its beginning", 400, "invalid-table", PARQUET_BODY[100:]),
    parquet("a footer of 2 GB that is announced", 400, "invalid-table", b"PAR1" + bytes(8) + b"\xff\xff\xff\x7fPAR1"),
    parquet("damaged pages", 400, "invalid-table", PARQUET_BODY[:40] + bytes(300) + PARQUET_BODY[340:]),
    parquet("no rows in Parquet", 422, "empty-table", parquet_of(FRAME[:0])),
    parquet("2,000,000 rows in few bytes", 422, "invalid-fields", parquet_of(of_rows(2_000_000)), "body"),
    parquet("a text of 30 MB in few bytes", 413, "body-too-large", parquet_of(long_text(30 << 20), compression="zstd")),
    parquet("a missing column in Parquet", 422, "invalid-fields", parquet_of(FRAME.drop(columns="y")), "y"),
    parquet("a nested column in Parquet", 422, "invalid-fields", parquet_of(FRAME.assign(y=[[1.0]] * len(FRAME))), "y"),
    parquet(
        "1,001 columns in Parquet",
        422,
        "invalid-fields",
        parquet_of(pa.table({f"c{number}": [1] for number in range(1001)})),
        "body",
    ),
)

COLUMNS = (
    column("no ids", "unique_id", None),
    column("no times", "ds", None),
    column("no values", "y", None),
    column("nested values", "y", [[1.0], [2.0], [3.0]]),
    column("values as texts", "y", ["1", "2", "3"]),
    column("values as booleans", "y", [True, False, True]),
    column("values as times", "y", pa.array([0, 1, 2], pa.timestamp("s"))),
    column("values as bytes", "y", [b"1"] * 3),
    column("an infinite value", "y", [1.0, float("inf"), 3.0], "infinite"),
    column("a value of a table beyond +/- 1e30", "y", [1.0, 1e31, 3.0], "value-out-of-range"),
    replace(column("a value below 0 in a table, for a model of counts", "y", [1, -1, 3], "not-counts"), service=COUNTS),
    column("missing values alone", "y", pa.nulls(3), "no-observed-value"),
    column("ids as floats", "unique_id", [1.0, 1.0, 1.0]),
    column("ids as records", "unique_id", [{"a": 1}] * 3),
    column("ids as bytes", "unique_id", [b"a"] * 3),
    column("a missing id", "unique_id", ["a", None, "a"], "null-id"),
    column("a missing id among integers", "unique_id", [1, None, 1], "null-id"),
    column("an empty id in a table", "unique_id", ["a", "", "a"]),
    column("an id of a table of 257 characters", "unique_id", ["a", "x" * 257, "a"]),
    column("a line break in an id of a table", "unique_id", ["a", f"{MARKER}\n", "a"]),
    column("times as floats", "ds", [1.0, 2.0, 3.0]),
    column("times of day", "ds", [datetime.time(1)] * 3),
    column("durations", "ds", [datetime.timedelta(1)] * 3),
    column("a missing time", "ds", [HOURS[0], None, HOURS[2]], "null-timestamp"),
    column("times in another order of day and month", "ds", ["01.02.2024", "02.02.2024", "03.02.2024"]),
    column("a text that is no time", "ds", [HOURS[0], f"2024 {MARKER}", HOURS[2]]),
    column("a time of 41 characters", "ds", [HOURS[0], "2024" + "0" * 37, HOURS[2]]),
    column("integers for a model of hours", "ds", [1, 2, 3], "frequency-mismatch"),
    column(
        "a time far beyond the calendar", "ds", pa.array([1 << 62] * 3, pa.timestamp("s")), "timestamp-out-of-range"
    ),
    column("a time zone that there is not", "ds", pa.array([0, 1, 2], pa.timestamp("s", "Mars")), "unknown-timezone"),
    column("times finer than a microsecond", "ds", pa.array([1, 2, 3], pa.timestamp("ns")), "timestamp-too-fine"),
    column("a time twice", "ds", [HOURS[0], HOURS[1], HOURS[1]], "duplicate-timestamp"),
    column("times that do not ascend", "ds", [HOURS[0], HOURS[2], HOURS[1]], "unsorted"),
    column("a time off the grid", "ds", [HOURS[0], HOURS[1], "2024-01-01T01:30:00"], "off-grid"),
    column("days for a model of hours", "ds", ["2024-01-01", "2024-01-02", "2024-01-03"], "frequency-mismatch"),
    column("a gap of 200 years", "ds", [HOURS[0], HOURS[1], "2224-01-01T00:00:00"], "too-many-gaps"),
    sent(
        "two columns of one name",
        422,
        "invalid-fields",
        arrow_of(
            pa.Table.from_arrays(
                [pa.array([1.0])] * 2 + [pa.array(["a"]), pa.array(HOURS[:1])], ["y", "y", "unique_id", "ds"]
            )
        ),
        "y",
    ),
    sent("more series than allowed in a table", 422, "invalid-fields", arrow_of(hours(3, "abcdefghi")), "unique_id"),
    *(
        replace(case, service=PRICED)
        for case in (
            sent("a covariate that is missing", 422, "missing-covariate", ARROW_BODY, "price"),
            sent(
                "a covariate as text",
                422,
                "invalid-fields",
                arrow_of(FRAME.assign(price="1", size=1.0, kind="big")),
                "price",
            ),
            sent(
                "nothing known ahead",
                422,
                "unknown-ahead",
                arrow_of(FRAME.assign(price=1.0, size=1.0, kind="big")),
            ),
            sent(
                "two values of a static column in one series",
                422,
                "not-static",
                arrow_of(FRAME.assign(price=1.0, size=np.arange(60.0), kind="big")),
            ),
            sent(
                "a static number beyond +/- 1e15",
                422,
                "invalid-fields",
                arrow_of(
                    pd.concat([FRAME, FRAME.assign(ds=FRAME["ds"] + pd.Timedelta(hours=60), y=np.nan)]).assign(
                        price=1.0, size=1e16, kind="big"
                    )
                ),
                "size",
            ),
        )
    ),
)

QUERIES = (
    query("an unknown option", "quantile=0.5", "quantile"),
    query("an option twice", "horizon=1&horizon=2", "horizon"),
    query("a horizon of 0", "horizon=0", "horizon"),
    query("a horizon that is no whole number", "horizon=1.5", "horizon"),
    query("a horizon of words", "horizon=many", "horizon"),
    query("an empty horizon", "horizon=", "horizon"),
    query("a quantile of 1", "quantiles=0.5,1", "quantiles.1"),
    query("no quantiles", "quantiles=", "quantiles"),
    query("quantiles in brackets", "quantiles=[0.5]", "quantiles.0"),
    query("an interval of 100", "intervals=100", "intervals.0"),
    query("a roll-out of `1`", "roll_out=1", "roll_out"),
    query("a fallback that there is not", "fallback=mean", "fallback"),
    query("samples", "samples=10", "samples"),
    query("series in the query", "series=[]", "series"),
    query("an option that is not UTF-8", "timezone=%ff", "query"),
    query("300 options", "&".join("a=b" for _ in range(300)), "query"),
    BadRequest(
        "options in the query, and a body of JSON",
        422,
        "invalid-fields",
        BODY,
        "horizon",
        path="/v1/forecast?horizon=4",
    ),
    replace(
        sent("a model that is not served, in the query", 404, "unknown-model", ARROW_BODY),
        path=f"/v1/forecast?model={MARKER}",
    ),
)


def accepted(what: str, table: pa.Table | pd.DataFrame, **more: Any) -> BadRequest:
    return replace(sent(what, 200, "", arrow_of(table)), **more)


ACCEPTED = (
    accepted("a table of hours", FRAME),
    replace(sent("a Parquet file of hours", 200, "", PARQUET_BODY), headers=(("content-type", PARQUET),)),
    accepted("integers as ids", FRAME.assign(unique_id=7)),
    accepted("a column that is not read", FRAME.assign(extra=1)),
    accepted("a nested column that is not read", FRAME.assign(extra=[[1]] * 60)),
    accepted(
        "a missing value at the end of a table: the forecast begins after it", FRAME.assign(y=[*FRAME["y"][:-1], None])
    ),
    accepted("whole numbers as values", FRAME.assign(y=range(60))),
    accepted("rows of two series in turns", hours(60, "ab").sort_values(["ds", "unique_id"])),
)
