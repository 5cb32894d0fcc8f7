"""Parquet is read by processes that may not take more than their share, whatever a file makes them do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest

from service.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    InvalidFields,
    InvalidTable,
    Overloaded,
    ServiceError,
    UnsupportedMediaType,
)
from service.requests.media import PARQUET
from service.settings import Settings
from service.tables import parquet, parquet_reader, readers
from service.tables.readers import Readers
from tests.explain.factories import predictor_of
from tests.service.factories import app_of
from tests.service.tables.factories import hours, parquet_of, read, send_each

SETTINGS = Settings(authentication=False, max_body_bytes=1 << 20, max_points=20_000)
COLUMNS = ("unique_id", "ds", "y")


class Kept(Readers):
    """Readers whose processes are told from those of other tests."""

    def __init__(self) -> None:
        super().__init__()
        self._others = {process.pid for process in psutil.Process().children(recursive=True)}

    def processes(self) -> list[psutil.Process]:
        return [one for one in psutil.Process().children(recursive=True) if one.pid not in self._others]


def test_texts_of_a_file_in_the_place_of_numbers_are_called_texts(tmp_path: Path) -> None:
    (reply,) = send_each(app_of(predictor_of(), tmp_path), [parquet_of(hours(3, "a", y="1"))], PARQUET)
    assert (reply.status_code, reply.json()["detail"]) == (422, "y: is of type text: wanted are numbers")


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Readers that are closed after the test: then no process is left."""
    found = Kept()
    yield found
    found.close()
    assert not found.processes()


def converted(kept: Kept, body: bytes, seconds: float = 30.0, columns: tuple[str, ...] = COLUMNS) -> parquet.Converted:
    return parquet.converted(body, columns, SETTINGS, time.monotonic() + seconds, kept)


def refusal(kept: Kept, body: bytes, seconds: float = 30.0) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        converted(kept, body, seconds)
    return caught.value


def test_the_columns_asked_for_come_back_and_the_names_of_all(kept: Kept) -> None:
    frame = hours(extra=1, nested=[[1]] * 120)
    found = converted(kept, parquet_of(frame))
    assert found.names == ("unique_id", "ds", "y", "extra", "nested")
    stream = pa.ipc.open_stream(found.stream)
    assert stream.schema.names == list(COLUMNS)
    assert stream.read_all()["y"].to_pylist() == frame["y"].tolist()


def test_a_column_that_is_not_there_is_left_out(kept: Kept) -> None:
    assert pa.ipc.open_stream(converted(kept, parquet_of(hours()[["y"]])).stream).schema.names == ["y"]


def test_texts_that_repeat_take_few_bytes(kept: Kept) -> None:
    frame = hours(60, "ab").assign(unique_id=["x" * 200] * 60 + ["y" * 200] * 60)
    assert len(converted(kept, parquet_of(frame)).stream) < 5000


def long_texts(num_bytes: int, **options: Any) -> bytes:
    return parquet_of(pa.table({"unique_id": ["x" * num_bytes], "ds": [0], "y": [1.0]}), **options)


def of_rows(num: int, **options: Any) -> bytes:
    zeros = np.zeros(num, dtype=np.int64)
    return parquet_of(
        pa.table({"unique_id": pa.array(["a"]).take(pa.array(zeros)), "ds": zeros, "y": zeros}), **options
    )


def varint(number: int, width: int) -> bytes:
    """A number as thrift writes it, in as many bytes as wanted."""
    digits = [(2 * number >> 7 * place) & 0x7F for place in range(width)]
    return bytes([digit | 0x80 for digit in digits[:-1]] + digits[-1:])


def that_lies(num_rows: int, claimed: int) -> bytes:
    """A file whose footer claims fewer rows than its pages hold."""
    body = of_rows(num_rows)
    width = (2 * num_rows).bit_length() // 7 + 1
    length = int.from_bytes(body[-8:-4], "little") + 8
    footer = body[-length:]
    assert varint(num_rows, width) in footer
    return body[:-length] + footer.replace(varint(num_rows, width), varint(claimed, width))


# Each is far smaller than what it stands for.
BOMBS: dict[str, tuple[Callable[[], bytes], type[ServiceError] | tuple[type[ServiceError], ...]]] = {
    "a text of 8 MB": (lambda: long_texts(8 << 20, compression="zstd"), BodyTooLarge),
    "a text of 80 MB": (lambda: long_texts(80 << 20, compression="zstd", use_dictionary=False), BodyTooLarge),
    "a text of 80 MB in a dictionary": (lambda: long_texts(80 << 20, compression="gzip"), BodyTooLarge),
    "5 million rows": (lambda: of_rows(5_000_000), InvalidFields),
    "5 million rows that are 100, so it says": (
        lambda: that_lies(5_000_000, 100),
        (InvalidTable, InvalidFields, BodyTooLarge),
    ),
    "a footer that claims 2 GB": (lambda: b"PAR1" + bytes(8) + b"\xff\xff\xff\x7fPAR1", InvalidTable),
    "2,000 columns": (lambda: parquet_of(pa.table({f"c{number}": [1] for number in range(2000)})), InvalidFields),
}


@pytest.mark.parametrize(("made", "error"), BOMBS.values(), ids=BOMBS)
def test_a_file_that_holds_more_than_it_seems_is_refused_and_takes_nothing(
    kept: Kept, made: Callable[[], bytes], error: type[ServiceError] | tuple[type[ServiceError], ...]
) -> None:
    body = made()
    assert len(body) <= SETTINGS.max_body_bytes
    before, begun = psutil.Process().memory_info().rss, time.monotonic()
    assert isinstance(refusal(kept, body), error)
    assert psutil.Process().memory_info().rss - before < 20 << 20
    assert time.monotonic() - begun < 15
    (process,) = kept.processes()  # it has forked, and what it forked is gone
    assert process.memory_info().rss < 100 << 20


def test_one_process_is_kept_for_all_files_that_do_not_harm_it(kept: Kept) -> None:
    pids = set()
    for body in (parquet_of(hours()), b"", b"PAR1", long_texts(8 << 20, compression="zstd"), parquet_of(hours())):
        with suppress(ServiceError):
            converted(kept, body)
        pids |= {process.pid for process in kept.processes()}
    assert len(pids) == 1
    assert psutil.Process(pids.pop()).num_threads() == 1  # it may fork


def test_files_leave_no_descriptor(kept: Kept) -> None:
    converted(kept, parquet_of(hours()))
    process = psutil.Process()
    (reading,) = kept.processes()
    before = process.num_fds(), reading.num_fds()
    for body in (parquet_of(hours()), b"", b"PAR1", long_texts(8 << 20, compression="zstd")):
        with suppress(ServiceError):
            converted(kept, body)
    assert (process.num_fds(), reading.num_fds()) == before


def test_a_process_that_was_ended_by_others_is_replaced(kept: Kept) -> None:
    converted(kept, parquet_of(hours()))
    (process,) = kept.processes()
    process.kill()
    deadline = time.monotonic() + 10
    while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert converted(kept, parquet_of(hours())).names == COLUMNS


def test_readers_end_with_the_service(tmp_path: Path) -> None:
    """As nobody is at the other end any more, however the service ended."""
    (tmp_path / "a.parquet").write_bytes(parquet_of(hours()))
    code = (
        "import os, pathlib, psutil, sys, time; from service.settings import Settings\n"
        "from service.tables.parquet import converted; from service.tables.readers import Readers\n"
        "body, settings = pathlib.Path(sys.argv[1]).read_bytes(), Settings(authentication=False)\n"
        "converted(body, ('y',), settings, time.monotonic() + 30, Readers())\n"
        "print(psutil.Process().children()[0].pid, flush=True); os._exit(9)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 9, done.stderr
    pid, deadline = int(done.stdout), time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def doing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Puts another program in the place of the reader: its processes do something else, once they are bounded."""

    def put(does: str) -> None:
        program = tmp_path / "another_reader.py"
        source = Path(parquet_reader.__file__).read_text()
        changed = source.replace(
            "        for part in _answer(content, asked):\n", f"        {does}\n        for part in ():\n"
        )
        assert changed != source
        program.write_text(changed)
        monkeypatch.setattr(parquet_reader, "__file__", str(program))

    return put


@pytest.mark.parametrize(
    "does",
    [
        "bytearray(1 << 30)",
        "os.kill(os.getpid(), 11)",
        "os.abort()",
        "open('/etc/hostname')",
        "socket.socket()",
        "os._exit(0)",
        "os.kill(os.getppid(), 11)",
        "os.close(1)",
        "_write(b'half a line')",
    ],
)
def test_a_process_that_fails_does_no_harm(kept: Kept, doing: Callable[[str], None], does: str) -> None:
    doing(does)
    found = refusal(kept, parquet_of(hours()) * 20)
    assert type(found) is InvalidTable
    assert "nothing could be read" in str(found)


def test_a_reader_that_does_not_start_is_our_fault(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_folder", lambda: "/nowhere")
    found = refusal(kept, parquet_of(hours()))
    assert (type(found), found.status) == (ServiceError, 500)


def test_a_reader_that_cannot_be_started_is_an_overload(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = refusal(kept, parquet_of(hours()))
    assert isinstance(found, Overloaded)
    assert found.retry_after_seconds == 5


def test_a_file_that_takes_too_much_of_the_processor_is_ended(
    kept: Kept, doing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_SECONDS", 1)
    doing("while True: pass")
    begun = time.monotonic()
    found = refusal(kept, parquet_of(hours()))
    assert isinstance(found, BodyTooLarge)
    assert "more than 1 seconds" in str(found)
    assert time.monotonic() - begun < 9


def test_a_file_that_waits_is_ended_with_the_time_of_its_request(kept: Kept, doing: Callable[[str], None]) -> None:
    doing("__import__('time').sleep(60)")
    begun = time.monotonic()
    assert isinstance(refusal(kept, parquet_of(hours()), seconds=1.0), DeadlineExceeded)
    assert time.monotonic() - begun < 5
    (process,) = kept.processes()
    assert not process.children()
    assert isinstance(refusal(kept, parquet_of(hours()), seconds=0.0), DeadlineExceeded)


def test_whoever_cannot_wait_for_a_reader_leaves_it_to_the_next(kept: Kept) -> None:
    assert isinstance(refusal(kept, parquet_of(hours()), seconds=0.01), DeadlineExceeded)
    (process,) = kept.processes()
    assert isinstance(refusal(kept, parquet_of(hours()), seconds=0.01), DeadlineExceeded)
    assert converted(kept, parquet_of(hours())).names == COLUMNS
    assert isinstance(refusal(kept, parquet_of(hours()), seconds=1e-6), DeadlineExceeded)
    assert converted(kept, parquet_of(hours())).names == COLUMNS
    assert kept.processes() == [process]


def test_a_reader_that_never_begins_is_given_up(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "command", lambda: [sys.executable, "-c", "import time; time.sleep(60)"])
    assert isinstance(refusal(kept, parquet_of(hours()), seconds=0.5), DeadlineExceeded)
    assert len(kept.processes()) == 1
    monkeypatch.undo()
    monkeypatch.setattr(readers, "_STARTING_SECONDS", 0.0)
    assert converted(kept, parquet_of(hours())).names == COLUMNS
    assert len(kept.processes()) == 1


def test_a_process_that_writes_without_end_is_ended(kept: Kept, doing: Callable[[str], None]) -> None:
    doing("while True: os.write(1, bytes(1 << 16))")
    before = psutil.Process().memory_info().rss
    assert isinstance(refusal(kept, parquet_of(hours())), ServiceError)
    assert psutil.Process().memory_info().rss - before < 20 << 20
    assert not kept.processes()


def test_a_reader_knows_nothing_of_the_surroundings(
    kept: Kept, doing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTER_KEY_PEPPER", "secret")
    doing("_write(_line(refused=' '.join(os.environ)))")
    monkeypatch.setattr(parquet, "_refusal", lambda reason, _: ServiceError(reason))
    known = {"ARROW_DEFAULT_MEMORY_POOL", "JE_ARROW_MALLOC_CONF", "MALLOC_ARENA_MAX", "LC_CTYPE"}
    assert set(str(refusal(kept, parquet_of(hours()))).split()) <= known


def test_a_file_of_a_kind_that_is_not_known_is_told_so(kept: Kept, doing: Callable[[str], None]) -> None:
    doing("_write(_line(refused=NOT_KNOWN))")
    assert isinstance(refusal(kept, parquet_of(hours())), UnsupportedMediaType)


def test_a_bomb_does_not_keep_the_next_file_from_being_read(tmp_path: Path) -> None:
    good, bomb = parquet_of(hours()), long_texts(80 << 20, compression="zstd", use_dictionary=False)
    bodies = [good, bomb, good]
    first, refused, last = send_each(app_of(predictor_of(), tmp_path), bodies, PARQUET)
    assert (refused.status_code, refused.json()["code"]) == (413, "body-too-large")
    assert read(first).equals(read(last))
