"""Whether a table is forecast whole or in shards: as the caller says, else by its size."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from forecaster.config import TableConfig
from forecaster.errors import ConfigError
from pipelines.batch.batch import Sharding, refusal
from pipelines.batch.staging import is_parquet
from pipelines.config import SourceConfig

# From here on a table is forecast in shards unless the caller says otherwise; of a query nobody knows the size.
MANY_ROWS = 10_000_000  # of a Parquet file
MANY_BYTES = 500_000_000  # of a CSV file
_FLAGS = {"num_workers": "--workers"}  # of settings that are not called as they are


def takes_shards(
    source: SourceConfig, table: TableConfig, output: Path | None, sharding: Sharding, wanted: bool | None
) -> bool:
    """Says whether a table is forecast in shards; `wanted` is what the caller says of it, None where nothing.

    ConfigError for settings of shards where there are none, and for shards without an output.
    """
    settings = sorted(sharding.model_fields_set)
    _refuse_contradiction(sharding)
    if wanted is False and settings:
        flags = ", ".join(_FLAGS.get(name, f"--{name.replace('_', '-')}") for name in settings)
        raise ConfigError(f"a table that is forecast whole has no shards: leave out --whole, or {flags}")
    if output is None and (wanted or settings):
        raise ConfigError("forecasts in shards are written to files: give an --output")
    if wanted is not None or output is None:
        return bool(wanted)
    return bool(settings) or (refusal(source, table) is None and _is_large(source.path))


def _refuse_contradiction(sharding: Sharding) -> None:
    if sharding.ray_address is not None and sharding.engine != "ray":
        raise ConfigError("--ray-address is for --engine ray")
    if sharding.ray_address is not None and sharding.num_workers is not None:
        raise ConfigError("--workers is for a cluster of this run: one with an address has the workers that it has")


def _is_large(path: Path | None) -> bool:
    """Says whether a file is too large to be read at once; what cannot be looked at is not, and reading it says why."""
    try:
        if path is None or not path.is_file():
            return False
        if is_parquet(path):
            return bool(pq.read_metadata(path).num_rows >= MANY_ROWS)
        return path.stat().st_size >= MANY_BYTES
    except (OSError, ValueError):
        return False
