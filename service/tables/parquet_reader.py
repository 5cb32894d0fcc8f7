"""A program that reads Parquet files, each by a process of its own, and writes them as Arrow IPC streams.

A few hundred bytes of Parquet may stand for gigabytes, and only who has read them knows. So each file is read by a
process that may take so much memory and time and no more, opens no file, and has nothing but the file. To start one
takes long, to fork one does not: this program imports what it needs, has one thread, and forks for each file.

    python -I -S parquet_reader.py FOLDER    with a socket as its standard input

Four bytes of 0 on the socket say that it has begun. Then come, with the seconds that a file may take, its two
descriptors: what to read it from, and what to write the answer to. Its process reads a line of JSON, what is asked, and
then the file. It answers with a line of JSON, {"names": [...]} or {"refused": ...}, and in the first case the stream.
After its seconds it is killed. How it ended is then written to the socket, in four bytes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

# Why a file is not read, and the exit code of a process that could not even say so.
DAMAGED, NOT_KNOWN = "damaged", "not-known"
TOO_MANY_ROWS, TOO_MANY_COLUMNS, TOO_MANY_BYTES = "too-many-rows", "too-many-columns", "too-many-bytes"
FAILED = 3

ENDING, SECONDS = struct.Struct("<i"), struct.Struct("<d")
MOST_COLUMNS = 1_000
_ROWS_AT_ONCE = 1 << 14


class _Refused(Exception):
    """Why a file is not read."""


def main() -> None:
    """Forks for each file until nobody is at the other end of the socket."""
    sys.path.insert(0, sys.argv[1])
    sys.modules["numpy"] = None  # type: ignore[assignment] # pyarrow can do without, and starts in half the time
    import pyarrow as pa
    import pyarrow.parquet

    pa.set_cpu_count(1)
    service = socket.socket(fileno=sys.stdin.fileno())
    service.sendall(ENDING.pack(0))
    while True:
        message, descriptors, *_ = socket.recv_fds(service, SECONDS.size, 2)
        if not message:
            return
        process = os.fork()
        if process == 0:
            _read(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        service.sendall(ENDING.pack(_ended(process, *SECONDS.unpack(message))))


def _ended(process: int, seconds: float) -> int:
    """Gives how the process of a file ended, which is killed after so long, and never another one by its number."""
    signal.signal(signal.SIGALRM, lambda *_: os.kill(process, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)  # it keeps its number until the time is stopped
    signal.setitimer(signal.ITIMER_REAL, 0)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _read(source: int, sink: int) -> NoReturn:
    """Is the process of one file."""
    try:
        os.dup2(source, 0)
        os.dup2(sink, 1)
        os.closerange(3, 64)
        line, _, content = _everything().partition(b"\n")
        asked: dict[str, Any] = json.loads(line)
        _bound(asked["memory_bytes"], asked["processor_seconds"])
        for part in _answer(content, asked):
            _write(part)
    except BaseException:  # noqa: BLE001 - of what bytes that anybody sent may lead to; memory may be used up
        os._exit(FAILED)
    os._exit(0)


def _everything() -> bytes:
    """Gives all that comes from the service, which bounds what it sends."""
    with open(0, "rb", closefd=False) as source:
        return source.read()


def _write(part: bytes | pyarrow.Buffer) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(1, view) :]


def _bound(memory_bytes: int, processor_seconds: int) -> None:
    """Bounds what this process may take from now on: memory, time, and files, of which it needs no more."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib takes long to import
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + memory_bytes, held + memory_bytes))
    seconds = processor_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # the first one ends it by a signal of its own
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))


def _answer(content: bytes, asked: dict[str, Any]) -> tuple[bytes | pyarrow.Buffer, ...]:
    """Gives the line of JSON, and the stream if there is one."""
    try:
        names, stream = _converted(content, asked)
    except _Refused as refused:
        return (_line(refused=str(refused)),)
    except MemoryError:
        return (_line(refused=TOO_MANY_BYTES),)
    except NotImplementedError:
        return (_line(refused=NOT_KNOWN),)
    except (ValueError, LookupError, TypeError, OSError):
        return (_line(refused=DAMAGED),)
    return _line(names=names), stream


def _line(**head: object) -> bytes:
    return json.dumps(head).encode() + b"\n"


def _converted(content: bytes, asked: dict[str, Any]) -> tuple[list[str], pyarrow.Buffer]:
    """Gives the names of all columns of a Parquet file, and the columns asked for as an Arrow IPC stream."""
    import pyarrow as pa

    file = _opened(pa.BufferReader(pa.py_buffer(content)), asked["columns"])
    if file.metadata.num_rows > asked["max_rows"]:
        raise _Refused(TOO_MANY_ROWS)
    names = list(file.schema_arrow.names)
    if len(names) > MOST_COLUMNS:
        raise _Refused(TOO_MANY_COLUMNS)
    wanted = [name for name in asked["columns"] if name in names]
    sink, writer, num_rows = pa.BufferOutputStream(), None, 0
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted, use_threads=False):
        num_rows += batch.num_rows
        if num_rows > asked["max_rows"]:
            raise _Refused(TOO_MANY_ROWS)
        plain = batch.replace_schema_metadata(None)
        writer = writer or pa.ipc.new_stream(sink, plain.schema)
        writer.write_batch(plain)
        if sink.tell() > asked["max_bytes"]:
            raise _Refused(TOO_MANY_BYTES)
    if writer is None:
        writer = pa.ipc.new_stream(sink, pa.schema([file.schema_arrow.field(name) for name in wanted]))
    writer.close()
    return names, sink.getvalue()


def _opened(source: pyarrow.BufferReader, columns: list[str]) -> pyarrow.parquet.ParquetFile:
    """Opens a file so that texts stay in dictionaries, of which each stands in memory once."""
    import pyarrow as pa
    from pyarrow import parquet

    options = {"pre_buffer": False, "page_checksum_verification": True}
    plain = parquet.ParquetFile(source, **options)
    texts = [
        field.name
        for field in plain.schema_arrow
        if field.name in columns and (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    ]
    return parquet.ParquetFile(source, metadata=plain.metadata, read_dictionary=texts, **options)


if __name__ == "__main__":
    main()
