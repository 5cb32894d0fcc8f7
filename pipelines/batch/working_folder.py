"""The working folder of a run in shards: what is there is never half, so that a killed run can be gone on with.

    .NAME.shards/
      lock            held by the run that works here
      identity.json   what that run was asked for
      fetched/        the model that a run asks for, until it is known to be the run that works here
      bundle/         the model
      rows.parquet    the rows of a CSV file or of a query; Parquet files are read where they lie
      job.json        the shards; written when they are planned
      drafts/         000012-PID.parquet: the shard that a process has in hand
      pieces/         000012-001024.parquet: forecasts of that shard from its series 1024 on, until the part is there
      done/           000012.json: what is known of a finished shard, written after its part
      parts/          part-000012.parquet: becomes the output

It lies hidden beside the output, on the same file system, since only a rename within one is atomic.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
from pydantic import ValidationError

from forecaster.config import Config
from forecaster.whole_file import flush, write_whole
from pipelines.batch.job import Done, Identity, Job, part_name
from pipelines.batch.parts import read_piece, write_piece
from pipelines.errors import BatchError, SourceError

_LOCK = "lock"


@dataclass(frozen=True)
class WorkingFolder:
    """The files of one run."""

    path: Path

    @property
    def bundle(self) -> Path:
        """Where the model lies."""
        return self.path / "bundle"

    @property
    def fetched(self) -> Path:
        """Where the model that is asked for lies at first."""
        return self.path / "fetched"

    @property
    def rows(self) -> Path:
        """Where the rows of what is no Parquet file lie."""
        return self.path / "rows.parquet"

    @property
    def parts(self) -> Path:
        """The folder that becomes the output."""
        return self.path / "parts"

    @property
    def drafts(self) -> Path:
        """Where parts are made."""
        return self.path / "drafts"

    @property
    def _pieces(self) -> Path:
        return self.path / "pieces"

    @property
    def _identity(self) -> Path:
        return self.path / "identity.json"

    @property
    def _done(self) -> Path:
        return self.path / "done"

    def claim(self, identity: Identity) -> None:
        """Says whose folder this is; BatchError (other-run) where it is that of another run."""
        if self.is_claimed:
            try:
                differing = identity.differences(Identity.model_validate_json(self._identity.read_bytes()))
            except ValidationError:
                differing = ["schema_version"]
            if differing:
                raise BatchError(
                    f"{self.path} holds a run that was broken off and was asked for something else "
                    f"({', '.join(differing)}): finish that one first, or give it up with --restart",
                    code="other-run",
                )
        else:
            _empty(self.path, self.fetched.name)  # what is nobody's: a run was killed while it removed its folder
        for folder in (self.parts, self._done, self._pieces, self.drafts):
            folder.mkdir(exist_ok=True)
        for draft in self.drafts.iterdir():
            draft.unlink()
        write_settings(self._identity, identity)

    def job(self) -> Job | None:
        """Gives the job; None while it is not planned."""
        path = self.path / "job.json"
        return Job.model_validate_json(path.read_bytes()) if path.exists() else None

    def take_fetched(self) -> None:
        """Makes the fetched model, if there is one, that of a run whose job is not planned yet."""
        if self.fetched.exists():
            shutil.rmtree(self.bundle, ignore_errors=True)
            self.fetched.rename(self.bundle)

    def plan(self, job: Job) -> None:
        """Keeps the job."""
        write_settings(self.path / "job.json", job)

    def piece(self, number: int, begin: int) -> pa.Table | None:
        """Gives the forecasts of a piece of a shard that a run before has made; None where there are none."""
        return read_piece(self._piece_path(number, begin))

    def keep_piece(self, number: int, begin: int, forecasts: pa.Table) -> None:
        """Keeps the forecasts of a piece until its shard is finished."""
        path = self._piece_path(number, begin)
        draft = path.with_suffix(f".{os.getpid()}")
        write_piece(forecasts, draft)
        draft.replace(path)

    def _piece_path(self, number: int, begin: int) -> Path:
        return self._pieces / f"{number:06d}-{begin:06d}.parquet"

    def finish(self, draft: Path, done: Done) -> None:
        """Puts a finished draft in its place, then says that it is there."""
        flush(draft)
        draft.replace(self.parts / part_name(done.number))
        flush(self.parts)
        write_settings(self._done / f"{done.number:06d}.json", done)
        for piece in self._pieces.glob(f"{done.number:06d}-*"):
            piece.unlink(missing_ok=True)

    def done(self) -> dict[int, Done]:
        """Gives what is known of the finished shards whose parts are there, by their numbers."""
        found = [Done.model_validate_json(path.read_bytes()) for path in sorted(self._done.glob("*.json"))]
        return {done.number: done for done in found if self._is_there(done)}

    @property
    def has_forecasts(self) -> bool:
        """Says whether a shard or a piece of one is there."""
        return bool(self.done()) or any(self._pieces.glob("*.parquet"))

    @property
    def is_claimed(self) -> bool:
        """Says whether a run has said that this folder is its own."""
        return self._identity.exists()

    def _is_there(self, done: Done) -> bool:
        part = self.parts / part_name(done.number)
        return part.is_file() and part.stat().st_size == done.num_bytes

    def remove(self) -> None:
        """Removes the folder with all that is left in it."""
        with suppress(OSError):
            self.empty()
            (self.path / _LOCK).unlink()  # last: without it another run could begin here
            self.path.rmdir()  # unless one has done so just now

    def empty(self) -> None:
        """Removes all but the lock. The folder is nobody's before anything else goes, so what is left is of no run."""
        self._identity.unlink(missing_ok=True)
        _empty(self.path)


@contextmanager
def working_folder(output: Path, *, restart: bool) -> Iterator[WorkingFolder]:
    """Gives the working folder of an output, for one run at a time; with `restart` an empty one.

    It stays where a run breaks off with some forecasts made, or was not the one that works there. BatchError
    (run-in-progress) while another one does; SourceError where it cannot be made.
    """
    path = output.parent / f".{output.name}.shards"
    try:
        path.mkdir(exist_ok=True)
        held = (path / _LOCK).open("w")
    except OSError as error:
        raise SourceError(f"working folder {path} cannot be made: {error.strerror}") from error
    with held as lock:
        if not _is_taken(lock):
            message = f"another process forecasts into {output} now (it holds {lock.name})"
            raise BatchError(message, code="run-in-progress")
        folder = WorkingFolder(path)
        if restart:
            folder.empty()
        was_claimed = folder.is_claimed
        try:
            yield folder
        except BaseException:
            if not was_claimed and not folder.has_forecasts:  # there is nothing to go on from
                folder.remove()
            raise


def _is_taken(lock: IO[str]) -> bool:
    """Takes a lock; says whether nobody else holds it, and it is not that of a folder that was just removed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock.fileno()), Path(lock.name).stat())
    except OSError:
        return False


def write_settings(path: Path, content: Config) -> None:
    """Writes a file so that it is there whole or not at all."""
    write_whole(path, content.model_dump_json(indent=2).encode())


def _empty(folder: Path, *kept: str) -> None:
    for path in folder.iterdir():
        if path.name in (_LOCK, *kept):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
