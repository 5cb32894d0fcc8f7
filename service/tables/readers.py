"""The processes that Parquet files are read by (`parquet_reader.py`).

One is started with the first file, and kept for the next one unless a file did it harm. One that is still starting
when the time of a file is over is kept as well.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import IO

from service.errors import DeadlineExceeded, Overloaded
from service.tables import parquet_reader

log = logging.getLogger("service.tables.readers")

_ENDING_SECONDS = 2.0
_STARTING_SECONDS = 60.0  # of a reader that has not begun by then, nothing is expected any more
# Nothing of the surroundings of the service reaches a reader. Its memory is the system's, which is bounded as a whole,
# and it has no thread beside the one that forks.
_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MALLOC_ARENA_MAX": "1",
}


@dataclass(frozen=True)
class Answered:
    """What the process of a file wrote, and how it ended: below 0 by a signal."""

    output: bytes
    exit_code: int
    is_reader_gone: bool  # its reader ended, too, or was ended: the code is that of the reader


class Readers:
    """As many readers as files are read at once."""

    def __init__(self) -> None:
        self._idle: list[_Reader] = []
        self._is_closed = False

    def answer(self, asked: bytes, content: bytes, max_bytes: int, seconds: float) -> Answered:
        """Gives what a process answers to what is asked of a file, up to `max_bytes`; it is killed after so long.

        DeadlineExceeded where there are no seconds, or too few to start a reader in, Overloaded where none can be.
        """
        if seconds <= 0:
            raise DeadlineExceeded("no time was left to read the file")
        ends = time.monotonic() + seconds
        try:
            chosen = self._chosen()
            answered = None
            if chosen.begins_until(ends):
                answered = chosen.answer((asked, content), max_bytes, ends - time.monotonic())
        except OSError as error:
            log.warning("reader_not_started", extra={"fields": {"reason": str(error)}})
            raise Overloaded("no process could be started to read the file", retry_after_seconds=5) from error
        if answered is None or not answered.is_reader_gone:
            self._idle.append(chosen)
        if self._is_closed:
            self.close()
        if answered is None:
            raise DeadlineExceeded("what reads files has not begun in the time that was left")
        return answered

    def close(self) -> None:
        """Ends all readers, those that are still reading once they have done so."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().end()

    def _chosen(self) -> _Reader:
        while self._idle:
            found = self._idle.pop()
            if found.is_alive:
                return found
            found.end()
        return _Reader()


class _Reader:
    """One process that forks for each file."""

    def __init__(self) -> None:
        self._has_begun, self._started = False, time.monotonic()
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - a command of ours alone
                    command(),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError:
                self._socket.close()
                raise

    @property
    def is_alive(self) -> bool:
        """False where it has ended, or has had long enough to begin."""
        is_late = not self._has_begun and time.monotonic() - self._started > _STARTING_SECONDS
        return self._process.poll() is None and not is_late

    def begins_until(self, end: float) -> bool:
        """Says whether it has begun by then, in monotonic time, or has ended, of which `answer` tells."""
        if not self._has_begun:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                self._socket.recv(parquet_reader.ENDING.size)
            except TimeoutError:
                return False
            except OSError:  # it is gone
                pass
            self._has_begun = True
        return True

    def answer(self, parts: Sequence[bytes], max_bytes: int, seconds: float) -> Answered:
        """Gives what the process of a file answers, once it has read these parts; it has these seconds."""
        watchdog = Timer(seconds + _ENDING_SECONDS, self._kill)  # of the reader, should it not do so itself
        watchdog.daemon = True
        watchdog.start()
        try:
            output = self._exchanged(parts, max_bytes, seconds)
            ending = self._ending() if len(output) < max_bytes else b""
        except OSError:  # no descriptor is left
            self.end()
            raise
        finally:
            watchdog.cancel()
        if len(ending) == parquet_reader.ENDING.size:
            return Answered(output, parquet_reader.ENDING.unpack(ending)[0], is_reader_gone=False)
        if len(output) == max_bytes:
            self._kill()
        return Answered(output, self.end(), is_reader_gone=True)

    def end(self) -> int:
        """Ends this reader and whatever it has forked; gives its exit code."""
        self._socket.close()  # makes it end by itself where nothing is wrong
        try:
            return self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            return self._process.wait()

    def _exchanged(self, parts: Sequence[bytes], max_bytes: int, seconds: float) -> bytes:
        """Sends the parts to a new process, which reads all of them before it answers, and gives its answer."""
        allowed = parquet_reader.SECONDS.pack(max(0.001, seconds))  # 0 would be no limit
        with _pipe() as (theirs_in, ours_in), _pipe() as (ours_out, theirs_out):
            with suppress(OSError):  # it is gone, and answers nothing
                socket.send_fds(self._socket, [allowed], [theirs_in.fileno(), theirs_out.fileno()])
            theirs_in.close()
            theirs_out.close()
            with suppress(BrokenPipeError):
                for part in parts:
                    ours_in.write(part)
                ours_in.close()
            return ours_out.read(max_bytes)

    def _ending(self) -> bytes:
        """Gives how the process of the file ended, as its reader says; nothing where it is gone."""
        self._socket.settimeout(_ENDING_SECONDS)
        try:
            return self._socket.recv(parquet_reader.ENDING.size)
        except OSError:
            return b""

    def _kill(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


@contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Gives both ends of a pipe, and closes what is left of them."""
    begin, end = os.pipe()
    with os.fdopen(begin, "rb") as source, os.fdopen(end, "wb") as sink:
        try:
            yield source, sink
        finally:
            with suppress(BrokenPipeError):
                sink.close()


def command() -> list[str]:
    """Gives the command of a reader."""
    return [sys.executable, "-I", "-S", parquet_reader.__file__, _folder()]


@cache
def _folder() -> str:
    """Gives the folder that pyarrow is imported from."""
    found = find_spec("pyarrow")
    return "" if found is None or found.origin is None else str(Path(found.origin).parents[1])
