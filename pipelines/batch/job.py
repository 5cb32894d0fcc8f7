"""The job of a batch: which rows are forecast by which model, and cut into which shards. Kept as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from forecaster.config import Config, TableConfig
from forecaster.predictor import WINDOWS_PER_FORWARD

SERIES_PER_SHARD = 32 * WINDOWS_PER_FORWARD  # whole forward passes: shards then cut no batch of the whole table
_PIECES_PER_SHARD = 8

Runtime = Literal["eager", "onnx"]


class Shard(Config):
    """A run of rows that holds whole series; what is read and written at once, and forecast in up to eight pieces."""

    number: int
    begin: int  # first row of the table, from 0
    end: int  # row after the last
    num_series: int
    first_id: str
    last_id: str
    longest: int = 0  # most rows of a series

    @property
    def pieces(self) -> tuple[range, ...]:
        """Gives the series of each piece, counted from the shard's first; all but the last are whole forward passes."""
        step = math.ceil(self.num_series / (_PIECES_PER_SHARD * WINDOWS_PER_FORWARD)) * WINDOWS_PER_FORWARD
        begins = range(0, self.num_series, step)
        return tuple(range(begin, min(begin + step, self.num_series)) for begin in begins)

    def __str__(self) -> str:
        rows = f"rows {self.begin + 1} to {self.end}"
        return f"shard {self.number} ({rows}, series {self.first_id[:40]!r} to {self.last_id[:40]!r})"


class Identity(Config):
    """What a run is asked for. A broken-off run is gone on with by one that is asked for the same, and by no other."""

    data: str  # digest of the table, or the query and where it was run
    table: TableConfig
    model: str  # digest of the bundle
    horizon: int | None
    levels: tuple[float, ...] | None
    roll_out: bool
    runtime: Runtime
    series_per_shard: int = Field(ge=1)
    schema_version: int = 1

    def differences(self, other: Identity) -> list[str]:
        """Names what is not the same."""
        return [name for name in type(self).model_fields if getattr(self, name) != getattr(other, name)]


class Job(Config):
    """What a process needs to know to forecast any of the shards."""

    rows: Path  # a Parquet file, absolute
    table: TableConfig  # with the frequency that the model expects, and the time zone of the first shard
    horizon: int | None
    levels: tuple[float, ...] | None
    roll_out: bool
    runtime: Runtime
    shards: tuple[Shard, ...]

    @property
    def num_series(self) -> int:
        """Series of all shards."""
        return sum(shard.num_series for shard in self.shards)


class Done(Config):
    """What is known of a finished shard."""

    number: int
    num_series: int
    num_rows: int
    num_bytes: int
    sha256: str


def part_name(number: int) -> str:
    """Gives the name of the file that a shard becomes."""
    return f"part-{number:06d}.parquet"


def num_rows(found: Sequence[Done]) -> int:
    """Gives the rows of some finished shards."""
    return sum(done.num_rows for done in found)
