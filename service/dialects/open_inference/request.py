"""A request of the Open Inference Protocol -> the forecast request that says the same.

target [S, L], start [S], unique_id [S], past.NAME [S, L], known.NAME [S, L + ahead], static.NAME [S], group [S]
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, StrictStr, ValidationError

from service.dialects.documents import document_of
from service.dialects.open_inference.model_tensors import (
    GROUP,
    ID,
    KNOWN,
    PAST,
    START,
    STATIC,
    TARGET,
    inputs_of,
    outputs_of,
)
from service.dialects.open_inference.tensors import Parameters, TensorIn, elements_of
from service.errors import InvalidFields
from service.models.view import ServedModel
from service.requests.body import validated
from service.schemas import ForecastRequest, Name, Schema
from service.settings import Settings
from service.tables.roles import listed

_OPTIONS = ("horizon", "quantiles", "frequency", "timezone", "roll_out", "fallback")
_MOST_TENSORS = 200
_VALUES = (str, int, float, bool)
_OF_SERIES = re.compile(r"series\.(?P<row>\d+)\.(?P<input>(?:past|known|static)\.[^:]*|[a-z]+)")


class OutputIn(Schema):
    """One output that is asked for."""

    name: Name
    parameters: Parameters | None = None


class InferenceIn(Schema):
    """A request as it is sent."""

    id: StrictStr | None = Field(None, max_length=256)
    parameters: Parameters | None = None
    inputs: list[TensorIn] = Field(max_length=_MOST_TENSORS)
    outputs: list[OutputIn] | None = Field(None, max_length=_MOST_TENSORS)


@dataclass(frozen=True)
class Inference:
    """What a request asks: series, the names of the outputs in their order, and the id to give back."""

    request: ForecastRequest
    outputs: tuple[str, ...]
    id: str | None


def inference_of(content: bytes, served: ServedModel, settings: Settings) -> Inference:
    """Gives what a body asks of a model; InvalidFields names the tensor, the parameter or the field that is wrong."""
    try:
        sent = InferenceIn.model_validate(document_of(content))
    except ValidationError as error:
        raise InvalidFields.from_validation(error) from error
    options = _options(sent.parameters or {})
    outputs = _outputs(sent.outputs, tuple(outputs_of(served.bundle.predictor)))
    series = _series(_inputs(sent.inputs, served, settings))
    return Inference(validated(ForecastRequest, {**options, "series": series}, settings), outputs, sent.id)


def in_tensors(error: InvalidFields) -> InvalidFields:
    """Gives the same problem with the names that the protocol has for what is wrong."""
    return InvalidFields([_in_tensors(field) for field in error.fields])


def _in_tensors(field: dict[str, str]) -> dict[str, str]:
    found = _OF_SERIES.match(field["field"])
    if found is None:
        return field
    name = {"id": ID}.get(found["input"], found["input"])
    return {"field": name, "message": f"row {found['row']}: {field['message']}"}


def _options(parameters: Mapping[str, Any]) -> dict[str, object]:
    """Gives the options of a forecast that are among the parameters of a request."""
    options: dict[str, object] = {}
    for name, value in parameters.items():
        if not isinstance(value, _VALUES):
            raise InvalidFields.of(f"parameters.{name}", "is no text, number or boolean: write levels as '0.1,0.9'")
        if name in _OPTIONS:
            options[name] = _levels(value) if name == "quantiles" else value
        else:
            _refuse_parameter(f"parameters.{name}", "binary_data_output", value, f"{', '.join(_OPTIONS)} are read")
    return options


def _levels(value: object) -> list[float]:
    try:
        return [float(text) for text in str(value).split(",")]
    except ValueError as error:
        raise InvalidFields.of("parameters.quantiles", "must be levels such as '0.1,0.5,0.9'") from error


def _refuse_parameter(field: str, binary: str, value: object, known: str) -> None:
    """Refuses a parameter, unless it says that data is not binary, which it never is."""
    if field.endswith(f".{binary}"):
        if value is not False:
            raise InvalidFields.of(field, "must be false: data is JSON, in requests and in replies")
    else:
        raise InvalidFields.of(field, f"is unknown: {known}")


def _outputs(sent: Sequence[OutputIn] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Gives the names of the outputs to give: those asked for, else all."""
    for output in sent or ():
        if output.name not in known:
            raise InvalidFields.of(f"outputs.{output.name}", f"is unknown: there are {listed(known)}")
        for name, value in (output.parameters or {}).items():
            _refuse_parameter(f"outputs.{output.name}.parameters.{name}", "binary_data", value, "there are none")
    names = tuple(output.name for output in sent or ())
    if len(set(names)) < len(names):
        raise InvalidFields.of("outputs", "the same output is asked for more than once")
    return names or known


def _inputs(sent: Sequence[TensorIn], served: ServedModel, settings: Settings) -> dict[str, list[Any]]:
    """Gives the elements or rows [S] of all inputs of a model, by name."""
    wanted = inputs_of(served.bundle.predictor)
    by_name = {tensor.name: tensor for tensor in sent}
    _refuse_inputs(sent, tuple(wanted))
    shape = by_name[TARGET].shape
    if len(shape) != wanted[TARGET].rank:
        raise InvalidFields.of(TARGET, f"has the shape {shape}: wanted is [series, values]")
    if shape[0] > settings.max_series:
        raise InvalidFields.of(TARGET, f"{shape[0]} series, at most {settings.max_series} are allowed")
    return {name: elements_of(by_name[name], spec, shape[0]) for name, spec in wanted.items()}


def _refuse_inputs(sent: Sequence[TensorIn], wanted: tuple[str, ...]) -> None:
    names = [tensor.name for tensor in sent]
    for name in wanted:
        if name not in names:
            raise InvalidFields.of(name, f"is missing: the inputs of this model are {listed(wanted)}")
    for tensor in sent:
        if tensor.name not in wanted:
            raise InvalidFields.of(tensor.name, f"is not read by this model, whose inputs are {listed(wanted)}")
        if names.count(tensor.name) > 1:
            raise InvalidFields.of(tensor.name, "is given more than once")
        for name in tensor.parameters or {}:
            raise InvalidFields.of(f"{tensor.name}.parameters.{name}", "is unknown: inputs have no parameters here")


def _series(inputs: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Gives the series as the schema of forecasts has them."""
    columns: dict[str, dict[str, list[Any]]] = {PAST: {}, KNOWN: {}, STATIC: {}}
    for name, elements in inputs.items():
        kind, dot, own = name.partition(".")
        if dot:
            columns[kind][own] = elements
    groups = inputs.get(GROUP)
    return [
        {
            "id": inputs[ID][place],
            "start": inputs[START][place],
            "target": inputs[TARGET][place],
            **{kind: {own: rows[place] for own, rows in named.items()} for kind, named in columns.items()},
            **({} if groups is None else {"group": groups[place]}),
        }
        for place in range(len(inputs[TARGET]))
    ]
