from __future__ import annotations

import numpy as np
import pytest

from forecaster.arrays import IntArray
from forecaster.config import CovariateConfig
from forecaster.data import timeline
from forecaster.data.covariates import covariate_config
from forecaster.data.panel import Panel
from forecaster.data.timeline import Timeline
from forecaster.time.calendar import calendar_columns, calendar_values, default_calendar, local_times
from forecaster.time.frequency import Frequency, TimeAxis

COLUMNS_OF = ("day_of_week", "day_of_year")


def panel_starting(*starts: str, frequency: str = "h", timezone: str | None = None) -> Panel:
    axis = TimeAxis(Frequency.parse(frequency), timezone)
    ids = [f"s{position}" for position in range(len(starts))]
    return Panel.from_arrays(ids, np.array(starts, dtype="datetime64[us]"), [np.ones(50)] * len(starts), axis)


def wanted(panel: Panel, series: IntArray, begins: IntArray, width: int) -> np.ndarray:
    columns = calendar_columns(COLUMNS_OF, panel.axis)
    return np.array(
        [
            calendar_values(
                local_times(
                    panel.axis.frequency.advance(panel.starts[[s]], begin + np.arange(width)), panel.axis, None
                ),
                columns,
                None,
            )
            for s, begin in zip(series, begins, strict=True)
        ]
    )


PANELS = {
    "one grid": panel_starting("2024-03-30", "2024-03-31T05:00", timezone="Europe/Berlin"),
    "two grids": panel_starting("2024-01-01", "2024-01-01T00:30"),
    "months": panel_starting("2024-01-31", "2023-11-30", frequency="ME"),
    "business days": panel_starting("2024-01-01", "2023-12-27", frequency="B"),
}


@pytest.mark.parametrize("name", PANELS)
@pytest.mark.parametrize("most_rows", [0, 1 << 21])
def test_windows_have_the_features_of_their_own_times(
    name: str, most_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "_MOST_ROWS", most_rows)
    panel = PANELS[name]
    kept = Timeline(panel, CovariateConfig(calendar=calendar_columns(COLUMNS_OF, panel.axis)), (12, 5))
    for begins in ([40, 41], [-12, 3], [38, 38], [0, 38]):
        series = np.array([0, 1])
        found = kept.cut(series, np.array(begins), 17)
        np.testing.assert_array_equal(found, wanted(panel, series, np.array(begins), 17))
        assert found.dtype == np.float32


def test_a_single_batch_computes_only_the_steps_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def counting(times: np.ndarray, *rest: object) -> np.ndarray:
        counts.append(len(times))
        return calendar_values(times, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(timeline, "calendar_values", counting)
    panel = panel_starting("2024-01-01")
    columns = calendar_columns(default_calendar(panel.axis.frequency), panel.axis)
    kept = Timeline(panel, CovariateConfig(calendar=columns), (12, 5))
    for begin in (33, 33, 0, -12, 38):
        kept.cut(np.array([0]), np.array([begin]), 17)
    assert counts == [17, 12 + 50 + 5]


def test_the_features_go_by_the_clock_that_a_model_knows_in_whatever_zone_the_panel_is() -> None:
    in_utc, in_berlin = (panel_starting("2024-03-30", timezone=zone) for zone in ("UTC", "Europe/Berlin"))
    knowing = covariate_config(in_berlin, COLUMNS_OF)
    assert knowing.timezone == "Europe/Berlin"
    expected = Timeline(in_berlin, knowing, (12, 5)).cut(np.array([0]), np.array([20]), 17)
    np.testing.assert_array_equal(Timeline(in_utc, knowing, (12, 5)).cut(np.array([0]), np.array([20]), 17), expected)
    own = Timeline(in_utc, covariate_config(in_utc, COLUMNS_OF), (12, 5)).cut(np.array([0]), np.array([20]), 17)
    assert not np.array_equal(own, expected)


def test_a_model_without_a_calendar_goes_by_no_clock() -> None:
    assert covariate_config(panel_starting("2024-03-30", timezone="Europe/Berlin")).timezone is None
