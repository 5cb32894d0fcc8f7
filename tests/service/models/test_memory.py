"""What was freed goes back to the system."""

from __future__ import annotations

import platform

import numpy as np
import psutil
import pytest

from service.models.memory import give_back_memory

_BLOCK_BYTES, _NUM_BLOCKS = 1 << 16, 1600


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps it")
def test_freed_memory_goes_back_to_the_system() -> None:
    blocks = [np.ones(_BLOCK_BYTES, np.uint8) for _ in range(_NUM_BLOCKS)]
    last = np.ones(_BLOCK_BYTES, np.uint8)  # keeps the heap from shrinking by itself
    del blocks
    before = psutil.Process().memory_info().rss
    give_back_memory()
    assert before - psutil.Process().memory_info().rss > _BLOCK_BYTES * _NUM_BLOCKS // 2
    assert last.all()
