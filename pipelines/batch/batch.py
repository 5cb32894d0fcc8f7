"""Forecasts in shards: the table is cut, processes forecast the shards, the parts become the output.

    table -- rows_of --> Parquet -- plan_shards --> job.json -- an engine makes each --> parts -- publish --> output

A run that breaks off leaves its working folder (`working_folder.py`); the same command goes on with what is missing.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import Field

from forecaster.bundle import NETWORK
from forecaster.config import Config, TableConfig
from forecaster.errors import ConfigError
from forecaster.pretrained import ZERO_SHOT
from pipelines.batch.job import SERIES_PER_SHARD, Done, Identity, Job, Runtime
from pipelines.batch.local import make_locally
from pipelines.batch.on_ray import make_on_ray
from pipelines.batch.output import MadeFrom, Manifest, check_target, publish
from pipelines.batch.planning import plan_shards
from pipelines.batch.reading import Rows
from pipelines.batch.staging import data_digest, rows_of
from pipelines.batch.unseen import fit_encoder
from pipelines.batch.working_folder import WorkingFolder, working_folder
from pipelines.config import Environment, SourceConfig
from pipelines.loading import table_for
from pipelines.prediction import Wanted
from pipelines.references import Referred, fetch_reference
from pipelines.sources import refuse_two
from pipelines.zero_shot import encoder_within


class Sharding(Config):
    """Who forecasts the shards, and how they are cut."""

    engine: Literal["local", "ray"] = "local"
    num_workers: int | None = Field(None, ge=1, description="Processes. Default: as many as there are cores.")
    ray_address: str | None = Field(None, description="A Ray cluster. Default: one on this machine, for this run.")
    series_per_shard: int = Field(SERIES_PER_SHARD, ge=1)
    runtime: Literal["auto", "eager", "onnx"] = Field(
        "auto", description="What executes the networks; auto: ONNX Runtime where the bundle has a graph for it."
    )
    restart: bool = Field(False, description="Give up what a broken-off run has left.")


@dataclass(frozen=True)
class Asked:
    """What is to be forecast, by whom, and where the forecasts go."""

    reference: str
    source: SourceConfig
    table: TableConfig
    wanted: Wanted
    output: Path


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    num_done: int  # shards, those of a run before included
    num_shards: int
    num_series: int  # that this run has forecast
    seconds: float  # since it began to

    def line(self) -> str:
        """Gives it as people read it."""
        rate = self.num_series / self.seconds if self.seconds else 0.0
        return f"shards {self.num_done}/{self.num_shards}  {self.num_series:,} series  {rate:,.0f} series/s"


Report = Callable[[Progress], None]


def refusal(source: SourceConfig, table: TableConfig) -> str | None:
    """Says why a table cannot be forecast in shards; None where it can."""
    if source.is_store:
        return f"{source.path} is a store"
    if source.future is not None or source.static is not None:
        return "a future or a static table is joined with the whole table"
    if table.group_column is not None:
        return f"series of one {table.group_column!r} see each other, wherever they stand"
    if table.layout == "wide":
        return "a wide table has its series side by side"
    return None


def predict_in_shards(environment: Environment, asked: Asked, sharding: Sharding, report: Report) -> Manifest:
    """Forecasts each series of a long table into a folder of Parquet parts, or into one file.

    Raises ConfigError for a table that cannot be cut, SourceError or another DataError for one that cannot be read,
    naming the shard, BatchError where a run cannot begin or go on, and what `Predictor.predict` raises.
    """
    refuse_two(asked.source)
    reason = refusal(asked.source, asked.table)
    if reason is not None:
        raise ConfigError(f"this table cannot be forecast in shards: {reason}; forecast it whole (--whole)")
    check_target(asked.output, asked.source)
    with working_folder(asked.output, restart=sharding.restart) as folder:
        model = fetch_reference(environment, asked.reference, folder.fetched)
        runtime = _runtime(sharding, folder.fetched)
        identity = _identity(asked, sharding, model.bundle.digest, runtime)
        folder.claim(identity)
        job = folder.job() or _planned(folder, asked, model, identity)
        for progress in _made(folder, job, sharding):
            report(progress)
        manifest = publish(folder, job, MadeFrom(model=model.name, asked=identity), asked.output)
        folder.remove()
    return manifest


def _runtime(sharding: Sharding, bundle: Path) -> Runtime:
    """Settles what executes the networks, so that no process has a choice: another runtime gives other last digits."""
    if sharding.runtime != "auto":
        return sharding.runtime
    has_graph = (bundle / NETWORK).is_file() and importlib.util.find_spec("onnxruntime") is not None
    return "onnx" if has_graph else "eager"


def _identity(asked: Asked, sharding: Sharding, model: str, runtime: Runtime) -> Identity:
    wanted = asked.wanted
    return Identity(
        data=data_digest(asked.source),
        table=asked.table,
        model=model,
        horizon=wanted.horizon,
        levels=None if wanted.levels is None else tuple(wanted.levels),
        roll_out=wanted.roll_out,
        runtime=runtime,
        series_per_shard=sharding.series_per_shard,
    )


def _planned(folder: WorkingFolder, asked: Asked, model: Referred, identity: Identity) -> Job:
    """Cuts the table; asks the model about the first shard, so that what is wrong with all is said before the work."""
    folder.take_fetched()
    is_unseen, bundle = asked.reference == ZERO_SHOT, model.bundle
    table = asked.table if is_unseen else table_for([bundle], asked.source, asked.table)
    rows = rows_of(asked.source, table, folder.rows)
    shards = plan_shards(rows, table.id_column, identity.series_per_shard)
    wanted, reader = asked.wanted, Rows(rows, table)
    first = reader.panel(shards[0])
    zone = reader.common_zone(first.axis.timezone)
    if zone != first.axis.timezone:
        first = Rows(rows, table.model_copy(update={"timezone": zone})).panel(shards[0])
    if is_unseen:
        longest = max(int(first.lengths.max()), *(shard.longest for shard in shards))
        bundle = encoder_within(first.axis.frequency, longest, wanted.horizon)
        table = table_for([bundle], asked.source, asked.table)
    bundle.predictor.question(first, wanted.horizon, wanted.levels, roll_out=wanted.roll_out)
    table = table.model_copy(update={"timezone": first.axis.timezone})
    if is_unseen:
        fit_encoder(folder, bundle, first, Rows(rows, table), shards)
    job = Job(
        rows=rows,
        table=table,
        horizon=identity.horizon,
        levels=identity.levels,
        roll_out=identity.roll_out,
        runtime=identity.runtime,
        shards=shards,
    )
    folder.plan(job)
    pa.default_memory_pool().release_unused()  # 120 MB for a million series, which would stay for the whole run
    return job


def _made(folder: WorkingFolder, job: Job, sharding: Sharding) -> Iterator[Progress]:
    """Makes the shards that are missing."""
    before = folder.done()
    missing = [shard.number for shard in job.shards if shard.number not in before]
    num_done, num_series, begin = len(before), 0, time.monotonic()
    for done in _by_engine(folder, missing, sharding):
        num_done, num_series = num_done + 1, num_series + done.num_series
        yield Progress(num_done, len(job.shards), num_series, time.monotonic() - begin)


def _by_engine(folder: WorkingFolder, missing: Sequence[int], sharding: Sharding) -> Iterator[Done]:
    if not missing:
        return iter(())
    num_workers = sharding.num_workers or len(os.sched_getaffinity(0))
    path = folder.path.absolute()
    if sharding.engine == "ray":
        return make_on_ray(path, missing, num_workers, sharding.ray_address)
    return make_locally(path, missing, num_workers)
