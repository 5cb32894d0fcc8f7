"""Memory that a model was loaded with, given back to the system."""

from __future__ import annotations

import ctypes


def give_back_memory() -> None:
    """Returns to the system what this process has freed; glibc keeps it otherwise. Nothing where it cannot be asked."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
