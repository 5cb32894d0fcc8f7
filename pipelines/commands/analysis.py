"""The commands for whoever wants to know which model is better, where and why."""

from __future__ import annotations

from pathlib import Path

import click

from forecaster.errors import ConfigError
from pipelines.commands.options import as_json
from pipelines.commands.output import echo
from pipelines.config import Environment


@click.command()
@click.argument("references", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the same as one HTML file that needs no network.")
@as_json
def compare(references: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Compare runs that evaluated the same windows, and say which differences are more than chance.

    RUN is the id of a run of train, backtest or promote, of a child of one, or a version: NAME, NAME@alias, NAME/7.
    The others are compared with the first.
    """
    from pipelines import tracking
    from pipelines.report.page import check_page, write_page
    from pipelines.report.runs import read_runs
    from pipelines.report.verdicts import MOST_RUNS, RunComparison

    if not 2 <= len(references) <= MOST_RUNS:
        raise ConfigError(f"compare wants 2 to {MOST_RUNS} runs, got {len(references)}")
    if out is not None:
        check_page(out)
    comparison = RunComparison(read_runs(tracking.connect(Environment.read()), references))
    if out is not None:
        write_page(comparison, out)
    written = {} if out is None else {"report": str(out)}
    lines = comparison.lines() + ([] if out is None else ["", f"report in {out}"])
    echo(comparison.as_dict() | written, lines, as_json=as_json)
