"""A million series forecast in shards: how many a second, in how much memory, and how much of the time is forward.

    python -m benchmarks.batch [--series 1000000] [--save] [--folder FOLDER] [--workers 2] [--runtime auto] [--no-ray]

Hourly series of 256 points, 24 steps ahead at 9 levels; a model of a fifth of the served one's weights (d_model 64, 3
layers, patches of 16, a ridge as its skip), with random weights: they cost what trained ones do. The run is that of
`forecaster predict --shards`, a process of its own, from its start to its end, reading and writing Parquet.

"fraction_of_forward" is the time of the bare forward passes over the time of the run. The forward passes are those of
the same predictor, in as many processes with a thread each, on as many windows in the same batches, which lie ready in
memory: from contexts to quantiles in the unit of the data. They are timed before and after the run on some of the
windows, and the mean is scaled to all. "peak_rss_gb" is the largest sum of the resident memory of all processes of the
run at one time, what they share counted by each ("peak_pss_gb": counted once).

Then a tenth of the table is forecast once more, and killed by SIGKILL in the middle, with all its processes: how many
shards were finished ("killed_shards_kept") and in hand, how many shards in all the pieces come to that were begun and
not kept ("killed_shards_made_again"), and whether the run that goes on ends in the same bytes. And on a Ray cluster of
so many workers, one of which is killed.

With --folder the tables are kept, for a benchmark that was broken off; what is timed always begins anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.batch_folder import drafts, num_done, num_pieces, wait_for_shards_in_hand
from benchmarks.batch_forward import forward_seconds
from benchmarks.record import machine_setup, record
from benchmarks.serving.model import FREQUENCY, START, random_predictor
from forecaster.bundle import save_bundle
from forecaster.config import ModelConfig, SplitConfig
from forecaster.manifest import TrainingFacts
from forecaster.runtime.export import export_networks

NUM_POINTS, HORIZON, NUM_LEVELS = 256, 24, 9
NUM_SERIES = 1_000_000
MODEL = ModelConfig(
    context_length=NUM_POINTS,
    horizon=HORIZON,
    season_length=24,
    patch_length=16,
    d_model=64,
    num_layers=3,
    num_heads=2,
    d_ff=128,
    levels=tuple(round(0.1 * tenth, 1) for tenth in range(1, NUM_LEVELS + 1)),
    skip="ridge",
)
_SERIES_PER_WRITE = 4096
_OUTPUTS = ("forecasts", "unbroken", "killed", "ray")
_PIECE_OF_SHARD = 1 / 8  # a process forecasts one piece at a time: no more of a shard is begun and not kept
_SECONDS_BETWEEN_LOOKS = 0.1
_LOOKS_PER_PSS = 20  # to count what is shared takes the kernel 8 ms per process, in which that one can wait
_FACTS = TrainingFacts(
    data_fingerprint="none: random weights",
    num_series=1,
    frequency=FREQUENCY,
    timezone=None,
    horizon=HORIZON,
    cutoff=START,
    latest=START,
    used_up=(),
    split=SplitConfig(),
    num_steps=0,
    validation_loss=1.0,
)


def main() -> None:
    """Runs all of it and prints the record."""
    given = _arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        _prepare(folder, given.series)
        for output in _OUTPUTS:
            shutil.rmtree(folder / output, ignore_errors=True)
        figures = _measured(folder, given)
        figures |= _interrupted(folder, given)
    setup = machine_setup(["onnxruntime", "pyarrow", *(["ray"] if given.ray else [])])
    setup |= {"series": given.series, "points": NUM_POINTS, "workers": given.workers, "runtime": given.runtime}
    setup |= {"model": MODEL.model_dump(mode="json", include={"d_model", "num_layers", "patch_length", "skip"})}
    record("batch", figures, setup, save=given.save)


def _prepare(folder: Path, num_series: int) -> None:
    """Writes model and tables where they are not there yet."""
    if not (folder / "bundle").exists():
        predictor = random_predictor(MODEL)
        save_bundle(folder / "bundle", predictor, _FACTS, graph=export_networks(predictor))
    for path, size in (
        (_table(folder, num_series), num_series),
        (_table(folder, _tenth(num_series)), num_series // 10),
    ):
        if not path.exists():
            begin = time.perf_counter()
            write_series(path.with_suffix(".draft"), max(size, 1))
            path.with_suffix(".draft").replace(path)
            _log("written", table=path.name, mb=round(path.stat().st_size / 1e6), seconds=_since(begin))


def _tenth(num_series: int) -> int:
    return max(num_series // 10, 1)


def _table(folder: Path, num_series: int) -> Path:
    return folder / f"series-{num_series}.parquet"


def write_series(path: Path, num_series: int) -> None:
    """Writes a long table of daily waves with noise, part by part, in row groups of 2^20 rows."""
    generator, steps = np.random.default_rng(0), np.arange(NUM_POINTS)
    times = np.datetime64(START, "us") + steps * np.timedelta64(1, "h")
    schema = pa.schema([("unique_id", pa.string()), ("ds", pa.timestamp("us")), ("y", pa.float64())])
    with pq.ParquetWriter(path, schema, use_dictionary=["unique_id", "ds"]) as writer:
        for begin in range(0, num_series, _SERIES_PER_WRITE):
            size = min(_SERIES_PER_WRITE, num_series - begin)
            levels, waves = generator.uniform([[50], [5]], [[500], [50]], (2, size))
            noise = generator.standard_normal((size, NUM_POINTS))
            values = levels[:, None] + waves[:, None] * (np.sin(2 * np.pi * steps / 24) + 0.3 * noise)
            ids = pa.array([f"series-{number:07d}" for number in range(begin, begin + size)])
            columns = [
                ids.take(pa.array(np.repeat(np.arange(size), NUM_POINTS))),
                pa.array(np.tile(times, size)),
                pa.array(np.round(values, 3).ravel()),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _measured(folder: Path, given: argparse.Namespace) -> dict[str, object]:
    """Gives the figures of the whole run, beside the forward passes alone."""
    output = folder / "forecasts"
    forward = [forward_seconds(folder / "bundle", given.runtime, given.workers)]
    _log("forward", microseconds_per_series=round(1e6 * forward[0], 2))
    begin = time.perf_counter()
    run = _started(folder, given.series, output, given, "--restart")
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(_watched, run)
        if run.wait() != 0:
            raise SystemExit(f"the run has ended with code {run.returncode}")
        seconds, peaks = time.perf_counter() - begin, watched.result()
    _log("run", seconds=round(seconds, 1), **peaks)
    forward.append(forward_seconds(folder / "bundle", given.runtime, given.workers))
    _log("forward", microseconds_per_series=round(1e6 * forward[1], 2))
    _check(output, given.series)
    per_series = sum(forward) / 2
    return {
        "series_per_second": round(given.series / seconds, 1),
        "seconds": round(seconds, 1),
        "fraction_of_forward": round(per_series * given.series / seconds, 3),
        "forward_microseconds_per_series": [round(1e6 * one, 2) for one in forward],
        "output_gb": round(sum(path.stat().st_size for path in output.iterdir()) / 1e9, 3),
        **peaks,
    }


def _watched(run: subprocess.Popen[bytes]) -> dict[str, float]:
    """Gives the largest memory of a run and its children at one time, until it ends."""
    rss, pss, looks = 0, 0, 0
    while run.poll() is None:
        family = _family(run.pid)
        rss = max(rss, _sum(family, lambda process: process.memory_info().rss))
        if looks % _LOOKS_PER_PSS == 0:
            pss = max(pss, _sum(family, lambda process: process.memory_full_info().pss))
        looks += 1
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return {"peak_rss_gb": round(rss / 1e9, 3), "peak_pss_gb": round(pss / 1e9, 3)}


def _sum(family: list[psutil.Process], memory: Callable[[psutil.Process], int]) -> int:
    """Adds up the memory of the processes that are still there."""
    total = 0
    for process in family:
        with suppress(psutil.Error):
            total += memory(process)
    return total


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.Error:
        return []


def _check(output: Path, num_series: int) -> None:
    """Makes sure that the output has a row for each series and step."""
    num_rows = sum(pq.read_metadata(path).num_rows for path in output.glob("part-*.parquet"))
    if num_rows != num_series * HORIZON:
        raise SystemExit(f"{output} has {num_rows} rows, wanted are {num_series * HORIZON}")


def _interrupted(folder: Path, given: argparse.Namespace) -> dict[str, object]:
    """Gives what kills cost on a tenth of the table, and whether the bytes are the same after them."""
    size = _tenth(given.series)
    unbroken, killed = folder / "unbroken", folder / "killed"
    _finish(folder, size, unbroken, given)
    run = _started(folder, size, killed, given, "--restart")
    wait_for_shards_in_hand(run, killed, given.workers)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    kept, in_hand, pieces = num_done(killed), len(drafts(killed)), num_pieces(killed)
    _finish(folder, size, killed, given)
    num_shards = len(list(unbroken.glob("part-*.parquet")))
    figures: dict[str, object] = {
        "killed_shards": num_shards,
        "killed_shards_kept": kept,
        "killed_shards_in_hand": in_hand,
        "killed_pieces_kept": pieces,
        "killed_shards_made_again": in_hand * _PIECE_OF_SHARD,
        "killed_same_bytes": _bytes(killed) == _bytes(unbroken),
    }
    _log("killed", **figures)
    return figures | (_on_ray(folder, size, given) if given.ray else {})


def _on_ray(folder: Path, size: int, given: argparse.Namespace) -> dict[str, object]:
    output = folder / "ray"
    run = _started(folder, size, output, given, "--restart", "--engine", "ray")
    wait_for_shards_in_hand(run, output, given.workers)
    for draft in drafts(output)[:1]:
        os.kill(int(draft.stem.split("-")[1]), signal.SIGKILL)
    if run.wait() != 0:
        raise SystemExit("the run on Ray has not survived its worker")
    figures: dict[str, object] = {"ray_same_bytes": _bytes(output) == _bytes(folder / "unbroken")}
    _log("ray", **figures)
    return figures


def _started(
    folder: Path, num_series: int, output: Path, given: argparse.Namespace, *options: str
) -> subprocess.Popen[bytes]:
    """Starts `forecaster predict`, at the head of a process group."""
    command = [sys.executable, "-m", "forecaster", "predict", "--model", str(folder / "bundle"), "--shards"]
    command += ["--data", str(_table(folder, num_series)), "--output", str(output)]
    command += ["--workers", str(given.workers), "--runtime", given.runtime, *options]
    return subprocess.Popen(command, start_new_session=True)


def _finish(folder: Path, num_series: int, output: Path, given: argparse.Namespace) -> None:
    if not output.exists() and _started(folder, num_series, output, given).wait() != 0:
        raise SystemExit(f"the run into {output} has failed")


def _bytes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _log(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def _since(begin: float) -> float:
    return round(time.perf_counter() - begin, 1)


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--series", type=int, default=NUM_SERIES)
    arguments.add_argument("--folder", type=Path, help="where tables and forecasts are kept")
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--runtime", choices=["auto", "eager", "onnx"], default="auto")
    arguments.add_argument("--no-ray", dest="ray", action="store_false")
    arguments.add_argument("--save", action="store_true", help="write the record to docs/results")
    return arguments.parse_args(given)


if __name__ == "__main__":
    main()
