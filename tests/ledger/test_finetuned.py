"""Fine-tuned models in the ledger: a name has one owner, and is free again once nothing of its model is left."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from forecaster.errors import LedgerError
from forecaster.ledger.finetune_order import FinetuneOrder, packed, unpacked
from forecaster.ledger.finetuned import Finetuned, Forgotten, Outcome, reserve, write_outcome
from forecaster.ledger.job import Job, Lease, NewJob, Refusal
from forecaster.ledger.jobs import Jobs
from forecaster.ledger.ledger import Ledger
from tests.factories import sine_panel

ME = Lease("me", 60.0)
OUTCOME = Outcome("1", "sha256:0", 40, 0.25, {"finetuned": {"mase": 0.5}})


@pytest.fixture
def jobs(ledger: Ledger) -> Jobs:
    return Jobs(ledger)


@pytest.fixture
def models(ledger: Ledger) -> Finetuned:
    return Finetuned(ledger)


def order(name: str = "ft-a") -> FinetuneOrder:
    return FinetuneOrder(
        name=name, base="sales", base_version=3, max_steps=50, learning_rate=1e-3, trained_blocks=1, num_test_folds=1
    )


def ordered(jobs: Jobs, name: str = "ft-a", owner: str = "k1", most: int = 2) -> Job | Refusal:
    new = NewJob("finetune", owner, b"{}", expires=1 << 60)
    return jobs.add(new, 100, beside=lambda connection, new: reserve(connection, new, order(name), "h", most))


def accepted(jobs: Jobs, name: str = "ft-a", owner: str = "k1") -> Job:
    found = ordered(jobs, name, owner)
    assert isinstance(found, Job), found
    return found


def done(jobs: Jobs, name: str = "ft-a") -> None:
    claimed = jobs.claim(("finetune",), ME)
    assert claimed is not None
    job_id = claimed.job.job_id
    assert jobs.succeed(job_id, "me", b"{}", 60, lambda connection: write_outcome(connection, name, job_id, OUTCOME))


def test_a_model_is_there_once_its_job_has_succeeded_and_for_its_owner_alone(jobs: Jobs, models: Finetuned) -> None:
    job = accepted(jobs)
    assert models.named("ft-a", "k1") is None
    assert models.of_owner("k1") == []
    done(jobs)
    found = models.named("ft-a", "k1")
    assert found is not None
    assert (found.job_id, found.created, found.base, found.base_version) == (job.job_id, job.created, "sales", "3")
    assert found.outcome == OUTCOME
    assert models.of_owner("k1") == [found]
    assert models.named("ft-a", "k2") is None
    assert models.of_owner("k2") == []
    assert models.to_forget() == []


def test_a_name_is_taken_from_the_order_on_until_nothing_of_its_model_is_left(jobs: Jobs, models: Finetuned) -> None:
    job = accepted(jobs)
    assert ordered(jobs) is Refusal.NAME_TAKEN
    done(jobs)
    assert ordered(jobs, owner="k2") is Refusal.NAME_TAKEN
    assert not models.delete("ft-a", "k2")
    assert models.delete("ft-a", "k1")
    assert not models.delete("ft-a", "k1")
    assert models.named("ft-a", "k1") is None
    assert ordered(jobs, owner="k2") is Refusal.NAME_TAKEN
    assert models.to_forget() == [Forgotten("ft-a", job.job_id, was_there=True)]
    models.forget(Forgotten("ft-a", job.job_id, was_there=True))
    assert accepted(jobs, owner="k2")


def test_what_a_cancelled_job_has_reserved_is_to_be_forgotten(jobs: Jobs, models: Finetuned) -> None:
    job = accepted(jobs)
    assert models.to_forget() == []
    models.forget(Forgotten("ft-a", job.job_id, was_there=False))  # somebody is at it
    assert ordered(jobs) is Refusal.NAME_TAKEN
    jobs.cancel(job.job_id, "k1")
    assert models.to_forget() == [Forgotten("ft-a", job.job_id, was_there=False)]
    models.forget(Forgotten("ft-a", job.job_id, was_there=False))
    assert accepted(jobs)


def test_a_job_that_was_cancelled_while_it_ended_leaves_no_model(jobs: Jobs, models: Finetuned) -> None:
    job = accepted(jobs)
    assert jobs.claim(("finetune",), ME) is not None
    jobs.cancel(job.job_id, "k1")
    assert not jobs.succeed(job.job_id, "me", b"{}", 60, lambda _: pytest.fail("it was cancelled"))
    assert models.named("ft-a", "k1") is None


def test_an_owner_has_so_many_models_at_most_with_those_that_are_under_way(jobs: Jobs, models: Finetuned) -> None:
    accepted(jobs, "ft-a")
    done(jobs)
    second = accepted(jobs, "ft-b")
    assert ordered(jobs, "ft-c") is Refusal.TOO_MANY_MODELS
    assert isinstance(ordered(jobs, "ft-c", owner="k2"), Job)
    jobs.cancel(second.job_id, "k1")
    assert isinstance(ordered(jobs, "ft-d"), Job)
    assert ordered(jobs, "ft-e") is Refusal.TOO_MANY_MODELS
    models.delete("ft-a", "k1")
    assert isinstance(ordered(jobs, "ft-e"), Job)


def test_of_two_owners_who_want_a_name_at_once_one_is_told_that_it_is_taken(ledger: Ledger) -> None:
    both = threading.Barrier(2)

    def wanted(owner: str) -> object:
        def reserved(connection: sa.Connection, new: NewJob) -> Refusal | None:
            with suppress(threading.BrokenBarrierError):
                both.wait(1.0)  # where others wait for whoever began first, as in SQLite, nobody comes
            return reserve(connection, new, order(), "h", 2)

        return Jobs(ledger).add(NewJob("finetune", owner, b"{}", expires=1 << 60), 100, beside=reserved)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(wanted, ["one", "other"]))
    assert sorted(type(one).__name__ for one in found) == ["Job", "Refusal"]
    assert Refusal.NAME_TAKEN in found


def test_what_cannot_be_paid_reserves_no_name(jobs: Jobs) -> None:
    def refuse() -> None:
        raise ValueError("too dear")

    new = NewJob("finetune", "k1", b"{}", expires=1 << 60)
    with pytest.raises(ValueError, match="too dear"):
        jobs.add(new, 100, refuse, lambda connection, new: reserve(connection, new, order(), "h", 2))
    assert accepted(jobs)


def test_an_order_and_its_panel_come_back_and_the_same_ones_have_the_same_bytes(tmp_path: Path) -> None:
    panel = sine_panel(3, 50, missing_share=0.1)
    content = packed(order(), panel)
    assert packed(order(), panel) == content
    again, found = unpacked(content, tmp_path)
    assert again == order()
    assert found.series_ids == panel.series_ids
    assert found.axis == panel.axis
    np.testing.assert_array_equal(found.values, panel.values)
    assert found.fingerprint() == panel.fingerprint()


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive"])
def test_what_is_no_order_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no order"):
        unpacked(content, tmp_path)
