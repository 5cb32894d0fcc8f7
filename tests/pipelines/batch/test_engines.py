"""Engines: the same bytes however many processes there are and whatever dies on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from forecaster.errors import ConfigError, ValueTypeError
from pipelines.batch import on_ray
from pipelines.errors import BatchError
from tests.pipelines.batch.factories import asked, bundle_in, bytes_in, counted_forecasts, hours, sharded
from tests.pipelines.batch.runs import in_hand, kill_one_worker, killed_in_the_middle, num_done, series_kept, started

NUM_SERIES, NUM_STEPS = 4096, 100
PER_SHARD = 512  # takes some tenths of a second, so that a kill can meet it
PER_PIECE = 256


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, a table of many series, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("engines")
    bundle_in(folder, d_model=64, num_layers=4, context_length=96)
    hours(NUM_SERIES, NUM_STEPS).to_parquet(folder / "hours.parquet", index=False)
    sharded(asked(folder / "bundle", folder / "hours.parquet", folder / "one"), series_per_shard=PER_SHARD)
    return folder


def run_in(home: Path, name: str, **settings: object) -> subprocess.Popen[bytes]:
    return started(home / "bundle", home / "hours.parquet", home / name, series_per_shard=PER_SHARD, **settings)


@pytest.mark.long
@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one(home: Path) -> None:
    what = asked(home / "bundle", home / "hours.parquet", home / "two")
    sharded(what, series_per_shard=PER_SHARD, num_workers=2)
    assert bytes_in(home / "two") == bytes_in(home / "one")


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_run_of_two_processes_is_gone_on_with_and_loses_at_most_one_shard(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_in(home, "killed", num_workers=2)
    killed_in_the_middle(home / "killed", run)
    finished, kept = num_done(home / "killed"), series_kept(home / "killed")
    assert len(in_hand(home / "killed")) * PER_PIECE <= PER_SHARD
    assert not (home / "killed").exists()
    made: list[int] = []
    forecasts = counted_forecasts(monkeypatch)
    what = asked(home / "bundle", home / "hours.parquet", home / "killed")
    sharded(what, lambda progress: made.append(progress.num_done), series_per_shard=PER_SHARD)
    assert made == list(range(finished + 1, NUM_SERIES // PER_SHARD + 1))
    assert sum(forecasts) == NUM_SERIES - finished * PER_SHARD - kept
    assert bytes_in(home / "killed") == bytes_in(home / "one")


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_process_ends_a_local_run_and_what_is_done_is_kept(home: Path) -> None:
    run = run_in(home, "lost", num_workers=2)
    kill_one_worker(home / "lost", run)
    assert run.wait(timeout=120) != 0
    assert num_done(home / "lost") >= 1
    assert run_in(home, "lost", num_workers=2).wait(timeout=240) == 0
    assert bytes_in(home / "lost") == bytes_in(home / "one")


@pytest.mark.long
@pytest.mark.slow
def test_the_processes_of_a_killed_run_end_with_it(home: Path) -> None:
    run = run_in(home, "orphans", num_workers=2)
    while not (pids := [pid for _, pid in in_hand(home / "orphans")]):
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 60
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.long
@pytest.mark.slow
def test_a_ray_cluster_with_a_killed_worker_gives_the_bytes_of_one_process(home: Path) -> None:
    run = run_in(home, "ray", engine="ray", num_workers=3)
    number = kill_one_worker(home / "ray", run)
    assert run.wait(timeout=280) == 0
    assert bytes_in(home / "ray") == bytes_in(home / "one")
    assert (home / "ray" / f"part-{number:06d}.parquet").exists()


@pytest.mark.long
@pytest.mark.slow
def test_an_error_on_a_ray_cluster_is_the_error_of_its_shard(home: Path) -> None:
    frame = hours(8)
    frame.loc[frame["unique_id"] == "s007", "y"] = np.inf
    frame.to_parquet(home / "infinite.parquet", index=False)
    program = (
        "import sys, json; from pathlib import Path; from tests.pipelines.batch.factories import asked, sharded\n"
        "try:\n    sharded(asked(*map(Path, sys.argv[1:4])), engine='ray', num_workers=1)\n"
        "except Exception as error:\n    print(json.dumps([type(error).__name__, error.code, str(error)]))\n"
    )
    command = [sys.executable, "-c", program, str(home / "bundle"), str(home / "infinite.parquet"), str(home / "no")]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=280, check=True)
    name, code, message = json.loads(done.stdout.splitlines()[-1])
    assert (name, code) == (ValueTypeError.__name__, "infinite")
    assert message.startswith("shard 2 (rows 181 to 240, series 's006' to 's007'): series 's007'")


def test_without_ray_its_engine_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"Ray, which is not installed: pip install 'forecaster\[ray\]'"):
        next(on_ray.make_on_ray(home, [0], 1, None))


def test_ray_is_kept_from_reporting_to_its_makers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError):
        next(on_ray.make_on_ray(Path(), [0], 1, None))
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_machine_that_does_not_share_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="all machines must share that folder"):
        on_ray._make(str(tmp_path / "elsewhere"), 0)
