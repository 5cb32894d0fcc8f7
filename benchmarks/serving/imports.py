"""What importing the service takes in a serving install: seconds, by package, and memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.serving.install import Install

# All that `forecaster serve` imports before it listens, in its order.
_IMPORTS = """
import gc, json, time
start = time.perf_counter(), time.process_time()
import forecaster.cli, forecaster.imports, service.cli, service.settings
gc.disable()
forecaster.imports.import_torch()
import service.app, service.edge.server, service.telemetry.logs
taken = time.perf_counter() - start[0], time.process_time() - start[1]
with open("/proc/self/status") as status:
    (kibibytes,) = [line.split()[1] for line in status if line.startswith("VmRSS")]
print(json.dumps({"seconds": taken[0], "cpu_seconds": taken[1], "rss_bytes": 1024 * int(kibibytes)}))
"""
_LINE = re.compile(r"^import time: +(\d+) \| +\d+ \| *(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Imports:
    """Medians over processes that import and do nothing else."""

    seconds: float
    cpu_seconds: float
    rss_bytes: float
    milliseconds: Mapping[str, float]  # of each top-level package, without what it imports of others


def measure_imports(install: Install, repeats: int, folder: Path) -> Imports:
    """Imports the service in processes of their own."""
    found = [json.loads(_run(install, folder)[0]) for _ in range(repeats)]
    by_package: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for name, taken in _by_package(_run(install, folder, "-X", "importtime")[1]).items():
            by_package[name].append(taken / 1000)
    return Imports(
        *(median(one[name] for one in found) for name in ("seconds", "cpu_seconds", "rss_bytes")),
        {name: round(median(taken), 1) for name, taken in by_package.items()},
    )


def _run(install: Install, folder: Path, *options: str) -> tuple[str, str]:
    """Gives standard output and error; it runs in a folder that holds no modules."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(install.python), *options, "-c", _IMPORTS]
    done = subprocess.run(
        command, cwd=folder, env=environment | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def _by_package(report: str) -> Counter[str]:
    """Gives the microseconds of each top-level package, from what `python -X importtime` writes."""
    taken: Counter[str] = Counter()
    for microseconds, module in _LINE.findall(report):
        taken[module.partition(".")[0]] += int(microseconds)
    return taken
