"""What came of the year: three ways to retrain, by the errors of all versions on all of its days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.year.world import DAYS_OF_WEEK, World
from forecaster.arrays import FloatArray, IntArray

_BAD, _SLOTS_TO_NOTICE = 0.02, 2
_COLORS = {"ours": "#c2410c", "newest": "#1d4ed8", "never": "#6b7280", "naive": "#9ca3af"}
_NAMES = {
    "ours": "promote what is better",
    "newest": "always promote the newest",
    "never": "never retrain",
    "naive": "seasonal naive",
}
_BREAK, _DOWN = "#111827", "#fde68a"


@dataclass(frozen=True)
class Course:
    """Which version was champion, and which was the newest, on each day [D]; versions count from 1."""

    champion: IntArray
    newest: IntArray

    def promotions(self) -> list[int]:
        """Gives the days on which the champion changed."""
        return [int(day) for day in np.flatnonzero(np.diff(self.champion)) + 1]


@dataclass(frozen=True)
class Promoted:
    """A promotion of which something came: how much worse than its predecessor, on the same days, for how long."""

    day: int
    version: int
    predecessor: int
    loss: float  # share by which MASE was above the predecessor's while it was champion
    num_slots: int  # for which it was champion

    @property
    def is_bad(self) -> bool:
        """True where it was worse than chance and rounding explain."""
        return self.loss > _BAD


def by_policy(errors: FloatArray, naive: FloatArray, course: Course) -> dict[str, FloatArray]:
    """Gives the MASE of each day [D] under each policy, of the errors [V D] of all versions."""
    days = np.arange(errors.shape[1])
    return {
        "ours": errors[course.champion - 1, days],
        "newest": errors[course.newest - 1, days],
        "never": errors[0],
        "naive": naive,
    }


def judged(errors: FloatArray, course: Course) -> list[Promoted]:
    """Gives each promotion with what it was worth."""
    days = [*course.promotions(), errors.shape[1]]
    found = []
    for day, until in pairwise(days):
        version, before = int(course.champion[day]), int(course.champion[day - 1])
        while_champion = slice(day, until)
        loss = errors[version - 1, while_champion].mean() / errors[before - 1, while_champion].mean() - 1
        found.append(Promoted(day, version, before, float(loss), -(-(until - day) // DAYS_OF_WEEK)))
    return found


def figures(daily: dict[str, FloatArray], promotions: Sequence[Promoted], last_days: int) -> dict[str, float]:
    """Gives the figures of the record."""
    bad = [one for one in promotions if one.is_bad]
    return {
        **{f"mase_at_the_end_{name}": round(float(one[-last_days:].mean()), 4) for name, one in daily.items()},
        **{f"mase_of_the_year_{name}": round(float(one.mean()), 4) for name, one in daily.items()},
        "num_promotions": len(promotions),
        "num_bad_promotions": len(bad),
        "longest_bad_promotion_slots": max((one.num_slots for one in bad), default=0),
        "bad_promotions_that_stayed": sum(one.num_slots > _SLOTS_TO_NOTICE for one in bad),
    }


def draw(world: World, daily: dict[str, FloatArray], course: Course, path: Path) -> None:
    """Draws the MASE of each week under each policy, promotions, the break and what was down."""
    weeks = np.arange(world.num_weeks)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        axis = figure.subplots()
        for name in ("naive", "never", "newest", "ours"):
            weekly = daily[name].reshape(world.num_weeks, DAYS_OF_WEEK).mean(axis=1)
            width, style = (2.2, "-") if name == "ours" else (1.3, "--" if name == "naive" else "-")
            axis.plot(weeks, weekly, style, color=_COLORS[name], lw=width, label=_NAMES[name])
        promoted = sorted({world.slot(day) for day in course.promotions()})
        ours = daily["ours"].reshape(world.num_weeks, DAYS_OF_WEEK).mean(axis=1)
        axis.plot(promoted, ours[promoted], "o", color=_COLORS["ours"], ms=5, label="promotion")
        for kind, slots in (("MLflow is down", world.mlflow_down), ("no data", world.source_down)):
            for slot in slots:
                axis.axvspan(slot - 0.4, slot + 0.4, color=_DOWN, lw=0)
                axis.annotate(kind, (slot, 1), xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=8)
        axis.axvline(world.slot((world.break_row - world.begin) // 24), color=_BREAK, lw=1, ls=":")
        axis.annotate(
            "the load goes over to three shifts",
            (world.num_weeks // 2 + 0.3, 0.88),
            xycoords=("data", "axes fraction"),
            fontsize=9,
        )
        axis.set(xlabel="week", ylabel="MASE of the week, live", xlim=(-0.5, world.num_weeks - 0.5))
        axis.legend(frameon=False, loc="upper left", fontsize=9)
        figure.savefig(path, dpi=110)
