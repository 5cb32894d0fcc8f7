"""Jobs in the database: each is done once, whoever races for it, and whoever is gone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from forecaster.ledger.job import Claimed, Job, JobState, Lease, NewJob, Refusal
from forecaster.ledger.jobs import MOST_ATTEMPTS, Jobs
from forecaster.ledger.ledger import Ledger

KINDS = ("forecast", "backtest")
MINE, OTHERS = Lease("me", 10.0), Lease("another", 10.0)
SECOND = 1_000_000
PROBLEM = {"type": "urn:forecaster:problem:x", "title": "X", "status": 422, "code": "x", "detail": "why"}


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def after(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(ledger: Ledger, clock: Clock) -> Jobs:
    return Jobs(ledger, clock)


def new(request: bytes = b"{}", **given: Any) -> NewJob:
    usual = {"kind": "forecast", "owner": "k1", "expires": 2_000 * SECOND}
    return NewJob(request=request, **{**usual, **given})


def added(jobs: Jobs, request: bytes = b"{}", **given: Any) -> Job:
    found = jobs.add(new(request, **given), most_open=100)
    assert isinstance(found, Job)
    return found


def claimed(jobs: Jobs, lease: Lease = MINE) -> Claimed:
    found = jobs.claim(KINDS, lease)
    assert found is not None
    return found


def state(jobs: Jobs, job: Job) -> JobState:
    found = jobs.job(job.job_id, job.owner)
    assert found is not None
    return found.state


def test_a_job_goes_from_hand_to_hand_until_it_has_a_result(jobs: Jobs, clock: Clock) -> None:
    job = added(jobs, b"a request")
    assert (job.state, job.progress, job.attempts, job.started) == (JobState.PENDING, 0.0, 0, None)
    mine = claimed(jobs)
    assert (mine.job.job_id, mine.request, mine.job.state, mine.job.attempts) == (
        job.job_id,
        b"a request",
        JobState.RUNNING,
        1,
    )
    assert jobs.claim(KINDS, OTHERS) is None
    assert jobs.renew(job.job_id, MINE, 0.5)
    half = jobs.job(job.job_id, "k1")
    assert half is not None
    assert half.progress == 0.5
    assert jobs.result(job.job_id, "k1") is None
    clock.after(3)
    assert jobs.succeed(job.job_id, "me", b"\x00 a result", keep_seconds=60)
    done = jobs.job(job.job_id, "k1")
    assert done is not None
    assert (done.state, done.progress, done.finished, done.expires) == (
        JobState.SUCCEEDED,
        1.0,
        clock.now,
        clock.now + 60 * SECOND,
    )
    assert jobs.result(job.job_id, "k1") == b"\x00 a result"


def test_jobs_are_claimed_in_the_order_in_which_they_came_and_by_kind(jobs: Jobs) -> None:
    wanted = [added(jobs, kind=kind).job_id for kind in ("backtest", "forecast", "finetune", "forecast")]
    assert [claimed(jobs).job.job_id for _ in range(3)] == [wanted[0], wanted[1], wanted[3]]
    assert jobs.claim(KINDS, MINE) is None
    assert (jobs.num_open(), jobs.num_open(KINDS), jobs.num_open(("finetune",))) == (4, 3, 1)


def test_of_many_who_race_for_jobs_each_job_has_one(jobs: Jobs) -> None:
    wanted = {added(jobs).job_id for _ in range(20)}
    start = threading.Barrier(4)

    def take(number: int) -> list[str]:
        start.wait()
        found = []
        while (one := jobs.claim(KINDS, Lease(f"w{number}", 10.0))) is not None:
            found.append(one.job.job_id)
            assert jobs.succeed(one.job.job_id, f"w{number}", b"{}", 60)
        return found

    with ThreadPoolExecutor(4) as threads:
        taken = [job_id for found in threads.map(take, range(4)) for job_id in found]
    assert len(taken) == 20
    assert set(taken) == wanted


def test_a_job_whose_worker_is_gone_is_begun_anew_and_the_first_one_finishes_nothing(jobs: Jobs, clock: Clock) -> None:
    job = claimed_after_adding(jobs)
    clock.after(9)
    assert jobs.claim(KINDS, OTHERS) is None
    assert jobs.renew(job.job_id, MINE, 0.1)
    clock.after(9)
    assert jobs.claim(KINDS, OTHERS) is None
    clock.after(1)
    again = claimed(jobs, OTHERS)
    assert (again.job.job_id, again.job.attempts, again.job.progress) == (job.job_id, 2, 0.0)
    assert not jobs.renew(job.job_id, MINE, 0.9)
    assert not jobs.succeed(job.job_id, "me", b"late", 60)
    assert not jobs.fail(job.job_id, "me", PROBLEM, 60)
    assert not jobs.release(job.job_id, "me", 0)
    assert jobs.succeed(job.job_id, "another", b"first", 60)
    assert not jobs.succeed(job.job_id, "another", b"twice", 60)
    assert jobs.result(job.job_id, "k1") == b"first"


def claimed_after_adding(jobs: Jobs) -> Job:
    added(jobs)
    return claimed(jobs).job


def test_a_job_that_ends_its_workers_is_given_up(jobs: Jobs, clock: Clock) -> None:
    job = added(jobs)
    for _ in range(MOST_ATTEMPTS):
        assert jobs.give_up(KINDS, PROBLEM) == 0
        assert claimed(jobs).job.job_id == job.job_id
        clock.after(11)
    assert jobs.claim(KINDS, MINE) is None
    assert jobs.give_up(KINDS, PROBLEM) == 1
    found = jobs.job(job.job_id, "k1")
    assert found is not None
    assert (found.state, found.problem) == (JobState.FAILED, PROBLEM)


def test_a_job_that_is_given_back_counts_as_not_begun_and_waits_for_a_while(jobs: Jobs, clock: Clock) -> None:
    job = claimed_after_adding(jobs)
    assert jobs.release(job.job_id, "me", pause_seconds=5)
    assert state(jobs, job) is JobState.PENDING
    assert jobs.claim(KINDS, MINE) is None
    clock.after(5)
    assert claimed(jobs).job.attempts == 1


@pytest.mark.parametrize("is_running", [False, True])
def test_a_cancelled_job_is_neither_begun_nor_finished(jobs: Jobs, is_running: bool) -> None:
    job = claimed_after_adding(jobs) if is_running else added(jobs)
    assert jobs.cancel(job.job_id, "another") is None
    found = jobs.cancel(job.job_id, "k1")
    assert found is not None
    assert found.state is JobState.CANCELLED
    assert not jobs.renew(job.job_id, MINE, 0.5)
    assert not jobs.succeed(job.job_id, "me", b"{}", 60)
    assert jobs.claim(KINDS, OTHERS) is None
    assert jobs.num_open() == 0


def test_what_is_done_cannot_be_cancelled(jobs: Jobs) -> None:
    job = claimed_after_adding(jobs)
    assert jobs.fail(job.job_id, "me", PROBLEM, 60)
    found = jobs.cancel(job.job_id, "k1")
    assert found is not None
    assert (found.state, found.problem) == (JobState.FAILED, PROBLEM)


def test_a_job_is_nobodys_but_its_owners(jobs: Jobs) -> None:
    mine, other = added(jobs), added(jobs, owner="k2")
    job = claimed(jobs).job
    jobs.succeed(job.job_id, "me", b"{}", 60)
    assert jobs.job(mine.job_id, "k2") is None
    assert jobs.result(mine.job_id, "k2") is None
    assert [one.job_id for one in jobs.of_owner("k2", 10)] == [other.job_id]


def test_jobs_are_listed_page_after_page_the_newest_first(jobs: Jobs) -> None:
    wanted = [added(jobs).job_id for _ in range(5)]
    pages, before = [], None
    while page := jobs.of_owner("k1", 2, before):
        pages.append([job.job_id for job in page])
        before = pages[-1][-1]
    assert pages == [wanted[:2:-1], wanted[2:0:-1], wanted[:1]]


def test_only_so_many_jobs_of_a_kind_and_owner_are_open_at_once(jobs: Jobs) -> None:
    charged: list[int] = []

    def add(**given: Any) -> Job | Refusal:
        return jobs.add(new(**given), 2, lambda: charged.append(1))

    first, second = add(), add()
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert add() is Refusal.TOO_MANY
    assert len(charged) == 2
    assert isinstance(add(owner="k2"), Job)
    assert isinstance(add(kind="backtest"), Job)
    jobs.cancel(first.job_id, "k1")
    assert isinstance(add(), Job)


def test_of_many_at_once_no_more_are_taken_in_than_may_be(jobs: Jobs) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: jobs.add(new(str(number).encode()), 3), range(24)))
    assert sum(isinstance(one, Job) for one in found) == 3


def test_a_request_that_is_sent_again_is_taken_in_once(jobs: Jobs) -> None:
    charged: list[int] = []

    def add(key: str, request: bytes = b"{}", **given: Any) -> Job | Refusal:
        return jobs.add(new(request, idempotency_key=key, **given), 10, lambda: charged.append(1))

    first = add("a")
    assert isinstance(first, Job)
    with ThreadPoolExecutor(8) as threads:
        again = list(threads.map(lambda _: add("a"), range(16)))
    assert {one.job_id for one in again if isinstance(one, Job)} == {first.job_id}
    assert len(charged) == 1
    assert add("a", b"another request") is Refusal.KEY_REUSED
    assert add("a", kind="backtest") is Refusal.KEY_REUSED
    for other in (add("b"), add("a", owner="k2")):
        assert isinstance(other, Job)
        assert other.job_id != first.job_id


def test_what_cannot_be_paid_is_not_taken_in(jobs: Jobs) -> None:
    def refuse() -> None:
        raise ValueError("too dear")

    with pytest.raises(ValueError, match="too dear"):
        jobs.add(new(), 10, refuse)
    assert jobs.of_owner("k1", 10) == []


def test_jobs_are_deleted_when_their_time_is_over_but_for_those_that_somebody_is_at(jobs: Jobs, clock: Clock) -> None:
    soon = clock.now + 5 * SECOND
    running, old, kept = added(jobs, expires=soon), added(jobs, expires=soon), added(jobs)
    claimed(jobs)
    clock.after(5)
    assert jobs.expire() == 1
    assert [one.job_id for one in jobs.of_owner("k1", 10)] == [kept.job_id, running.job_id]
    assert claimed(jobs).job.job_id == kept.job_id
    assert jobs.job(old.job_id, "k1") is None
    clock.after(20)
    assert jobs.expire() == 1
