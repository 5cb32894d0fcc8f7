from __future__ import annotations

import numpy as np
import pytest

from pipelines.report import compared as shown
from pipelines.report.tables import (
    ALL_SERIES,
    MOST_SERIES,
    NUM_WORST,
    fold_table,
    role_table,
    segment_table,
    series_table,
    step_table,
    tables,
    window_table,
    worst_series,
    worst_windows,
)
from tests.factories import panel_of
from tests.pipelines.report.factories import HORIZON, SEASON, Shifted, compared_of, ramps


def test_each_series_has_its_metrics_over_its_folds() -> None:
    found = series_table(compared_of({"model": Shifted((2.0, 6.0, 12.0))}))
    assert list(found["series"]) == ["s0", "s1", "s2"]
    np.testing.assert_allclose(found["mase"], [2 / SEASON, 6 / SEASON, 12 / SEASON])
    assert set(found["num_windows"]) == {2}
    assert set(found["coverage_80"]) == {0.0}
    assert found["mean_actual"].iloc[1] == 100 + np.arange(68, 80).mean()
    assert set(found["extent"]) == {"all 3 series"}


def test_of_many_series_a_sample_is_shown_and_says_so_and_the_worst_are_there() -> None:
    shifts = (*(float(number % 7) for number in range(MOST_SERIES + 99)), 50.0)
    compared = compared_of({"model": Shifted(shifts)}, ramps(len(shifts)), num_folds=1)
    found = tables(compared)
    assert len(found["series"]) == MOST_SERIES
    assert set(found["series"]["extent"]) == {"500 of 600 series, evenly spaced"}
    assert len(found["worst_series"]) == len(found["worst_windows"]) == NUM_WORST
    assert found["worst_series"]["series"].iloc[0] == found["worst_windows"]["series"].iloc[0] == "s599"
    assert set(found["worst_series"]["extent"]) == {"the worst 50 of 600 series by mase"}


def test_the_worst_come_first_and_what_could_not_be_scored_does_not() -> None:
    flat = panel_of(np.zeros(80), np.arange(80.0), np.arange(80.0))  # of the first, MASE has no scale
    compared = compared_of({"model": Shifted((99.0, 1.0, 3.0))}, flat)
    assert list(worst_series(compared)["series"]) == ["s2", "s1"]
    found = worst_windows(compared)
    assert list(found["series"]) == ["s2", "s2", "s1", "s1"]
    np.testing.assert_allclose(found["mean_forecast"] - found["mean_actual"], [3, 3, 1, 1])
    assert set(found["forecast_from"]) == {"2024-01-03 20:00:00", "2024-01-04 02:00:00"}


def test_segments_are_those_of_the_policy_beside_all_series() -> None:
    segments = {"first": "s0", "others": "s[12]", "nobody": "x*"}
    found = segment_table(compared_of({"model": Shifted((2.0, 6.0))}, segments=segments)).set_index("segment")
    assert list(found.index) == [ALL_SERIES, *segments]
    assert list(found["num_series"]) == [3, 1, 2, 0]
    np.testing.assert_allclose(found["mase"], [(2 + 6 + 6) / 3 / SEASON, 2 / SEASON, 6 / SEASON, np.nan])


def test_folds_and_steps_have_a_row_each() -> None:
    compared = compared_of({"model": Shifted((3.0,))}, num_folds=3)
    folds = fold_table(compared)
    assert list(folds["fold"]) == [0, 1, 2]
    assert list(folds["forecast_from"]) == ["2024-01-03 14:00:00", "2024-01-03 20:00:00", "2024-01-04 02:00:00"]
    steps = step_table(compared)
    assert list(steps["step"]) == list(range(1, HORIZON + 1))
    np.testing.assert_allclose(steps["mase"], 3 / SEASON)
    assert {"smape", "wql", "coverage_80"} <= set(steps.columns)


def test_roles_stand_beside_each_other_with_the_gain_over_each() -> None:
    forecasters = {"challenger": Shifted((3.0,)), "champion": Shifted((4.0,)), "seasonal_naive": Shifted((24.0,))}
    found = role_table(compared_of(forecasters)).set_index("role")
    assert list(found.index) == ["challenger", "champion", "seasonal_naive"]
    np.testing.assert_allclose(found["gain_over_it"], [np.nan, 0.25, 1 - 3 / 24])
    np.testing.assert_allclose(found["gain_low"], [np.nan, 0.25, 1 - 3 / 24])  # the same on each window
    np.testing.assert_allclose(found["relative_mase"], [3 / 24, 4 / 24, 1.0])


def test_every_table_of_a_run_has_the_metrics_under_the_names_of_the_run() -> None:
    compared = compared_of({"model": Shifted((2.0,))})
    names = set(compared.first.scores.as_metrics())
    assert names >= {"mase", "smape", "wql", "coverage_80"}
    for name in ("series", "worst_series", "segments", "folds", "steps"):
        assert names <= set(tables(compared)[name].columns), name


def test_of_many_windows_those_of_series_at_even_distances_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "MOST_WINDOWS", 10)
    compared = compared_of({"model": Shifted((1.0,))}, ramps(30), num_folds=2)
    kept = window_table(compared)
    assert list(kept["series"].unique()) == ["s0", "s6", "s12", "s18", "s24"]
    assert len(kept) == 10
    assert compared.extent == "a sample of 10 of 60 windows"
    np.testing.assert_allclose(kept["mase"], 1 / SEASON)


def test_what_windows_have_in_common_is_computed_once_for_all_roles() -> None:
    compared = compared_of({"model": Shifted((1.0,)), "champion": Shifted((2.0,))})
    other = compared.alone("champion")
    assert other.scales is compared.scales
    assert other.first is compared.evaluations["champion"]


def test_windows_are_told_apart_by_their_values_and_not_by_who_forecasts_them() -> None:
    one, other = compared_of({"model": Shifted((1.0,))}), compared_of({"model": Shifted((2.0,))})
    assert one.windows_digest == other.windows_digest
    changed = ramps().values.copy()
    changed[-1] += 1
    later = panel_of(*np.split(changed, 3))
    digests = {
        one.windows_digest,
        compared_of({"model": Shifted((1.0,))}, num_folds=3).windows_digest,
        compared_of({"model": Shifted((1.0,))}, later).windows_digest,
        compared_of({"model": Shifted((1.0,))}, ramps(4)).windows_digest,
        compared_of({"model": Shifted((1.0,))}, gap=1).windows_digest,
    }
    assert len(digests) == 5
