"""What commands print, for a person or for a machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from forecaster.ledger.promotions import Move
    from pipelines.promotion.promote import Promotion


def echo(result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Prints a result for a machine or for a person."""
    click.echo(json.dumps(result, default=str) if as_json else "\n".join(lines))


def log_to_standard_error() -> None:
    """Sends what is logged to standard error, a line each, with its fields."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s %(fields)s", defaults={"fields": ""}))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def promotion_result(outcome: Promotion) -> dict[str, Any]:
    """Gives what a promotion came to, JSON-safe."""
    compared = {role: evaluation.scores.as_metrics() for role, evaluation in outcome.evaluations.items()}
    before = None if outcome.champion is None else outcome.champion.number
    decision = outcome.decision
    return {"promoted": decision.promote, "reason": decision.reason, "previous_champion": before, "compared": compared}


def promotion_line(outcome: Promotion) -> str:
    """Gives the same in a line."""
    verb = "promoted" if outcome.decision.promote else "not promoted"
    return f"{verb} {outcome.challenger}: {outcome.decision.reason}"


def move_result(move: Move) -> dict[str, Any]:
    """Gives a move of the champion, JSON-safe."""
    times = {"created": _time(move.created), "written": None if move.written is None else _time(move.written)}
    return {**asdict(move), **times}


def move_line(move: Move) -> str:
    """Gives the same in a line."""
    who = "nobody" if move.version is None else f"version {move.version}"
    instead = "" if move.before is None else f" in the place of version {move.before}"
    pending = "" if move.written is not None else " [the registry was not told of it]"
    what = f"{move.kind}: {who}{instead}, by {move.actor}{pending}"
    return f"{move.generation:4}  {_time(move.created)}  {what}: {move.reason}"


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")
