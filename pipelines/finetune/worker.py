"""A worker: takes the jobs that the service has left in the ledger for whoever trains, and does one at a time.

It claims a job under a lease and renews that from a thread beside the training. A worker that is killed renews nothing:
the next one takes the job, clears away what is half done of it, and begins it anew.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mlflow import MlflowClient

from forecaster.errors import ConfigError, DataError, ForecasterError, LedgerUnavailableError
from forecaster.ledger.finetune_order import FINETUNE
from forecaster.ledger.finetuned import write_outcome
from forecaster.ledger.job import Claimed, Lease
from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from forecaster.problem import problem_details
from pipelines import tracking
from pipelines.config import Environment
from pipelines.errors import RegistryError
from pipelines.finetune.finetune import Errand, finetune
from pipelines.finetune.finetuned import take_out
from pipelines.ledger import opened_ledger

log = logging.getLogger("pipelines.finetune.worker")

_KINDS = (FINETUNE,)
_LEASE_SECONDS, _RENEWAL_SECONDS = 60.0, 5.0
_LOOK_SECONDS = 2.0
_AGAIN_SECONDS = 30.0  # until a job is tried again while MLflow or the ledger is away


class _Ending(BaseException):
    """This worker was told to end."""


class _Lost(BaseException):
    """A job was cancelled, or another worker has it."""


class Worker:
    """Does the jobs of one ledger, with one registry."""

    def __init__(self, environment: Environment, client: MlflowClient, ledger: Ledger) -> None:
        self._environment, self._client, self._jobs = environment, client, Jobs(ledger)
        self._lease = Lease.of_this_process(_LEASE_SECONDS)

    def run(self, *, once: bool = False) -> None:
        """Works until it is told to end, or until there is no job left if it is to look `once`."""
        while True:
            try:
                while self._do_next():
                    pass
                self._clear()
            except (LedgerUnavailableError, RegistryError) as error:
                log.warning("worker_waits", extra={"fields": {"code": error.code, "reason": str(error)}})
            if once:
                return
            time.sleep(_LOOK_SECONDS)

    def _do_next(self) -> bool:
        self._jobs.give_up(
            _KINDS, problem_details("job-given-up", "whoever did this job ended before it was done", 500)
        )
        claimed = self._jobs.claim(_KINDS, self._lease)
        if claimed is None:
            return False
        fields = {"job": claimed.job.job_id, "attempt": claimed.job.attempts}
        log.info("job_begun", extra={"fields": fields})
        log.info("job_ended", extra={"fields": fields | {"outcome": self._done(claimed)}})
        return True

    def _done(self, claimed: Claimed) -> str:
        """Does a job and saves what came of it; gives in a word what that was."""
        job, by = claimed.job, self._lease.by
        kept_seconds = (job.expires - job.created) / 1e6
        try:
            with self._renewed(claimed) as errand:
                tuned = finetune(self._environment, self._client, claimed.request, errand)
            is_saved = self._jobs.succeed(
                job.job_id,
                by,
                tuned.content(),
                kept_seconds,
                lambda connection: write_outcome(connection, tuned.name, job.job_id, tuned.outcome),
            )
            return "succeeded" if is_saved else "lost"
        except _Lost:
            return "lost"
        except _Ending:
            self._jobs.release(job.job_id, by, 0.0)
            raise
        except LedgerUnavailableError as error:  # which says nothing of the job: it is done again
            return self._put_off(job.job_id, "ledger_away", error)
        except ForecasterError as error:
            if isinstance(error, RegistryError) and not self._registry_answers():
                return self._put_off(job.job_id, "registry_away", error)
            status = 422 if isinstance(error, DataError | ConfigError) else 500
            return self._failed(job.job_id, problem_details(error.code, str(error), status), kept_seconds)
        except Exception:
            log.exception("job_failed", extra={"fields": {"job": job.job_id}})
            problem = problem_details("internal", "an unexpected error occurred; it has been logged", 500)
            return self._failed(job.job_id, problem, kept_seconds)

    def _registry_answers(self) -> bool:
        """Says whether MLflow is there, so that it has refused something, and trying again is in vain."""
        try:
            with tracking.registry_errors():
                self._client.search_registered_models(max_results=1)
        except RegistryError:
            return False
        return True

    def _put_off(self, job_id: str, event: str, error: ForecasterError) -> str:
        """Gives a job back that is to be done again a little later."""
        log.warning(event, extra={"fields": {"reason": str(error)}})
        return "released" if self._jobs.release(job_id, self._lease.by, _AGAIN_SECONDS) else "lost"

    def _failed(self, job_id: str, problem: Mapping[str, Any], kept_seconds: float) -> str:
        return "failed" if self._jobs.fail(job_id, self._lease.by, problem, kept_seconds) else "lost"

    @contextmanager
    def _renewed(self, claimed: Claimed) -> Iterator[Errand]:
        """Keeps a job one's own while the block runs. What trains hears between its epochs if it is not any more."""
        ended, lost = threading.Event(), threading.Event()
        progress = 0.0

        def renew() -> None:
            while not ended.wait(_RENEWAL_SECONDS):
                try:
                    is_mine = self._jobs.renew(claimed.job.job_id, self._lease, progress)
                except LedgerUnavailableError:
                    continue
                if not is_mine:
                    lost.set()
                    return

        def heard(share: float) -> None:
            nonlocal progress
            progress = share
            if lost.is_set():
                raise _Lost

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield Errand(claimed.job.job_id, heard)
        finally:
            ended.set()
            thread.join()

    def _clear(self) -> None:
        """Takes models out of the registry that are to be deleted, and what is left of jobs that came to nothing."""
        for model in self._jobs.models.to_forget():
            take_out(self._client, model)
            self._jobs.models.forget(model)
            log.info("model_taken_out", extra={"fields": {"model": model.name}})


def work(environment: Environment, *, once: bool = False) -> None:
    """Does jobs until the process is told to end, or until there is none left if it is to look `once`."""
    client = tracking.connect(environment)
    with opened_ledger(environment) as ledger:
        before = signal.signal(signal.SIGTERM, _end)
        try:
            Worker(environment, client, ledger).run(once=once)
        except _Ending:
            log.info("worker_ends")
        finally:
            signal.signal(signal.SIGTERM, before)


def _end(_: int, __: FrameType | None) -> None:
    raise _Ending
