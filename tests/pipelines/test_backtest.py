"""Tables and gains of a backtest, and how a refit learns what it is to do again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.panel import Panel
from forecaster.data.splits import rolling_origin
from forecaster.evaluation import evaluate
from pipelines.backtest.backtest import Backtest
from pipelines.backtest.refit import _value
from pipelines.backtest.tables import Group, score_table, step_table
from tests.factories import panel_of, sine_panel

LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Around:
    """Says the mean of what it sees, and as much more as it is told, 1 to both sides."""

    more: float = 0.0

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        means = [np.nanmean(panel.target(int(s))[:cut]) for s, cut in zip(series, cutoffs, strict=True)]
        middle = np.array(means)[:, None, None] + self.more
        return np.broadcast_to(middle + np.array([-1.0, 0.0, 1.0]), (len(series), horizon, 3)).copy()


def backtest_of(panel: Panel, horizon: int = 4, num_folds: int = 3, gap: int = 0) -> Backtest:
    folds = rolling_origin(panel, horizon, num_folds, gap=gap)
    roles = {"model": Around(), "seasonal_naive": Around(0.7)}
    return Backtest(panel, folds, {role: evaluate(each, panel, folds, LEVELS) for role, each in roles.items()}, ())


PANEL = sine_panel(3, 80, noise=0.5, missing_share=0.2)


def test_every_step_of_every_window_has_a_row() -> None:
    panel = panel_of([1.0, 3.0, 2.0, 4.0, 4.0, 9.0], frequency="D")
    table = step_table(backtest_of(panel, horizon=2, num_folds=1))
    assert len(table) == 2 * 2
    row = table.iloc[1]
    assert (row["role"], row["series"], row["fold"], row["step"]) == ("model", "s0", 0, 2)
    assert (row["cutoff"], row["timestamp"]) == (pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-06"))
    assert (row["actual"], row["forecast"]) == (9.0, 2.5)
    # Days have a season of 7, and 4 steps are seen: scaled by the mean step, (2 + 1 + 2) / 3.
    assert row["mase"] == pytest.approx(6.5 / (5 / 3))
    assert row["bias"] == pytest.approx(-6.5 / (5 / 3))
    assert row["rmsse"] == pytest.approx(6.5 / np.sqrt(9 / 3))
    assert row["interval_score_80"] == pytest.approx(2 + 10 * 5.5)
    assert row["coverage_80"] == 0


def test_the_metrics_of_a_backtest_are_means_over_its_rows() -> None:
    panel = sine_panel(3, 80, noise=0.5)
    found = backtest_of(panel)
    table = step_table(found)
    for role, evaluation in found.evaluations.items():
        rows = table[table["role"] == role]
        for name, value in evaluation.scores.as_metrics().items():
            if name == "wql":
                assert value == pytest.approx(rows["quantile_loss"].sum() / rows["actual"].abs().sum())
            elif name == "rmsse":
                each = np.sqrt((rows["rmsse"] ** 2).groupby([rows["series"], rows["fold"]]).mean())
                assert value == pytest.approx(each.mean())
            else:
                assert value == pytest.approx(rows[name].mean()), name


def test_what_is_missing_or_lies_in_the_gap_has_no_numbers() -> None:
    found = backtest_of(PANEL, gap=1)
    table = step_table(found)
    numbers = table.columns[6:]
    silent = table[(table["step"] == 1) | table["actual"].isna()]
    assert len(silent) > len(table) / 4
    assert silent[numbers].isna().all(axis=None)
    assert table.drop(silent.index)[numbers].notna().all(axis=None)


@pytest.mark.parametrize("by", ["series", "fold", "step"])
def test_scores_by_group_are_those_of_its_rows(by: Group) -> None:
    found = backtest_of(PANEL)
    table, rows = score_table(found, by), step_table(found)
    assert list(table.columns[:2]) == ["role", by]
    assert set(found.evaluations["model"].scores.as_metrics()) <= set(table.columns)
    chosen = table.iloc[-1]
    group = rows[(rows["role"] == chosen["role"]) & (rows[by] == chosen[by])]
    each = group.groupby(["series", "fold"]).mean(numeric_only=True)
    assert chosen["mase"] == pytest.approx(each["mase"].mean())
    assert chosen["crps"] == pytest.approx(each["crps"].mean())
    assert chosen["coverage_80"] == pytest.approx(group["coverage_80"].mean())
    assert len(table) == 2 * rows[by].nunique()


def test_gains_tell_the_model_from_each_other_role_with_an_interval() -> None:
    gains = backtest_of(PANEL).gains
    assert {role: set(by_metric) for role, by_metric in gains.items()} == {"seasonal_naive": {"mase", "scaled_crps"}}
    found = gains["seasonal_naive"]["mase"]
    assert found is not None
    assert found.low < found.mean < found.high
    assert (found.num_series, found.num_folds) == (3, 3)


@dataclass(frozen=True)
class Erring:
    """Says 0, and by the time of a step an error of its own, from whichever cutoff."""

    errors: FloatArray  # [T]

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        rows = np.stack([self.errors[cut : cut + horizon] for cut in cutoffs])
        return np.repeat(rows[:, :, None], len(levels), axis=2)


def test_one_of_two_that_are_as_good_is_seldom_better_for_certain_however_often_folds_show_the_same_steps() -> None:
    draw, num_certain = np.random.default_rng(5), 0
    for _ in range(100):
        panel = panel_of(draw.normal(size=200))
        folds = rolling_origin(panel, horizon=12, num_folds=109, step=1)
        models = {role: Erring(0.5 * draw.normal(size=200)) for role in ("model", "champion")}
        found = {role: evaluate(model, panel, folds, LEVELS) for role, model in models.items()}
        gain = Backtest(panel, folds, found, ()).gains["champion"]["mase"]
        num_certain += gain is not None and gain.is_certain
    assert num_certain <= 10  # 5 are expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("300", 300), ("0.001", 0.001), ("1e-05", 1e-5), ("None", None), ("True", True), ("['flip']", ["flip"])],
)
def test_settings_of_a_run_are_read_back(text: str, value: object) -> None:
    assert _value(text) == value
    assert _value("auto") == "auto"
