"""The store: a panel as a folder of flat columns, opened by memory map and never read whole.

    header.json         schema version, frequency, time zone, counts, names of covariates; written last
    series_ids.jsonl    one JSON string per line                      S lines
    offsets.npy         int64, where each series begins in values     S + 1
    starts.npy          stored time of the first step of each series  S
    values.npy          float64, NaN where missing, series by series
    groups.npy          int64, equal where series share a group       S
    past.npy            covariates that end with the values           values x columns
    known.npy           covariates that are known ahead               values and steps ahead x columns
    known_offsets.npy   int64, where each series begins in known      S + 1
    static.npy          covariates of whole series                    S x columns
    categories.jsonl    one JSON list of texts and nulls per series   S lines

Files of groups and of kinds of covariates that the panel has not are left out.
Data only: nothing in it is unpickled. A store appears under its name complete or not at all: it is written
to a hidden folder beside that name, flushed to the disk, then renamed. A writer that is killed leaves only
that `.NAME.partial-*` folder behind; nothing opens it, and it may be deleted.
"""

from __future__ import annotations

import shutil
import tokenize
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import Config
from forecaster.data.covariates import PanelCovariates, TextArray
from forecaster.data.panel import Panel
from forecaster.data.store_arrays import GrowingArray, load_array, load_lines, map_array, save_array, save_lines
from forecaster.data.whole_folder import check_replaceable, publish
from forecaster.errors import DataError, SeriesError
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.whole_file import sibling

_HEADER = "header.json"
_IDS = "series_ids.jsonl"
_OFFSETS = "offsets.npy"
_STARTS = "starts.npy"
_VALUES = "values.npy"
_GROUPS = "groups.npy"
_PAST = "past.npy"
_KNOWN = "known.npy"
_KNOWN_OFFSETS = "known_offsets.npy"
_STATIC = "static.npy"
_CATEGORIES = "categories.jsonl"

_SCHEMA_VERSION = 2
_READABLE_VERSIONS = (1, 2)  # version 1 had neither groups nor covariates


class _Names(Config):
    """The covariates of a store, by their kind."""

    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    category: tuple[str, ...] = ()


class _Header(Config):
    """What a store says of itself."""

    schema_version: int = _SCHEMA_VERSION
    frequency: str
    timezone: str | None
    num_series: int = Field(ge=1)
    num_values: int = Field(ge=1)
    is_grouped: bool = False
    covariates: _Names = _Names()


def write_store(panel: Panel, folder: Path, *, overwrite: bool = False) -> None:
    """Writes the whole panel to `folder`; the errors are those of `StoreWriter`."""
    with StoreWriter(folder, panel.axis, overwrite=overwrite) as writer:
        writer.append(panel)


def open_store(folder: Path) -> Panel:
    """Opens a store as a panel whose values and covariates are memory-mapped: only the parts in use are read.

    Raises DataError with code store-missing (no store there), store-version (written by another schema
    version) or store-corrupt (files that cannot be read or do not fit together).
    """
    header = _read_header(folder)
    try:
        panel = Panel(
            series_ids=tuple(map(str, load_lines(folder / _IDS))),
            offsets=load_array(folder / _OFFSETS),
            values=map_array(folder / _VALUES),
            starts=load_array(folder / _STARTS),
            axis=TimeAxis(Frequency.parse(header.frequency), header.timezone),
            covariates=_open_covariates(folder, header.covariates),
            groups=load_array(folder / _GROUPS) if header.is_grouped else np.empty(0, dtype=np.int64),
        )
    # SyntaxError and TokenError: numpy reads the header of an array as a Python literal
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError, DataError) as error:
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

    def __init__(self, folder: Path, axis: TimeAxis, *, overwrite: bool = False) -> None:
        self._folder = folder
        self._axis = axis
        self._overwrite = overwrite
        self._ids: dict[str, None] = {}  # in order, and quick to search
        self._names: _Names | None = None  # of the first block's covariates
        self._files: dict[str, GrowingArray] = {}  # one row per step
        self._kept: dict[str, list[NDArray[Any]]] = defaultdict(list)  # one row per series, block by block

    def __enter__(self) -> Self:
        check_replaceable(self._folder, _HEADER, overwrite=self._overwrite)
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._draft = sibling(self._folder, "partial")
        self._draft.mkdir()
        return self

    def append(self, block: Panel) -> None:
        """Adds the series of `block` after those that are there; no group reaches from one block into another.

        Raises DataError for a block on another time axis or with other covariates, SeriesError for a series id
        that was there before.
        """
        self._check(block)
        held = block.covariates
        self._write(_VALUES, block.values)
        if held.past_names:
            self._write(_PAST, held.past)
        if held.known_names:
            self._write(_KNOWN, held.known)
            self._kept[_KNOWN_OFFSETS].append(np.diff(held.known_offsets))
        if held.static_names:
            self._kept[_STATIC].append(held.static)
        if held.category_names:
            self._kept[_CATEGORIES].append(held.categories)
        self._kept[_OFFSETS].append(block.lengths)
        self._kept[_STARTS].append(block.starts)
        self._kept[_GROUPS].append(block.group_numbers + len(self._ids))
        self._ids.update(dict.fromkeys(block.series_ids))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for file in self._files.values():
                file.close()
            if error is None:
                self._write_rest()
                check_replaceable(self._folder, _HEADER, overwrite=self._overwrite)
                publish(self._draft, self._folder, overwrite=self._overwrite)
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)

    def _check(self, block: Panel) -> None:
        if block.axis != self._axis:
            raise DataError(f"a block has time axis {block.axis}, the store has {self._axis}", code="axis-mismatch")
        known = next((series_id for series_id in block.series_ids if series_id in self._ids), None)
        if known is not None:
            raise SeriesError(f"series {known!r} is appended twice", code="duplicate-series")
        names = _Names(**block.covariates.names)
        if self._names is not None and self._names != names:
            message = f"a block has the covariates {names}; the store has {self._names}"
            raise DataError(message, code="covariates-mismatch")
        self._names = names

    def _write(self, name: str, rows: FloatArray) -> None:
        if name not in self._files:
            self._files[name] = GrowingArray(self._draft / name, rows.shape[1:])
        self._files[name].append(rows)

    def _write_rest(self) -> None:
        if not self._ids or self._names is None:
            raise SeriesError("a store needs at least one series, none was appended", code="empty")
        kept = {name: np.concatenate(blocks) for name, blocks in self._kept.items()}
        groups, offsets = kept.pop(_GROUPS), _offsets(kept.pop(_OFFSETS))
        is_grouped = len(np.unique(groups)) < len(groups)
        save_array(self._draft / _OFFSETS, offsets)
        save_lines(self._draft / _IDS, self._ids)
        if _CATEGORIES in kept:
            save_lines(self._draft / _CATEGORIES, kept.pop(_CATEGORIES).tolist())
        if _KNOWN_OFFSETS in kept:
            kept[_KNOWN_OFFSETS] = _offsets(kept[_KNOWN_OFFSETS])
        if is_grouped:
            kept[_GROUPS] = groups
        for name, array in kept.items():
            save_array(self._draft / name, array)
        header = _Header(
            frequency=self._axis.frequency.alias,
            timezone=self._axis.timezone,
            num_series=len(self._ids),
            num_values=int(offsets[-1]),
            is_grouped=is_grouped,
            covariates=self._names,
        )
        (self._draft / _HEADER).write_text(header.model_dump_json(indent=2))


def _offsets(lengths: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _open_covariates(folder: Path, names: _Names) -> PanelCovariates:
    held: dict[str, Any] = {f"{kind}_names": held for kind, held in names}
    if names.past:
        held["past"] = map_array(folder / _PAST)
    if names.known:
        held |= {"known": map_array(folder / _KNOWN), "known_offsets": load_array(folder / _KNOWN_OFFSETS)}
    if names.static:
        held["static"] = load_array(folder / _STATIC)
    if names.category:
        held["categories"] = _texts(load_lines(folder / _CATEGORIES), len(names.category))
    return PanelCovariates(**held)


def _texts(lines: list[list[str | None]], num_columns: int) -> TextArray:
    texts = np.empty((len(lines), num_columns), dtype=np.object_)
    for number, line in enumerate(lines):
        texts[number] = line
    return texts


def _read_header(folder: Path) -> _Header:
    try:
        header = _Header.model_validate_json((folder / _HEADER).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"there is no store at {folder}: it has no {_HEADER}", code="store-missing") from error
    except ValidationError as error:
        raise _corrupt(folder, f"{_HEADER} is malformed ({error.errors()[0]['msg']})") from error
    if header.schema_version not in _READABLE_VERSIONS:
        raise DataError(
            f"the store at {folder} has schema version {header.schema_version}, "
            f"this version reads {min(_READABLE_VERSIONS)} to {max(_READABLE_VERSIONS)}",
            code="store-version",
        )
    return header


def _corrupt(folder: Path, problem: str) -> DataError:
    return DataError(f"the store at {folder} is damaged: {problem}", code="store-corrupt")
