"""Drift of error and coverage in replays: a small model of the first year of ETTh1 forecasts every day of the second.

What is planted is a model that no longer fits: errors half as large again, or intervals of three fifths their width.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.drift_courses import Course
from benchmarks.drift_replay import WITHIN, Alarm, false_alarms, noticed, seasons_of_plants, tuned
from forecaster import Forecaster, ForecasterConfig, ModelConfig, TrainingConfig
from forecaster.arrays import FloatArray
from forecaster.baselines import SeasonalNaive
from forecaster.bundle import load_bundle
from forecaster.config import DriftConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.data.splits import Fold
from forecaster.evaluation import Evaluation, evaluate, window_scales
from forecaster.metrics import score
from pipelines.drift.outcomes import Outcomes, skills_of
from pipelines.registry import Version

SEASON = HORIZON = 24
_LEVELS = (0.1, 0.5, 0.9)
_MEDIAN = slice(1, 2)
_FIRST_DAY, _MIDDLE_DAY, _LAST_DAY = 363, 544, 725
_DAYS_THEN = (3, 14)  # the first is as many as a model has test folds by default
_MODEL = ModelConfig(horizon=HORIZON, context_length=336, season_length=SEASON)
_VERSION = Version("etth1", 1)
_LIMITS = [round(0.01 * number, 2) for number in range(1, 101)]

Planted = Callable[[FloatArray, FloatArray], FloatArray]


def error_figures(folder: Path, settings: DriftConfig, max_steps: int = 300) -> dict[str, object]:
    """Gives the figures of the record; limits are chosen on the first half of the second year."""
    table = pd.read_csv(folder / "ETTh1.csv", parse_dates=["date"]).rename(columns={"date": "ds"})
    days = Days.of(table, max_steps, settings)
    # A new model every four weeks: what was then is seen on few days, and differs from one time to the next.
    chosen_on = Course("ETTh1", np.empty((0, 0)), SEASON, 365.25, _FIRST_DAY, _MIDDLE_DAY, 7, 28)
    reported_on = replace(chosen_on, begin=_MIDDLE_DAY, end=_LAST_DAY)
    figures: dict[str, object] = {}
    for (kind, planted), num_then in product((("error", worse), ("coverage", narrower)), _DAYS_THEN):
        name, label = f"drift_{kind}", f"{kind}_{num_then}_days_then"
        alarm = days.alarm(name, num_then)
        figures[f"{label}_least_limit_where_chosen"] = tuned(alarm.signal, [chosen_on], _LIMITS)
        figures[f"{label}_false_alarms_per_year"] = round(false_alarms(alarm, reported_on), 2)
        delays = [
            delay
            for season in seasons_of_plants(reported_on)
            for delay in _delay(alarm, days.changed(planted, season).alarm(name, num_then), reported_on, season)
        ]
        figures |= noticed(f"{label}_{planted.__name__}", delays)
        print({name: value for name, value in figures.items() if name.startswith(label)}, flush=True)
    return figures


def worse(actual: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Gives forecasts [W H Q] half as far again from what was to come [W H]."""
    return actual[:, :, None] + 1.5 * (quantiles - actual[:, :, None])


def narrower(_: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Gives forecasts [W H Q] whose intervals have three fifths of their width."""
    return quantiles[:, :, _MEDIAN] + 0.6 * (quantiles - quantiles[:, :, _MEDIAN])


@dataclass(frozen=True)
class Days:
    """The forecasts of every day, of a model and of the seasonal naive."""

    panel: Panel
    model: Evaluation
    naive: Evaluation
    settings: DriftConfig

    @classmethod
    def of(cls, table: pd.DataFrame, max_steps: int, settings: DriftConfig) -> Days:
        """Trains a model on the first year and forecasts the days of the second."""
        config = ForecasterConfig(model=_MODEL, training=TrainingConfig(max_steps=max_steps))
        with tempfile.TemporaryDirectory(prefix="drift-") as name:
            Forecaster(config=config).fit(table.head(_FIRST_DAY * SEASON)).save(Path(name) / "bundle")
            predictor = load_bundle(Path(name) / "bundle").predictor
        panel = read_panel(table).panel
        everyone = np.arange(len(panel))
        folds = [
            Fold(day, everyone, np.full(len(panel), day * SEASON), HORIZON) for day in range(_FIRST_DAY, _LAST_DAY)
        ]
        model, naive = (evaluate(one, panel, folds, _LEVELS) for one in (predictor, SeasonalNaive(SEASON)))
        return cls(panel, model, naive, settings)

    def alarm(self, name: str, num_then: int) -> Alarm:
        """Gives the alarm of one of the signals, which is silent where that cannot be known yet."""

        def signal(_: Course, trained: int, now: int) -> float:
            recent = max(trained + num_then, now - self.settings.recent_seasons)
            then, new = (
                skills_of(
                    _VERSION, self.panel, self.model, self.naive, (begin <= self.model.fold) & (self.model.fold < end)
                )
                for begin, end in ((trained, trained + num_then), (recent, now))
            )
            return Outcomes("backtest", then, new).signals(self.settings.min_forecasts).get(name, -1.0)

        return Alarm(signal, self.settings.limits[name])

    def changed(self, planted: Planted, since: int) -> Days:
        """Gives the same days, the model's forecasts changed from one on."""
        model = self.model
        is_late = (model.fold >= since)[:, None, None]
        quantiles = np.where(is_late, planted(model.actual, model.quantiles), model.quantiles)
        scales = window_scales(self.panel, model.series, model.cutoffs, SEASON)
        scores = score(model.actual, quantiles, _LEVELS, scales)
        return replace(self, model=replace(model, quantiles=quantiles, scores=scores))


def _delay(alarm: Alarm, changed: Alarm, course: Course, season: int) -> Iterator[int]:
    """Yields the days until a change is noticed, more than WITHIN if it is not; nothing where it rang before."""
    trained = season - 3 * course.every
    if not alarm.rings(course, trained, season):
        after = (days for days in range(1, WITHIN + 1) if changed.rings(course, trained, season + days))
        yield next(after, WITHIN + 1)
