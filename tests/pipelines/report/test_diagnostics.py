from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from pipelines.report.contests import draw_contest, draw_horizon, draw_over_time, paired_mase
from pipelines.report.diagnostics import autocorrelation, draw_calibration, draw_residuals, reliability
from pipelines.report.drawing import evenly
from pipelines.report.forecasts import draw_forecasts, typical_and_worst
from tests.pipelines.report.factories import SEASON, Shifted, compared_of, ramps

PAIR = {"challenger": Shifted((1.0, 2.0, 30.0)), "champion": Shifted((2.0,), reach=3.0)}


def test_errors_that_change_sign_at_each_step_are_told_by_their_autocorrelation() -> None:
    found, limit = autocorrelation(np.tile([1.0, -1.0], (5, 4)))
    np.testing.assert_allclose(found, [-1, 1, -1, 1, -1, 1, -1])
    assert limit == pytest.approx(1.96 / np.sqrt(40))


def test_white_noise_has_no_autocorrelation_and_missing_values_count_for_nothing() -> None:
    noise = np.random.default_rng(0).standard_normal((2000, 12))
    whole, limit = autocorrelation(noise)
    assert (np.abs(whole) < 3 * limit).all()
    with_gaps = np.where(np.random.default_rng(1).random(noise.shape) < 0.3, np.nan, noise)
    assert (np.abs(autocorrelation(with_gaps)[0]) < 4 * limit).all()
    assert len(autocorrelation(np.full((3, 4), np.nan))[0]) == 0


def test_reliability_counts_actual_values_below_each_level() -> None:
    compared = compared_of({"model": Shifted((0.0,)), "other": Shifted((5.0,))})
    right = reliability(compared, "model")  # every value is its own median
    np.testing.assert_allclose(right.below, [0, 1, 1])
    np.testing.assert_allclose(right.density, [0, 1 / 0.4, 0, 0])
    np.testing.assert_allclose(reliability(compared, "other").density, [1 / 0.1, 0, 0, 0])


def test_series_are_paired_by_their_mean_mase() -> None:
    ours, theirs, total = paired_mase(compared_of(PAIR), "champion")
    np.testing.assert_allclose(ours, np.array([1, 2, 30]) / SEASON)
    np.testing.assert_allclose(theirs, np.array([2, 2, 2]) / SEASON)
    assert total == 3


def test_typical_and_worst_windows_are_shown_once_each() -> None:
    assert typical_and_worst(np.array([1.0, 5.0, np.nan, 2.0])) == [("typical", 0), ("typical", 3), ("worst", 1)]
    assert typical_and_worst(np.array([4.0])) == [("typical", 0)]
    assert evenly(20, 7) == [0, 3, 6, 9, 12, 15, 18]
    assert evenly(0, 7) == []


def test_figures_are_drawn_of_any_number_of_roles(tmp_path: Path) -> None:
    compared = compared_of(PAIR | {"seasonal_naive": Shifted((9.0,))}, ramps(4), num_folds=3)
    drawn = [
        draw_forecasts(compared, tmp_path / "a.png"),
        draw_forecasts(compared, tmp_path / "b.png", beside="champion"),
        draw_horizon(compared, tmp_path / "c.png"),
        draw_over_time(compared, tmp_path / "d.png"),
        draw_contest(compared, "champion", tmp_path / "e.png"),
        draw_calibration(compared, tmp_path / "f.png"),
        draw_residuals(compared, tmp_path / "g.png"),
    ]
    for path in drawn:
        picture = matplotlib.image.imread(path)
        assert picture.shape[1] == 1210
        assert np.ptp(picture) > 0.5
        assert path.stat().st_size < 300_000


def test_figures_of_nothing_that_could_be_scored_are_empty_and_no_error(tmp_path: Path) -> None:
    panel = ramps(2)
    panel = type(panel)(panel.series_ids, panel.offsets, np.where(panel.steps() < 50, panel.values, np.nan),
                        panel.starts, panel.axis)  # fmt: skip
    compared = compared_of({"model": Shifted((1.0,)), "champion": Shifted((1.0,))}, panel)
    for draw in (draw_forecasts, draw_horizon, draw_over_time, draw_calibration, draw_residuals):
        assert draw(compared, tmp_path / "x.png").exists()  # type: ignore[operator]
    assert draw_contest(compared, "champion", tmp_path / "x.png").exists()
