"""Networks whose weights are not drawn, for those who have others to put in: drawing is most of what a load takes.

Tensors on the device `meta`, which hold nothing at all, would spare a little more, but what is computed on them brings
in hundreds of modules, and takes seconds in a process that does it for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset(
    {
        torch.Tensor.normal_,
        torch.Tensor.uniform_,
        nn.init.kaiming_uniform_,
        nn.init.normal_,
        nn.init.uniform_,
        nn.init.xavier_uniform_,
    }
)


class Undrawn(TorchFunctionMode):
    """Within it, what draws random numbers into a tensor leaves the tensor as it is: it may hold anything."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls a function of torch, or gives the tensor that it would draw into."""
        named = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else named["tensor"]
        return func(*args, **named)
