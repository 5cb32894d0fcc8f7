"""The commands that use a model: forecasts of a table, whole or in shards, and why one of them is what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecaster.config import TableConfig
from forecaster.config.pretraining import ZERO_SHOT
from forecaster.imports import collector_at_rest, import_torch
from pipelines.batch.forking import forking_context
from pipelines.commands.options import as_json, source_and_table, source_options, table_options
from pipelines.commands.output import echo
from pipelines.commands.sharding import ShardFlags, run_in_shards, shard_options, taken_shards
from pipelines.config import Environment, SourceConfig

if TYPE_CHECKING:
    from pipelines.prediction import Prediction, Wanted


@click.command()
@click.argument("table_path", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@source_options
@click.option(
    "--model",
    "reference",
    default=ZERO_SHOT,
    show_default=True,
    help="NAME, NAME@alias, NAME/7 or a bundle folder; zero-shot: the pretrained encoder, of any frequency.",
)
@click.option("--horizon", type=int, help="Steps to forecast.  [default: the model's longest]")
@click.option("--quantiles", help="Comma-separated levels, such as 0.1,0.5,0.9.  [default: the model's]")
@click.option("--roll-out", is_flag=True, help="Allow a longer --horizon: the model goes on from its own forecasts.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A .csv or .parquet file, or a new folder of Parquet files.  [default: CSV to the screen]",
)
@shard_options
def predict(
    table_path: Path | None,
    reference: str,
    horizon: int | None,
    quantiles: str | None,
    roll_out: bool,
    output: Path | None,
    **flags: Any,
) -> None:
    """Forecast every series of the file DATA: file in, file out; large ones in shards, by several processes."""
    with collector_at_rest():
        import_torch()
        from pipelines import zero_shot  # noqa: F401 - with all that reads and forecasts a table
    from pipelines.prediction import Wanted

    shards = taken_shards(flags)
    if table_path is not None and flags["data"] is not None:
        raise click.UsageError(f"the table is named twice: {table_path} and --data {flags['data']}")
    source, table = source_and_table(**flags | {"data": table_path or flags["data"]})
    wanted = Wanted(horizon, _levels(quantiles), roll_out)
    is_whole = reference == ZERO_SHOT and not shards.ask_for_shards  # what shards need takes seconds to import
    if is_whole or not _predicts_in_shards(reference, source, table, wanted, output, shards):
        _predict_whole(reference, source, table, wanted, output)


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
    from pipelines.explain.explain import Asked, check_folder, explain_series, write_explanation

    check_folder(folder)
    source, table = source_and_table(data=path, **flags)
    explained = explain_series(Environment.read(), reference, source, table, Asked(series, step))
    write_explanation(explained, folder)
    result = explained.summary() | {"folder": str(folder)}
    echo(result, [*explained.lines(), f"tables and picture in {folder}"], as_json=as_json)


def _predicts_in_shards(
    reference: str, source: SourceConfig, table: TableConfig, wanted: Wanted, output: Path | None, shards: ShardFlags
) -> bool:
    """Forecasts in shards where they are asked for or the table is large, and says whether that was so."""
    if shards.ask_for_processes:
        forking_context()
    from pipelines.batch.batch import Asked, Sharding
    from pipelines.batch.choice import takes_shards

    sharding = Sharding(**shards.settings)
    if not takes_shards(source, table, output, sharding, shards.in_shards) or output is None:
        return False
    run_in_shards(Environment.read(), Asked(reference, source, table, wanted, output), sharding)
    return True


def _predict_whole(
    reference: str, source: SourceConfig, table: TableConfig, wanted: Wanted, output: Path | None
) -> None:
    from pipelines.sources import check_output, write_table

    if output is not None:
        check_output(output, source)
    prediction = _prediction(reference, source, table, wanted)
    if output is None:
        click.echo("".join(f"{line}\n" for line in prediction.found), nl=False, err=True)
        click.echo(prediction.table.to_csv(index=False), nl=False)
        return
    write_table(prediction.table, output)
    click.echo("\n".join(prediction.report), err=True)
    click.echo(f"{prediction.model} ({prediction.digest}): {len(prediction.table)} rows in {output}", err=True)


def _prediction(reference: str, source: SourceConfig, table: TableConfig, wanted: Wanted) -> Prediction:
    if reference == ZERO_SHOT:
        from pipelines.zero_shot import predict_unseen

        return predict_unseen(source, table, wanted)
    from pipelines.predict import predict as predict_table

    return predict_table(Environment.read(), reference, source, table, wanted)


def _levels(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not a comma-separated list of numbers", param_hint="--quantiles"
        ) from error
