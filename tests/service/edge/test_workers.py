"""Several processes: one that dies or hangs is replaced, all end together, and settings that nobody can use end all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import asyncio, os, select, sys, time
from pathlib import Path
from forecaster.errors import ConfigError
from service.settings import Settings
from service.edge.server import Server, listen
from service.edge.workers import Workers

HOW, HOME = sys.argv[1:]
if HOW == "serves":
    from service.app import create_app

async def block(tie):
    tie.heartbeat.keep(asyncio.get_running_loop())
    await asyncio.sleep(0.5)
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)

def work(listener, tie):
    if HOW == "refused" or (HOW == "spoiled" and Path(HOME, "spoiled").exists()):
        raise ConfigError("no such folder")
    if HOW == "blocks":
        asyncio.run(block(tie))
    if HOW == "spoiled":
        tie.heartbeat.beat()
    os.write(1, b"%d\\n" % os.getpid())
    while HOW == "spoiled" and not select.select([tie.lifeline], [], [], 0.1)[0]:
        tie.heartbeat.beat()
    if HOW == "serves":
        Server(create_app(settings), settings, tie).run([listener])
    os.read(tie.lifeline, 1)

settings = Settings(workers=2, port=0, hang_seconds=2.0, home=HOME, registry_uri="http://127.0.0.1:1")
sys.exit(Workers(settings, listen(settings), work).run())
"""


@contextmanager
def parent(folder: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """A parent of two workers, each of which prints its process."""
    variables = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", SCRIPT, how, str(folder)]
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def next_worker(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_a_worker_that_is_killed_is_replaced_and_a_signal_to_the_parent_ends_all(tmp_path: Path) -> None:
    with parent(tmp_path, "works") as process:
        first, second = next_worker(process), next_worker(process)
        os.kill(first, signal.SIGKILL)
        third = next_worker(process)
        assert third not in (first, second)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in (second, third))


def test_a_worker_that_stands_still_is_replaced_and_its_neighbour_is_not(tmp_path: Path) -> None:
    with parent(tmp_path, "serves") as process:
        first, second = next_worker(process), next_worker(process)
        time.sleep(5)  # more than twice what is allowed, in which both are alive
        os.kill(first, signal.SIGSTOP)
        third = next_worker(process)
        assert third not in (first, second)
        assert not Path(f"/proc/{first}").exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""  # no fourth one was needed


def test_a_worker_whose_event_loop_is_blocked_is_replaced(tmp_path: Path) -> None:
    with parent(tmp_path, "blocks") as process:
        assert len({next_worker(process) for _ in range(4)}) == 4


def test_a_worker_whose_event_loop_has_not_begun_is_given_time(tmp_path: Path) -> None:
    with parent(tmp_path, "starts") as process:
        first, second = next_worker(process), next_worker(process)
        time.sleep(5)
        assert all(Path(f"/proc/{pid}").exists() for pid in (first, second))


def test_settings_that_a_worker_cannot_use_end_the_parent(tmp_path: Path) -> None:
    with parent(tmp_path, "refused") as process:
        assert process.wait(60) == 2


def test_what_is_spoiled_while_others_serve_ends_none_of_them_and_is_tried_again(tmp_path: Path) -> None:
    with parent(tmp_path, "spoiled") as process:
        first, second = next_worker(process), next_worker(process)
        (tmp_path / "spoiled").touch()
        os.kill(first, signal.SIGKILL)
        time.sleep(1)
        assert process.poll() is None
        assert Path(f"/proc/{second}").exists()
        (tmp_path / "spoiled").unlink()
        assert next_worker(process) not in (first, second)
