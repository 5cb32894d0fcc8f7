"""What a process that only forecasts does without although libraries import it: seconds and memory, for nothing.

Forecasts are the same with and without it. What is imported already stays.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

# Shapes of tensors without data: for tracing and compiling, which such a process never does. 18 MiB, .5 s of 1.9.
_UNUSED_BY_TORCH = "torch._meta_registrations"


def import_torch() -> None:
    """Imports torch without what is not used of it."""
    with replaced(_UNUSED_BY_TORCH, ModuleType(_UNUSED_BY_TORCH)):
        import torch  # noqa: F401


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Has the collector look at nothing that is imported meanwhile, neither then nor later: none of that is garbage.

    For programs that import torch; where that is done already, or the collector rests, nothing is changed.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def replaced(name: str, module: ModuleType | None) -> Iterator[None]:
    """Lets a module be another one, or none, for as long; one that is imported already stays itself."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
