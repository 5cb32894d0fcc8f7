"""What was freed is kept for what follows, and goes back to the system when that is asked for."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import psutil
import pytest

from forecaster.freed_memory import give_back_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps it")

_BLOCK_BYTES, _NUM_BLOCKS = 1 << 16, 1600

# Allocates and frees twenty blocks of 3 MiB at once, again and again, and prints how many pages the kernel cleared.
_COUNT = """
import resource, sys
import numpy as np
from forecaster.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def work():
    for _ in range(10):
        blocks = [np.ones(3 << 20, np.uint8) for _ in range(20)]
        del blocks
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
_PAGES = 10 * 20 * (3 << 20) // 4096


def test_freed_memory_goes_back_to_the_system() -> None:
    blocks = [np.ones(_BLOCK_BYTES, np.uint8) for _ in range(_NUM_BLOCKS)]
    last = np.ones(_BLOCK_BYTES, np.uint8)  # keeps the heap from shrinking by itself
    del blocks
    before = psutil.Process().memory_info().rss
    give_back_memory()
    assert before - psutil.Process().memory_info().rss > _BLOCK_BYTES * _NUM_BLOCKS // 2
    assert last.all()


def cleared_pages(mode: str, **variables: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | variables
    command = [sys.executable, "-c", _COUNT, mode]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_what_is_freed_is_used_again_and_not_cleared_anew() -> None:
    assert cleared_pages("keep") < _PAGES / 50
    assert cleared_pages("as it is") > _PAGES / 2


def test_variables_that_are_set_go_first() -> None:
    assert cleared_pages("keep", MALLOC_MMAP_THRESHOLD_="131072", MALLOC_TRIM_THRESHOLD_="131072") > _PAGES / 2


def test_processes_that_are_started_keep_it_too() -> None:
    code = "from forecaster.freed_memory import keep_freed_memory as keep; import os, subprocess, sys; keep(); "
    code += f"subprocess.run([sys.executable, '-c', {_COUNT!r}, 'as it is'], check=True)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) < _PAGES / 50
