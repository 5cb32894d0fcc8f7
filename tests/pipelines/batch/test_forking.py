"""Processes that forecast shards begin with their imports done, and with none of the threads of whoever asks."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pipelines.batch.forking import forking_context


def _seen() -> tuple[bool, int]:
    return "pipelines.batch.shards" in sys.modules, len(list(Path("/proc/self/task").iterdir()))


def test_processes_begin_with_what_they_need_and_a_single_thread() -> None:
    let_go = threading.Event()
    beside = threading.Thread(target=let_go.wait)
    beside.start()
    try:
        with ProcessPoolExecutor(1, mp_context=forking_context()) as pool:
            assert pool.submit(_seen).result() == (True, 1)
    finally:
        let_go.set()
        beside.join()
