"""The commands that retrain models by their configs, and say what came of each slot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.options import as_json
from pipelines.commands.output import echo
from pipelines.config import Environment
from pipelines.errors import RetrainingError

if TYPE_CHECKING:
    from forecaster.ledger.slot import Slot

_CONFIG = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("config_path", metavar="CONFIG", type=_CONFIG)
@click.option("--cron", help="When slots are, where the config has no retrain.cron: five fields in UTC.")
@click.option("--again", is_flag=True, help="Do the newest slot once more if it failed.")
@click.option("--only-finish", is_flag=True, help="Begin nothing: finish what is open, and upload what waits.")
@as_json
def retrain(config_path: Path, cron: str | None, again: bool, only_finish: bool, as_json: bool) -> None:
    """Retrain the model of CONFIG if a slot is due: check the data, train, compare, promote. Once per slot."""
    from pipelines.config import load_config
    from pipelines.retrain.retrain import Asked, retrain_slot

    asked = Asked(cron, again, only_finish, show_progress=not as_json and sys.stdout.isatty())
    report = retrain_slot(Environment.read(), load_config(config_path, {}), asked=asked)
    if report.is_under_way:
        echo({"under_way": True, "slots": []}, ["another process is retraining this model"], as_json=as_json)
        return
    _refuse_failure(report.slots)
    result = {"under_way": False, "slots": [_described(slot) for slot in report.slots]}
    echo(result, [_line(slot) for slot in report.slots] or ["nothing to do"], as_json=as_json)


@click.command()
@click.option("--model", required=True, help="Name of the registered model.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="So many, the newest first."
)
@as_json
def slots(model: str, limit: int, as_json: bool) -> None:
    """List the slots of a model: what was done at each, and why."""
    from forecaster.ledger.slots import Slots
    from pipelines.ledger import opened_ledger
    from pipelines.registry import check_name

    check_name(model)
    with opened_ledger(Environment.read()) as ledger:
        found = Slots(ledger).of_model(model, limit)
    result = {"model": model, "slots": [_described(slot) for slot in found]}
    echo(result, [_line(slot) for slot in found] or [f"model {model!r} has had no slot"], as_json=as_json)


def _refuse_failure(found: tuple[Slot, ...]) -> None:
    """Raises RetrainingError for the last slot that came to nothing, or waits."""
    for slot in reversed(found):
        if slot.exit_code or not slot.state.is_final:
            raise RetrainingError(_line(slot), code=slot.code or str(slot.state), exit_code=slot.exit_code or 5)


def _line(slot: Slot) -> str:
    from pipelines.retrain.times import shown

    version = "" if slot.version is None else f", version {slot.version}"
    return f"{shown(slot.at)} {slot.cause}: {slot.state}{version}" + (f": {slot.reason}" if slot.reason else "")


def _described(slot: Slot) -> dict[str, Any]:
    from pipelines.retrain.times import shown

    plain = ("slot_id", "model", "cause", "state", "reason", "code", "attempts", "run_id", "version", "report")
    times = {name: shown(getattr(slot, name)) for name in ("at", "begun", "ended")}
    return {name: getattr(slot, name) for name in plain} | times
