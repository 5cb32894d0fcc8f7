"""The journal: files that entries are appended to before anybody is told of them.

    FOLDER/00001732620000000000-4711.open    the one that the worker 4711 appends to, and holds a lock on
    FOLDER/00001732619000000000-4711.done    full; to be read and deleted

Entries are written by one call of the system, or a few for many, so a worker that is killed leaves whole ones and at
most a torn last one, of which nobody was told. They are in the hands of the system from then on: they outlast the
process, and a crash of the machine only as far as the system has written them to the disk.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

OPEN, DONE = ".open", ".done"

_SEGMENT_BYTES = 8 << 20
_HEAD = struct.Struct("<4sIII")  # magic, bytes of the head and of the rest, checksum of the head
_MAGIC = b"FLE1"
_AT_ONCE = 1024  # parts that one call takes, by POSIX systems
_LOOK_SECONDS = 1.0  # between looks at a journal that was full or could not be written

Parts = tuple[bytes, Sequence[bytes]]  # the head of an entry, and the rest of it


class JournalFull(Exception):
    """Nothing more is taken in until the keeper has made room."""


class Journal:
    """The journal of one worker; the folder and the first file are made with the first entry. One call at a time."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """`max_bytes` bounds all files of the folder together, of all workers."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._full_until = 0.0

    def append(self, head: bytes, rest: Sequence[bytes] = ()) -> None:
        """Writes an entry. Raises JournalFull, or OSError where it cannot be written; then nothing of it is left."""
        self.append_all([(head, rest)])

    def append_all(self, entries: Sequence[Parts]) -> None:
        """Writes entries as `append` does, all of them or none."""
        file = self._begun() if self._file is None or self._size >= _SEGMENT_BYTES else self._file
        parts: list[bytes] = []
        for head, rest in entries:
            parts += (_HEAD.pack(_MAGIC, len(head), sum(map(len, rest)), zlib.crc32(head)), head, *rest)
        wanted = sum(map(len, parts))
        try:
            written = sum(os.writev(file, parts[place : place + _AT_ONCE]) for place in range(0, len(parts), _AT_ONCE))
            if written < wanted:
                raise OSError("no room is left on the device of the journal")
        except OSError:
            os.ftruncate(file, self._size)
            self.close()  # the keeper may have read on into what is gone: nothing is written in its place
            raise
        self._size += wanted

    def close(self) -> None:
        """Ends the file of this worker."""
        if self._file is None:
            return
        if self._size:
            self._path.rename(self._path.with_suffix(DONE))
        else:
            self._path.unlink()
        os.close(self._file)
        self._file = None

    def _begun(self) -> int:
        """Begins a file; the keeper sees none that is not locked yet."""
        if time.monotonic() < self._full_until:
            raise JournalFull
        self._full_until = time.monotonic() + _LOOK_SECONDS  # whatever goes wrong here does so for the next one, too
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sum(map(_size_of, segments(self._folder))) >= self._max_bytes:
            raise JournalFull
        draft = self._folder / f"{time.time_ns():020d}-{os.getpid()}.new"
        file = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._path = draft.rename(draft.with_suffix(OPEN))
        self._file, self._size, self._full_until = file, 0, 0.0
        return file


@dataclass(frozen=True)
class Entry:
    """An entry, and where the next one begins."""

    head: bytes
    rest: bytes
    end: int


def segments(folder: Path) -> list[Path]:
    """Gives the files of a journal, the oldest first; those that vanish meanwhile are left out by who opens them."""
    return sorted(path for path in folder.glob("*-*") if path.suffix in (OPEN, DONE))


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # finished meanwhile, under another name, or read to its end
        return 0


def entries(path: Path, begin: int = 0) -> Iterator[Entry]:
    """Yields the whole entries of a file from a place on; what is torn or damaged ends it."""
    with path.open("rb") as file:
        file.seek(begin)
        while len(prefix := file.read(_HEAD.size)) == _HEAD.size:
            magic, head_length, rest_length, checksum = _HEAD.unpack(prefix)
            head, rest = file.read(head_length), file.read(rest_length)
            if magic != _MAGIC or len(rest) < rest_length or zlib.crc32(head) != checksum:
                return
            begin += _HEAD.size + head_length + rest_length
            yield Entry(head, rest, begin)


def is_being_written(path: Path) -> bool:
    """Says whether a worker that lives may append to a file."""
    if path.suffix == DONE:
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:  # it has just been renamed
        return True
    except BlockingIOError:
        return True
    return False
