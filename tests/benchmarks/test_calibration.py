"""The calibration benchmark: figures by hand, and one small model from end to end."""

from __future__ import annotations

import pytest

from benchmarks.calibration import Compared, Quality, compare, figures_of
from benchmarks.calibration_tasks import TASKS
from tests.benchmarks.factories import small_task


def compared(before: tuple[float, ...], after: tuple[float, ...], losses: tuple[float, float]) -> Compared:
    return Compared(Quality(before, losses[0], 0), Quality(after, losses[1], 1), 10, 1.0)


def test_extremes_are_over_data_sets_and_thirds() -> None:
    figures = figures_of(
        {
            "a": compared((0.5, 0.6, 0.7), (0.7, 0.8, 0.9), (1.0, 0.5)),
            "b": compared((0.9, 0.8, 0.8), (0.85, 0.75, 0.8), (1.0, 2.0)),
        }
    )
    assert (figures["coverage_80_min"], figures["coverage_80_max"]) == (0.7, 0.9)
    assert (figures["before_min"], figures["before_max"]) == (0.5, 0.9)
    assert figures["mean_distance"] == pytest.approx((0.1 + 0 + 0.1 + 0.05 + 0.05 + 0) / 6)
    assert figures["wql_ratio"] == pytest.approx(1.0)
    assert figures["num_crossings"] == 2
    assert figures["b_coverage_80_middle"] == 0.75
    assert (figures["a_before_last"], figures["a_before_wql"], figures["a_wql"]) == (0.7, 1.0, 0.5)


def test_a_model_is_compared_with_itself_without_calibration() -> None:
    found = compare(small_task())
    assert len(found.before.coverage) == len(found.after.coverage) == 3
    assert found.before.num_crossings == found.after.num_crossings == 0
    assert found.before.coverage != found.after.coverage or found.before.wql != found.after.wql
    assert found.num_windows == 6


def test_every_data_set_has_its_task() -> None:
    assert sorted(TASKS) == [
        "etth1",
        "exchange",
        "m3_monthly",
        "m3_other",
        "m3_quarterly",
        "m3_yearly",
        "m4_hourly",
        "nn5",
        "price",
    ]
