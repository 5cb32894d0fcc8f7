"""The output of a run in shards: a folder of parts with a manifest, or one file. It appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from forecaster.config import Config
from forecaster.whole_file import flush
from pipelines.batch.job import Done, Identity, Job, num_rows, part_name
from pipelines.batch.parts import write_csv, write_parquet
from pipelines.batch.working_folder import WorkingFolder, write_settings
from pipelines.config import SourceConfig
from pipelines.errors import BatchError, SourceError
from pipelines.sources import check_output

MANIFEST = "_manifest.json"  # readers of a folder of Parquet files pass over what begins with an underscore


class MadeFrom(Config):
    """What forecasts were made from."""

    model: str  # 'sales version 7', or a folder
    asked: Identity


class Manifest(Config):
    """What a folder of parts holds, and what it was made from."""

    schema_version: int = 1
    made_from: MadeFrom
    num_series: int
    num_rows: int
    parts: tuple[Done, ...]


def is_folder_name(output: Path) -> bool:
    """Says whether an output is to be a folder of parts: its name has no ending."""
    return not output.suffix


def check_target(output: Path, source: SourceConfig) -> None:
    """Raises SourceError where the output could not be put in its place, before any work is done."""
    if not is_folder_name(output):
        check_output(output, source)
        return
    try:
        exists, is_beside = output.exists(), output.parent.is_dir()
    except OSError as error:
        raise SourceError(f"output folder {output} cannot be written: {error.strerror}") from error
    if exists:
        raise SourceError(f"output folder {output} exists already: name another one, or remove it")
    if not is_beside:
        raise SourceError(f"the folder of output folder {output} does not exist")


def publish(folder: WorkingFolder, job: Job, made_from: MadeFrom, output: Path) -> Manifest:
    """Puts the finished parts in place of the output. BatchError where a part or a row is missing."""
    finished = _checked(folder, job)
    manifest = Manifest(
        made_from=made_from,
        num_series=job.num_series,
        num_rows=num_rows(finished),
        parts=finished,
    )
    parts = [folder.parts / part_name(done.number) for done in finished]
    try:
        if is_folder_name(output):
            write_settings(folder.parts / MANIFEST, manifest)
            flush(folder.parts)
            folder.parts.rename(output)
        else:
            draft = folder.drafts / output.name
            write = write_csv if output.suffix.lower() == ".csv" else write_parquet
            write(parts, draft)
            flush(draft)
            draft.replace(output)
        flush(output.parent)
    except OSError as error:
        raise SourceError(f"output {output} cannot be written: {error.strerror}") from error
    return manifest


def _checked(folder: WorkingFolder, job: Job) -> tuple[Done, ...]:
    """Gives what is known of each shard in order, each there once with a row for each of its series and steps."""
    done = folder.done()
    for shard in job.shards:
        found = done.get(shard.number)
        part = folder.parts / part_name(shard.number)
        if found is None or pq.read_metadata(part).num_rows != found.num_rows or found.num_series != shard.num_series:
            raise BatchError(f"{shard} is not complete in {part}", code="shard-misfit")
    per_series = {done[shard.number].num_rows / shard.num_series for shard in job.shards}
    if len(per_series) != 1:
        raise BatchError(f"shards have different numbers of rows per series: {sorted(per_series)}", code="shard-misfit")
    return tuple(done[shard.number] for shard in job.shards)
