"""The record of a benchmark: its figures and the setting they were measured in, as one JSON object."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch

RESULTS = Path(__file__).parent.parent / "docs" / "results"

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_TELLING_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")


def record(name: str, figures: Mapping[str, object], setup: Mapping[str, object], *, save: bool = False) -> None:
    """Prints the record as the last line of a benchmark; with `save` also writes docs/results/NAME.json.

    A figure is a number: a truth is 1 or 0, and each number of a mapping is a figure named after its place in it. What
    holds anything else (a mapping, a list, a word, None) stands as it is in the setup, under "details".
    """
    details = {key: value for key, value in figures.items() if not isinstance(value, int | float)}
    setup = {**setup, "details": details} if details else dict(setup)
    content = {"benchmark": name, "figures": dict(_numbers(figures)), "setup": setup}
    if save:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(content), flush=True)


def machine_setup(libraries: Iterable[str] = ()) -> dict[str, object]:
    """Gives what figures depend on besides the code: command, versions, processor, threads, date and load."""
    names = ["numpy", "torch", *libraries]
    return {
        "command": _command(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names},
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores_allowed": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "torch_threads": torch.get_num_threads(),
        "thread_variables": {name: os.environ.get(name) for name in _THREAD_VARIABLES},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _numbers(values: Mapping[str, object], place: str = "") -> Iterator[tuple[str, float]]:
    """Gives the numbers among values and in their mappings, by names without spaces."""
    for key, value in values.items():
        name = place + re.sub(r"[^\w.-]+", "_", key)
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}_")
        elif isinstance(value, int | float):
            yield name, int(value) if isinstance(value, bool) else value


def _command() -> str:
    """Gives the command that was run, as one types it in the root of the repository."""
    spec = sys.modules["__main__"].__spec__
    program = f"-m {spec.name}" if spec else Path(sys.argv[0]).name
    return " ".join(["python", program, *sys.argv[1:]])


def _processor() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    present = facts.get("flags", "").split()
    return {"model": facts.get("model name"), "flags": [flag for flag in _TELLING_FLAGS if flag in present]}
