"""Tensors of the Open Inference Protocol in JSON -> lists of Python, one element or one row for each series.

{"name": "target", "shape": [2, 3], "datatype": "FP64", "data": [1, 2, 3, 4, 5, 6]}   or   [[1, 2, 3], [4, 5, 6]]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, StrictStr

from service.dialects.open_inference.model_tensors import FLOATS, INTEGERS, TEXTS, TensorSpec
from service.errors import InvalidFields
from service.schemas import Name, Schema

_MOST_DIMENSIONS = 8
_NAN = "NaN"  # as a text; beside null, it says that a number is missing
_TYPES: Mapping[str, frozenset[type]] = MappingProxyType(
    {FLOATS: frozenset({int, float}), INTEGERS: frozenset({int}), TEXTS: frozenset({str})}
)
_CALLED: Mapping[str, str] = MappingProxyType({FLOATS: "number", INTEGERS: "integer", TEXTS: "text"})

Parameters = dict[Name, Any]


class TensorIn(Schema):
    """One input of a request."""

    name: Name
    shape: list[Annotated[int, Field(ge=0, lt=1 << 64)]] = Field(max_length=_MOST_DIMENSIONS)
    datatype: StrictStr
    parameters: Parameters | None = None
    data: list[Any]


def elements_of(tensor: TensorIn, spec: TensorSpec, num_series: int) -> list[Any]:
    """Gives the elements [S] of a tensor, or its rows [S][L]; None where an element is missing.

    InvalidFields where datatype, shape or data are not what the model takes.
    """
    if tensor.datatype != spec.datatype:
        raise InvalidFields.of(tensor.name, f"is of datatype {tensor.datatype[:20]}: wanted is {spec.datatype}")
    if len(tensor.shape) != spec.rank or tensor.shape[0] != num_series:
        wanted = f"[{num_series}, any]" if spec.rank > 1 else f"[{num_series}]"
        raise InvalidFields.of(tensor.name, f"has the shape {tensor.shape}: wanted is {wanted}")
    elements = _checked(tensor.name, spec, _flat(tensor))
    if spec.rank == 1:
        return elements
    length = tensor.shape[1]
    return [elements[place * length : (place + 1) * length] for place in range(num_series)]


def _flat(tensor: TensorIn) -> list[Any]:
    """Gives the elements of a tensor in row-major order, of data that is nested as its shape is, or flat."""
    elements, is_nested = tensor.data, len(tensor.shape) > 1 and any(isinstance(row, list) for row in tensor.data)
    if is_nested:
        for size, inner in zip(tensor.shape, tensor.shape[1:], strict=False):
            if len(elements) != size or not all(isinstance(row, list) and len(row) == inner for row in elements):
                raise InvalidFields.of(tensor.name, f"has rows that are not those of its shape {tensor.shape}")
            elements = list(chain.from_iterable(elements))
    if len(elements) != math.prod(tensor.shape):
        raise InvalidFields.of(tensor.name, f"has {len(elements)} elements for the shape {tensor.shape}")
    return elements


def _checked(name: str, spec: TensorSpec, elements: list[Any]) -> list[Any]:
    """Refuses elements of another type; nothing is converted but the text NaN."""
    if spec.datatype == FLOATS:
        elements = [None if element == _NAN else element for element in elements]
    wanted = _TYPES[spec.datatype] | ({type(None)} if spec.has_nulls else frozenset())
    wrong = next((place for place, element in enumerate(elements) if type(element) not in wanted), None)
    if wrong is not None:
        raise InvalidFields.of(name, f"element {wrong} is no {_CALLED[spec.datatype]}, which {spec.datatype} holds")
    return elements
