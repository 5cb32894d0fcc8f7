"""Input drift of panels: what has changed is found, what has not is left alone, whatever the units and the order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

from forecaster.arrays import FloatArray
from forecaster.data.panel import Panel
from forecaster.drift.departure import departures
from forecaster.drift.input import InputDrift, input_drift, input_table
from tests.factories import panel_of

SEASON, DAYS_BEFORE, DAYS_SINCE = 24, 120, 20
BEGIN, LENGTH = DAYS_BEFORE * SEASON, (DAYS_BEFORE + DAYS_SINCE) * SEASON
STEPS = np.arange(LENGTH)


def days(draw: np.random.Generator) -> FloatArray:
    return 10 + 0.002 * STEPS + 3 * np.sin(2 * np.pi * STEPS / SEASON) + draw.normal(size=LENGTH)


def found_in(panel: Panel) -> InputDrift:
    return input_drift(panel, np.minimum(BEGIN, panel.lengths - DAYS_SINCE * SEASON), SEASON, 7, 0.05)


def changed(change: Callable[[FloatArray], FloatArray], num_changed: int = 3, num_series: int = 6) -> Panel:
    """Hourly series with a trend, of which the first are changed after ten of the days since training."""
    draw = np.random.default_rng(0)
    series = [days(draw) for _ in range(num_series)]
    is_late = STEPS >= BEGIN + 10 * SEASON
    return panel_of(
        *(np.where(is_late, change(one), one) if number < num_changed else one for number, one in enumerate(series))
    )


CHANGES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "level": lambda series: series + 2,
    "spread": lambda series: series + np.random.default_rng(1).normal(size=LENGTH),
    "shape": lambda series: np.roll(series, SEASON // 4),
    "missing": lambda series: np.where(np.random.default_rng(2).random(LENGTH) < 0.3, np.nan, series),
}


@pytest.mark.parametrize("measure", CHANGES)
def test_planted_changes_are_found_and_named_and_dated(measure: str) -> None:
    panel = changed(CHANGES[measure])
    drift = found_in(panel)
    assert drift.is_drifted.tolist() == [True, True, True, False, False, False]
    assert drift.share == 0.5
    table = input_table(panel, drift)
    assert set(table["series"].head(3)) == {"s0", "s1", "s2"}
    assert set(table["measure"].head(3)) == {measure}
    since = (table["since"].head(3).astype("datetime64[us]") - panel.axis.show(panel.starts[0], LENGTH)[BEGIN]).dt.days
    assert since.between(9, 17).all()  # ten days after training, of which a stretch of seven has to be full enough
    assert drift.shares[-1] == 0.5
    assert drift.shares[0] == 0


def test_what_has_not_changed_is_left_alone() -> None:
    drift = found_in(changed(lambda series: series, 0, 12))
    assert drift.share == 0
    assert not drift.is_drifted.any()
    assert (drift.since == 0).all()


@pytest.mark.parametrize(
    "making",
    [
        lambda draw: draw.normal(size=LENGTH),
        lambda draw: np.cumsum(draw.normal(size=LENGTH)),
        lambda draw: lfilter([1], [1, -0.95], draw.normal(size=LENGTH)),
        lambda draw: draw.standard_t(2.2, LENGTH),
        lambda draw: draw.poisson(0.1, LENGTH).astype(float),
    ],
    ids=["noise", "random walk", "autoregressive", "heavy tails", "rare counts"],
)
def test_p_values_are_what_they_say_where_nothing_changes(making: Callable[[np.random.Generator], FloatArray]) -> None:
    draw = np.random.default_rng(0)
    drift = found_in(panel_of(*(making(draw) for _ in range(60))))
    assert 0 < (drift.p_values < 0.1).mean() < 0.25
    assert (drift.p_values < 0.01).mean() < 0.07  # five of 60 by chance once in a thousand
    assert 0.3 < np.median(drift.p_values) < 0.7
    assert drift.share < 0.05


def test_units_and_order_change_nothing() -> None:
    panel = changed(CHANGES["level"])
    known = found_in(panel)
    factors = np.array([1e-3, 1, 50, 7, 1e4, 0.2])
    scaled = panel_of(*(factor * panel.target(place) - 3 * factor for place, factor in enumerate(factors)))
    np.testing.assert_allclose(found_in(scaled).p_values, known.p_values, rtol=1e-6)
    order = np.array([4, 1, 5, 0, 3, 2])
    np.testing.assert_allclose(found_in(panel.select(order)).p_values, known.p_values[order], rtol=1e-12)


def test_missing_values_all_along_are_no_drift() -> None:
    draw = np.random.default_rng(0)
    gaps = [np.where(draw.random(LENGTH) < 0.3, np.nan, days(draw)) for _ in range(6)]
    nights = [np.where(STEPS % SEASON < 6, np.nan, days(draw)) for _ in range(6)]
    assert found_in(panel_of(*gaps, *nights)).share == 0


def test_a_sensor_that_dies_or_comes_alive_has_drifted() -> None:
    draw = np.random.default_rng(0)
    series = [days(draw) for _ in range(4)]
    dead = np.where(STEPS >= BEGIN, series[0][BEGIN], series[0])
    alive = np.where(STEPS < BEGIN, 5.0, series[1])
    silent = np.where(STEPS >= BEGIN, np.nan, series[2])
    constant = np.full(LENGTH, 5.0)
    drift = found_in(panel_of(dead, alive, silent, constant, *series))
    assert drift.is_drifted.tolist() == [True, True, True, False, False, False, False, False]


def test_a_series_that_cannot_be_compared_comes_last_and_counts_for_nothing() -> None:
    draw = np.random.default_rng(0)
    panel = panel_of(draw.normal(size=LENGTH), draw.normal(size=5 * SEASON), draw.normal(size=LENGTH))
    drift = input_drift(panel, np.array([BEGIN, 4 * SEASON, BEGIN]), SEASON, 7, 0.05)
    assert drift.series.tolist() == [0, 2]
    assert input_table(panel, drift)["series"].tolist()[-1] == "s1"


def test_nothing_to_compare_is_no_number() -> None:
    panel = panel_of(np.arange(30.0))
    drift = input_drift(panel, np.array([30]), SEASON, 7, 0.05)
    assert drift.share is None
    assert input_table(panel, drift)["series"].tolist() == ["s0"]


def test_a_stretch_is_as_long_as_there_is_since_training_and_an_eighth_of_what_was_before() -> None:
    target = np.random.default_rng(0).normal(size=100)
    lengths = [departures(target, end, 1, 14) for end in (50, 80, 95, 99)]
    assert [None if one is None else one.num_seasons for one in lengths] == [6, 10, 5, 1]
    assert departures(target, 100, 1, 14) is None
    assert departures(target, 7, 1, 14) is None
    assert departures(np.append(np.full(50, np.nan), np.ones(50)), 50, 1, 14) is None


def test_series_of_whole_years_have_no_season_to_compare_and_are_compared() -> None:
    draw = np.random.default_rng(0)
    calm = [draw.normal(size=150) for _ in range(8)]
    raised = [one + 4 * (np.arange(150) >= 140) for one in calm[:4]]
    drift = input_drift(panel_of(*raised, *calm[4:], frequency="YS"), np.full(8, 130), 1, 8, 0.05)
    assert drift.is_drifted.tolist() == [True] * 4 + [False] * 4
