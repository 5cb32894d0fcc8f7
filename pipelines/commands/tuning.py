"""The command that looks for better settings."""

from __future__ import annotations

from typing import Any

import click

from pipelines.commands.options import as_json, build_config, config_options, training_options
from pipelines.commands.output import echo, log_to_standard_error
from pipelines.config import Environment


@click.command()
@config_options
@training_options
@as_json
def tune(as_json: bool, **flags: Any) -> None:
    """Try other settings on the validation folds, and register the best as challenger. Run again, it goes on.

    The config's group `tune` says which settings are tried, and how often. What is trained at the end, with several
    seeds, is compared on the test folds with the config as it is.
    """
    from pipelines import tracking
    from pipelines.loading import load
    from pipelines.start import begin
    from pipelines.tune.tune import summary
    from pipelines.tune.tune import tune as tune_model

    environment = Environment.read()
    begun = begin(environment, build_config(**flags))
    config = begun.config
    loaded = load(config.source, config.table)
    client = tracking.connect(environment)
    log_to_standard_error()
    tuning = tune_model(environment, client, config, loaded, start=begun.start)
    table = tuning.comparison.table().set_index("config").round(4)
    lines = [
        *loaded.lines,
        "",
        ", ".join(f"{number} {state}" for state, number in summary(tuning)["trials"].items()) + " trials",
        *(f"  {name} = {value}" for name, value in tuning.best.values.items()),
        "",
        f"best on the validation folds: {tuning.best.name}; means over seeds:",
        table.T.to_string(),
        "",
        f"registered {tuning.comparison.version}",
    ]
    echo(summary(tuning), lines, as_json=as_json)
