"""A fine-tuned model leaves nothing in the ledger, and what comes late of it is not taken for the next one's."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from forecaster.ledger.finetuned import Finetuned, Forgotten
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.tables import actuals, adaption_states, forecasted_series, forecasts
from tests.ledger.factories import given, given_series, observed, tune

NAME, OLD, NEW = "ft-a", "sha256:" + "a" * 64, "sha256:" + "b" * 64
OTHERS = ("sales", "ft-ab", "ft")
NUM_TIMES = 30


def of_each_hour(model: str, digest: str = OLD) -> list[Any]:
    """Gives a forecast of one step from each hour on."""
    return [
        given(f"{model}{hour}", given_series(begin=hour, medians=(10.0,)), model=model, digest=digest)
        for hour in range(NUM_TIMES)
    ]


def far_off(model: str, **changes: Any) -> list[Any]:
    return [observed([99.0] * NUM_TIMES, model=model, **changes)]


def adapted(ledger: Ledger) -> Any:
    while ledger.adapt(1):
        pass
    return ledger.adaption()


def deleted(ledger: Ledger) -> None:
    models = Finetuned(ledger)
    assert models.delete(NAME, "k1")
    (found,) = models.to_forget()
    models.forget(found)


def num_rows(ledger: Ledger, model: str) -> dict[str, int]:
    """Gives how many rows of each table are of a model."""
    with ledger.reading() as connection:
        return {
            table.name: connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.model == model)
            ).scalar_one()
            for table in (forecasts, forecasted_series, actuals, adaption_states)
        }


@pytest.fixture
def known(ledger: Ledger) -> Ledger:
    """A ledger that knows forecasts, values and factors of fine-tuned models and another one."""
    tune(ledger, NAME, "k1", OLD)
    tune(ledger, "ft-ab", "k1", OLD)
    for model in (NAME, *OTHERS):
        ledger.add(of_each_hour(model), far_off(model))
    assert (NAME, "1") in adapted(ledger).by_version
    return ledger


def test_all_that_is_known_of_a_model_goes_with_it_and_nothing_else(known: Ledger) -> None:
    before = {model: num_rows(known, model) for model in OTHERS}
    deleted(known)
    assert set(num_rows(known, NAME).values()) == {0}
    assert {model: num_rows(known, model) for model in OTHERS} == before
    assert all(number > 0 for rows in before.values() for number in rows.values())


def test_the_next_model_of_the_name_begins_without_factors_outcomes_and_skill(known: Ledger) -> None:
    deleted(known)
    tune(known, NAME, "k2", NEW)
    known.add(of_each_hour(NAME, NEW))
    assert known.skill(NAME) == []
    kept = known.forecast(f"{NAME}0")
    assert kept is not None
    assert [one.num_observed for _, one in kept.outcomes] == [0]
    assert (NAME, "1") not in adapted(known).by_version


def test_that_factors_went_is_a_revision_which_others_hear_of(known: Ledger) -> None:
    before = known.adaption()
    deleted(known)
    after = known.adaption()
    assert after.number == before.number + 1
    assert after.by_version == {key: own for key, own in before.by_version.items() if key[0] != NAME}


def test_a_model_without_factors_goes_without_a_revision(ledger: Ledger) -> None:
    tune(ledger, NAME, "k1", OLD)
    ledger.add(of_each_hour(NAME))
    deleted(ledger)
    assert ledger.adaption_number() == 0


def test_what_comes_late_of_a_model_that_is_gone_is_left_out(known: Ledger) -> None:
    deleted(known)
    late = of_each_hour(NAME), [*far_off(NAME, digest=OLD), *far_off(NAME)]
    known.add(*late)
    assert set(num_rows(known, NAME).values()) == {0}
    tune(known, NAME, "k2", NEW)
    known.add(late[0], late[1][:1])  # also once another one has the name
    assert set(num_rows(known, NAME).values()) == {0}


def test_what_comes_of_the_model_that_is_there_is_kept(ledger: Ledger) -> None:
    tune(ledger, NAME, "k2", NEW)
    ledger.add([*of_each_hour(NAME, NEW), given("f")], far_off(NAME, digest=NEW))
    assert ledger.forecast("f") is not None
    assert [one.num_observed for one in ledger.skill(NAME)] == [NUM_TIMES]


def test_values_that_an_older_service_wrote_down_are_of_whatever_has_the_name(ledger: Ledger) -> None:
    tune(ledger, NAME, "k2", NEW)
    ledger.add(of_each_hour(NAME, NEW), far_off(NAME))
    assert [one.num_observed for one in ledger.skill(NAME)] == [NUM_TIMES]


def test_a_name_that_somebody_is_at_keeps_what_is_known(known: Ledger) -> None:
    Finetuned(known).forget(Forgotten(NAME, "0" * 32, was_there=True))
    assert num_rows(known, NAME)["forecasts"] == NUM_TIMES
