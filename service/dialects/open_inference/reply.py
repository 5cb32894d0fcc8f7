"""A forecast -> the reply of the Open Inference Protocol: tensors in row-major order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson

from service.dialects.open_inference.model_tensors import ID, LEVELS, QUANTILES, TIMESTAMPS, WARNINGS, outputs_of
from service.dialects.open_inference.request import Inference
from service.requests import reply
from service.requests.reply import Answer

Tensor = tuple[list[int], Any]  # a shape, and the elements in row-major order


def encoded(inference: Inference, answer: Answer) -> bytes:
    """Gives the whole reply as JSON, with the outputs that were asked for, in that order."""
    reference = answer.model.reference
    specs = outputs_of(answer.model.bundle.predictor)
    outputs = []
    for name in inference.outputs:
        shape, data = _TENSORS[name](answer)
        outputs.append({"name": name, "datatype": specs[name].datatype, "shape": shape, "data": data})
    said = {
        "model_name": reference.name,
        "model_version": reference.version,
        **({} if inference.id is None else {"id": inference.id}),
        "parameters": _parameters(answer),
        "outputs": outputs,
    }
    return orjson.dumps(said, option=reply.options_of(answer.forecast.axis))


def _parameters(answer: Answer) -> dict[str, str | int]:
    model = answer.model
    found: dict[str, str | int] = {"digest": model.reference.digest, "generation": model.generation}
    return found if answer.degraded is None else {**found, "degraded": answer.degraded}


def _quantiles(answer: Answer) -> Tensor:
    values = answer.forecast.values
    return list(values.shape), np.ascontiguousarray(values).ravel()


def _levels(answer: Answer) -> Tensor:
    return [len(answer.forecast.levels)], list(answer.forecast.levels)


def _timestamps(answer: Answer) -> Tensor:
    forecast = answer.forecast
    rows = [reply.times(forecast.axis, own) for own in forecast.times]
    return [len(rows), forecast.horizon], [stamp for row in rows for stamp in row]


def _ids(answer: Answer) -> Tensor:
    return [len(answer.forecast.series_ids)], list(answer.forecast.series_ids)


def _warnings(answer: Answer) -> Tensor:
    found = [(series_id, one.code, one.message) for series_id, some in answer.warnings.items() for one in some]
    return [len(found), 3], [text for row in found for text in row]


_TENSORS: Mapping[str, Callable[[Answer], Tensor]] = {
    QUANTILES: _quantiles,
    LEVELS: _levels,
    TIMESTAMPS: _timestamps,
    ID: _ids,
    WARNINGS: _warnings,
}
