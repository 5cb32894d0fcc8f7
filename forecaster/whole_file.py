"""A file that is there whole or as it was before: written beside its place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_whole(path: Path, content: bytes | memoryview, mode: int = 0o666) -> None:
    """Puts a file of a mode, less the umask, in the place of `path`; OSError leaves the old one."""
    draft = sibling(path, "partial")
    try:
        with os.fdopen(os.open(draft, _NEW, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    flush(path.parent)


def sibling(path: Path, state: str) -> Path:
    """Gives an unused hidden name beside a file or folder: only a rename within one file system is atomic."""
    return path.parent / f".{path.name}.{state}-{secrets.token_hex(6)}"


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
