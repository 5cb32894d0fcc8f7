"""What is done for one shard, by whichever process: read, forecast, written as a part. The same on every engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa
import torch

from forecaster.bundle import load_bundle
from forecaster.data.columns import DEFAULT_TIME_COLUMN
from forecaster.data.panel import Panel
from forecaster.errors import ForecasterError
from pipelines.batch.job import Done, Shard
from pipelines.batch.parts import forecast_table, write_part
from pipelines.batch.reading import Rows
from pipelines.batch.working_folder import WorkingFolder
from pipelines.errors import BatchError


class ShardMaker:
    """Forecasts shards of the job in a working folder, one at a time, on one thread; holds model and file between them.

    BatchError where there is no such folder, as on a machine that does not share it.
    """

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)  # so that sums are the same however many processes there are
        pa.set_cpu_count(1)
        self._folder = WorkingFolder(folder)
        job = self._folder.job() if folder.is_dir() else None
        if job is None:
            message = f"process {os.getpid()} sees no job in {folder}: all machines must share that folder"
            raise BatchError(message, code="folder-not-shared")
        self._job = job
        self._predictor = load_bundle(self._folder.bundle, job.runtime).predictor
        self._rows = Rows(job.rows, job.table)

    def make(self, number: int) -> Done:
        """Forecasts one shard and puts its part in place.

        Raises what reading a table and forecasting it raise, naming the shard.
        """
        shard = self._job.shards[number]
        with naming(shard):
            draft = self._folder.drafts / f"{number:06d}-{os.getpid()}.parquet"
            draft.touch()
            panel = self._rows.panel(shard)
            _refuse_misfit(shard, panel)
            rows = pa.concat_tables([self._piece(shard, panel, piece) for piece in shard.pieces]).combine_chunks()
            sha256 = write_part(rows, draft)
            num_bytes = draft.stat().st_size
            done = Done(
                number=number,
                num_series=shard.num_series,
                num_rows=len(rows),
                num_bytes=num_bytes,
                sha256=sha256,
            )
            self._folder.finish(draft, done)
            return done

    def _piece(self, shard: Shard, panel: Panel, series: range) -> pa.Table:
        """Gives the forecasts of a piece of a shard: kept ones, or new ones, which are kept for a run after this."""
        found = self._folder.piece(shard.number, series.start)
        if found is not None:
            return found
        job, table = self._job, self._job.table
        forecast = self._predictor.predict(panel.select(series), job.horizon, job.levels, roll_out=job.roll_out)
        rows = forecast_table(forecast, table.id_column, table.time_column or DEFAULT_TIME_COLUMN)
        if len(shard.pieces) > 1:
            self._folder.keep_piece(shard.number, series.start, rows)
        return rows


@cache
def maker_in(folder: Path) -> ShardMaker:
    """Gives the one that this process has for a folder."""
    return ShardMaker(folder)


def _refuse_misfit(shard: Shard, panel: Panel) -> None:
    """Makes sure that the series are those that the shard was planned with, each of them once."""
    ids = panel.series_ids
    if (len(set(ids)), ids[0], ids[-1]) != (shard.num_series, shard.first_id, shard.last_id):
        message = f"its rows hold {len(set(ids))} series from {ids[0][:40]!r} to {ids[-1][:40]!r}"
        raise BatchError(f"{message}: has the table changed?", code="shard-misfit")


@contextmanager
def naming(shard: Shard) -> Iterator[None]:
    """Has errors say which shard they are about; what is no error on purpose becomes one."""
    try:
        yield
    except ForecasterError as error:
        raise type(error)(f"{shard}: {error}", code=error.code) from error
    except (OSError, ValueError, MemoryError) as error:
        raise BatchError(f"{shard}: {type(error).__name__}: {str(error)[:300]}", code="shard-failed") from error
