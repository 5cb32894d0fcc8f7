"""The jobs of a ledger: taken in, claimed under a lease, finished once, and deleted when they are old.

    add ──> pending ── claim ──> running ── succeed, fail ──> succeeded, failed
               │  ↖── release ──┘ │  ↖─┐
               └──── cancel ──────┴──> cancelled
                                  └────┘ claim again, once the lease has run out: its worker is gone

Each step is one statement that names the state it begins with, so that of several who try it one succeeds. Whoever has
lost its lease, or whose job was cancelled, finishes nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import zstandard

from forecaster.ledger.finetuned import Finetuned
from forecaster.ledger.ids import now_microseconds
from forecaster.ledger.job import OPEN, Claimed, Job, JobState, Lease, NewJob, Refusal, read_problem
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import finetuned, jobs

MOST_ATTEMPTS = 3  # then whatever ends its workers is in the job

Beside = Callable[[sa.Connection, NewJob], Refusal | None]

_c = jobs.c
_FACTS = (_c.id, _c.kind, _c.owner, _c.state, _c.created, _c.started, _c.finished, _c.expires, _c.attempts)
_SHOWN = (*_FACTS, _c.progress, _c.problem)
_SECOND = 1_000_000  # microseconds


class Jobs:
    """The jobs of one ledger, whose errors it raises. `clock` gives microseconds since 1970, UTC."""

    def __init__(self, ledger: Ledger, clock: Callable[[], int] = now_microseconds) -> None:
        self._ledger = ledger
        self.models = Finetuned(ledger)
        self._clock = clock

    def is_made(self) -> bool:
        """Says whether the tables are there, the newest one included."""
        with self._ledger.reading() as connection:
            return sa.inspect(connection).has_table(finetuned.name)

    def add(
        self,
        new: NewJob,
        most_open: int,
        accept: Callable[[], None] = lambda: None,
        beside: Beside = lambda _, __: None,
    ) -> Job | Refusal:
        """Takes a job in, or gives the one that its owner asked for by the same idempotency key.

        `accept` is called once it is clear that the job is new and that its owner has fewer than `most_open` of its
        kind that are not done; what it raises is raised, and nothing is taken in. `beside` writes what belongs to it
        in the same transaction, or gives why that cannot be.
        """
        with self._ledger.writing() as connection:
            self._take_turn(connection, new.owner)
            known = self._known(connection, new)
            if known is not None:
                return known
            mine = sa.and_(_c.owner == new.owner, _c.kind == new.kind, _c.state.in_(OPEN))
            if connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one() >= most_open:
                return Refusal.TOO_MANY
            refusal = beside(connection, new)
            if refusal is not None:
                return refusal
            accept()
            row = connection.execute(sa.insert(jobs).values(_row(new)).returning(*_SHOWN)).mappings().one()
        return _job(row)

    def known(self, new: NewJob) -> Job | Refusal | None:
        """Gives the job that its owner asked for by the same idempotency key, None where there is none."""
        with self._ledger.reading() as connection:
            return self._known(connection, new)

    def job(self, job_id: str, owner: str) -> Job | None:
        """Gives a job, None where its owner has none of this id."""
        with self._ledger.reading() as connection:
            row = connection.execute(sa.select(*_SHOWN).where(_of(job_id, owner))).mappings().first()
        return None if row is None else _job(row)

    def result(self, job_id: str, owner: str) -> bytes | None:
        """Gives the result of a job that succeeded."""
        with self._ledger.reading() as connection:
            found = connection.execute(sa.select(_c.result).where(_of(job_id, owner))).scalar()
        return None if found is None else zstandard.decompress(found)

    def of_owner(self, owner: str, limit: int, before: str | None = None) -> list[Job]:
        """Gives the jobs of an owner, the newest first, of those that are older than `before` if that is given."""
        query = sa.select(*_SHOWN).where(_c.owner == owner).order_by(_c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_c.id < before)
        with self._ledger.reading() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

    def cancel(self, job_id: str, owner: str) -> Job | None:
        """Cancels a job that is not done yet, and gives it as it is then, None where there is none."""
        self._update(
            sa.and_(_of(job_id, owner), _c.state.in_(OPEN)),
            state=JobState.CANCELLED,
            finished=self._clock(),
            lease_by=None,
            lease_until=None,
        )
        return self.job(job_id, owner)

    def claim(self, kinds: Sequence[str], lease: Lease) -> Claimed | None:
        """Takes the oldest job of some kinds that nobody is at, or whose worker is gone; None where there is none."""
        now = self._clock()
        free = sa.and_(
            _c.kind.in_(kinds),
            _c.expires > now,
            _c.attempts < MOST_ATTEMPTS,
            sa.or_(
                sa.and_(_c.state == JobState.PENDING, sa.func.coalesce(_c.lease_until, 0) <= now),
                sa.and_(_c.state == JobState.RUNNING, _c.lease_until <= now),
            ),
        )
        oldest = sa.select(_c.id).where(free).order_by(_c.id).limit(1).with_for_update(skip_locked=True)
        claiming = (
            sa.update(jobs)
            .where(_c.id == oldest.scalar_subquery(), free)
            .values(
                state=JobState.RUNNING,
                started=sa.func.coalesce(_c.started, now),
                lease_by=lease.by,
                lease_until=now + round(lease.seconds * _SECOND),
                attempts=_c.attempts + 1,
                progress=0.0,
            )
            .returning(*_SHOWN, _c.request)
        )
        with self._ledger.writing() as connection:
            row = connection.execute(claiming).mappings().first()
        return None if row is None else Claimed(_job(row), zstandard.decompress(row["request"]))

    def renew(self, job_id: str, lease: Lease, progress: float) -> bool:
        """Says how far a job is, and that it goes on; False where it is not one's own any more, or was cancelled."""
        until = self._clock() + round(lease.seconds * _SECOND)
        return self._update(_held(job_id, lease.by), lease_until=until, progress=progress)

    def succeed(
        self,
        job_id: str,
        by: str,
        result: bytes,
        keep_seconds: float,
        beside: Callable[[sa.Connection], None] = lambda _: None,
    ) -> bool:
        """Ends a job with its result; False where it is not one's own any more, or was cancelled.

        `beside` writes what belongs to it in the same transaction.
        """
        packed = zstandard.compress(result, 1)
        ended = self._ended(keep_seconds, state=JobState.SUCCEEDED, result=packed, progress=1.0)
        with self._ledger.writing() as connection:
            is_mine = connection.execute(sa.update(jobs).where(_held(job_id, by)).values(**ended)).rowcount > 0
            if is_mine:
                beside(connection)
        return is_mine

    def fail(self, job_id: str, by: str, problem: Mapping[str, Any], keep_seconds: float) -> bool:
        """Ends a job with the problem that it ran into; False where `succeed` gives that."""
        ended = self._ended(keep_seconds, state=JobState.FAILED, problem=json.dumps(dict(problem)))
        return self._update(_held(job_id, by), **ended)

    def release(self, job_id: str, by: str, pause_seconds: float) -> bool:
        """Gives a job back as if it had not been begun, not to be taken before a pause is over."""
        return self._update(
            _held(job_id, by),
            state=JobState.PENDING,
            lease_by=None,
            lease_until=self._clock() + round(pause_seconds * _SECOND),
            attempts=_c.attempts - 1,
            progress=0.0,
        )

    def give_up(self, kinds: Sequence[str], problem: Mapping[str, Any]) -> int:
        """Fails the jobs that were begun `MOST_ATTEMPTS` times and whose worker is gone; gives how many."""
        now = self._clock()
        lost = sa.and_(
            _c.kind.in_(kinds),
            _c.state == JobState.RUNNING,
            _c.lease_until <= now,
            _c.attempts >= MOST_ATTEMPTS,
        )
        values = {"state": JobState.FAILED, "finished": now, "problem": json.dumps(dict(problem))}
        with self._ledger.writing() as connection:
            return connection.execute(sa.update(jobs).where(lost).values(**values)).rowcount

    def num_open(self, kinds: Sequence[str] | None = None) -> int:
        """Gives how many jobs, or those of some kinds, are not done."""
        query = sa.select(sa.func.count()).where(_c.state.in_(OPEN))
        if kinds is not None:
            query = query.where(_c.kind.in_(kinds))
        with self._ledger.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def expire(self) -> int:
        """Deletes jobs whose time is over, but for those that somebody is at; gives how many."""
        now = self._clock()
        is_held = sa.and_(_c.state == JobState.RUNNING, _c.lease_until > now)
        with self._ledger.writing() as connection:
            return connection.execute(sa.delete(jobs).where(_c.expires <= now, ~is_held)).rowcount

    def _known(self, connection: sa.Connection, new: NewJob) -> Job | Refusal | None:
        if new.idempotency is None:
            return None
        query = sa.select(*_SHOWN, _c.digest).where(_c.owner == new.owner, _c.idempotency == new.idempotency)
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return _job(row) if row["digest"] == new.digest else Refusal.KEY_REUSED

    def _take_turn(self, connection: sa.Connection, owner: str) -> None:
        """Has whoever takes in another job of an owner wait until this transaction ends."""
        if connection.dialect.name == "sqlite":
            connection.execute(sa.update(jobs).where(_c.id == "").values(progress=0.0))
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(zlib.crc32(owner.encode()))))

    def _ended(self, keep_seconds: float, **values: Any) -> dict[str, Any]:
        now = self._clock()
        return {**values, "finished": now, "expires": now + round(keep_seconds * _SECOND), "lease_until": None}

    def _update(self, which: sa.ColumnElement[bool], **values: Any) -> bool:
        with self._ledger.writing() as connection:
            return connection.execute(sa.update(jobs).where(which).values(**values)).rowcount > 0


def _of(job_id: str, owner: str) -> sa.ColumnElement[bool]:
    return sa.and_(_c.id == job_id, _c.owner == owner)


def _held(job_id: str, by: str) -> sa.ColumnElement[bool]:
    return sa.and_(_c.id == job_id, _c.state == JobState.RUNNING, _c.lease_by == by)


def _row(new: NewJob) -> dict[str, Any]:
    return {
        "id": new.job_id,
        "kind": new.kind,
        "owner": new.owner,
        "state": JobState.PENDING,
        "created": new.created,
        "expires": new.expires,
        "attempts": 0,
        "progress": 0.0,
        "request": zstandard.compress(new.request, 1),
        "idempotency": new.idempotency,
        "digest": new.digest,
    }


def _job(row: sa.RowMapping) -> Job:
    facts = {column.name: row[column.name] for column in (*_FACTS[4:], _c.progress)}
    return Job(
        row["id"], row["kind"], row["owner"], JobState(row["state"]), **facts, problem=read_problem(row["problem"])
    )
