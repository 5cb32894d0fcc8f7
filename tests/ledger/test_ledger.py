"""The ledger: what was forecast meets what happened, whichever comes first and however often."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from forecaster.errors import LedgerUnavailableError
from forecaster.ledger import ledger as module
from forecaster.ledger.failures import told
from forecaster.ledger.ledger import Ledger
from forecaster.ledger.scoring import Outcome
from forecaster.ledger.skill import Drift
from forecaster.ledger.tables import forecasted_series, metadata
from forecaster.ledger.upgrade import upgrade
from forecaster.metrics import score
from tests.ledger.factories import LEVELS, empty, given, given_series, observed

NAN = float("nan")
# Off by 1 and by 4, scale 2; the naive says 2 and 6: off by 9 and 18. The first is within +/- 2, the second is not.
BOTH_STEPS = Outcome(2, mase=(0.5 + 2.0) / 2, naive_mase=(4.5 + 9.0) / 2, num_within=1)
FIRST_STEP = Outcome(1, mase=0.5, naive_mase=4.5, num_within=1)


def outcome_of(ledger: Ledger, forecast_id: str = "f1") -> Outcome:
    found = ledger.forecast(forecast_id)
    assert found is not None
    (_, outcome), *_ = found.outcomes
    return outcome


def test_migrations_make_the_tables_that_the_code_knows(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_upgrade_of_a_ledger_that_is_new_enough_changes_nothing(ledger: Ledger) -> None:
    ledger.add([given()])
    upgrade(ledger)
    assert ledger.forecast("f1") is not None


def test_threads_may_make_the_tables_of_several_ledgers_at_once(tmp_path: Path) -> None:
    ledgers = [Ledger(f"sqlite:///{tmp_path}/{number}.db") for number in range(8)]
    with ThreadPoolExecutor(len(ledgers)) as threads:
        list(threads.map(upgrade, ledgers))
    for ledger in ledgers:
        ledger.add([given()])
        assert ledger.forecast("f1") is not None
        ledger.close()


def test_a_database_of_another_program_is_refused_and_left_as_it_is(ledger: Ledger) -> None:
    theirs = "dc11669786a5"  # as MLflow numbers its own
    with ledger.engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :theirs"), {"theirs": theirs})
    with pytest.raises(LedgerUnavailableError, match=r"the ledger needs a database of its own: .* such as MLflow"):
        upgrade(ledger)
    assert sa.inspect(ledger.engine).get_table_names() == ["alembic_version"]


@pytest.mark.stack
def test_a_database_of_the_first_revision_gets_room_for_digests(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    empty(ledger)
    upgrade(ledger, "0001")
    with ledger.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE forecasts ALTER COLUMN digest TYPE VARCHAR(64)"))
    upgrade(ledger)
    ledger.add([given()])
    assert ledger.forecast("f1") is not None
    ledger.close()


def test_a_forecast_is_kept_as_it_was_given(ledger: Ledger) -> None:
    one = given(execution={"runtime": "onnx", "batch_rows": [3]}, degraded="overloaded", reply=bytes(range(256)))
    ledger.add([one])
    kept = ledger.forecast("f1")
    assert kept is not None
    names = ("forecast_id", "created", "model", "version", "digest", "generation", "degraded", "media_type")
    assert [getattr(kept, name) for name in names] == [getattr(one, name) for name in names]
    assert (kept.request, kept.reply, kept.execution) == (one.request, one.reply, one.execution)
    assert kept.outcomes == (("a", Outcome(0)),)
    assert ledger.forecast("f2") is None


@pytest.mark.parametrize("values_first", [False, True])
def test_a_forecast_meets_values_that_come_before_it_and_after_it(ledger: Ledger, values_first: bool) -> None:
    for is_values in (values_first, not values_first):
        ledger.add(observed=[observed([11.0, 24.0])]) if is_values else ledger.add([given()])
    assert outcome_of(ledger) == BOTH_STEPS


def test_both_may_come_together(ledger: Ledger) -> None:
    assert ledger.add([given()], [observed([11.0, 24.0])]) == 1
    assert outcome_of(ledger) == BOTH_STEPS


def test_values_come_one_after_the_other(ledger: Ledger) -> None:
    ledger.add([given()], [observed([11.0])])
    assert outcome_of(ledger) == FIRST_STEP
    ledger.add(observed=[observed([24.0], begin=1)])
    assert outcome_of(ledger) == BOTH_STEPS


def test_what_comes_again_changes_nothing(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.add([given()], [observed([11.0, 24.0])])
        ledger.add([given(version="2", reply=b"another")])
    assert outcome_of(ledger) == BOTH_STEPS
    kept = ledger.forecast("f1")
    assert kept is not None
    assert (kept.version, kept.reply) == ("1", b'{"forecasts":[]}')


def test_a_corrected_value_counts_and_an_older_one_that_comes_late_does_not(ledger: Ledger) -> None:
    ledger.add([given()], [observed([100.0, 24.0], received=10)])
    ledger.add(observed=[observed([11.0], received=20)])
    assert outcome_of(ledger) == BOTH_STEPS
    ledger.add(observed=[observed([50.0], received=15)])
    assert outcome_of(ledger) == BOTH_STEPS


def test_of_values_that_come_together_the_one_received_last_counts(ledger: Ledger) -> None:
    ledger.add([given()], [observed([11.0, 24.0], received=20), observed([90.0, 90.0], received=10)])
    assert outcome_of(ledger) == BOTH_STEPS


def test_a_value_can_be_taken_back(ledger: Ledger) -> None:
    ledger.add([given()], [observed([11.0, 24.0], received=10), observed([NAN], begin=1, received=20)])
    assert outcome_of(ledger) == FIRST_STEP


@pytest.mark.parametrize(
    "stranger",
    [
        observed([1.0, 1.0], series_id="b"),
        observed([1.0, 1.0], model="traffic"),
        observed([1.0, 1.0], begin=2),
        observed([1.0, 1.0], begin=-2),
        replace(observed([1.0]), times=np.array([1])),  # a microsecond beside the hour
    ],
)
def test_values_of_another_series_model_or_time_are_none_of_its_business(ledger: Ledger, stranger: Any) -> None:
    ledger.add([given()], [observed([11.0])])
    ledger.add(observed=[stranger])
    assert outcome_of(ledger) == FIRST_STEP


def test_what_cannot_be_said_is_left_out(ledger: Ledger) -> None:
    constant = given_series(history=np.array([5.0, 5.0, 5.0]))
    ledger.add([given("f1", constant), given("f2", levels=(0.2, 0.5, 0.8)), given("f3", levels=(0.1, 0.4, 0.9))])
    ledger.add(observed=[observed([11.0, 24.0])])
    assert outcome_of(ledger, "f1") == Outcome(2, num_within=1)
    assert outcome_of(ledger, "f2") == replace(BOTH_STEPS, num_within=None)
    assert outcome_of(ledger, "f3") == Outcome(2)


def test_skill_is_told_by_model_version_and_segment(ledger: Ledger) -> None:
    ledger.add(
        [
            given("f1"),
            given("f2", given_series(medians=(11.0, 24.0)), version="2"),
            given("f3", given_series(segment="north"), given_series("b", segment="north"), version="2"),
            given("f4", given_series("c")),
        ],
        [observed([11.0, 24.0]), observed([10.0], series_id="b")],
    )
    first, second, north = ledger.skill("sales")
    assert (first.version, first.segment, first.num_forecasts, first.num_observed) == ("1", "", 1, 2)
    assert (first.mase, first.naive_mase, first.coverage_80) == (1.25, 6.75, 0.5)
    assert first.relative_mase == pytest.approx(1.25 / 6.75, abs=1e-12)
    assert (second.version, second.segment, second.mase, second.coverage_80) == ("2", "", 0.0, 1.0)
    assert (north.version, north.segment, north.num_forecasts, north.num_observed) == ("2", "north", 2, 3)
    assert (north.mase, north.coverage_80) == ((1.25 + 0.0) / 2, 2 / 3)
    assert ledger.skill("traffic") == []


def test_steps_of_a_version_are_counted_beyond_what_four_bytes_hold(ledger: Ledger) -> None:
    ledger.add([given("f1"), given("f2")], [observed([11.0, 24.0])])
    with ledger.writing() as connection:
        connection.execute(sa.update(forecasted_series).values(num_observed=2_000_000_000))
    (skill,) = ledger.skill()
    assert skill.num_observed == 4_000_000_000


def test_a_postgres_that_takes_connections_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._PATIENCE, "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ledger = Ledger(f"postgresql+psycopg2://nobody@127.0.0.1:{silent.getsockname()[1]}/nowhere")
        with pytest.raises(LedgerUnavailableError, match="timeout expired"):
            ledger.is_made()


@pytest.mark.stack
def test_a_forecast_and_its_values_that_two_services_add_at_once_meet(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledgers = [Ledger(postgres_url), Ledger(postgres_url)]
    empty(ledgers[0])
    upgrade(ledgers[0])
    both = threading.Barrier(2)

    def when_the_other_is_there_or_waits(*given: Any) -> int:
        with suppress(threading.BrokenBarrierError):
            both.wait(1.0)
        return score_again(*given)

    score_again = module.score_again
    monkeypatch.setattr(module, "score_again", when_the_other_is_there_or_waits)
    with ThreadPoolExecutor(2) as threads:
        adding = [threads.submit(ledgers[0].add, [given()]), threads.submit(ledgers[1].add, (), [observed([11.0])])]
    assert sorted(one.result() for one in adding) == [0, 1]
    assert outcome_of(ledgers[0]) == FIRST_STEP
    for one in ledgers:
        one.close()


def test_skill_is_told_by_series(ledger: Ledger) -> None:
    ledger.add([given("f1", given_series("a"), given_series("b"))], [observed([11.0], series_id="b")])
    assert [(one.segment, one.num_forecasts) for one in ledger.skill(by_series=True)] == [("b", 1)]


def test_skill_is_told_of_forecasts_made_within_a_time(ledger: Ledger) -> None:
    ledger.add([given(f"f{hour}", created=hour) for hour in range(4)], [observed([11.0])])
    assert [one.num_forecasts for one in ledger.skill(since=1, until=3)] == [2]
    assert ledger.skill(since=9) == []


def test_drift_compares_recent_forecasts_with_earlier_ones(ledger: Ledger) -> None:
    better = given_series(medians=(10.5, 22.0))  # half as far off, and both steps inside
    ledger.add(
        [
            given("f1", created=1),
            given("f2", better, created=8),
            given("f3", better, created=9),
            given("f4", created=8, version="2"),
        ],
        [observed([11.0, 24.0])],
    )
    assert ledger.drifts(since_recent=8) == {("sales", "1", ""): Drift(2, pytest.approx(0.5), pytest.approx(0.5))}
    assert ledger.drifts(since_recent=8, until=9)["sales", "1", ""].num_forecasts == 1
    assert ledger.drifts(since_recent=8, since=2) == {}
    assert ledger.drifts(since_recent=10) == {}
    assert ledger.drifts(since_recent=8, model="traffic") == {}


def test_what_cannot_be_compared_has_no_drift(ledger: Ledger) -> None:
    perfect = given_series(medians=(11.0, 24.0))
    ledger.add([given("f1", perfect, created=1), given("f2", created=2)], [observed([11.0, 24.0])])
    assert ledger.drifts(since_recent=2) == {("sales", "1", ""): Drift(1, None, pytest.approx(-0.5))}


def test_old_forecasts_and_values_are_deleted_with_all_that_hangs_on_them(ledger: Ledger) -> None:
    ledger.add([given("f1", created=10), given("f2", created=20)], [observed([11.0], received=10)])
    assert ledger.expire(before=15) == 2
    assert ledger.forecast("f1") is None
    assert outcome_of(ledger, "f2") == FIRST_STEP  # it has been scored by what is gone
    ledger.add([given("f3", created=30)])
    assert outcome_of(ledger, "f3") == Outcome(0)


def test_forecasts_of_many_series_ask_for_their_values_by_few_queries(ledger: Ledger) -> None:
    of_a = [given_series(f"s{number}", number, [10.0]) for number in range(1_000)]
    of_b = [given_series(f"s{number}", 0, [10.0]) for number in range(5)]
    ledger.add(observed=[observed([9.0], 1, "s1"), observed([9.0], 7, "s2"), observed([9.0], 0, "s3", model="other")])
    queries: list[str] = []
    sa.event.listen(ledger.engine, "before_cursor_execute", lambda _, __, query, *___: queries.append(query))
    num_scored = ledger.add([given("f1", *of_a), given("f2", *of_b, model="other")])
    assert num_scored == 2
    assert len(queries) < 20
    for forecast_id, observed_ones in {"f1": {"s1"}, "f2": {"s3"}}.items():
        found = ledger.forecast(forecast_id)
        assert found is not None
        assert {series_id for series_id, outcome in found.outcomes if outcome.num_observed} == observed_ones


def test_many_forecasts_are_scored_as_a_slow_loop_does(ledger: Ledger) -> None:
    draw = np.random.default_rng(0)
    actual = {name: draw.normal(10, 5, 60) for name in "ab"}
    begins = draw.integers(0, 50, 40).tolist()
    histories, medians = draw.normal(0, 1, (40, 30)), draw.normal(10, 5, (40, 24))
    made = [
        given(f"f{number}", given_series("ab"[number % 2], begin, medians[number], history=histories[number]))
        for number, begin in enumerate(begins)
    ]
    order = draw.permutation(60)
    for part in np.array_split(order, 7):
        ledger.add(made[: 6 * (1 + int(part[0]) % 6)])
        ledger.add(observed=[observed([actual[name][hour]], hour, name) for hour in part.tolist() for name in "ab"])
    ledger.add(made)
    for one in made:
        (series,) = one.series
        begin = int(series.times[0] // 3_600_000_000)
        wanted = np.full(24, np.nan)
        wanted[: min(24, 60 - begin)] = actual[series.series_id][begin : begin + 24]
        scale = np.abs(series.history[2:] - series.history[:-2]).mean()
        scored = score(wanted[None], series.values[None], LEVELS, np.array([scale]))
        found = outcome_of(ledger, one.forecast_id)
        assert found.num_observed == (~np.isnan(wanted)).sum()
        assert found.mase == pytest.approx(scored.mase, rel=1e-12)
        assert (found.num_within or 0) / found.num_observed == pytest.approx(scored.coverage[0.8], abs=1e-12)


def test_a_database_that_cannot_be_used_is_told_of_without_a_password() -> None:
    with pytest.raises(LedgerUnavailableError, match="cannot be used") as failed:
        Ledger("postgresql+psycopg2://somebody:secret@127.0.0.1:1/nowhere").add([given()])
    assert "secret" not in str(failed.value)
    with pytest.raises(LedgerUnavailableError, match="cannot be used"):
        Ledger("no-such-database://")
    with pytest.raises(LedgerUnavailableError, match="no_such_driver"):
        Ledger("sqlite+no_such_driver:///")


def test_a_driver_that_says_nothing_of_a_lost_connection_is_told_of_by_its_error() -> None:
    with pytest.raises(LedgerUnavailableError, match=r"cannot be used: InterfaceError$"), told():
        raise sa.exc.InterfaceError("SELECT 1", None, psycopg2.InterfaceError(""))
