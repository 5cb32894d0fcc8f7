"""What a run in shards has in its working folder while it goes on, for `benchmarks.batch`."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path


def wait_for_shards_in_hand(run: subprocess.Popen[bytes], output: Path, num_workers: int) -> None:
    """Waits until a shard is done and each worker has another in hand."""
    while not (num_done(output) and len(drafts(output)) == num_workers):
        if run.poll() is not None:
            raise SystemExit("the run was over before it could be killed: take more --series")
        time.sleep(0.005)


def num_done(output: Path) -> int:
    """Counts the finished shards."""
    return len(list((_working(output) / "done").glob("[0-9]*.json")))


def drafts(output: Path) -> list[Path]:
    """Gives a file for each shard in hand, NUMBER-PID.parquet."""
    return sorted((_working(output) / "drafts").glob("*.parquet"))


def num_pieces(output: Path) -> int:
    """Counts the finished pieces of shards in hand."""
    in_hand = {draft.name.partition("-")[0] for draft in drafts(output)}
    pieces = (_working(output) / "pieces").glob("*.parquet")
    return sum(piece.name.partition("-")[0] in in_hand for piece in pieces)


def _working(output: Path) -> Path:
    return output.parent / f".{output.name}.shards"
