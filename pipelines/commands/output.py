"""What commands print, for a person or for a machine."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from forecaster.comparison import Gain
    from forecaster.ledger.promotions import Move
    from pipelines.backtest.record import Recorded
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
    for library in ("onnx_ir", "onnxscript"):  # they log every step of an export
        logging.getLogger(library).setLevel(logging.WARNING)


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


def backtest_result(recorded: Recorded) -> dict[str, Any]:
    """Gives what a backtest has found, JSON-safe."""
    found = recorded.found
    return {
        "run_id": recorded.run_id,
        "model": recorded.version.name,
        "version": recorded.version.number,
        "versions": {role: version.number for role, version in recorded.tested.versions.items()},
        "num_folds": len(found.folds),
        "scores": {role: evaluation.scores.as_metrics() for role, evaluation in found.evaluations.items()},
        "gains": {
            role: {metric: None if gain is None else _finite(gain) for metric, gain in by_metric.items()}
            for role, by_metric in found.gains.items()
        },
        "notes": list(found.notes),
    }


def backtest_lines(recorded: Recorded) -> list[str]:
    """Gives the gains and notes of a backtest in lines."""
    gains = [
        f"gain over {role} in {metric}: {gain.mean:+.1%} ({gain.low:+.1%} .. {gain.high:+.1%}, each end at "
        f"{gain.confidence:g} confidence, {gain.num_series} series, {gain.num_folds} folds)"
        for role, by_metric in recorded.found.gains.items()
        for metric, gain in by_metric.items()
        if gain is not None
    ]
    return ["", *gains, *recorded.found.notes]


def _finite(gain: Gain) -> dict[str, Any]:
    """Gives a gain with None for an end that is not finite, which JSON has no word for."""
    found = asdict(gain)
    return {name: None if isinstance(value, float) and math.isinf(value) else value for name, value in found.items()}
