"""Memory that a model was loaded with, given back to the system."""

from __future__ import annotations

import ctypes

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; looked up before any request is there


def give_back_memory() -> None:
    """Returns to the system what this process has freed; glibc keeps it otherwise. Nothing where it cannot be asked."""
    if _TRIM is not None:
        _TRIM(0)
