"""Tables as bytes, and as the request in JSON that says the same."""

from __future__ import annotations

import io
import warnings
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import FastAPI

from service.requests.media import ARROW, JSON, PARQUET
from tests.service.factories import asking
from tests.service.request_bodies import HISTORY

FORECAST = "/v1/forecast"


def arrow_of(table: pa.Table | pd.DataFrame, rows_at_once: int | None = None, **options: Any) -> bytes:
    """Gives a table as an Arrow IPC stream."""
    table = _table(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, rows_at_once)
    return bytes(sink.getvalue())


def parquet_of(table: pa.Table | pd.DataFrame, **options: Any) -> bytes:
    """Gives a table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(_table(table), sink, **options)
    return sink.getvalue()


def table_of(frame: pd.DataFrame) -> pa.Table:
    """Gives a table as pandas writes it; pandas 3.1 warns where pyarrow converts times with a zone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Series.values", pd.errors.Pandas4Warning)
        return pa.Table.from_pandas(frame, preserve_index=False)


def _table(table: pa.Table | pd.DataFrame) -> pa.Table:
    return table_of(table) if isinstance(table, pd.DataFrame) else table


BYTES = {ARROW: arrow_of, PARQUET: parquet_of}


def read(reply: httpx.Response) -> pa.Table:
    """Gives the table of a reply."""
    assert reply.status_code == 200, reply.text
    if reply.headers["content-type"] == ARROW:
        return pa.ipc.open_stream(reply.content).read_all()
    return pq.read_table(io.BytesIO(reply.content))


def hours(num: int = 60, ids: str = "ab", start: str = "2024-01-01", **columns: Any) -> pd.DataFrame:
    """Gives a long table of some series of hours, each with `HISTORY` times its number."""
    times = pd.date_range(start, periods=num, freq="h")
    parts = [
        pd.DataFrame({"unique_id": name, "ds": times, "y": np.array(HISTORY[:num]) * number})
        for number, name in enumerate(ids, start=1)
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


def send(
    client: httpx.Client, body: bytes, media_type: str = ARROW, accept: str = ARROW, **query: Any
) -> httpx.Response:
    """Posts a table to a service."""
    headers = {"Content-Type": media_type, "Accept": accept}
    return client.post(FORECAST, content=body, params=query, headers=headers)


def replies(app: FastAPI, *requests: dict[str, Any]) -> list[httpx.Response]:
    """Posts forecast requests to an application, one after the other."""

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post(FORECAST, **request) for request in requests]

    return asking(app, ask)


def as_json(frame: pd.DataFrame, **options: Any) -> dict[str, Any]:
    """Gives the request in JSON that says what a table says."""
    series = []
    for name, group in frame.groupby("unique_id", sort=False):
        stamps = [stamp if isinstance(stamp, int) else stamp.isoformat() for stamp in group["ds"].tolist()]
        target = [None if np.isnan(value) else value for value in group["y"]]
        series.append({"id": str(name), "timestamps": stamps, "target": target})
    return {"json": {"series": series, **options}}


def as_table(frame: pd.DataFrame | pa.Table, form: str = ARROW, accept: str = JSON, **query: Any) -> dict[str, Any]:
    """Gives the request that sends a table."""
    headers = {"Content-Type": form, "Accept": accept}
    return {"content": BYTES[form](frame), "params": query, "headers": headers}


def send_each(app: FastAPI, bodies: list[bytes], media_type: str = ARROW, accept: str = ARROW, **query: Any) -> Any:
    """Posts tables to an application, one after the other; gives the replies."""
    headers = {"Content-Type": media_type, "Accept": accept}
    return replies(app, *({"content": body, "params": query, "headers": headers} for body in bodies))
