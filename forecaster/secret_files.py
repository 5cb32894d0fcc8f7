"""Files that hold secrets: read only where nobody else can, written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecaster.errors import ConfigError
from forecaster.whole_file import write_whole

_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH  # a group may read: so are secrets mounted
_MAX_BYTES = 16 << 20


def read_secret(path: Path) -> bytes:
    """Gives the content. Raises FileNotFoundError, and ConfigError for a link or a mode that lets others in."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; a plain file is wanted") from error
    try:
        _check(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write_secret(path: Path, content: bytes) -> None:
    """Puts a file of mode 0600 in the place of `path`; after a crash the old content or the new one is there."""
    write_whole(path, content, 0o600)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes that lock the same path waiting; makes its folder, for this user alone, if need be."""
    _make_folder(path.parent)
    lock = path.with_name(f".{path.name}.lock")  # not the file itself: that one is replaced
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{lock} cannot be locked: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is not a plain file")
    if found.st_mode & _OPEN_TO_OTHERS:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise ConfigError(f"{path} has mode {mode}, others could read or change it: chmod 0600 {path}")
    if found.st_size > _MAX_BYTES:
        raise ConfigError(f"{path} has {found.st_size} bytes, at most {_MAX_BYTES} are wanted")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be a folder: {error.strerror}") from error
    mode = folder.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        found = f"{stat.S_IMODE(mode):04o}"
        raise ConfigError(f"the folder {folder} has mode {found}, others could put a file there: chmod 0700 {folder}")
