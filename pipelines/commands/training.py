"""The commands that train models and tell how good they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import (
    as_json,
    backtest_options,
    build_comparison,
    build_config,
    config_options,
    training_options,
)
from pipelines.commands.output import (
    backtest_lines,
    backtest_result,
    echo,
    log_to_standard_error,
    promotion_line,
    promotion_result,
)
from pipelines.config import Environment, Launch


@click.command()
@config_options
@training_options
@click.option("--promote/--no-promote", "promoting", default=True, help="Promote afterwards if it is better.")
@as_json
def train(promoting: bool, as_json: bool, **flags: Any) -> None:
    """Train a model, evaluate and register it, and promote it if it is better than the champion."""
    from pipelines import tracking
    from pipelines.loading import load
    from pipelines.promotion.promote import promote as promote_challenger
    from pipelines.promotion.promote import who_is_champion
    from pipelines.start import begin
    from pipelines.together import follow, place_of, shared_config
    from pipelines.train import Beside, scores_table, summary
    from pipelines.train import train as train_model

    environment = Environment.read()
    begun = begin(environment, build_config(**flags))
    launch = Launch.read()
    config, place = shared_config(begun.config, launch), place_of(launch)
    loaded = load(config.source, config.table)
    if place.number:
        follow(environment, config, loaded, begun.start, place)
        return
    client = tracking.connect(environment)
    if promoting and config.split.num_test_folds:
        config.check_folds()
        who_is_champion(environment, client, config.name)  # or it is refused now, not after hours of training
    beside, shown = Beside(place=place), not as_json
    training = train_model(environment, client, config, loaded, start=begun.start, show_progress=shown, beside=beside)
    result = summary(training)
    lines = [
        *loaded.lines,
        "",
        scores_table(result["scores"]).to_string(),
        "",
        f"registered {training.version}",
    ]
    if promoting and training.test:
        outcome = promote_challenger(environment, client, config, loaded.panel, training.version)
        result |= promotion_result(outcome)
        lines.append(promotion_line(outcome))
    echo(result, lines, as_json=as_json)


@click.command()
@config_options
@backtest_options
@click.option("--reference", help="Model to test: NAME, NAME@alias, NAME/7.  [default: champion of the model]")
@click.option(
    "--champion/--no-champion", "beside_champion", default=True, help="Test the champion too, if it is another version."
)
@as_json
def backtest(reference: str | None, beside_champion: bool, as_json: bool, **flags: Any) -> None:
    """Evaluate a registered model, the champion and baselines on the same rolling-origin folds."""
    from pipelines import tracking
    from pipelines.backtest.record import find_tested, record_backtest
    from pipelines.train import scores_table

    config = build_comparison(**flags)
    environment = Environment.read()
    client = tracking.connect(environment)
    tested = find_tested(environment, client, reference or config.name, beside_champion=beside_champion)
    recorded = record_backtest(environment, client, config, tested)
    result = backtest_result(recorded)
    lines = [str(recorded.version), scores_table(result["scores"]).to_string(), *backtest_lines(recorded)]
    echo(result, lines, as_json=as_json)


@click.command()
@click.argument("configs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--cron", help="When slots are, where a config has no retrain.cron: five fields in UTC.")
def schedule(configs: tuple[Path, ...], cron: str | None) -> None:
    """Retrain the models of some config files when their slots come, until stopped."""
    from pipelines.schedule import build_schedule

    log_to_standard_error()
    build_schedule(Environment.read(), configs, cron).run()
