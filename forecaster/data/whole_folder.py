"""A folder that appears under its name whole or not at all: written beside it, flushed to the disk, then renamed."""

from __future__ import annotations

import shutil
from pathlib import Path

from forecaster.errors import DataError
from forecaster.whole_file import flush, sibling


def check_replaceable(folder: Path, mark: str, *, overwrite: bool) -> None:
    """Raises DataError (store-exists) for a folder that may not be overwritten, or has no file `mark`."""
    if folder.exists() and not overwrite:
        raise DataError(f"{folder} exists already and may not be overwritten", code="store-exists")
    if folder.exists() and not (folder / mark).is_file():
        raise DataError(f"{folder} is not a store, so it is not overwritten", code="store-exists")


def publish(draft: Path, folder: Path, *, overwrite: bool) -> None:
    """Flushes the finished draft and renames it to `folder`, putting an older one back if that fails.

    Without `overwrite` one that has appeared in the meantime stays, and OSError is raised.
    """
    for path in [*draft.iterdir(), draft]:
        flush(path)
    replaced = sibling(folder, "replaced") if overwrite and folder.exists() else None
    if replaced:
        folder.rename(replaced)
    try:
        draft.rename(folder)
    except OSError:
        if replaced:
            replaced.rename(folder)
        raise
    flush(folder.parent)
    if replaced:
        shutil.rmtree(replaced)
