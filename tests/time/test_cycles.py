"""The cycles of each frequency, and the lags that they make."""

from __future__ import annotations

import pytest

from forecaster.config import ModelConfig
from forecaster.config.cycles import NUM_LAGS, Cycles
from forecaster.synthesis import CYCLE_WEIGHTS
from forecaster.time.cycles import cycles_of
from forecaster.time.frequency import Frequency
from tests.time.test_frequency import INFERABLE

EXPECTED = {
    "step": Cycles(),
    "200ms": Cycles(5),
    "s": Cycles(3600),
    "10s": Cycles(360),
    "min": Cycles(1440, 7 * 1440),
    "15min": Cycles(96, 672),
    "h": Cycles(24, 168),
    "6h": Cycles(4, 28),
    "7h": Cycles(),
    "D": Cycles(7, 365),
    "2D": Cycles(),
    "B": Cycles(5, 260),
    "W-SUN": Cycles(52),
    "MS": Cycles(12),
    "BME": Cycles(12),
    "2MS": Cycles(6),
    "QS-JAN": Cycles(4),
    "YE-DEC": Cycles(),
}


@pytest.mark.parametrize("alias", EXPECTED)
def test_a_frequency_has_a_season_and_a_week_of_hours_or_a_year_of_days(alias: str) -> None:
    assert cycles_of(Frequency.parse(alias)) == EXPECTED[alias]


@pytest.mark.parametrize("alias", [*INFERABLE, *EXPECTED])
def test_a_network_can_be_shown_the_lags_of_any_frequency(alias: str) -> None:
    lags = cycles_of(Frequency.parse(alias)).lags
    assert len(lags) == NUM_LAGS
    assert ModelConfig(lags=lags).lags == lags


def test_lags_are_one_step_four_seasons_and_the_longer_cycle() -> None:
    assert Cycles(24, 168).lags == (1, 24, 48, 72, 96, 168)
    assert Cycles().lags == (1, 1, 2, 3, 4, 0)


def test_series_are_made_up_with_the_cycles_of_the_frequencies_that_people_have() -> None:
    common = ("YS-JAN", "QS-JAN", "MS", "W-SUN", "D", "B", "h", "30min", "15min")
    assert set(CYCLE_WEIGHTS) == {cycles_of(Frequency.parse(alias)) for alias in common}
