"""Memory that tensors have freed: kept for those that follow, and given back when a process has become smaller.

glibc returns a large block to the system as soon as it is free, and the kernel clears its pages anew for the tensor
that follows. A forward pass of 32 windows takes half as long again by that (docs/experiments.md).
"""

from __future__ import annotations

import ctypes
import os

_MIB = 2**20
# From what size on a block is mapped by itself, the largest that glibc takes, and how much may lie free at the end of
# the heap: as numbers of mallopt(3), and as the variables that processes started from here read.
_KEPT = {(-3, "MALLOC_MMAP_THRESHOLD_"): 32 * _MIB, (-1, "MALLOC_TRIM_THRESHOLD_"): 64 * _MIB}

_LIBRARY = ctypes.CDLL(None)
_SET = getattr(_LIBRARY, "mallopt", None)  # of glibc; looked up before any request is there
_TRIM = getattr(_LIBRARY, "malloc_trim", None)


def keep_freed_memory() -> None:
    """Lets this process, and those that it starts, keep up to 64 MiB that are free; variables that are set go first.

    For programs: what imports the library as a part of its own decides that itself. Nothing where there is no glibc.
    """
    for (parameter, variable), size in _KEPT.items():
        if variable not in os.environ and _SET is not None:
            _SET(parameter, size)
            os.environ[variable] = str(size)


def give_back_memory() -> None:
    """Returns to the system what this process has freed. Nothing where glibc cannot be asked."""
    if _TRIM is not None:
        _TRIM(0)
