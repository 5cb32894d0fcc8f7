"""Options of forecasts in shards, and how a command runs them: with a line of progress every few seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pipelines.batch.batch import Asked, Progress, Sharding
    from pipelines.config import Environment

Command = TypeVar("Command", bound=Callable[..., Any])

_SECONDS_BETWEEN_LINES = 5.0

_OPTIONS = (
    click.option(
        "--shards/--whole",
        "in_shards",
        default=None,
        help="Forecast in shards, by several processes, resumable; the output may then be a new folder. "
        "[default: a Parquet file of 10 million rows or a CSV file of 500 MB on]",
    ),
    click.option("--engine", type=click.Choice(["local", "ray"]), help="Who forecasts shards.  [default: local]"),
    click.option("--workers", "num_workers", type=click.IntRange(1), help="Processes.  [default: one per core]"),
    click.option("--ray-address", help="A Ray cluster, such as auto.  [default: one on this machine, for this run]"),
    click.option("--series-per-shard", type=click.IntRange(1), help="Series in a shard, at most.  [default: 8192]"),
    click.option(
        "--runtime",
        type=click.Choice(["auto", "eager", "onnx"]),
        help="What computes shards.  [default: ONNX Runtime if the model has a graph, else PyTorch]",
    ),
    click.option("--restart", is_flag=True, default=None, help="Give up what a broken-off run has left."),
)
_NAMES = ("engine", "num_workers", "ray_address", "series_per_shard", "runtime", "restart")


def shard_options(command: Command) -> Command:
    """Adds the options of forecasts in shards."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class ShardFlags:
    """Whether shards are wanted (None: nobody says), and which settings of them were given."""

    in_shards: bool | None
    settings: dict[str, Any]

    @property
    def ask_for_shards(self) -> bool:
        """True where the caller wants shards, or says how."""
        return bool(self.in_shards or self.settings)

    @property
    def ask_for_processes(self) -> bool:
        """True where the caller wants shards, and several processes of this machine are to make them."""
        num_workers = self.settings.get("num_workers") or len(os.sched_getaffinity(0))
        return self.ask_for_shards and self.settings.get("engine") != "ray" and num_workers > 1


def taken_shards(flags: dict[str, Any]) -> ShardFlags:
    """Takes those options out of the flags of a command."""
    given = {name: flags.pop(name) for name in _NAMES}
    in_shards: bool | None = flags.pop("in_shards")
    return ShardFlags(in_shards, {name: value for name, value in given.items() if value is not None})


def run_in_shards(environment: Environment, asked: Asked, sharding: Sharding) -> None:
    """Forecasts in shards; what is told goes to standard error."""
    from pipelines.batch.batch import predict_in_shards

    begin = time.monotonic()
    manifest = predict_in_shards(environment, asked, sharding, _Lines())
    seconds = time.monotonic() - begin
    made_from = manifest.made_from
    what = f"{manifest.num_rows} rows of {manifest.num_series} series in {asked.output}"
    how = f"{len(manifest.parts)} shard(s), {seconds:.1f} s"
    click.echo(f"{made_from.model} ({made_from.asked.model}): {what}, {how}", err=True)


class _Lines:
    """Prints how far a run is, now and then, and at its end."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next or progress.num_done == progress.num_shards:
            click.echo(progress.line(), err=True)
            self._next = now + _SECONDS_BETWEEN_LINES
