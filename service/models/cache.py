"""What a restart can go on with: verified bundles on disk, and served.json with what each spec served last.

    HOME/cache/served.json                     per spec: version, digest, generation, and the version before
    HOME/cache/<name>/<version>-<digest16>/    the bundles that served.json names, and no others for long
    HOME/cache/<name>/.download-*/             downloads under way

Several processes may share a home. All changes are made under a file lock, so that they agree on generations.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from forecaster.data.whole_folder import publish
from forecaster.whole_file import write_whole
from service.model_spec import ModelSpec
from service.models.registry import VersionRef
from service.models.served_state import LastServed, ServedState

log = logging.getLogger("service.models.cache")

_STATE, _LOCK, _DOWNLOAD = "served.json", ".lock", ".download-"
_LOCK_SECONDS = 10.0  # far longer than anybody needs it: whoever has it then is stopped
_STALE_DOWNLOAD_SECONDS = 3600.0
_MAX_STATE_BYTES = 4 << 20
_LITTLE_ROOM_BYTES = 1 << 30


class BundleCache:
    """Bundles and the last good state in HOME/cache. No method raises because the disk is full or cannot be written."""

    def __init__(self, home: Path) -> None:
        self._root = home / "cache"

    def folder(self, reference: VersionRef) -> Path:
        """Gives where the bundle of a version lies if it is cached; the digest is a checked one."""
        return self._root / reference.name / f"{reference.version}-{reference.digest[-16:]}"

    def drop(self, reference: VersionRef) -> None:
        """Takes a spoiled bundle out of the cache, whatever lies in its place."""
        folder = self.folder(reference)
        try:
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
            else:
                folder.unlink(missing_ok=True)
        except OSError as error:
            self._report(error, reference.name)

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """Lends an empty folder for a download beside the bundles of `name`; it is removed afterwards.

        Where that cannot be written it is a temporary folder as `draft_elsewhere` gives.
        """
        try:
            parent = _private(_private(self._root) / name)
            folder = Path(tempfile.mkdtemp(prefix=_DOWNLOAD, dir=parent))
        except OSError as error:
            self._report(error, name)
            with self.draft_elsewhere() as elsewhere:
                yield elsewhere
            return
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def draft_elsewhere(self) -> Iterator[Path]:
        """Lends an empty folder among the temporary files of the system: a bundle in it can serve, but is not kept."""
        with tempfile.TemporaryDirectory(prefix="forecaster-") as folder:
            yield Path(folder)

    def has_little_room(self) -> bool:
        """Says whether a download may have failed for want of space on the disk of the cache."""
        try:
            return shutil.disk_usage(self._root).free < _LITTLE_ROOM_BYTES
        except OSError:
            return False

    def state(self) -> ServedState:
        """Reads what served last; nothing where there is no such file or it is spoiled."""
        path = self._root / _STATE
        try:
            if path.stat().st_size > _MAX_STATE_BYTES:
                raise ValueError(f"{_STATE} is larger than {_MAX_STATE_BYTES} bytes")
            return ServedState.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return ServedState()
        except (OSError, ValueError) as error:  # a ValidationError is a ValueError
            reason = f"{error.error_count()} invalid fields" if isinstance(error, ValidationError) else str(error)
            log.warning("served_state_unreadable", extra={"fields": {"reason": reason}})
            return ServedState()

    def commit(self, spec: ModelSpec, reference: VersionRef, draft: Path | None, at_least: int) -> int:
        """Records that `reference` serves `spec` from now on and gives its generation, `at_least` or higher.

        Keeps the verified bundle in the folder `draft`, and removes bundles that nothing refers to any more.
        """
        last = self.state().specs.get(str(spec))
        if draft is None and last is not None and last == LastServed.after(last, reference, at_least):
            return last.generation
        try:
            with self._locked():
                if draft is not None:
                    self.keep(draft, reference)
                return self._record(spec, reference, at_least)
        except OSError as error:
            self._report(error, str(spec))
            return LastServed.after(last, reference, at_least).generation

    def keep(self, draft: Path, reference: VersionRef) -> None:
        """Moves a verified bundle to its place, unless another process was faster or it lies on another disk."""
        folder = self.folder(reference)
        if self._root not in draft.parents or folder.is_dir():
            return
        try:
            draft.chmod(0o700)
            for path in draft.iterdir():
                path.chmod(0o600)
            publish(draft, folder, overwrite=False)
        except OSError as error:
            self._report(error, reference.name)

    def _record(self, spec: ModelSpec, reference: VersionRef, at_least: int) -> int:
        state = self.state()
        last = state.specs.get(str(spec))
        now = LastServed.after(last, reference, at_least)
        if now != last:
            state = state.model_copy(update={"specs": {**state.specs, str(spec): now}})
            write_whole(self._root / _STATE, state.model_dump_json(indent=2).encode(), 0o600)
        self._prune(state)
        return now.generation

    def _prune(self, state: ServedState) -> None:
        """Removes bundles that no spec has served last or before, and downloads whose process has gone."""
        kept = {self.folder(reference) for reference in state.references()}
        for folder in self._root.glob("*/*"):
            if folder not in kept and (not folder.name.startswith(_DOWNLOAD) or _is_stale(folder)):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock of this home; OSError (TimeoutError) where another process does not give it back."""
        path = _private(self._root) / _LOCK
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _report(self, error: OSError, model: str) -> None:
        log.error("cache_unwritable", extra={"fields": {"model": model, "reason": error.strerror or str(error)}})


def _private(folder: Path) -> Path:
    """Makes a folder that only its owner may enter, unless it exists; gives it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _lock(descriptor: int) -> None:
    give_up = time.monotonic() + _LOCK_SECONDS
    pause = threading.Event()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise TimeoutError(f"the lock of the cache is not given back in {_LOCK_SECONDS} s") from None
            pause.wait(random.uniform(0.001, 0.01))  # noqa: S311 - so that no two wait in step
        else:
            return


def _is_stale(folder: Path) -> bool:
    """Says whether a download began so long ago that its process must have ended within it."""
    try:
        return time.time() - folder.stat().st_mtime > _STALE_DOWNLOAD_SECONDS
    except OSError:
        return False
