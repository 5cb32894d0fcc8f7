"""A case of a benchmark in a process of its own, so that its memory and threads are its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence


def in_process(module: str, arguments: Sequence[str], num_threads: int) -> dict[str, float]:
    """Runs `python -m module arguments` and gives the JSON object of its last line.

    Raises CalledProcessError where it fails; what it wrote to standard error is shown as it comes.
    """
    surroundings = os.environ | {"OMP_NUM_THREADS": str(num_threads), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=surroundings)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
