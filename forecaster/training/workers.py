"""Workers: the processes that `fit` starts beside itself to share the windows of each step.

Each runs `python -m forecaster.training.worker FOLDER NUMBER PORT` and finds in the folder what to train: the
panel as a store, which all of them map into memory, and the settings as JSON. They meet at a port of this machine.
Whatever ends one of them ends the others: training can then be resumed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import distributed

from forecaster.config import Config, ForecasterConfig
from forecaster.data.store import write_store
from forecaster.errors import TrainingError
from forecaster.manifest import StartFacts
from forecaster.training.cluster import ALONE, Place, join, launched, meeting_point
from forecaster.training.member import Job

PANEL = "panel"
ORDER = "order.json"

_SECONDS_TO_ARRIVE = 300.0
_SECONDS_BETWEEN_LOOKS = 0.05


class Order(Config):
    """What a worker is told, besides the panel."""

    config: ForecasterConfig
    start: StartFacts
    num_threads: int


@dataclass(frozen=True)
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"


def arrival_key(number: int) -> str:
    """Gives the name under which a worker reports that it has come."""
    return f"arrived-{number}"


@contextmanager
def workers(job: Job, num_threads: int, place: Place = ALONE) -> Iterator[Place]:
    """Starts the other processes of a job and joins them, or only joins them where a launcher has started them all.

    Gives this one's place among them, which a launcher settles: then the others are in `train_along`.

    Afterwards they are ended, whatever they do: they keep nothing. Raises TrainingError where one of them does not
    come, or is found to have ended when training breaks off.
    """
    num_processes = job.config.training.num_processes
    if place.is_launched:
        with launched(place):
            yield place
        return
    if num_processes == 1:
        yield ALONE
        return
    if distributed.is_initialized():
        raise TrainingError("this process is part of a process group already: set num_processes to 1", code="in-group")
    place = Place(0, num_processes)
    store = meeting_point(place)
    _write_order(job, num_threads)
    with ExitStack() as stack:
        others = [stack.enter_context(_started(job.folder, number, store.port)) for number in range(1, num_processes)]
        _await_arrival(others, lambda number: store.check([arrival_key(number)]))
        join(store, place)
        stack.callback(distributed.destroy_process_group)
        try:
            yield place
        except RuntimeError as error:  # what torch raises when a connection breaks
            _refuse_ended(others, error)
            raise


def _write_order(job: Job, num_threads: int) -> None:
    write_store(job.panel, job.folder / PANEL, overwrite=True)
    order = Order(config=job.config, start=job.start, num_threads=num_threads)
    (job.folder / ORDER).write_text(order.model_dump_json())


@contextmanager
def _started(folder: Path, number: int, port: int) -> Iterator[_Worker]:
    log = folder / f"process-{number}.log"
    command = [sys.executable, "-m", "forecaster.training.worker", str(folder), str(number), str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603
    try:
        yield _Worker(number, process, log)
    finally:
        process.kill()
        process.wait()


def _await_arrival(others: list[_Worker], has_arrived: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_ARRIVE
    while waiting := [other for other in others if not has_arrived(other.number)]:
        _refuse_ended(waiting, None)
        if time.monotonic() > deadline:
            raise TrainingError(
                f"training process {waiting[0].number} did not start in {_SECONDS_TO_ARRIVE:g} s: "
                f"{waiting[0].last_words}",
                code="process-ended",
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _refuse_ended(others: list[_Worker], reason: Exception | None) -> None:
    for other in others:
        # Where a connection broke, the process at its other end may need a moment to be gone.
        deadline = time.monotonic() + (1.0 if reason else 0.0)
        while other.process.poll() is None and time.monotonic() < deadline:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        if other.process.poll() is not None:
            raise TrainingError(
                f"training process {other.number} ended with code {other.process.returncode}: {other.last_words}; "
                "start the training again to resume it",
                code="process-ended",
            ) from reason
