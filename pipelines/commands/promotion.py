"""The commands that move the alias of the champion."""

from __future__ import annotations

from typing import Any

import click

from pipelines.commands.options import as_json, build_comparison, config_options
from pipelines.commands.output import echo, move_line, move_result, promotion_line, promotion_result
from pipelines.config import Environment
from pipelines.errors import PromotionRefused


@click.command()
@config_options
@click.option("--approved-by", metavar="NAME", help="Who approves of the challenger, for promotion.needs_approval.")
@as_json
def promote(approved_by: str | None, as_json: bool, **flags: Any) -> None:
    """Move `champion` to the challenger if it passes the promotion policy on the same folds."""
    from pipelines import registry, tracking
    from pipelines.loading import load_for
    from pipelines.promotion.promote import find_contenders, promote_best

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
    echo(promotion_result(outcome), [promotion_line(outcome)], as_json=as_json)


@click.command()
@click.option("--model", required=True, help="Name of the registered model.")
@click.option("--reason", default="by hand", show_default=True, help="Why, for the history.")
@as_json
def rollback(model: str, reason: str, as_json: bool) -> None:
    """Make the previous champion the champion again."""
    from pipelines import tracking
    from pipelines.promotion.champions import Cause, champions

    environment = Environment.read()
    with champions(environment, tracking.connect(environment)) as door:
        move = door.roll_back(model, Cause(reason))
    line = f"{model} version {move.version} is the champion again"
    echo({"model": model, "champion": move.version}, [line], as_json=as_json)


@click.command()
@click.option("--model", required=True, help="Name of the registered model.")
@as_json
def history(model: str, as_json: bool) -> None:
    """Show who was champion of a model, since when, in whose place and why."""
    from pipelines.promotion.champions import history as moves_of

    moves = moves_of(Environment.read(), model)
    lines = [move_line(move) for move in moves] or [f"nobody was champion of {model!r} yet"]
    echo({"model": model, "history": [move_result(move) for move in moves]}, lines, as_json=as_json)
