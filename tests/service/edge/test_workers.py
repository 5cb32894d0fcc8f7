"""Several processes: one that dies is replaced, all end together, and settings that nobody can use end the whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import os, sys
from forecaster.errors import ConfigError
from service.settings import Settings
from service.edge.server import listen
from service.edge.workers import Workers

def work(listener, lifeline):
    if sys.argv[1] == "refused":
        raise ConfigError("no such folder")
    os.write(1, b"%d\\n" % os.getpid())
    os.read(lifeline, 1)

settings = Settings(workers=2, port=0)
sys.exit(Workers(settings, listen(settings), work).run())
"""


@contextmanager
def parent(folder: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """A parent of two workers, each of which prints its process."""
    variables = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", SCRIPT, how]
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


def test_settings_that_a_worker_cannot_use_end_the_parent(tmp_path: Path) -> None:
    with parent(tmp_path, "refused") as process:
        assert process.wait(60) == 2
