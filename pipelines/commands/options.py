"""Command-line options that several commands share, and how they become a config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from forecaster.config import TableConfig
from forecaster.errors import ConfigError
from pipelines.config import BaselineName, PipelineConfig, SourceConfig, load_config
from pipelines.config_file import parse_assignment

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)

# Flag name -> dotted name of the setting it overrides.
_SETTINGS = {
    "model": "name",
    "data": "source.path",
    "sql": "source.url",
    "query": "source.query",
    "future": "source.future",
    "static": "source.static",
    "layout": "table.layout",
    "id_column": "table.id_column",
    "time_column": "table.time_column",
    "target_column": "table.target_column",
    "frequency": "table.frequency",
    "timezone": "table.timezone",
    "duplicates": "table.duplicates",
    "unsorted": "table.unsorted",
    "infinite": "table.infinite",
    "past_column": "table.past_columns",
    "known_column": "table.known_columns",
    "static_column": "table.static_columns",
    "category_column": "table.category_columns",
    "group_column": "table.group_column",
    "horizon": "model.horizon",
    "calendar": "model.calendar",
    "holidays": "model.holidays",
    "max_steps": "training.max_steps",
    "seed": "training.seed",
    "start": "start.kind",
    "from_reference": "start.reference",
    "folds": "backtest.num_folds",
    "step": "backtest.step",
    "gap": "backtest.gap",
    "refit": "backtest.refit",
    "baseline": "backtest.baselines",
}

_PLACE = (
    click.option("--data", type=_FILE, help="A .csv, .csv.gz or .parquet file."),
    click.option("--sql", help="SQLAlchemy URL of a database, with --query."),
    click.option("--query", help="SELECT to run at --sql."),
)
_TABLE = (
    click.option("--future", type=_FILE, help="A file with the known columns after each series' end."),
    click.option("--static", type=_FILE, help="A file with one row per series: its static columns."),
    click.option("--layout", type=click.Choice(["auto", "long", "wide"]), help="Layout of the table."),
    click.option("--id-column", help="Column that names the series.  [default: unique_id]"),
    click.option("--time-column", help="Column with timestamps.  [default: ds]"),
    click.option("--target-column", help="Column with values.  [default: y]"),
    click.option("--frequency", help="Such as h, D, W-SUN, MS, step. Inferred when not given."),
    click.option("--timezone", help="Zone of timestamps that carry no offset."),
    click.option("--duplicates", type=click.Choice(["refuse", "first", "last", "mean"]), help="Repair."),
    click.option("--unsorted", type=click.Choice(["refuse", "sort"]), help="Repair."),
    click.option("--infinite", type=click.Choice(["refuse", "missing"]), help="Repair."),
    click.option("--past-column", multiple=True, help="Numbers beside the target, known up to its end; repeatable."),
    click.option("--known-column", multiple=True, help="Numbers known ahead, as --future goes on; repeatable."),
    click.option("--static-column", multiple=True, help="What holds for a whole series; repeatable."),
    click.option("--category-column", multiple=True, help="A static column read as texts; repeatable."),
    click.option("--group-column", help="Series of one value see each other."),
)
_CONFIG = (
    click.option("--config", "config_path", type=_FILE, help="YAML file; flags win over it."),
    click.option("--model", help="Name of the registered model.  [default: the data file's name]"),
    click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. split.num_test_folds=5."
    ),
)
_TRAINING = (
    click.option("--horizon", type=int, help="Steps to forecast.  [default: 24]"),
    click.option("--max-steps", type=int, help="Optimiser steps at most."),
    click.option("--seed", type=int, help="Seed of all random draws."),
    click.option("--calendar/--no-calendar", default=None, help="Whether hour, weekday, month and the like are seen."),
    click.option("--holidays", metavar="CC", help="Country (such as DE) whose public holidays are seen."),
    click.option("--start", type=click.Choice(["warm", "fine-tune"]), help="Go on from the weights of --from."),
    click.option("--from", "from_reference", help="NAME, NAME@alias, NAME/7, a folder or zero-shot, for --start."),
)
_BACKTEST = (
    click.option("--folds", type=int, help="Cutoffs of each series.  [default: split.num_test_folds]"),
    click.option("--step", type=int, help="Steps between two cutoffs.  [default: the horizon]"),
    click.option("--gap", type=int, help="First steps of each forecast that are not scored.  [default: 0]"),
    click.option("--refit/--no-refit", default=None, help="Train again for each fold, on what it may see."),
    click.option(
        "--baseline",
        multiple=True,
        type=click.Choice(get_args(BaselineName)),
        help="Tested beside the seasonal naive; repeatable.",
    ),
)
_SETTLED = ("model", "training", "start")  # groups of settings that a trained model has behind it
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def table_options(command: Command) -> Command:
    """Adds the options that say how to read a table, and what is known beside it."""
    return _stack(command, _TABLE)


def source_options(command: Command) -> Command:
    """Adds the options that say where the table is and how to read it."""
    return _stack(command, (*_PLACE, *_TABLE))


def config_options(command: Command) -> Command:
    """Adds the source options and those that fill a whole config."""
    return _stack(command, (*_CONFIG, *_PLACE, *_TABLE))


def training_options(command: Command) -> Command:
    """Adds the options of what is trained and what it begins with."""
    return _stack(command, _TRAINING)


def backtest_options(command: Command) -> Command:
    """Adds the options of which folds are tested on, and what is tested beside the model."""
    return _stack(command, _BACKTEST)


def source_and_table(**flags: Any) -> tuple[SourceConfig, TableConfig]:
    """Gives where the table of a command is, and how it is read."""
    given = _given(flags)
    source, table = (
        {name.removeprefix(group): value for name, value in given.items() if name.startswith(group)}
        for group in ("source.", "table.")
    )
    return SourceConfig(**source), TableConfig(**table)


def build_config(config_path: Path | None, assignments: tuple[str, ...], **flags: Any) -> PipelineConfig:
    """Gives the config of a command: file, then flags, then --set."""
    return load_config(config_path, _given(flags) | dict(parse_assignment(text) for text in assignments))


def build_comparison(assignments: tuple[str, ...], **flags: Any) -> PipelineConfig:
    """Gives the config of a command that compares trained models; ConfigError for a --set of what they are made of."""
    for text in assignments:
        group = parse_assignment(text)[0].partition(".")[0]
        if group in _SETTLED:
            raise ConfigError(f"--set {text[:60]} would change nothing: the models are trained, with their own {group}")
    return build_config(assignments=assignments, **flags)


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    """Gives the settings of the flags that were given, by dotted name, in the words of the config."""
    settings = {_SETTINGS[name]: value for name, value in flags.items() if value is not None and value != ()}
    if "model.calendar" in settings:
        settings["model.calendar"] = "auto" if settings["model.calendar"] else "off"
    if "start.kind" in settings:
        settings["start.kind"] = {"warm": "warm_start", "fine-tune": "fine_tune"}[settings["start.kind"]]
    return settings


def _stack(command: Command, options: tuple[Callable[[Any], Any], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
