"""What is told of jobs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from forecaster.ledger.ids import time_text
from forecaster.ledger.job import Job
from service.schemas import Problem, Schema


class JobOut(Schema):
    """A job, and how far it is."""

    id: str
    kind: str
    status: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    progress: float = Field(description="Share that is done, from 0 to 1.")
    created: str
    started: str | None = Field(description="When it was first begun.")
    finished: str | None
    expires: str = Field(description="Then it is deleted, with its result.")
    error: Problem | None = Field(description="What it ran into, where it failed.")


class JobList(Schema):
    """Jobs of the key that asks, the newest first."""

    jobs: list[JobOut]
    next: str | None = Field(description="To be sent as `before` for older ones; null where there are none.")


def told(job: Job) -> JobOut:
    """Gives what is told of a job."""
    return JobOut(
        id=job.job_id,
        kind=job.kind,
        status=job.state.value,
        progress=job.progress,
        created=time_text(job.created),
        started=None if job.started is None else time_text(job.started),
        finished=None if job.finished is None else time_text(job.finished),
        expires=time_text(job.expires),
        error=None if job.problem is None else Problem.model_validate(job.problem),
    )
