"""Parquet -> an Arrow IPC stream, by a process for each file, which may fail and do no harm."""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from service.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    InvalidFields,
    InvalidTable,
    ServiceError,
    UnsupportedMediaType,
)
from service.settings import Settings
from service.tables import parquet_reader as reader
from service.tables.readers import Answered, Readers

log = logging.getLogger("service.tables.parquet")

# What a file may take while it is read: memory for the bytes that come and go, and for pages; seconds of the processor
# for the first bytes and for each further lot of them.
_BODIES_HELD, _PAGE_BYTES = 4, 64 << 20
_SECONDS, _BYTES_PER_SECOND = 5, 16 << 20
_NOT_STARTED = 1  # the exit code of an interpreter that cannot import something


@dataclass(frozen=True)
class Converted:
    """The names of all columns of a file, and those that were asked for as an Arrow IPC stream."""

    names: tuple[str, ...]
    stream: bytes


def converted(body: bytes, columns: Sequence[str], settings: Settings, expires: float, readers: Readers) -> Converted:
    """Gives those of `columns` that a Parquet file has, until `expires` in monotonic time.

    InvalidTable for a file that cannot be read, UnsupportedMediaType for one that uses what pyarrow does not know,
    BodyTooLarge and InvalidFields where it holds more than is allowed, DeadlineExceeded where time is over.
    """
    seconds = processor_seconds(settings)
    asked = {
        "columns": list(columns),
        "max_rows": settings.max_points,
        "max_bytes": settings.max_body_bytes,
        "memory_bytes": _BODIES_HELD * settings.max_body_bytes + _PAGE_BYTES,
        "processor_seconds": seconds,
    }
    line, most = json.dumps(asked).encode() + b"\n", 2 * settings.max_body_bytes + (1 << 20)
    answered = readers.answer(line, body, most, min(2.0 * seconds, expires - time.monotonic()))
    head, separator, stream = answered.output.partition(b"\n")
    if not separator:
        raise _failure(answered, expires, seconds)
    found = json.loads(head)
    if "refused" in found:
        raise _refusal(found["refused"], settings)
    return Converted(tuple(found["names"]), stream)


def processor_seconds(settings: Settings) -> int:
    """Gives how long a file may keep a processor busy."""
    return _SECONDS + settings.max_body_bytes // _BYTES_PER_SECOND


def _refusal(reason: str, settings: Settings) -> ServiceError:
    """Gives what is wrong with a file, by the word of its process."""
    if reason == reader.TOO_MANY_ROWS:
        most = settings.max_points
        return InvalidFields.of(
            "body", f"the Parquet file has more than {most} rows, at most {most} points are allowed"
        )
    if reason == reader.TOO_MANY_COLUMNS:
        return InvalidFields.of("body", f"the Parquet file has more than {reader.MOST_COLUMNS} columns")
    if reason == reader.TOO_MANY_BYTES:
        return BodyTooLarge(f"the Parquet file holds more than {settings.max_body_bytes} bytes, or pages beyond reason")
    if reason == reader.NOT_KNOWN:
        return UnsupportedMediaType("the Parquet file uses an encoding, a compression or a type that is not read here")
    return InvalidTable("the body is no Parquet file, or is damaged")


def _failure(answered: Answered, expires: float, seconds: int) -> ServiceError:
    """Gives why the process of a file did not answer."""
    log.warning("file_not_read", extra={"fields": {"exit": answered.exit_code, "reader_gone": answered.is_reader_gone}})
    if answered.is_reader_gone and answered.exit_code == _NOT_STARTED:
        return ServiceError("the reader of files does not start; it has been logged")
    if answered.exit_code == -signal.SIGKILL and time.monotonic() >= expires:
        return DeadlineExceeded("the file could not be read in the time that was left")
    if answered.exit_code in (-signal.SIGKILL, -signal.SIGXCPU):
        return BodyTooLarge(f"the Parquet file takes more than {seconds} seconds to read")
    return InvalidTable("the Parquet file is damaged so that nothing could be read")
