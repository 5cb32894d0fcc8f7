"""Operations in float64 that ONNX Runtime has no code for, written in those that it has. For exports alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Gives by torch operation what writes it; needs onnxscript."""
    aten = torch.ops.aten
    return {aten.asinh.default: _asinh, aten.sinh.default: _sinh, aten.conv1d.default: _conv1d}


def _asinh(x: Any) -> Any:
    """Writes asinh as sign(x) log(|x| + sqrt(x^2 + 1))."""
    op = _operators()

    one = op.CastLike(op.Constant(value_float=1.0), x)
    return op.Mul(op.Sign(x), op.Log(op.Add(op.Abs(x), op.Sqrt(op.Add(op.Mul(x, x), one)))))


def _sinh(x: Any) -> Any:
    """Writes sinh as (exp(x) - exp(-x)) / 2."""
    op = _operators()

    half = op.CastLike(op.Constant(value_float=0.5), x)
    return op.Mul(half, op.Sub(op.Exp(x), op.Exp(op.Neg(x))))


def _conv1d(x: Any, kernel: Any, *_: Any) -> Any:
    """Writes the sliding sum of x [B 1 L] under a kernel [1 1 W] as a product with the band matrix [L L-W+1] of it."""
    op = _operators()

    length, width = x.shape[2], kernel.shape[2]
    place = np.arange(length)[:, None] - np.arange(length - width + 1)[None, :]
    inside = (place >= 0) & (place < width)
    places = op.Constant(value=_tensor(np.where(inside, place, 0)))
    band = op.Gather(op.Squeeze(kernel, op.Constant(value_ints=[0, 1])), places, axis=0)
    return op.MatMul(x, op.Mul(band, op.CastLike(op.Constant(value=_tensor(inside)), kernel)))


def _operators() -> Any:
    from onnxscript import opset20

    return opset20


def _tensor(values: np.ndarray[Any, Any]) -> Any:
    from onnxscript import ir

    return ir.tensor(values)
