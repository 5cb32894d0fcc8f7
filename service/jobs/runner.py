"""Does jobs, in the worker that serves: one at a time, in the gaps that other requests leave.

A job is claimed under a lease, which whoever is at it renews. A worker that is killed renews nothing, and another one,
or the same one started anew, begins the job from the start. What a worker ends without is given back at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from forecaster.errors import ForecasterError
from forecaster.ledger.job import Claimed, Lease
from service.app_state import Service
from service.compute.background import Background
from service.compute.engine import Engine
from service.errors import JobGivenUp, LedgerDown, ServiceError, status_of
from service.jobs.kinds import Understand
from service.problems import problem_without_request

if TYPE_CHECKING:
    from forecaster.ledger.jobs import Jobs

log = logging.getLogger("service.jobs.runner")

T = TypeVar("T")

_LEASE_SECONDS, _RENEWAL_SECONDS = 15.0, 2.0
_LOOK_SECONDS, _OPEN_SECONDS = 0.5, 2.0  # between looks for news, and while jobs are under way elsewhere
_DOWN_SECONDS = 10.0  # while the database is down
_AGAIN_SECONDS = 5.0  # until a job is tried again that could not be done just now
_DATABASE_SECONDS = 30.0
_SAVING_TRIES = 5


class Runner:
    """Does the jobs of one application, those of the given kinds, until it is cancelled."""

    def __init__(
        self, service: Service, kinds: Mapping[str, Understand], lease_seconds: float = _LEASE_SECONDS
    ) -> None:
        self._understand, self._kinds = kinds, tuple(kinds)
        self._service, self._desk = service, service.desk
        self._lease = Lease.of_this_process(lease_seconds)
        self._kept_seconds = service.settings.job_kept_seconds

    async def run(self) -> None:
        """Looks for jobs whenever there may be some."""
        seen: int | None = None
        has_open = False
        while True:
            pause, news = _LOOK_SECONDS, self._desk.news()
            if (has_open or news != seen) and self._service.offered.served:
                try:
                    while await self._do_next():
                        pass
                    has_open = await self._ask(lambda jobs: jobs.num_open(self._kinds)) > 0
                    seen, pause = news, _OPEN_SECONDS if has_open else _LOOK_SECONDS
                except LedgerDown as error:
                    has_open, pause = True, _DOWN_SECONDS
                    log.warning("jobs_unavailable", extra={"fields": {"reason": str(error)}})
                except Exception:
                    has_open, pause = True, _DOWN_SECONDS
                    log.exception("jobs_failed")
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._desk.arrived.wait(), seconds)
        self._desk.arrived.clear()

    async def _do_next(self) -> bool:
        """Does a job; False where there is none to do."""
        given_up = problem_without_request(JobGivenUp("whoever did this job ended before it was done, several times"))
        await self._ask(lambda jobs: jobs.give_up(self._kinds, given_up))
        claimed = await self._ask(lambda jobs: jobs.claim(self._kinds, self._lease))
        if claimed is None:
            return False
        fields = {"job": claimed.job.job_id, "kind": claimed.job.kind, "attempt": claimed.job.attempts}
        log.info("job_begun", extra={"fields": fields})
        began = time.monotonic()
        outcome = await self._done(claimed)
        log.info("job_ended", extra={"fields": fields | {"outcome": outcome, "seconds": time.monotonic() - began}})
        return True

    async def _done(self, claimed: Claimed) -> str:
        """Answers a job and saves what came of it; gives in a word what that was."""
        background = Background(self._service.batcher)
        work = asyncio.create_task(self._answer(claimed, background))
        renewing = asyncio.create_task(self._renew(claimed, background, work))
        job_id, by = claimed.job.job_id, self._lease.by
        try:
            content = await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            is_shutdown = task is not None and task.cancelling() > 0
            if renewing.done() and not is_shutdown:  # the job was cancelled, or another worker has it
                return "lost"
            work.cancel()
            try:
                await asyncio.shield(self._save(lambda jobs: jobs.release(job_id, by, 0.0)))
            except Exception:
                log.exception("job_not_released", extra={"fields": {"job": job_id}})
            raise
        except ForecasterError as error:
            return await self._save_failure(job_id, error)
        except Exception:
            log.exception("job_failed", extra={"fields": {"job": job_id}})
            return await self._save_failure(job_id, ServiceError("an unexpected error occurred; it has been logged"))
        finally:
            renewing.cancel()
        return await self._save(lambda jobs: jobs.succeed(job_id, by, content, self._kept_seconds)) or "succeeded"

    async def _answer(self, claimed: Claimed, background: Background) -> bytes:
        """Gives the bytes that the route would answer with at once."""
        expires = time.monotonic() + self._service.settings.job_seconds
        understand = self._understand[claimed.job.kind]
        understood = await understand(self._service, claimed.request, claimed.job.owner, expires)
        background.num_rows = understood.num_rows
        by = replace(self._service, engine=Engine(background))
        return bytes((await understood.answer(by)).body)

    async def _renew(self, claimed: Claimed, background: Background, work: asyncio.Task[bytes]) -> None:
        """Keeps a job one's own, and ends with the work on one that is not any more; nothing else ends it.

        Whether a job whose lease could not be renewed is lost is for those who look at it later to judge.
        """
        while True:
            await asyncio.sleep(min(_RENEWAL_SECONDS, self._lease.seconds / 3))
            renewal = partial(_renewed, claimed.job.job_id, self._lease, background.progress)
            try:
                is_held = await self._ask(renewal)
            except LedgerDown:
                continue
            except Exception:
                log.exception("job_not_renewed", extra={"fields": {"job": claimed.job.job_id}})
                continue
            if not is_held:
                work.cancel()
                return

    async def _save_failure(self, job_id: str, error: ForecasterError) -> str:
        """Fails a job with its problem, or gives it back where it may be done a little later."""
        by = self._lease.by
        if status_of(error) == 503:
            return await self._save(lambda jobs: jobs.release(job_id, by, _AGAIN_SECONDS)) or "released"
        problem = problem_without_request(error)
        return await self._save(lambda jobs: jobs.fail(job_id, by, problem, self._kept_seconds)) or "failed"

    async def _save(self, call: Callable[[Jobs], bool]) -> str | None:
        """Saves what came of a job; gives what kept it from being saved. Then its lease runs out, and it is redone."""
        for _ in range(_SAVING_TRIES):
            try:
                return None if await self._ask(call) else "lost"
            except LedgerDown as error:
                log.warning("job_not_saved", extra={"fields": {"reason": str(error)}})
                await asyncio.sleep(_RENEWAL_SECONDS)
        return "not-saved"

    async def _ask(self, call: Callable[[Jobs], T]) -> T:
        return await self._desk.ask(call, time.monotonic() + _DATABASE_SECONDS)


def _renewed(job_id: str, lease: Lease, progress: float, jobs: Jobs) -> bool:
    return jobs.renew(job_id, lease, progress)
