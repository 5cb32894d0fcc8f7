"""What the process of the service does without although libraries import it: it takes memory and seconds, for nothing.

Forecasts are the same with and without it. What is imported already stays.
"""

from __future__ import annotations

import sys
from types import ModuleType

# Taken by pandas for texts, and by MLflow, wherever it is installed. The serving install has none. 34 MiB.
_ABSENT = ("pyarrow",)
# Shapes of tensors without data: for tracing and compiling, which this process never does. 18 MiB, .5 s of 1.9.
_UNUSED = "torch._meta_registrations"


def import_without_the_unused() -> None:
    """Imports torch without the part that is not used, and lets the absent be absent for all that is imported later."""
    for name in _ABSENT:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # by which Python knows that there is none
    if "torch" in sys.modules:
        return
    sys.modules[_UNUSED] = ModuleType(_UNUSED)
    try:
        import torch  # noqa: F401
    finally:
        del sys.modules[_UNUSED]
