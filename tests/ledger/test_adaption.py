"""Factors in the ledger: made of what was scored, whatever was published, in whatever order, as numbered revisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forecaster.ledger.ledger import Ledger
from forecaster.ledger.records import ADAPTION, OWN_CORE
from forecaster.online import ENOUGH, ENOUGH_SERIES, adapted, distances, factor_of
from tests.ledger.factories import HOUR, LEVELS, given, given_series, hours, observed

NAN = float("nan")
KEY = ("sales", "1")
DRAW = np.random.default_rng(0)
ACTUALS = DRAW.normal(10, 6, 40).tolist()  # of which forecasts of 10 +/- 2 hold too few


def forecasts(series_id: str = "a", number: int = 40, factor: float | None = None, **facts: Any) -> list[Any]:
    """Gives a forecast of two steps from each hour on, published as a factor made it."""
    found = []
    for hour in range(number):
        series = given_series(series_id, begin=hour, medians=(10.0, 10.0), width=2.0 * (factor or 1.0))
        adaption = {ADAPTION: {"revision": 1, "factors": [factor], "sources": ["series"]}}
        execution = {} if factor is None else adaption
        name = f"{series_id}{hour}{facts.get('version', '1')}"
        found.append(given(name, series, execution=execution, **facts))
    return found


def renewed(ledger: Ledger, now: int = 1) -> Any:
    while ledger.adapt(now):
        pass
    return ledger.adaption()


def wanted(actuals: list[float]) -> float:
    steps = np.array([[hour, hour + 1] for hour in range(40)]).ravel()
    known = steps < len(actuals)
    away = np.abs(np.array(actuals)[steps[known]] - 10) / 2
    return factor_of(HOUR * steps[known], away.astype(np.float32).astype(np.float64))[0]


def test_a_series_has_the_factor_of_its_scores(ledger: Ledger) -> None:
    ledger.add(forecasts(), [observed(ACTUALS)])
    found = renewed(ledger)
    assert found.number == 1
    assert found.by_version[KEY].by_series == {"a": pytest.approx(wanted(ACTUALS), rel=1e-12)}
    assert found.by_version[KEY].of_model is None
    assert wanted(ACTUALS) > 1.3


def test_it_does_not_matter_in_which_order_or_how_often_values_come(ledger: Ledger) -> None:
    ledger.add(forecasts()[20:])
    for hour in (*range(39, -1, -1), 7, 7):
        ledger.add(observed=[observed([ACTUALS[hour]], begin=hour)])
        ledger.adapt(1)
    ledger.add(forecasts()[:20])
    found = renewed(ledger)
    assert found.by_version[KEY].by_series == {"a": pytest.approx(wanted(ACTUALS), rel=1e-12)}
    ledger.add(forecasts(), [observed(ACTUALS)])
    assert renewed(ledger) == found  # what comes again makes no new revision


def test_a_corrected_value_and_one_that_is_taken_back_leave_no_trace(ledger: Ledger) -> None:
    wrong = [*ACTUALS[:10], 1e9, *ACTUALS[11:], 1e9]
    ledger.add(forecasts(), [observed(wrong, received=1)])
    assert renewed(ledger).by_version[KEY].by_series["a"] != pytest.approx(wanted(ACTUALS), rel=1e-6)
    ledger.add(observed=[observed([ACTUALS[10]], begin=10, received=2), observed([NAN], begin=40, received=2)])
    found = renewed(ledger)
    assert found.number == 2
    assert found.by_version[KEY].by_series == {"a": pytest.approx(wanted(ACTUALS), rel=1e-12)}


@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_what_counts_is_what_the_model_said_and_not_what_was_published(ledger: Ledger, factor: float) -> None:
    ledger.add(forecasts()[:20] + forecasts(factor=factor)[20:], [observed(ACTUALS)])
    assert renewed(ledger).by_version[KEY].by_series == {"a": pytest.approx(wanted(ACTUALS), rel=1e-5)}


COUNTS = np.array([[1.0, 2.0, 3.0]])


def rounded(hour: int, factor: float, *, is_told: bool = True) -> Any:
    """Gives a forecast of one step whose published counts a factor made of 1, 2 and 3."""
    published = adapted(COUNTS[np.newaxis], LEVELS, np.array([factor]), "counts")[0]
    own = {OWN_CORE: [COUNTS.tolist()]} if is_told else {}
    adaption = {"revision": 1, "factors": [factor], "sources": ["series"], **own}
    series = given_series(begin=hour, medians=(2.0,), values=published)
    return given(f"a{hour}", series, execution={ADAPTION: adaption})


@pytest.mark.parametrize("factor", [0.3, 0.7, 1.4, 2.7])
def test_counts_that_were_rounded_count_as_the_model_said_them(ledger: Ledger, factor: float) -> None:
    actual = DRAW.poisson(2.5, 30).astype(float)
    ledger.add([rounded(hour, factor) for hour in range(30)], [observed(actual.tolist())])
    away = np.abs(actual - 2.0).astype(np.float32)
    assert renewed(ledger).by_version[KEY].by_series["a"] == factor_of(hours(0, 30), away)[0]


def test_a_factor_that_left_no_width_grows_again_by_records_of_what_was_published_alone(ledger: Ledger) -> None:
    ledger.add([rounded(hour, 0.3, is_told=False) for hour in range(60)], [observed([2.0] * 30 + [9.0] * 30)])
    assert renewed(ledger).by_version[KEY].by_series["a"] == pytest.approx(np.exp(30 * 0.04 - 30 * 0.01))


def test_outcomes_are_those_of_what_was_published(ledger: Ledger) -> None:
    ledger.add(forecasts(number=1, factor=100.0), [observed([60.0, 60.0])])
    kept = ledger.forecast("a01")
    assert kept is not None
    assert [one.num_within for _, one in kept.outcomes] == [2]


def test_too_few_times_make_no_factor_of_a_series(ledger: Ledger) -> None:
    ledger.add(forecasts(), [observed(ACTUALS[: ENOUGH - 1])])
    assert renewed(ledger).by_version == {}
    ledger.add(observed=[observed([ACTUALS[ENOUGH - 1]], begin=ENOUGH - 1)])
    assert list(renewed(ledger).by_version[KEY].by_series) == ["a"]


def test_a_version_has_the_median_of_enough_series(ledger: Ledger) -> None:
    names = [f"s{number}" for number in range(ENOUGH_SERIES)]
    for place, name in enumerate(names):
        ledger.add(forecasts(name), [observed([10.0 + 1.5 * place] * 40, series_id=name)])
        found = renewed(ledger).by_version[KEY]
        assert (found.of_model is None) == (place < ENOUGH_SERIES - 1)
    assert found.of_model == np.median(list(found.by_series.values()))
    assert len(set(found.by_series.values())) > 1


def test_versions_and_fallbacks_are_told_apart(ledger: Ledger) -> None:
    ledger.add(forecasts(), [observed(ACTUALS)])
    first = renewed(ledger).by_version[KEY]
    ledger.add(forecasts(number=30, factor=9.0, version="2") + forecasts("b", degraded="overloaded"))
    ledger.add(observed=[observed(ACTUALS, series_id="b")])
    found = renewed(ledger)
    assert found.by_version[KEY] == first
    assert sorted(found.by_version) == [KEY, ("sales", "2")]
    assert list(found.by_version["sales", "2"].by_series) == ["a"]


def test_the_number_grows_with_every_change_and_is_not_used_again(ledger: Ledger) -> None:
    numbers = []
    for hour in range(3):
        ledger.add(forecasts(), [observed([ACTUALS[hour]], begin=hour)])
        numbers += [renewed(ledger, now=hour).number, renewed(ledger, now=hour).number]
    assert numbers == [1, 1, 2, 2, 3, 3]
    ledger.expire(before=10_000)
    assert (ledger.adaption_number(), ledger.adaption().by_version) == (3, {})
    ledger.add(forecasts(), [observed(ACTUALS)])
    assert renewed(ledger, now=20_000).number == 4


def test_many_series_are_renewed_some_at_a_time(ledger: Ledger) -> None:
    names = [f"s{number}" for number in range(250)]
    series = [given_series(name, medians=(10.0,)) for name in names]
    ledger.add([given("f", *series)], [observed([50.0], series_id=name) for name in names])
    assert [ledger.adapt(1) for _ in range(3)] == [200, 50, 0]
    assert ledger.adaption_number() == 2


def test_raw_distances_can_be_had_back_from_adapted_quantiles() -> None:
    values = np.array([[[8.0, 10.0, 13.0]]])
    published = adapted(values, LEVELS, np.array([2.5]))
    back = 2.5 * distances(np.array([20.0]), published[0], LEVELS)
    np.testing.assert_allclose(back, distances(np.array([20.0]), values[0], LEVELS), rtol=1e-12)
    assert hours(0, 1).tolist() == [0]
