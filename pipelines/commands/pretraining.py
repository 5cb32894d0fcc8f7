"""The command that makes the encoder that ships with the library, or another one like it."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.options import as_json
from pipelines.commands.output import echo
from pipelines.config import Environment
from pipelines.config_file import parse_assignment, settings_of, validated


@click.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML file.  [default: that of the encoder in the box]",
)
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. max_steps=1000.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="A new folder for the bundle.")
@as_json
def pretrain(config_path: Path | None, assignments: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Train an encoder on synthetic series alone, which then forecasts series of any frequency."""
    from forecaster.config.pretraining import PretrainingConfig
    from forecaster.pretrained import TRAINING
    from pipelines.pretrain import pretrain as pretrain_encoder

    path = config_path or TRAINING
    overrides = dict(map(parse_assignment, assignments))
    config = validated(PretrainingConfig, settings_of(path, overrides), path, overrides)
    made = pretrain_encoder(Environment.read(), config, output, show_progress=not as_json)
    result = {
        "run_id": made.run_id,
        "bundle": str(made.folder),
        "digest": made.digest,
        "num_steps": made.num_steps,
        "validation_loss": made.validation_loss,
    }
    line = f"encoder     {made.folder} ({made.digest}), validation loss {made.validation_loss:.4f}"
    echo(result, [line], as_json=as_json)
