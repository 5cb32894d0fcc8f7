"""What runs on the same windows say of each other: metrics side by side, and which differences are more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.comparison import Gain
from pipelines.report.compared import RELATIVE_MASE
from pipelines.report.runs import EvaluatedRun
from pipelines.report.tables import two_sided

_NUM_SERIES = 15  # that differ most, for better and for worse
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_RUNS = len(_LETTERS)
_COVERAGE = "coverage_"
_NEAREST_TO_ZERO = "bias"


@dataclass(frozen=True)
class Verdict:
    """How a run stands beside the first one, by one loss."""

    letter: str
    loss: str
    gain: Gain | None  # its `low` and `high` are the ends of a 95 % interval

    @property
    def text(self) -> str:
        """Says it in a sentence."""
        name = self.loss.upper() if self.loss == "mase" else self.loss
        if self.gain is None:
            return f"{name} of {self.letter} and A cannot be compared."
        side = "below" if self.gain.mean >= 0 else "above"
        told = f"{name} of {self.letter} is {abs(self.gain.mean):.1%} {side} that of A"
        if not np.isfinite(self.gain.low):
            return f"{told}; so few windows cannot tell whether that is chance."
        interval = f"95 % interval of the gain {self.gain.low:.1%} to {self.gain.high:.1%}"
        sure = self.gain.low > 0 or self.gain.high < 0
        return f"{told} ({interval}): {'more than chance' if sure else 'it may be chance'}."


@dataclass(frozen=True)
class RunComparison:
    """Two runs or more on the same windows, the first being what the others are compared with."""

    runs: tuple[EvaluatedRun, ...]

    @property
    def letters(self) -> Sequence[str]:
        """What the runs are called in tables: A, B, ..."""
        return _LETTERS[: len(self.runs)]

    def verdicts(self) -> list[Verdict]:
        """Gives how each further run stands beside the first, by each loss that both have."""
        first = self.runs[0]
        return [
            Verdict(letter, loss, _gain(run, first, loss))
            for letter, run in zip(self.letters[1:], self.runs[1:], strict=True)
            for loss in first.losses
            if loss in run.losses
        ]

    def run_table(self) -> pd.DataFrame:
        """Gives one row per run: who it is."""
        named = ("family", "stage", "role")
        rows = [
            {"": letter, "run": run.name, "id": run.run_id, **{name: run.tags.get(name, "") for name in named}}
            for letter, run in zip(self.letters, self.runs, strict=True)
        ]
        return pd.DataFrame(rows)

    def metric_table(self) -> pd.DataFrame:
        """Gives one row per metric that all runs have, one column per run."""
        scored = [name for name in _scores(self.runs[0]) if all(name in run.metrics for run in self.runs)]
        columns = {
            letter: [run.metrics[name] for name in scored] for letter, run in zip(self.letters, self.runs, strict=True)
        }
        return pd.DataFrame({"metric": scored, **columns})

    def fold_table(self) -> pd.DataFrame:
        """Gives the mean MASE of each fold, one column per run."""
        first = self.runs[0].windows
        when = first.groupby("fold")["forecast_from"].agg(lambda times: times.mode().iloc[0])
        return self._means("fold").assign(forecast_from=when).reset_index()

    def series_table(self) -> pd.DataFrame:
        """Gives the mean MASE of the series whose MASE by the last run differs most from that by the first.

        `change` is that difference, below 0 where the last run is better; the greatest improvement comes first.
        """
        means = self._means("series").dropna()
        means["change"] = means[self.letters[-1]] - means[self.letters[0]]
        means = means.sort_values("change").reset_index()
        if len(means) <= 2 * _NUM_SERIES:
            return means
        return pd.concat([means.head(_NUM_SERIES), means.tail(_NUM_SERIES)], ignore_index=True)

    def lines(self) -> list[str]:
        """Gives all of it as text."""
        tables = (self.run_table(), self.metric_table(), self.fold_table(), self.series_table())
        shown = [table.round(4).to_string(index=False) for table in tables]
        sentences = "\n".join(verdict.text for verdict in self.verdicts())
        names = ("", "", "MASE by fold", f"MASE of series that {self.letters[-1]} changes most against A")
        parts = [f"{name}\n{text}".strip("\n") for name, text in zip(names, shown, strict=True)]
        return "\n\n".join([parts[0], sentences, *parts[1:]]).splitlines()

    def as_dict(self) -> dict[str, object]:
        """Gives the same for a machine, JSON-safe."""
        return {
            "runs": {letter: run.run_id for letter, run in zip(self.letters, self.runs, strict=True)},
            "metrics": {row["metric"]: row[list(self.letters)].to_dict() for _, row in self.metric_table().iterrows()},
            "verdicts": [_told(verdict) for verdict in self.verdicts()],
        }

    def _means(self, key: str) -> pd.DataFrame:
        columns = {
            letter: run.windows.groupby(key)["mase"].mean() for letter, run in zip(self.letters, self.runs, strict=True)
        }
        return pd.DataFrame(columns)


def _scores(run: EvaluatedRun) -> list[str]:
    """Gives the metrics that tell how good forecasts are: those that have a curve, and MASE beside the naive's."""
    return [name for name in run.metrics if f"{name}_by_step" in run.metrics or name == RELATIVE_MASE]


def best(metric: str, values: Sequence[float]) -> int:
    """Gives the place of the best value: nearest to the nominal share for coverage, to 0 for bias, else the lowest."""
    array = np.asarray(values, dtype=np.float64)
    if metric.startswith(_COVERAGE):
        array = np.abs(array - float(metric.removeprefix(_COVERAGE)) / 100)
    return int(np.argmin(np.abs(array) if metric == _NEAREST_TO_ZERO else array))


def _gain(run: EvaluatedRun, first: EvaluatedRun, loss: str) -> Gain | None:
    series, _ = pd.factorize(run.windows["series"])
    losses = [each.windows[loss].to_numpy(dtype=np.float64) for each in (run, first)]
    return two_sided(losses[0], losses[1], series, run.windows["stretch"].to_numpy())


def _told(verdict: Verdict) -> dict[str, object]:
    found = {"run": verdict.letter, "loss": verdict.loss, "text": verdict.text}
    gain = verdict.gain
    bounds = {} if gain is None else {"gain": gain.mean, "low": _finite(gain.low), "high": _finite(gain.high)}
    return {**found, **bounds}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
