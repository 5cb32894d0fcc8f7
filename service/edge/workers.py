"""Several processes that answer on one socket: forked from a parent that has imported everything and started nothing.

An import takes seconds, a fork milliseconds: so a worker that died is replaced at once, and one whose event loop stands
still is killed and replaced. The parent loads no model, runs no thread and answers nothing. It tells the workers to end
by closing a pipe, which also happens when it is killed.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client.multiprocess import mark_process_dead

from forecaster.errors import ConfigError
from service.edge.heartbeat import Heartbeat, Pulse, Tie, pause_between
from service.edge.start import warn_of_unknown_variables
from service.settings import Settings

log = logging.getLogger("service.edge.workers")

# A worker ends with this code where its settings cannot be used. Another one could not use them either, unless one
# serves: then it is what lies on the disk that has been spoiled since, and those that serve do so by what they know.
SETTINGS_REFUSED = 2

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_SHORT_LIFE_SECONDS = 1.0  # who lives longer has begun to serve: to replace it at once costs less than to wait
_LONGEST_PAUSE_SECONDS = 10.0
_EXIT_SECONDS = 3.0  # beyond grace and drain, until a worker that does not end is killed

Work = Callable[[socket.socket, Tie], None]


@dataclass(frozen=True)
class Worker:
    """One process that answers requests."""

    pid: int
    begun: float
    pulse: Pulse


class Workers:
    """Keeps `settings.workers` processes running `work(socket, tie)` until it is told to end.

    `work` has to return soon after the tie's pipe reads as ended. Once its heart has begun to beat it has to go on.
    """

    def __init__(self, settings: Settings, listener: socket.socket, work: Work) -> None:
        self._number = settings.workers
        self._hang_seconds = settings.hang_seconds
        self._drain_seconds = settings.drain_grace_seconds + settings.drain_seconds + _EXIT_SECONDS
        self._listener = listener
        self._work = work
        self._running: dict[int, Worker] = {}
        self._pipe, self._lifeline = os.pipe()
        self._num_short_lives = 0
        self._next_start = 0.0

    def run(self) -> int:
        """Runs the workers; gives the exit code of the whole."""
        warn_of_unknown_variables()
        gc.freeze()  # the collector would write to pages that all processes share
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        code = self._keep_running()
        self._listener.close()
        os.close(self._lifeline)
        log.info("workers_end", extra={"fields": {"workers": len(self._running)}})
        return self._wait_for_the_end() or code

    def _keep_running(self) -> int:
        """Replaces workers that end or hang, until a signal; gives another code than 0 where that makes no sense."""
        while True:
            while len(self._running) < self._number and time.monotonic() >= self._next_start:
                self._start()
            missing = len(self._running) < self._number
            pause = max(0.0, self._next_start - time.monotonic()) if missing else _LONGEST_PAUSE_SECONDS
            found = signal.sigtimedwait(_SIGNALS, min(pause, pause_between(self._hang_seconds)))
            if found is not None and found.si_signo != signal.SIGCHLD:
                return 0
            codes = [self._bury(pid, code) for pid, code in self._ended()]
            if SETTINGS_REFUSED in codes and not self._one_serves():
                return SETTINGS_REFUSED
            self._kill_those_that_hang()

    def _one_serves(self) -> bool:
        return any(worker.pulse.has_begun for worker in self._running.values())

    def _start(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        heartbeat = Heartbeat(self._hang_seconds)
        pid = os.fork()
        if pid == 0:
            self._live(heartbeat)
        self._running[pid] = Worker(pid, time.monotonic(), Pulse(heartbeat))
        log.info("worker_started", extra={"fields": {"worker": pid}})

    def _kill_those_that_hang(self) -> None:
        now = time.monotonic()
        for worker in self._running.values():
            silent = worker.pulse.silent_seconds(now)
            if silent > self._hang_seconds:
                fields = {"worker": worker.pid, "silent_seconds": round(silent, 1)}
                log.warning("worker_hangs", extra={"fields": fields})
                os.kill(worker.pid, signal.SIGKILL)
                worker.pulse.forgive()

    def _live(self, heartbeat: Heartbeat) -> None:
        """Is a worker, and never returns."""
        code = 1
        try:
            os.close(self._lifeline)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which the parent gets too
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._work(self._listener, Tie(self._pipe, heartbeat))
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except ConfigError as error:
            log.error("settings_refused", extra={"fields": {"reason": str(error)}})
            code = SETTINGS_REFUSED
        except BaseException:
            log.exception("worker_failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _ended(self) -> list[tuple[int, int]]:
        """Gives process and exit code of each worker that has ended; a code below 0 is a signal."""
        ended = []
        for pid in list(self._running):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended.append((pid, os.waitstatus_to_exitcode(status)))
        return ended

    def _bury(self, pid: int, code: int) -> int:
        """Notes that a worker has ended; gives its exit code."""
        lived = time.monotonic() - self._running.pop(pid).begun
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
        fields = {"worker": pid, "exit": code, "lived_seconds": round(lived, 1)}
        log.log(logging.WARNING if code else logging.INFO, "worker_ended", extra={"fields": fields})
        self._num_short_lives = self._num_short_lives + 1 if lived < _SHORT_LIFE_SECONDS else 0
        if self._num_short_lives > self._number:
            pause = 0.1 * 2.0 ** (self._num_short_lives - self._number)
            self._next_start = time.monotonic() + min(pause, _LONGEST_PAUSE_SECONDS)
        return code

    def _wait_for_the_end(self) -> int:
        """Waits for all workers; kills those that do not end, or all at a second signal."""
        deadline = time.monotonic() + self._drain_seconds
        while self._running:
            found = signal.sigtimedwait(_SIGNALS, max(0.0, deadline - time.monotonic()))
            for pid, code in self._ended():
                self._bury(pid, code)
            if found is None or found.si_signo != signal.SIGCHLD:
                for pid in self._running:
                    os.kill(pid, signal.SIGKILL)
                deadline = time.monotonic() + _EXIT_SECONDS
                if found is not None:
                    return 128 + found.si_signo
        return 0
