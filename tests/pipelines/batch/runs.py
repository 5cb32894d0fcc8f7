"""A run in shards as a program of its own, which tests end by SIGKILL.

python -m tests.pipelines.batch.runs BUNDLE DATA OUTPUT SETTINGS
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from tests.pipelines.batch.factories import HORIZON, asked, sharded

_SECONDS = 240.0


def started(bundle: Path, data: Path, output: Path, **settings: object) -> subprocess.Popen[bytes]:
    """Starts a run at the head of a process group."""
    command = [sys.executable, "-m", __name__, str(bundle), str(data), str(output), json.dumps(settings)]
    return subprocess.Popen(command, start_new_session=True)


def killed_in_the_middle(output: Path, run: subprocess.Popen[bytes]) -> None:
    """Ends a run, and all processes of its group, by SIGKILL, once a shard is done and another in hand."""
    _wait_for(lambda: in_hand(output) if num_done(output) >= 1 else [], run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def kill_one_worker(output: Path, run: subprocess.Popen[bytes]) -> int:
    """Ends one process that has a shard in hand, once some are done; gives the number of its shard."""
    while True:
        number, pid = _wait_for(lambda: in_hand(output) if num_done(output) >= 1 else [], run)[0]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return number


def num_done(output: Path) -> int:
    return len(list((_working(output) / "done").glob("[0-9]*.json")))


def series_kept(output: Path) -> int:
    """Counts the series of unfinished shards whose forecasts are kept."""
    pieces = (_working(output) / "pieces").glob("*.parquet")
    unfinished = [path for path in pieces if not (_working(output) / "done" / f"{path.stem[:6]}.json").exists()]
    return sum(int(pq.read_metadata(path).num_rows) for path in unfinished) // HORIZON


def in_hand(output: Path) -> list[tuple[int, int]]:
    """Gives the shards that are being made, and by which process."""
    names = [path.stem.split("-") for path in (_working(output) / "drafts").glob("*.parquet")]
    return [(int(number), int(pid)) for number, pid in names]


def _working(output: Path) -> Path:
    return output.parent / f".{output.name}.shards"


def _wait_for(look: Callable[[], list[tuple[int, int]]], run: subprocess.Popen[bytes]) -> list[tuple[int, int]]:
    deadline = time.monotonic() + _SECONDS
    while not (found := look()):
        if run.poll() is not None or time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            raise AssertionError("the run could not be killed in time: it was over, or has not got so far")
        time.sleep(0.002)
    return found


if __name__ == "__main__":
    bundle, data, output = map(Path, sys.argv[1:4])
    sharded(asked(bundle, data, output), **json.loads(sys.argv[4]))
