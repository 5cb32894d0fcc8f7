"""Tables that stand for far more than they are: a running service refuses them, and grows by next to nothing."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest

from benchmarks.reliability.serving import Serving, home_with_model, serving
from service.requests.media import ARROW, PARQUET
from tests.service.tables.factories import arrow_of, hours, parquet_of, send
from tests.service.tables.test_parquet import long_texts, of_rows, that_lies

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MAX_GROWTH_BYTES = 20 << 20


def of_nulls() -> bytes:
    """A trillion rows in a few hundred bytes."""
    few = arrow_of(pa.table({name: pa.nulls(12345) for name in ("unique_id", "ds", "y")}))
    return few.replace(struct.pack("<q", 12345), struct.pack("<q", 1 << 40))


def of_shared_bytes() -> bytes:
    """200,000 ids of 2 MB each, all of which are the same bytes."""
    long = pa.array(["x" * (2 << 20)], pa.string_view()).buffers()
    num = 200_000
    views = pa.py_buffer(np.tile(np.frombuffer(long[1], np.uint8), num).tobytes())
    ids = pa.Array.from_buffers(pa.string_view(), num, [None, views, long[2]])
    times = pa.array(np.zeros(num, dtype=np.int64), pa.timestamp("us"))
    batch = pa.record_batch([ids, times, pa.nulls(num)], ["unique_id", "ds", "y"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


BOMBS: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "a text of 300 MB": (PARQUET, lambda: long_texts(300 << 20, compression="zstd", use_dictionary=False), 413),
    "50 million rows": (PARQUET, lambda: of_rows(50_000_000), 422),
    "50 million rows that are 100, so it says": (PARQUET, lambda: that_lies(50_000_000, 100), 0),
    "a footer of 2 GB": (PARQUET, lambda: b"PAR1" + bytes(8) + b"\xff\xff\xff\x7fPAR1", 400),
    "500 MB in compressed buffers": (
        ARROW,
        lambda: arrow_of(pa.table({"y": np.zeros(62_500_000)}), compression="zstd"),
        415,
    ),
    "a trillion nulls": (ARROW, of_nulls, 422),
    "ids on the same bytes": (ARROW, of_shared_bytes, 400),
}


def peak_bytes(service: Serving) -> int:
    """Gives the largest resident memory of the process since it was last asked."""
    lines = Path(f"/proc/{service.pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    Path(f"/proc/{service.pid}/clear_refs").write_text("5")
    return peak << 10


def test_tables_that_stand_for_gigabytes_take_no_memory_of_the_service() -> None:
    with home_with_model() as home, serving(home) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        good = {ARROW: arrow_of(hours()), PARQUET: parquet_of(hours())}
        for _ in range(20):
            for form, body in good.items():
                assert send(client, body, form, form).status_code == 200
        before = peak_bytes(service)
        for what, (form, made, status) in BOMBS.items():
            body = made()
            assert len(body) < 8 << 20, what
            reply = send(client, body, form, form)
            assert (reply.status_code == status) if status else 400 <= reply.status_code < 500, (what, reply.text)
            assert peak_bytes(service) - before < MAX_GROWTH_BYTES, what
            assert send(client, good[form], form, form).status_code == 200, what
        assert service.process.poll() is None
        assert '"application_failed"' not in service.log.read_text()
