"""What differs between two versions of a file, so that whoever follows one need not read it to know."""

from __future__ import annotations

from pathlib import Path

Mark = tuple[int, int, int]


def mark_of(path: Path) -> Mark | None:
    """Gives what differs between two versions of a file, which is no link; None where it cannot be found."""
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
