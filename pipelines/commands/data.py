"""The commands that look at data before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import as_json, source_and_table, source_options
from pipelines.commands.output import echo


@click.group()
def data() -> None:
    """Look at data before training on it."""


@data.command()
@source_options
@as_json
def check(as_json: bool, **flags: Any) -> None:
    """Print what would be read: series, frequency, gaps, findings. Trains nothing."""
    from pipelines.loading import load

    loaded = load(*source_and_table(**flags))
    echo(loaded.facts, list(loaded.lines), as_json=as_json)


@data.command()
@source_options
@click.argument("folder", type=click.Path(path_type=Path))
@as_json
def store(folder: Path, as_json: bool, **flags: Any) -> None:
    """Turn a table into a store FOLDER, which --data takes instead of a file, even if it is larger than memory."""
    from pipelines.loading import build_store

    loaded = build_store(*source_and_table(**flags), folder)
    echo(loaded.facts, list(loaded.lines), as_json=as_json)
