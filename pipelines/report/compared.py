"""What a run has evaluated: forecasters by role on the same windows, and which of these windows are shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import pandas as pd

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.panel import Panel
from forecaster.data.spans import canonical_bytes
from forecaster.evaluation import Evaluation, both_scales
from forecaster.metrics import Scores, score
from pipelines.comparison import SEASONAL_NAIVE

MOST_WINDOWS = 20_000  # that figures, and intervals of a difference, are made from
RELATIVE_MASE = "relative_mase"
_OF_ALL_ROLES = ("scales", "times", "sample", "windows_digest")


@dataclass(frozen=True)
class Compared:
    """Evaluations of the same windows by role, `own` being the role of the run's own model."""

    panel: Panel
    evaluations: Mapping[str, Evaluation]
    own: str
    evaluated_on: str = "test"  # folds: 'test', or 'validation' where there are no others
    segments: Mapping[str, str] = field(default_factory=dict)  # name -> pattern of ids

    @property
    def first(self) -> Evaluation:
        """The own evaluation, whose windows are those of all."""
        return self.evaluations[self.own]

    @property
    def others(self) -> tuple[str, ...]:
        """The roles beside the own one."""
        return tuple(role for role in self.evaluations if role != self.own)

    @cached_property
    def scales(self) -> tuple[FloatArray, FloatArray]:
        """The denominators of MASE and of RMSSE, each [W]."""
        return both_scales(self.panel, self.first.series, self.first.cutoffs)

    @cached_property
    def times(self) -> pd.Index:
        """[W] timestamp of the first step of each window that is forecast."""
        starts = self.panel.starts[self.first.series]
        return self.panel.axis.label(self.panel.axis.frequency.advance(starts, self.first.cutoffs))

    @cached_property
    def sample(self) -> IntArray:
        """Places of the windows that are shown: all, or those of series at even distances, MOST_WINDOWS or few more."""
        series = self.first.series
        every = -(-len(series) // MOST_WINDOWS)
        return np.flatnonzero(np.isin(series, np.unique(series)[::every]))

    @property
    def extent(self) -> str:
        """Says how much of the evaluation is shown, for titles."""
        shown, all_ = len(self.sample), len(self.first.series)
        return f"{all_:,} windows" if shown == all_ else f"a sample of {shown:,} of {all_:,} windows"

    def scored(self, role: str, places: IntArray) -> Scores:
        """Scores the forecaster of a role on some windows alone."""
        found = self.evaluations[role]
        scales = [each[places] for each in self.scales]
        return score(found.actual[places], found.quantiles[places], found.levels, *scales)

    def metrics(self, role: str) -> dict[str, float]:
        """Gives the totals of a role under the names that every run has; MASE beside the seasonal naive's, too."""
        named = self.evaluations[role].scores.as_metrics()
        naive = self.evaluations.get(SEASONAL_NAIVE)
        if naive is not None and naive.scores.mase > 0 and "mase" in named:
            named[RELATIVE_MASE] = named["mase"] / naive.scores.mase
        return named

    def losses(self, role: str) -> dict[str, FloatArray]:
        """Gives what is known of each window [W], by the name of the metric: 'mase', and all others there are."""
        scores = self.evaluations[role].scores
        ending = "_by_window"
        return {
            each.name.removesuffix(ending): getattr(scores, each.name)
            for each in fields(scores)
            if each.name.endswith(ending)
        }

    @cached_property
    def windows_digest(self) -> str:
        """Tells windows apart: series, times, horizon, gap, what happened; the same for runs that can be compared."""
        horizon = self.first.actual.shape[1]
        values = self.panel.offsets[self.first.series] + self.first.cutoffs
        times = self.panel.axis.frequency.advance(self.panel.starts[self.first.series], self.first.cutoffs)
        scored = [horizon, self.first.gap] if self.first.gap else [horizon]  # without a gap as it always was
        digest = hashlib.sha256(json.dumps([self.panel.axis.frequency.alias, *scored]).encode())
        digest.update(json.dumps(self.panel.series_ids).encode())
        digest.update(self.first.series.astype("<i8").tobytes())
        digest.update(times.astype("<i8").tobytes())
        for chunk in canonical_bytes(self.panel.values[(values[:, None] + np.arange(horizon)).ravel()]):
            digest.update(chunk)
        return digest.hexdigest()[:16]

    def alone(self, role: str) -> Compared:
        """Gives one role as if it were the run's own; what its windows have in common is not computed again."""
        made = replace(self, own=role)
        made.__dict__.update({name: getattr(self, name) for name in _OF_ALL_ROLES})
        return made
