"""The history of champions, and the lock under which it is written, in SQLite and in Postgres."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from forecaster.errors import LedgerError, LedgerUnavailableError
from forecaster.ledger.exclusive import exclusive
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.promotions import Kind, Move, add, check, held, history, mark_written
from forecaster.ledger.upgrade import upgrade

FIRST = Move("sales", 1, Kind.PROMOTE, 1, None, None, "sha256:1", "it is the first", "somebody@here", "run", 1_000)
SECOND = replace(FIRST, generation=2, version=2, before=1, previous=1, run_id=None, created=2_000)


def moves(ledger: Ledger, model: str = "sales") -> list[Move]:
    with ledger.reading() as connection:
        return history(connection, model)


def test_moves_are_kept_in_their_order_and_noted_as_written(ledger: Ledger) -> None:
    with held(ledger, "sales") as connection:
        for move in (FIRST, SECOND, replace(FIRST, model="traffic")):
            add(connection, move)
        mark_written(connection, SECOND, 3_000, is_taken_over=True)
    assert moves(ledger) == [FIRST, replace(SECOND, written=3_000, is_taken_over=True)]
    assert moves(ledger, "nothing") == []


def test_of_two_who_add_a_generation_the_second_is_refused(ledger: Ledger) -> None:
    with held(ledger, "sales") as connection:
        add(connection, FIRST)
        with pytest.raises(LedgerError, match="does not take this in"):
            add(connection, replace(FIRST, version=7))
    assert moves(ledger) == [FIRST]


def test_a_model_is_held_by_one_at_a_time_and_others_are_not_waited_for(ledger: Ledger) -> None:
    other = Ledger(ledger.engine.url.render_as_string(hide_password=False))
    inside: list[str] = []

    def wait_for_it() -> None:
        with held(other, "sales"):
            inside.append("second")

    with held(ledger, "sales"):
        with held(other, "traffic"):
            pass
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        thread.join(0.3)
        inside.append("first")
    thread.join(10)
    other.close()
    assert inside == ["first", "second"]


def test_who_waits_too_long_is_told_so(ledger: Ledger) -> None:
    with (
        exclusive(ledger, "sales"),
        pytest.raises(LedgerUnavailableError, match=r"held the lock 'sales' for 0\.2 s") as told,
        exclusive(ledger, "sales", patience_seconds=0.2),
    ):
        pass
    assert told.value.code == "ledger-locked"
    with exclusive(ledger, "sales", patience_seconds=0.2):
        pass


def test_a_ledger_in_memory_is_refused() -> None:
    with pytest.raises(LedgerError, match="no lock that other processes see"), exclusive(Ledger("sqlite://"), "sales"):
        pass


@pytest.mark.stack
def test_who_has_lost_the_connection_has_lost_the_model_and_cannot_write(postgres_url: str) -> None:
    ours, theirs = Ledger(postgres_url), Ledger(postgres_url)
    upgrade(ours)
    with theirs.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM promotions"))

    def lose(connection: sa.Connection) -> None:
        number = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        connection.commit()
        with theirs.engine.begin() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:number)"), {"number": number})

    for write in (check, lambda connection: add(connection, FIRST)):
        write_by: Any = write
        with pytest.raises(LedgerUnavailableError), held(ours, "sales") as connection:
            lose(connection)
            with held(theirs, "sales"):
                write_by(connection)
    assert moves(theirs) == []
    ours.close()
    theirs.close()
