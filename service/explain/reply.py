"""Explanation -> bytes of the reply: pure functions. Numbers and times are written without a Python object for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from forecaster.explain import Attribution, Explanation, Stretches
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import StoredTimes
from service.explain.asked import Asked
from service.explain.schemas import FaithfulnessOut
from service.requests.reply import named, options_of, times


def encoded(asked: Asked, explanation: Explanation) -> bytes:
    """Gives the whole reply as JSON."""
    axis, horizon = explanation.axis, asked.horizon
    steps = axis.frequency.range(explanation.cutoff, horizon)
    explained = steps if explanation.step is None else steps[[explanation.step - 1]]
    first, last = times(axis, explained[[0, -1]])
    reply: dict[str, Any] = {
        "model": named(asked.model),
        "id": explanation.series_id,
        "step": explanation.step,
        "first": first,
        "last": last,
        "forecast": explanation.forecast,
        "flat_forecast": explanation.flat_forecast,
        "tokens": _tokens(explanation),
        "patches": _patches(explanation),
        "steps": {
            "timestamps": times(axis, _context(explanation)),
            "gradients": explanation.gradients.values,
        },
        "faithfulness": {
            "occlusion": _faithfulness(explanation.occlusion),
            "gradients": _faithfulness(explanation.gradients),
        },
    }
    if asked.request.attention:
        weights = explanation.attention.astype(np.float32)  # as networks compute them: half the digits
        reply["attention"] = np.ascontiguousarray(weights)
    reply["warnings"] = [warning.model_dump() for warning in asked.warnings.get(explanation.series_id, ())]
    return orjson.dumps(reply, option=options_of(axis))


def _tokens(explanation: Explanation) -> dict[str, Any]:
    tokens = explanation.tokens
    return {
        **_ends(explanation.axis, tokens),
        "num_steps": tokens.num_steps,
        "is_future": tokens.is_future,
        "attention_roll_out": np.ascontiguousarray(explanation.attention_roll_out),
    }


def _patches(explanation: Explanation) -> dict[str, Any]:
    shared = explanation.gradients.values.reshape(len(explanation.patches.first), -1).sum(axis=1)
    return {
        **_ends(explanation.axis, explanation.patches),
        "occlusion": np.ascontiguousarray(explanation.occlusion.values),
        "gradients": shared,
    }


def _ends(axis: TimeAxis, stretches: Stretches) -> dict[str, StoredTimes | list[str]]:
    return {"first": times(axis, stretches.first), "last": times(axis, stretches.last)}


def _context(explanation: Explanation) -> StoredTimes:
    """Gives the stored times [L] of the context."""
    num_steps = len(explanation.gradients.values)
    back = np.arange(-num_steps, 0)
    return explanation.axis.frequency.advance(np.full(num_steps, explanation.cutoff), back)


def _faithfulness(attribution: Attribution) -> dict[str, Any]:
    return {name: getattr(attribution.faithfulness, name) for name in FaithfulnessOut.model_fields}
