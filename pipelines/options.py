"""Command-line options that several commands share, and how they become a config."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pipelines.config import PipelineConfig, load_config, parse_assignment

Command = TypeVar("Command", bound=Callable[..., Any])

# Flag name -> dotted name of the setting it overrides.
_SETTINGS = {
    "model": "name",
    "data": "source.path",
    "sql": "source.url",
    "query": "source.query",
    "layout": "table.layout",
    "id_column": "table.id_column",
    "time_column": "table.time_column",
    "target_column": "table.target_column",
    "frequency": "table.frequency",
    "timezone": "table.timezone",
    "duplicates": "table.duplicates",
    "unsorted": "table.unsorted",
    "infinite": "table.infinite",
    "horizon": "model.horizon",
    "max_steps": "training.max_steps",
    "seed": "training.seed",
}

_SOURCE = (
    click.option("--data", type=click.Path(path_type=Path), help="A .csv, .csv.gz or .parquet file."),
    click.option("--sql", help="SQLAlchemy URL of a database, with --query."),
    click.option("--query", help="SELECT to run at --sql."),
    click.option("--layout", type=click.Choice(["auto", "long", "wide"]), help="Layout of the table."),
    click.option("--id-column", help="Column that names the series.  [default: unique_id]"),
    click.option("--time-column", help="Column with timestamps.  [default: ds]"),
    click.option("--target-column", help="Column with values.  [default: y]"),
    click.option("--frequency", help="Such as h, D, W-SUN, MS, step. Inferred when not given."),
    click.option("--timezone", help="Zone of timestamps that carry no offset."),
    click.option("--duplicates", type=click.Choice(["refuse", "first", "last", "mean"]), help="Repair."),
    click.option("--unsorted", type=click.Choice(["refuse", "sort"]), help="Repair."),
    click.option("--infinite", type=click.Choice(["refuse", "missing"]), help="Repair."),
)
_CONFIG = (
    click.option("--config", "config_path", type=click.Path(path_type=Path), help="YAML file; flags win over it."),
    click.option("--model", help="Name of the registered model.  [default: the data file's name]"),
    click.option("--horizon", type=int, help="Steps to forecast.  [default: 24]"),
    click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. model.d_model=64."
    ),
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def source_options(command: Command) -> Command:
    """Adds the options that say where the table is and how to read it."""
    return _stack(command, _SOURCE)


def config_options(command: Command) -> Command:
    """Adds the source options and those that fill a whole config."""
    return _stack(command, (*_CONFIG, *_SOURCE))


def build_config(config_path: Path | None, assignments: tuple[str, ...], **flags: Any) -> PipelineConfig:
    """Gives the config of a command: file, then flags, then --set."""
    overrides = {_SETTINGS[name]: value for name, value in flags.items()}
    return load_config(config_path, overrides | dict(parse_assignment(text) for text in assignments))


def echo(result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Prints a result for a machine or for a person."""
    click.echo(json.dumps(result, default=str) if as_json else "\n".join(lines))


def _stack(command: Command, options: tuple[Callable[[Any], Any], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
