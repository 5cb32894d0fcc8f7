"""Does drift tell a break from the usual? False alarms on real series, and how soon planted changes are noticed.

    python -m benchmarks.drift [--save] [--data FOLDER]

A model is taken to be trained on all that there is at some season, checks follow every few, and the first alarm, or
age, trains it again. A limit is chosen as the least with at most one false alarm a year, the mean over the data sets,
on the first halves of ETTh1 and of the exchange rates and on every other series of NN5; reported is the rest.
Beside it stands what one would do first: the two-sample Kolmogorov-Smirnov test (SciPy) of the recent raw values and
those of training, a series having drifted by Benjamini and Hochberg as with ours; and the median of its statistic, with
a limit that is chosen in the same way, on the same data.

    NAME_false_alarms_per_year      NAME_ks_..., NAME_ks_tuned_... for the peer
    NAME_PLANT_delay                median seasons until a planted change is noticed, checked each season; none: over 28
    NAME_PLANT_noticed              share of the plants that are noticed within 28 seasons
    error_..., coverage_...         the same of a small model's error and coverage on ETTh1, N days then, a week now
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.data import parser
from benchmarks.drift_courses import Course, courses
from benchmarks.drift_errors import error_figures
from benchmarks.drift_replay import NUM_PLANTS, Alarm, figures_of, tuned
from benchmarks.record import machine_setup, record
from forecaster.config import DriftConfig
from forecaster.drift.input import input_drift

SETTINGS = DriftConfig()
LIMITS = [round(0.05 * number, 2) for number in range(1, 20)]


def main() -> None:
    """Measures all and prints the record."""
    given = parser(__doc__).parse_args()
    found = courses(given.data)
    chosen_on = [chosen for chosen, _ in found.values()]
    limit = tuned(ks_statistic, chosen_on, LIMITS)
    figures: dict[str, object] = {"input_least_limit_where_chosen": tuned(ours, chosen_on, LIMITS), "ks_limit": limit}
    print(figures, flush=True)
    for name, (_, reported_on) in found.items():
        alarms = {
            name: Alarm(ours, SETTINGS.input_limit),
            f"{name}_ks": Alarm(ks_share, SETTINGS.input_limit),
            f"{name}_ks_tuned": Alarm(ks_statistic, limit),
        }
        for label, alarm in alarms.items():
            found_here = figures_of(label, alarm, reported_on)
            print(found_here, flush=True)
            figures |= found_here
    figures |= error_figures(given.data, SETTINGS)
    setup = machine_setup(["scipy"]) | {"settings": SETTINGS.model_dump(), "plants": NUM_PLANTS}
    record("drift", figures, setup, save=given.save)


def ours(course: Course, trained: int, now: int) -> float:
    """Gives `drift_input`."""
    panel = course.panel(now)
    ends = np.full(len(panel), trained * course.season_length) - (now * course.season_length - panel.lengths)
    drift = input_drift(panel, ends, course.season_length, SETTINGS.recent_seasons, SETTINGS.false_discovery_rate)
    return drift.share or 0.0


def ks_share(course: Course, trained: int, now: int) -> float:
    """Gives the share of the series that Kolmogorov and Smirnov find different, by Benjamini and Hochberg."""
    p_values = [test.pvalue for test in _tests(course, trained, now)]
    return float((stats.false_discovery_control(p_values) <= SETTINGS.false_discovery_rate).mean())


def ks_statistic(course: Course, trained: int, now: int) -> float:
    """Gives the median over the series of their statistic."""
    return float(np.median([test.statistic for test in _tests(course, trained, now)]))


def _tests(course: Course, trained: int, now: int) -> Iterator[Any]:
    length = min(SETTINGS.recent_seasons, now - trained) * course.season_length
    for series in course.values:
        reference = series[: trained * course.season_length]
        recent = series[now * course.season_length - length : now * course.season_length]
        seen = recent[~np.isnan(recent)]
        yield stats.ks_2samp(reference[~np.isnan(reference)], seen, method="asymp")


if __name__ == "__main__":
    main()
