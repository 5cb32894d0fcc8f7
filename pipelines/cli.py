"""The commands of the pipelines. Each imports what it needs when it runs, so that --help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.config import Environment
from pipelines.errors import PromotionRefused
from pipelines.options import (
    as_json,
    build_comparison,
    build_config,
    config_options,
    echo,
    source_and_table,
    source_options,
    table_options,
    training_options,
)

if TYPE_CHECKING:
    from pipelines.promote import Promotion


@click.command()
@config_options
@training_options
@click.option("--promote/--no-promote", "promoting", default=True, help="Promote afterwards if it is better.")
@as_json
def train(promoting: bool, as_json: bool, **flags: Any) -> None:
    """Train a model, evaluate and register it, and promote it if it is better than the champion."""
    from pipelines import tracking
    from pipelines.loading import load
    from pipelines.promote import promote as promote_challenger
    from pipelines.start import begin
    from pipelines.train import scores_table, summary
    from pipelines.train import train as train_model

    environment = Environment.read()
    begun = begin(environment, build_config(**flags))
    config = begun.config
    loaded = load(config.source, config.table)
    client = tracking.connect(environment)
    training = train_model(environment, client, config, loaded, start=begun.start, show_progress=not as_json)
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
        result |= _promotion_result(outcome)
        lines.append(_promotion_line(outcome))
    echo(result, lines, as_json=as_json)


@click.command()
@config_options
@click.option("--reference", help="Model to test: NAME, NAME@alias, NAME/7.  [default: champion of the model]")
@as_json
def backtest(reference: str | None, as_json: bool, **flags: Any) -> None:
    """Evaluate a registered model and the seasonal naive on the same rolling-origin folds."""
    from pipelines import registry, tracking
    from pipelines.backtest import compare
    from pipelines.loading import load_for
    from pipelines.train import scores_table

    config = build_comparison(**flags)
    environment = Environment.read()
    client = tracking.connect(environment)
    version = registry.find(client, reference or config.name)
    bundle = registry.load(version, environment.verifying_keys)
    panel = load_for([bundle], config.source, config.table).panel
    with tracking.run(environment, config.name, f"backtest {version.number}", {"stage": "backtest"}) as run_id:
        evaluations = compare(panel, config, {"model": bundle})
        for role, evaluation in evaluations.items():
            tracking.log_scores(run_id, evaluation.scores, role)
    scores = {role: evaluation.scores.as_metrics() for role, evaluation in evaluations.items()}
    result = {"run_id": run_id, "model": version.name, "version": version.number, "scores": scores}
    echo(result, [str(version), scores_table(scores).to_string()], as_json=as_json)


@click.command()
@config_options
@click.option("--approved-by", metavar="NAME", help="Who approves of the challenger, for promotion.needs_approval.")
@as_json
def promote(approved_by: str | None, as_json: bool, **flags: Any) -> None:
    """Move `champion` to the challenger if it passes the promotion policy on the same folds."""
    from pipelines import registry, tracking
    from pipelines.loading import load_for
    from pipelines.promote import find_contenders, promote_best

    config = build_comparison(**flags)
    environment = Environment.read()
    client = tracking.connect(environment)
    contenders = find_contenders(environment, client, config.name)
    if approved_by:
        registry.approve(client, contenders.challenger, approved_by)
    panel = load_for(list(contenders.bundles.values()), config.source, config.table).panel
    outcome = promote_best(environment, client, config, panel, contenders)
    if not outcome.decision.promote:
        raise PromotionRefused(f"{outcome.challenger} was not promoted: {outcome.decision.reason}")
    echo(_promotion_result(outcome), [_promotion_line(outcome)], as_json=as_json)


@click.command()
@click.option("--model", required=True, help="Name of the registered model.")
@as_json
def rollback(model: str, as_json: bool) -> None:
    """Make the previous champion the champion again."""
    from pipelines import registry, tracking

    version = registry.roll_back(tracking.connect(Environment.read()), model)
    echo({"model": model, "champion": version.number}, [f"{version} is the champion again"], as_json=as_json)


@click.command()
@source_options
@click.option("--model", "reference", required=True, help="NAME, NAME@alias, NAME/7 or a bundle folder.")
@click.option("--horizon", type=int, help="Steps to forecast.  [default: the model's longest]")
@click.option("--quantiles", help="Comma-separated levels, such as 0.1,0.5,0.9.  [default: the model's]")
@click.option("--roll-out", is_flag=True, help="Allow a longer --horizon: the model goes on from its own forecasts.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="A .csv or .parquet file.  [default: CSV to the screen]"
)
def predict(
    reference: str, horizon: int | None, quantiles: str | None, roll_out: bool, output: Path | None, **flags: Any
) -> None:
    """Forecast every series of a table: file in, file out."""
    from pipelines.predict import Wanted
    from pipelines.predict import predict as predict_table
    from pipelines.sources import check_output, write_table

    source, table = source_and_table(**flags)
    if output is not None:
        check_output(output, source.path)
    wanted = Wanted(horizon, _levels(quantiles), roll_out)
    prediction = predict_table(Environment.read(), reference, source, table, wanted)
    if output is None:
        click.echo(prediction.table.to_csv(index=False), nl=False)
        return
    write_table(prediction.table, output)
    click.echo("\n".join(prediction.report), err=True)
    click.echo(f"{prediction.model} ({prediction.digest}): {len(prediction.table)} rows in {output}", err=True)


@click.command()
@click.argument("reference")
@click.argument("path", metavar="DATA", type=click.Path(path_type=Path))
@table_options
@click.option("--series", required=True, help="Id of the series whose forecast is explained.")
@click.option("--step", type=int, help="Step of the horizon, from 1 on.  [default: the mean over all]")
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="A new folder.")
@as_json
def explain(
    reference: str, path: Path, series: str, step: int | None, folder: Path, as_json: bool, **flags: Any
) -> None:
    """Write tables and a picture of why REFERENCE forecasts one series of the file DATA as it does."""
    from pipelines.explain import Asked, check_folder, explain_series, write_explanation

    check_folder(folder)
    source, table = source_and_table(data=path, **flags)
    explained = explain_series(Environment.read(), reference, source, table, Asked(series, step))
    write_explanation(explained, folder)
    result = explained.summary() | {"folder": str(folder)}
    echo(result, [*explained.lines(), f"tables and picture in {folder}"], as_json=as_json)


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


@click.command()
@click.argument("configs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--cron", required=True, help="Five fields in UTC, such as '0 3 * * mon-fri'.")
def schedule(configs: tuple[Path, ...], cron: str) -> None:
    """Train and promote the models of some config files on a schedule, until stopped."""
    from pipelines.schedule import build_scheduler

    _log_to_standard_error()
    build_scheduler(Environment.read(), configs, cron).start()


@click.command()
@click.option("--once", is_flag=True, help="End when there is no job left.")
def work(once: bool) -> None:
    """Do the jobs that the service has left for whoever trains, one at a time, until stopped."""
    from pipelines.worker import work as work_on

    _log_to_standard_error()
    work_on(Environment.read(), once=once)


@click.command("signing-key")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--show", is_flag=True, help="Make no key: print the public key of a FILE that is there.")
@as_json
def signing_key(path: Path, show: bool, as_json: bool) -> None:
    """Make a FILE with a private key, for trainings to sign with, and print the public key that proves it."""
    from pipelines.signing import make_signing_key, read_signing_key

    public = (read_signing_key(path) if show else make_signing_key(path)).public_key
    echo({"file": str(path), "public_key": public}, [public], as_json=as_json)


@click.command()
@click.option("--keep-serving", is_flag=True, help="Leave the service running until interrupted.")
def demo(keep_serving: bool) -> None:
    """Train, track, promote and serve on real data that ships inside a dependency, then end."""
    from pipelines.demo import run_demo

    run_demo(Environment.read(), keep_serving=keep_serving)


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check this installation and the registry; exit code 5 if something is missing."""
    from pipelines.doctor import examine

    checks = examine(Environment.read())
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name:20} {check.found}" for check in checks]
    echo({"checks": [check.as_dict() for check in checks]}, lines, as_json=as_json)
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(5)


def _log_to_standard_error() -> None:
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s %(fields)s", defaults={"fields": ""}))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _levels(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not a comma-separated list of numbers", param_hint="--quantiles"
        ) from error


def _promotion_result(outcome: Promotion) -> dict[str, Any]:
    compared = {role: evaluation.scores.as_metrics() for role, evaluation in outcome.evaluations.items()}
    before = None if outcome.champion is None else outcome.champion.number
    decision = outcome.decision
    return {"promoted": decision.promote, "reason": decision.reason, "previous_champion": before, "compared": compared}


def _promotion_line(outcome: Promotion) -> str:
    verb = "promoted" if outcome.decision.promote else "not promoted"
    return f"{verb} {outcome.challenger}: {outcome.decision.reason}"
