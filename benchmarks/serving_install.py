"""What the service takes where nothing but it is installed: disk, import time, memory, and seconds until it is ready.

    python -m benchmarks.serving_install [--save] [--repeats 5]

A new virtual environment gets `.[serve]` under constraints.txt, with torch's CPU build, and is pruned as the image of
the service is; all is measured in it, in processes of their own. MB are 10^6 bytes, figures medians over repeats.

    install_mb, image_mb           the environment on disk, as installed and pruned
    import_seconds                 importing all that `forecaster serve` imports before it listens
    rss_mb_auto, _eager, _onnx     memory of the one worker, by what shall execute the benchmark's model, after it has
                                   looked at the registry, for which it imports MLflow, and answered 200 requests
    pss_mb_*_2, uss_mb_*_2         of each of two workers after 400: its share of what several see, and its own alone
    ready_seconds                  from the start of the process until /readyz gives 200, models from the disk, the
                                   registry down, runtime 'auto'

..._cpu_seconds is processor time, which other load moves less. --save writes docs/serving-install.md beside the record.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.record import machine_setup, record
from benchmarks.serving.contenders import THREADS
from benchmarks.serving.footprint import NUM_REQUESTS, Footprint, fill_cache, measure
from benchmarks.serving.imports import Imports, measure_imports
from benchmarks.serving.install import Install, make_install
from benchmarks.serving.install_page import page
from benchmarks.serving.model import MODEL, register_model

PAGE = Path(__file__).parent.parent / "docs" / "serving-install.md"
LIMIT_MB, LIMIT_SECONDS = 400, 5  # of a worker with one model, and until it is ready

# Distributions of the trainer, of notebooks, and of what only the other extras need.
UNWANTED = {"pytorch-lightning", "torchmetrics", "matplotlib", "ipython", "notebook", "scikit-learn", "mlflow"}
UNWANTED |= {"flask", "pyarrow", "onnx", "onnxscript", "statsmodels", "triton", "boto3", "optuna", "apscheduler"}
_LIMITED = ("rss_mb_auto", "rss_mb_eager", "rss_mb_onnx")
_MB = 1e6
_LARGEST, _LONGEST = 15, 12
Cases = Mapping[tuple[str, int], Footprint]  # by runtime and number of workers


def main() -> None:
    """Makes the environment, measures in it, and prints the record."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that servers end with it
    before = [round(load, 2) for load in os.getloadavg()]
    with tempfile.TemporaryDirectory(prefix="serving-install-") as name:
        folder = Path(name)
        install = make_install(folder / "install")
        installed, sizes = install.size(), install.sizes()
        unwanted = UNWANTED & {one.lower().replace("_", "-") for one in sizes}
        assert not unwanted, f"the serving install holds {sorted(unwanted)}"
        print("installed", round(installed / _MB), "MB", flush=True)
        install.prune()
        imports = measure_imports(install, given.repeats, folder)
        print(imports, flush=True)
        cases = _cases(install, folder, given.repeats)
        found = figures(installed, install.size(), imports, cases)
        setup = machine_setup(["fastapi", "mlflow-skinny", "onnxruntime", "pandas"]) | {
            "load_average_before": before,
            "threads": THREADS,
            "repeats": given.repeats,
            "requests": NUM_REQUESTS,
            "runtime_auto": cases["auto", 1].runtime,
            "model": MODEL.model_dump(include={"context_length", "horizon", "d_model", "num_layers", "d_ff", "levels"}),
            "distributions": len(sizes) - ("other" in sizes),
            "largest_mb": largest(sizes, install.sizes()),
            "import_ms": dict(Counter(imports.milliseconds).most_common(_LONGEST)),
            "cases": {f"{runtime}_{workers}": asdict(one) for (runtime, workers), one in cases.items()},
            "meets_limits": meets_limits(found),
        }
    record("serving_install", found, setup, save=given.save)
    if given.save:
        PAGE.write_text(page({"figures": found, "setup": setup}), encoding="utf-8")


def figures(installed: int, pruned: int, imports: Imports, cases: Cases) -> dict[str, float]:
    """Gives the figures, from bytes and seconds."""
    megabytes = {"install_mb": installed, "image_mb": pruned, "rss_mb_imported": imports.rss_bytes}
    for (runtime, num_workers), footprint in cases.items():
        workers = footprint.workers
        if num_workers == 1:
            megabytes[f"rss_mb_{runtime}"] = workers[0].rss
        else:
            megabytes[f"pss_mb_{runtime}_{num_workers}"] = max(one.pss for one in workers)
            megabytes[f"uss_mb_{runtime}_{num_workers}"] = max(one.uss for one in workers)
    start = cases["auto", 1].start
    seconds = {
        "import_seconds": imports.seconds,
        "import_cpu_seconds": imports.cpu_seconds,
        "ready_seconds": start.seconds,
        "ready_cpu_seconds": start.cpu_seconds,
    }
    return {name: round(size / _MB, 1) for name, size in megabytes.items()} | {
        name: round(value, 2) for name, value in seconds.items()
    }


def meets_limits(found: Mapping[str, float]) -> dict[str, bool]:
    """Says which of the limits the figures keep."""
    memory = {name: size <= LIMIT_MB for name, size in found.items() if name in _LIMITED}
    return memory | {"ready_seconds": found["ready_seconds"] < LIMIT_SECONDS}


def largest(installed: Mapping[str, int], pruned: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """Gives MB installed and pruned of the largest distributions, and of all together."""
    names = [name for name, _ in Counter(installed).most_common(_LARGEST)]
    chosen = {name: (installed[name], pruned.get(name, 0)) for name in names}
    chosen["all packages"] = (sum(installed.values()), sum(pruned.values()))
    return {name: (round(before / _MB, 1), round(after / _MB, 1)) for name, (before, after) in chosen.items()}


def _cases(install: Install, folder: Path, repeats: int) -> dict[tuple[str, int], Footprint]:
    home = register_model(folder)
    fill_cache(home)
    cases = {}
    for runtime, workers in (("auto", 1), ("eager", 1), ("onnx", 1), ("eager", 2), ("onnx", 2)):
        cases[runtime, workers] = measure(install, home, runtime, workers, repeats)
        print(runtime, workers, cases[runtime, workers], flush=True)
    return cases


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--save", action="store_true", help="write docs/results/serving_install.json and the page")
    return arguments.parse_args()


if __name__ == "__main__":
    main()
