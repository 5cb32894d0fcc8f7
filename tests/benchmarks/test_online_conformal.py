"""The benchmark of online adaption: its counting by hand, and the same factors as one series by itself would have."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.online_conformal import (
    WINDOW,
    adapted_rolled,
    coverage_by_time,
    figures_of_real,
    steps_until_near,
    window_means,
)
from benchmarks.online_conformal_tasks import BEFORE, BROKEN, LEARNED, REAL, Rolled, broken_table
from forecaster.online import factor_of

LEVELS = (0.1, 0.5, 0.9)


def rolled(num_series: int = 2, num_origins: int = 60, horizon: int = 4, spread: float = 3.0) -> Rolled:
    draw = np.random.default_rng(0)
    values = draw.normal(0, spread, (num_series, num_origins + horizon))
    actual = values[:, np.arange(num_origins)[:, np.newaxis] + np.arange(horizon)]
    quantiles = np.broadcast_to(np.array([-1.28, 0.0, 1.28]), (*actual.shape, 3)).copy()
    return Rolled(quantiles, actual, LEVELS)


def test_each_origin_is_adapted_by_what_was_known_there() -> None:
    raw = rolled()
    found = adapted_rolled(raw)
    for origin in (0, 1, 2, 17, 59):
        origins, steps = np.indices(raw.actual.shape[1:])
        known = (origins + steps) < origin
        own = np.abs(raw.actual[1][known]) / 1.28
        factor, _ = factor_of((origins + steps)[known].astype(np.int64), own)
        np.testing.assert_allclose(found.quantiles[1, origin], factor * raw.quantiles[1, origin], rtol=1e-12)


def test_coverage_is_that_of_all_forecasts_of_a_time() -> None:
    quantiles = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (1, 2, 2, 3))
    actual = np.array([[[0.0, 5.0], [0.5, 0.0]]])
    np.testing.assert_array_equal(coverage_by_time(Rolled(quantiles, actual, LEVELS)), [1.0, 0.5, 1.0])


def test_steps_are_counted_to_the_end_of_the_first_window_that_stays_near() -> None:
    moving = np.full(WINDOW + 20, 0.8)
    assert steps_until_near(moving) == WINDOW
    moving[WINDOW + 4] = 0.7
    assert steps_until_near(moving) == WINDOW + 6
    moving[-1] = 0.9
    assert steps_until_near(moving) is None
    moving[:] = 0.8
    moving[: WINDOW - 1] = 0.0  # windows that reach back to before the stretch
    assert steps_until_near(moving) == WINDOW


def test_windows_end_at_their_time() -> None:
    found = window_means(np.arange(WINDOW + 2.0))
    assert np.isnan(found[: WINDOW - 1]).all()
    assert found[WINDOW - 1 :].tolist() == [(WINDOW - 1) / 2 + shift for shift in range(3)]


def test_noise_grows_at_the_break_and_shrinks_back() -> None:
    plain, wild = broken_table(3, 1.0), broken_table(3, 4.0)
    apart = (plain["y"] != wild["y"]).to_numpy().reshape(-1, len(plain) // plain["unique_id"].nunique())
    assert not apart[:, : LEARNED + BEFORE].any()
    assert apart[:, LEARNED + BEFORE : LEARNED + BEFORE + BROKEN].all()
    assert not apart[:, LEARNED + BEFORE + BROKEN :].any()


def test_real_figures_hold_both_ways_and_their_ratio() -> None:
    found = figures_of_real(rolled(num_origins=400, horizon=24))
    assert abs(found["coverage_80"] - 0.8) < abs(found["raw_coverage_80"] - 0.8)
    assert found["wql_ratio"] == pytest.approx(found["wql"] / found["raw_wql"], abs=1e-3)
    assert sorted(REAL) == ["etth1", "exchange", "m4_hourly"]
