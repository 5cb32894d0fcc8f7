"""The store: a panel as a folder of flat columns, opened by memory map and never read whole.

    header.json         schema version, frequency, time zone and counts; written last
    series_ids.jsonl    one JSON string per line                      S lines
    offsets.npy         int64, where each series begins in values     S + 1
    starts.npy          stored time of the first step of each series  S
    values.npy          float64, NaN where missing, series by series

Data only: nothing in it is unpickled. A store appears under its name complete or not at all: it is written
to a hidden folder beside that name, flushed to the disk, then renamed. A writer that is killed leaves only
that `.NAME.partial-*` folder behind; nothing opens it, and it may be deleted.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from forecaster.arrays import IntArray
from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.errors import DataError, SeriesError
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.time.grid import StoredTimes

_HEADER = "header.json"
_IDS = "series_ids.jsonl"
_OFFSETS = "offsets.npy"
_STARTS = "starts.npy"
_VALUES = "values.npy"

_SCHEMA_VERSION = 1


class _Header(Config):
    """What a store says of itself."""

    schema_version: int = _SCHEMA_VERSION
    frequency: str
    timezone: str | None
    num_series: int = Field(ge=1)
    num_values: int = Field(ge=1)


def write_store(panel: Panel, folder: Path, *, overwrite: bool = False) -> None:
    """Writes the whole panel to `folder`; the errors are those of `StoreWriter`."""
    with StoreWriter(folder, panel.axis, overwrite=overwrite) as writer:
        writer.append(panel)


def open_store(folder: Path) -> Panel:
    """Opens a store as a panel whose values are memory-mapped: only the parts in use are read.

    Raises DataError with code store-missing (no store there), store-version (written by another schema
    version) or store-corrupt (files that cannot be read or do not fit together).
    """
    header = _read_header(folder)
    try:
        panel = Panel(
            series_ids=_read_ids(folder / _IDS),
            offsets=_load(folder / _OFFSETS),
            values=_map(folder / _VALUES),
            starts=_load(folder / _STARTS),
            axis=TimeAxis(Frequency.parse(header.frequency), header.timezone),
        )
    except (OSError, ValueError, EOFError, DataError) as error:
        raise _corrupt(folder, str(error)) from error
    if (len(panel), panel.num_values) != (header.num_series, header.num_values):
        raise _corrupt(folder, f"{_HEADER} tells another number of series or values than the files hold")
    return panel


class StoreWriter:
    """Builds a store block by block, so that a panel larger than memory can be written.

        with StoreWriter(folder, axis) as writer:
            for block in blocks:
                writer.append(block)

    Leaving the `with` body puts the store in place; leaving it by an error puts nothing there. With
    `overwrite` an older store of that name is replaced: panels opened from it stay valid. Only a crash in
    the instant between the two renames leaves no store under the name, and the old one in
    `.NAME.replaced-*`. Raises DataError (store-exists) if the folder exists and may not be replaced, or is no
    store; SeriesError if nothing was appended.
    """

    _draft: Path
    _values: BinaryIO

    def __init__(self, folder: Path, axis: TimeAxis, *, overwrite: bool = False) -> None:
        self._folder = folder
        self._axis = axis
        self._overwrite = overwrite
        self._ids: dict[str, None] = {}  # in order, and quick to search
        self._lengths: list[IntArray] = []
        self._starts: list[StoredTimes] = []

    def __enter__(self) -> Self:
        _check_replaceable(self._folder, self._overwrite)
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._draft = _sibling(self._folder, "partial")
        self._draft.mkdir()
        self._values = (self._draft / _VALUES).open("wb")
        _write_values_header(self._values, 0)
        return self

    def append(self, block: Panel) -> None:
        """Adds the series of `block` after those that are there.

        Raises DataError for a block on another time axis, SeriesError for a series id that was there before.
        """
        if block.axis != self._axis:
            raise DataError(f"a block has time axis {block.axis}, the store has {self._axis}", code="axis-mismatch")
        known = next((series_id for series_id in block.series_ids if series_id in self._ids), None)
        if known is not None:
            raise SeriesError(f"series {known!r} is appended twice", code="duplicate-series")
        self._ids.update(dict.fromkeys(block.series_ids))
        self._lengths.append(block.lengths)
        self._starts.append(block.starts)
        self._values.write(np.ascontiguousarray(block.values).data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._values:
                if error is None:
                    self._write_columns()
            if error is None:
                _publish(self._draft, self._folder, self._overwrite)
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)

    def _write_columns(self) -> None:
        if not self._ids:
            raise SeriesError("a store needs at least one series, none was appended", code="empty")
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(self._lengths))])
        _write_values_header(self._values, int(offsets[-1]))
        self._values.flush()
        np.save(self._draft / _OFFSETS, offsets, allow_pickle=False)
        np.save(self._draft / _STARTS, np.concatenate(self._starts), allow_pickle=False)
        with (self._draft / _IDS).open("w", encoding="ascii") as file:
            file.writelines(json.dumps(series_id) + "\n" for series_id in self._ids)
        header = _Header(
            frequency=self._axis.frequency.alias,
            timezone=self._axis.timezone,
            num_series=len(self._ids),
            num_values=int(offsets[-1]),
        )
        (self._draft / _HEADER).write_text(header.model_dump_json(indent=2))


def _check_replaceable(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not overwrite:
        raise DataError(f"{folder} exists already and may not be overwritten", code="store-exists")
    if folder.exists() and not (folder / _HEADER).is_file():
        raise DataError(f"{folder} is not a store, so it is not overwritten", code="store-exists")


def _sibling(folder: Path, state: str) -> Path:
    """Gives an unused hidden name beside `folder`: only a rename within one file system is atomic."""
    return folder.parent / f".{folder.name}.{state}-{secrets.token_hex(6)}"


def _publish(draft: Path, folder: Path, overwrite: bool) -> None:
    """Flushes the finished draft and renames it to `folder`, putting an older store back if that fails."""
    for path in [*draft.iterdir(), draft]:
        _flush(path)
    _check_replaceable(folder, overwrite)
    replaced = _sibling(folder, "replaced") if folder.exists() else None
    if replaced:
        folder.rename(replaced)
    try:
        draft.rename(folder)
    except OSError:
        if replaced:
            replaced.rename(folder)
        raise
    _flush(folder.parent)
    if replaced:
        shutil.rmtree(replaced)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_values_header(file: BinaryIO, num_values: int) -> None:
    """Writes the .npy header at the head of the file; numpy leaves room in it for the count to grow."""
    file.seek(0)
    shape = {"descr": np.dtype(np.float64).str, "fortran_order": False, "shape": (num_values,)}
    np.lib.format.write_array_header_1_0(file, shape)


def _read_header(folder: Path) -> _Header:
    try:
        header = _Header.model_validate_json((folder / _HEADER).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"there is no store at {folder}: it has no {_HEADER}", code="store-missing") from error
    except ValidationError as error:
        raise _corrupt(folder, f"{_HEADER} is malformed ({error.errors()[0]['msg']})") from error
    if header.schema_version != _SCHEMA_VERSION:
        raise DataError(
            f"the store at {folder} has schema version {header.schema_version}, this version reads {_SCHEMA_VERSION}",
            code="store-version",
        )
    return header


def _read_ids(path: Path) -> tuple[str, ...]:
    with path.open(encoding="ascii") as file:
        return tuple(str(json.loads(line)) for line in file)


def _load(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _map(path: Path) -> NDArray[Any]:
    """Maps an array file for reading; given as a plain ndarray, since np.memmap is slow to slice."""
    return np.asarray(np.lib.format.open_memmap(path, mode="r"))


def _corrupt(folder: Path, problem: str) -> DataError:
    return DataError(f"the store at {folder} is damaged: {problem}", code="store-corrupt")
