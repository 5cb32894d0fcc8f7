"""Arrays of a store: .npy files that grow while they are written, and are read or mapped without unpickling."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.arrays import FloatArray


class GrowingArray:
    """A .npy file of float64 whose rows are appended block by block; `close` settles how many there are."""

    def __init__(self, path: Path, row_shape: tuple[int, ...]) -> None:
        self._row_shape = row_shape
        self._num_rows = 0
        self._file = path.open("wb")
        self._write_header()

    def append(self, rows: FloatArray) -> None:
        """Adds rows of the shape that all rows have."""
        assert rows.shape[1:] == self._row_shape
        self._num_rows += len(rows)
        self._file.write(np.ascontiguousarray(rows, dtype=np.float64).data)

    def close(self) -> None:
        """Writes the number of rows into the head of the file and closes it."""
        with self._file:
            self._write_header()

    def _write_header(self) -> None:
        """Writes the .npy header at the head of the file; numpy leaves room in it for the count to grow."""
        self._file.seek(0)
        shape = (self._num_rows, *self._row_shape)
        facts = {"descr": np.dtype(np.float64).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, facts)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Writes a whole array as a .npy file."""
    np.save(path, array, allow_pickle=False)


def load_array(path: Path) -> NDArray[Any]:
    """Reads a whole .npy file; ValueError where it holds objects."""
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def map_array(path: Path) -> NDArray[Any]:
    """Maps a .npy file for reading; given as a plain ndarray, since np.memmap is slow to slice."""
    return np.asarray(np.lib.format.open_memmap(path, mode="r"))


def save_lines(path: Path, values: Iterable[object]) -> None:
    """Writes one JSON value per line."""
    with path.open("w", encoding="ascii") as file:
        file.writelines(json.dumps(value) + "\n" for value in values)


def load_lines(path: Path) -> list[Any]:
    """Reads one JSON value per line; ValueError where a line is none."""
    with path.open(encoding="ascii") as file:
        return [json.loads(line) for line in file]
