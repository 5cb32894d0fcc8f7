"""Where jobs are taken in and looked up: the database beside the event loop, and a file that says that there is news.

The database is opened, and SQLAlchemy imported, when somebody first asks. Workers that have no job to do look at
nothing but the time of that file; it is touched before a job is written down, so that it is there whoever is killed,
and after it, so that nobody has looked too early.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.job import Job, NewJob, Refusal
from service.errors import KeyReused, LedgerDown, NameTaken, TooManyJobs, TooManyModels, UnknownJob
from service.ledger.asking import Asking
from service.ledger.orders import JOBS, LEDGER
from service.settings import Settings

if TYPE_CHECKING:
    from forecaster.ledger.finetune_order import FinetuneOrder
    from forecaster.ledger.finetuned import Tuned
    from forecaster.ledger.jobs import Jobs
    from forecaster.ledger.ledger import Ledger

T = TypeVar("T")


class Desk:
    """The jobs of one application. What asks the database raises LedgerDown where it does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._url, self._folder = settings.resolved_ledger_url(), settings.home / LEDGER
        self._most_open, self._most_models = settings.max_jobs, settings.max_finetuned
        self._kept_seconds = settings.job_kept_seconds
        self._asking = Asking("jobs")
        self._opening = threading.Lock()
        self._ledger: Ledger | None = None
        self.arrived = asyncio.Event()  # a job, at this worker

    def new(self, kind: str, owner: str, request: bytes, key: str | None, sent: bytes | None = None) -> NewJob:
        """Gives a job that could be taken in; `key` is the idempotency key of its client."""
        return NewJob(kind, owner, request, now_microseconds() + round(self._kept_seconds * 1e6), key, sent)

    async def known(self, new: NewJob, expires: float) -> Job | None:
        """Gives the job that was asked for by the same idempotency key, None where there is none. KeyReused."""
        if new.idempotency is None:
            return None
        found = await self.ask(lambda jobs: jobs.known(new), expires)
        return None if found is None else self._taken(found)

    async def take_in(self, new: NewJob, accept: Callable[[], None], expires: float) -> Job:
        """Writes a job down, or finds the one that was asked for by the same idempotency key; then it is not lost.

        `accept` is called before a new one is written; what it raises is raised. TooManyJobs, KeyReused.
        """

        def add(jobs: Jobs) -> Job | Refusal:
            self._touch()
            added = jobs.add(new, self._most_open, accept)
            self._touch()
            return added

        job = self._taken(await self.ask(add, expires))
        self.arrived.set()
        return job

    async def order(
        self, new: NewJob, order: FinetuneOrder, frequency: str, accept: Callable[[], None], expires: float
    ) -> Job:
        """Writes a job for whoever trains down, and reserves the name of its model. NameTaken, TooManyModels too."""

        def add(jobs: Jobs) -> Job | Refusal:
            from forecaster.ledger.finetuned import reserve

            return jobs.add(
                new,
                self._most_open,
                accept,
                lambda connection, new: reserve(connection, new, order, frequency, self._most_models),
            )

        return self._taken(await self.ask(add, expires))

    async def tuned(self, name: str, owner: str, expires: float) -> Tuned | None:
        """Gives a fine-tuned model of an owner, None where there is none."""
        return await self.ask(lambda jobs: jobs.models.named(name, owner), expires)

    def _taken(self, added: Job | Refusal) -> Job:
        if added is Refusal.TOO_MANY:
            raise TooManyJobs(f"{self._most_open} jobs of this key are not done yet, more may not wait")
        if added is Refusal.TOO_MANY_MODELS:
            raise TooManyModels(f"this key may have {self._most_models} fine-tuned models: delete one")
        if added is Refusal.NAME_TAKEN:
            raise NameTaken("a fine-tuned model has this name, or one that is not deleted everywhere yet")
        if isinstance(added, Refusal):
            raise KeyReused("this Idempotency-Key was sent with another request before")
        return added

    async def job(self, job_id: str, owner: str, expires: float) -> Job:
        """Gives a job of an owner; UnknownJob where it has none of this id."""
        return _found(await self.ask(lambda jobs: jobs.job(job_id, owner), expires))

    async def cancel(self, job_id: str, owner: str, expires: float) -> Job:
        """Cancels a job that is not done, and gives it; UnknownJob."""
        return _found(await self.ask(lambda jobs: jobs.cancel(job_id, owner), expires))

    def news(self) -> int | None:
        """Gives when there last was news, of a clock that only this compares with itself; None where there was none."""
        try:
            return (self._folder / JOBS).stat().st_mtime_ns
        except OSError:
            return None

    async def ask(self, call: Callable[[Jobs], T], expires: float) -> T:
        """Gives what the jobs in the database answer until `expires`, in monotonic time; DeadlineExceeded after it."""
        return await self._asking.answer(partial(self._answer, call), expires)

    def close(self) -> None:
        """Closes the database."""
        self._asking.close()
        if self._ledger is not None:
            self._ledger.close()

    def _answer(self, call: Callable[[Jobs], T]) -> T:
        try:
            return call(self._opened())
        except LedgerUnavailableError as error:
            raise LedgerDown(str(error)) from error
        except OSError as error:
            raise LedgerDown(f"the folder of the ledger cannot be used: {error.strerror}") from error

    def _opened(self) -> Jobs:
        from forecaster.ledger.jobs import Jobs
        from forecaster.ledger.ledger import Ledger

        with self._opening:
            if self._ledger is None:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                ledger = Ledger(self._url)
                if not Jobs(ledger).is_made():
                    from forecaster.ledger.upgrade import upgrade

                    upgrade(ledger)
                self._ledger = ledger
            return Jobs(self._ledger)

    def _touch(self) -> None:
        path = self._folder / JOBS
        path.touch(0o600)
        now = time.time_ns()  # the system's own stamp may be the same for some milliseconds
        os.utime(path, ns=(now, now))


def _found(job: Job | None) -> Job:
    if job is None:
        raise UnknownJob("this key has no job of that id, or it is too old to be kept")
    return job
