"""The commands that move the alias of the champion."""

from __future__ import annotations

from typing import Any

import click

from pipelines.commands.options import as_json, build_comparison, config_options
from pipelines.commands.output import echo, promotion_line, promotion_result
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
@as_json
def rollback(model: str, as_json: bool) -> None:
    """Make the previous champion the champion again."""
    from pipelines import registry, tracking

    version = registry.roll_back(tracking.connect(Environment.read()), model)
    echo({"model": model, "champion": version.number}, [f"{version} is the champion again"], as_json=as_json)
