"""The command that tells how far data and forecasts have moved away from what a model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.options import as_json, build_comparison, config_options
from pipelines.commands.output import echo
from pipelines.config import Environment

if TYPE_CHECKING:
    from pipelines.drift.drift import Drift

_SHOWN = ["series", "drifted", "q_value", "departure", "measure", "since", "level", "spread", "missing"]


@click.command()
@config_options
@click.option("--reference", help="Model to look at: NAME, NAME@alias, NAME/7.  [default: champion of the model]")
@as_json
def drift(reference: str | None, as_json: bool, **flags: Any) -> None:
    """Tell how series, errors and coverage have moved away from what a model was trained on."""
    from pipelines import registry, tracking
    from pipelines.drift.drift import drift as measure
    from pipelines.drift.drift import summary

    config = build_comparison(**flags)
    environment = Environment.read()
    version = registry.find(tracking.connect(environment), reference or config.name)
    run_id, found = measure(environment, config, version)
    echo(summary(run_id, found), _lines(found), as_json=as_json)


def _lines(found: Drift) -> list[str]:
    """Gives the signals beside their limits, and the worst series."""
    signals = [
        f"{name:15} {_number(found.signals.get(name)):>8}   limit {limit:g}{'   EXCEEDED' * (name in found.exceeded)}"
        for name, limit in found.limits.items()
    ]
    counts = f"{int(found.input.is_drifted.sum())} of {len(found.input.series)} series have drifted"
    table = found.table.head(10)[_SHOWN].to_string(index=False, na_rep="-", float_format="{:.3g}".format)
    return [str(found.version), *signals, counts, "", table]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
