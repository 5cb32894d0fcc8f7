"""The ablation table: ratios by hand, and a page that says what was and what was not measured."""

from __future__ import annotations

import math

import pytest

from benchmarks.ablation_table import BASE, figures_of, overall, page, ratio, sentence
from benchmarks.defaults import DEFAULTS
from tests.benchmarks.factories import measured

FITS = {
    ("a", BASE, 0): measured(1.0),
    ("a", BASE, 1): measured(2.0),
    ("b", BASE, 0): measured(4.0),
    ("b", BASE, 1): measured(4.0),
    ("a", "norm_rms", 0): measured(0.9),
    ("a", "norm_rms", 1): measured(2.1),
    ("b", "norm_rms", 0): measured(4.4),
    ("b", "norm_rms", 1): measured(4.0),
    ("a", "head_mae", 0): measured(0.5, wql=None, seconds=5.0),
}


def test_a_ratio_is_that_of_the_means_and_its_spread_half_the_range_of_the_seeds() -> None:
    found = ratio(FITS, "a", "norm_rms", "mase")
    assert found is not None
    assert found.value == pytest.approx(3.0 / 3.0)
    assert found.spread == pytest.approx((1.05 - 0.9) / 2)


def test_a_ratio_is_taken_over_the_seeds_that_both_have() -> None:
    found = ratio(FITS, "a", "head_mae", "mase")
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert math.isnan(found.spread)
    assert found.shown == "0.500"


def test_data_sets_are_joined_by_the_geometric_mean() -> None:
    found = overall(FITS, "norm_rms", "mase")
    assert found is not None
    assert found.value == pytest.approx(math.sqrt(1.0 * 8.4 / 8.0))
    relative = math.hypot(0.075 / 1.0, 0.05 / 1.05) / 2
    assert found.spread == pytest.approx(found.value * relative)


def test_what_a_point_head_does_not_forecast_is_left_out() -> None:
    figures = figures_of(FITS)
    assert figures["mase_ratio_head_mae"] == pytest.approx(0.5)
    assert "wql_ratio_head_mae" not in figures
    assert overall(FITS, "head_mae", "wql") is None
    assert (figures["num_fits"], figures["num_flags"], figures["num_data_sets"]) == (9, 2, 2)


def test_the_page_has_a_row_for_each_flag_and_a_line_for_each_default() -> None:
    lines = page(FITS).splitlines()
    row = next(line for line in lines if line.startswith("| norm_rms |"))
    assert row.count("|") == next(line for line in lines if line.startswith("| flag |")).count("|")
    assert "| head_mae | 0.500 | - | 0.500 | 0.500 | - | - | - |" in lines
    assert sum(line.startswith("- `") for line in lines) == len(DEFAULTS)
    assert "| a | 1.5 | 0.1 | 0.8 | 10 | 100 |" in lines


def test_a_page_of_a_job_that_was_stopped_before_its_first_fit_is_still_a_page() -> None:
    assert "Not measured." in page({})


def test_a_default_that_was_beaten_says_so() -> None:
    by_setting = {default.setting: default for default in DEFAULTS}
    assert "another value did better here, with one seed" in sentence(by_setting["head"], FITS)
    assert "none did better; the best other value is norm_rms" in sentence(by_setting["norm"], FITS)
    assert "Not measured." in sentence(by_setting["causal"], FITS)


@pytest.mark.parametrize(
    ("mase", "verdict"),
    [
        ((0.9, 1.8), "another value did better here, by more than the seeds differ"),
        ((0.8, 2.1), "none did better by more than the seeds differ or half a percent"),
        ((0.998, 1.996), "none did better by more than the seeds differ or half a percent"),
        ((1.1, 2.2), "none did better;"),
    ],
)
def test_a_gain_within_the_noise_of_seeds_is_none(mase: tuple[float, float], verdict: str) -> None:
    default = next(default for default in DEFAULTS if default.setting == "causal")
    fits = {key: fit for key, fit in FITS.items() if key[:2] == ("a", BASE)}
    fits |= {("a", "causal_on", seed): measured(value) for seed, value in enumerate(mase)}
    assert verdict in sentence(default, fits)


def test_a_default_that_the_base_does_not_have_is_compared_to_what_the_base_has() -> None:
    skip = next(default for default in DEFAULTS if default.setting == "skip")
    fits = {key: fit for key, fit in FITS.items() if key[:2] == ("a", BASE)}
    fits |= {("a", "skip_ridge", seed): measured(value) for seed, value in enumerate((0.5, 1.0))}
    assert "none did better; the best other value is base, MASE x 2.000" in sentence(skip, fits)
    fits |= {("a", "skip_theta", seed): measured(value) for seed, value in enumerate((0.4, 0.8))}
    assert "by more than the seeds differ; the best other value is skip_theta, MASE x 0.800" in sentence(skip, fits)
