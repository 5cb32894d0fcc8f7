"""A job: work that somebody has asked for, which is done later by whoever takes it. No database is known here."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from forecaster.ledger.ids import new_id, now_microseconds


class JobState(StrEnum):
    """How far a job is. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True where nothing happens to it any more."""
        return self not in OPEN


OPEN = (JobState.PENDING, JobState.RUNNING)


class Refusal(StrEnum):
    """Why a job is not taken in."""

    TOO_MANY = "too-many"
    KEY_REUSED = "key-reused"
    NAME_TAKEN = "name-taken"
    TOO_MANY_MODELS = "too-many-models"


@dataclass(frozen=True)
class NewJob:
    """What somebody asks for."""

    kind: str
    owner: str
    request: bytes
    expires: int  # microseconds since 1970, UTC
    idempotency_key: str | None = None
    sent: bytes | None = None  # what its client sent, where `request` was made of it
    created: int = field(default_factory=now_microseconds)
    job_id: str = field(default_factory=new_id)

    @property
    def digest(self) -> str:
        """What two jobs share that ask for the same."""
        sent = self.request if self.sent is None else self.sent
        return hashlib.sha256(self.kind.encode() + b"\0" + sent).hexdigest()

    @property
    def idempotency(self) -> str | None:
        """A digest of the key, which may be long."""
        return None if self.idempotency_key is None else hashlib.sha256(self.idempotency_key.encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """What is known of a job. Times are in microseconds since 1970, UTC."""

    job_id: str
    kind: str
    owner: str
    state: JobState
    created: int
    started: int | None
    finished: int | None
    expires: int
    attempts: int
    progress: float  # from 0 to 1
    problem: Mapping[str, Any] | None  # RFC 9457, of one that failed


@dataclass(frozen=True)
class Claimed:
    """A job that whoever claimed it has to do, and to finish, before its lease ends."""

    job: Job
    request: bytes


@dataclass(frozen=True)
class Lease:
    """Who claims jobs, and for how long at a time; whoever lives renews it."""

    by: str
    seconds: float

    @classmethod
    def of_this_process(cls, seconds: float) -> Lease:
        """Gives one whose holder nobody else is, on this machine or another."""
        return cls(f"{os.uname().nodename[:64]}-{os.getpid()}-{secrets.token_hex(4)}", seconds)


def read_problem(text: str | None) -> Mapping[str, Any] | None:
    """Gives a problem as it was kept."""
    return None if text is None else json.loads(text)
