"""Request -> panel: pure functions, no HTTP, no model.

Series with a start, and those whose timestamps ascend on the grid, become arrays at once. All others go through
`read_panel`, the door of files, which knows better what is wrong with them. Both read and refuse the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from forecaster.arrays import BoolArray, FloatArray
from forecaster.config import ModelConfig, TableConfig
from forecaster.data.findings import panel_findings, unknown_categories
from forecaster.data.iso_times import parse_plain
from forecaster.data.panel import Panel
from forecaster.data.placement import MAX_STEPS_PER_ROW, Placed
from forecaster.data.reading import read_panel
from forecaster.data.report import Finding
from forecaster.data.timestamps import Times, parse_times, refuse_integer_dates
from forecaster.time.frequency import Frequency, TimeAxis
from forecaster.time.grid import StoredTimes
from service.errors import InvalidFields
from service.requests.covariates import covariates_of, groups_of
from service.requests.rows import Rows
from service.schemas import DataWarning, SeriesIn, TimedValues

_ID, _TIME, _TARGET = "unique_id", "ds", "y"

Warnings = dict[str, list[DataWarning]]  # by series


class SeriesRequest(Protocol):
    """A request with series, whatever it asks of them."""

    @property
    def series(self) -> list[SeriesIn]:
        """One or more."""

    @property
    def frequency(self) -> str | None:
        """None: the model's."""

    @property
    def timezone(self) -> str | None:
        """None: that of the times."""


@dataclass(frozen=True)
class PanelIn:
    """The panel of a request, and what its data report found."""

    panel: Panel
    warnings: Warnings

    @property
    def longest(self) -> int:
        """Steps of its longest series."""
        return int(self.panel.lengths.max())


class CountsPoints(Protocol):
    """A request that knows how many numbers it holds."""

    @property
    def num_points(self) -> int:
        """Numbers of all series together."""


def checked_num_points(request: CountsPoints, max_points: int) -> int:
    """Gives the points of a request, and refuses one with more than the limit before any array is built."""
    points = request.num_points
    if points > max_points:
        raise InvalidFields.of("series", f"{points} points, at most {max_points} are allowed")
    return points


def to_panel(request: SeriesRequest, frequency: Frequency, model: ModelConfig) -> PanelIn:
    """Gives the panel of a request to a model; `frequency`, the model's, is the default."""
    ids = [series.id for series in request.series]
    axis, stored = times_of(request.series, chosen_frequency(request.frequency, frequency), request.timezone)
    if request.frequency is None and axis.frequency.is_step:
        _refuse_dates(request.series, stored)
    groups = groups_of(request.series, model)
    placed_as = [_rows(series, times, axis, request) for series, times in zip(request.series, stored, strict=True)]
    placed = [rows for rows in placed_as if rows is not None]
    if len(placed) < len(placed_as):
        return _as_table(request, axis, stored, groups, refused=placed_as.index(None))
    targets = [_spread(series.target, row) for series, row in zip(request.series, placed, strict=True)]
    panel = Panel.from_arrays(
        ids,
        np.array([times[0] for times in stored], dtype=axis.dtype),
        targets,
        axis,
        covariates=covariates_of(request.series, placed, model),
        groups=groups,
    )
    kinds = panel_findings(Placed(panel, _has_row(panel, placed), 0))
    unknown = unknown_categories(panel, model.covariates.categories)
    return PanelIn(panel, warnings_of([*(found for kind in kinds for found in kind.findings), *unknown]))


def chosen_frequency(asked: str | None, frequency: Frequency) -> Frequency:
    """Gives the frequency that a request asks for, by default the model's."""
    return Frequency.parse(asked) if asked else frequency


def times_of(
    series: Sequence[TimedValues], frequency: Frequency, timezone: str | None
) -> tuple[TimeAxis, list[StoredTimes]]:
    """Gives the axis of series whose ids differ, and the start [1] or the timestamps [n] of each as they are stored."""
    if len({one.id for one in series}) != len(series):
        raise InvalidFields.of("series", "the ids of the series must differ")
    parsed = [times_read(one, position) for position, one in enumerate(series)]
    axis = _axis(frequency, timezone, parsed)
    return axis, [_stored(times, axis) for times in parsed]


def _refuse_dates(series: Sequence[SeriesIn], stored: Sequence[StoredTimes]) -> None:
    """Refuses integer timestamps that look like dates, of all series together, as a table's. A start is any step."""
    times = [own for one, own in zip(series, stored, strict=True) if one.timestamps is not None]
    if times:
        refuse_integer_dates(np.concatenate(times))


def _rows(series: SeriesIn, times: StoredTimes, axis: TimeAxis, request: SeriesRequest) -> Rows | None:
    """Gives where the values of a series stand; None where only `read_panel` can say what is wrong."""
    if series.timestamps is None:
        return Rows(len(series.target))
    steps = axis.frequency.positions(times[:1], times)
    distances = np.diff(steps)
    if steps[0] != 0 or (distances < 1).any() or steps[-1] >= MAX_STEPS_PER_ROW * len(steps):
        return None
    if request.frequency is None and len(steps) > 2 and distances.min() > 1:
        return None
    return Rows(int(steps[-1]) + 1, None if steps[-1] + 1 == len(steps) else steps)


def _spread(target: Sequence[float | None], rows: Rows) -> FloatArray:
    return rows.spread(np.array(target, dtype=np.float64))


def _has_row(panel: Panel, rows: Sequence[Rows]) -> BoolArray:
    """Says which steps of the panel [total], whose series may have lost leading steps, come from the request."""
    has_row = np.ones(panel.num_values, dtype=np.bool_)
    for position, row in enumerate(rows):
        if row.steps is not None:
            lost = row.num_steps - int(panel.lengths[position])
            own = has_row[panel.offsets[position] : panel.offsets[position + 1]]
            own[:] = False
            own[row.steps[row.steps >= lost] - lost] = True
    return has_row


def _as_table(
    request: SeriesRequest, axis: TimeAxis, stored: Sequence[StoredTimes], groups: Sequence[int], *, refused: int
) -> PanelIn:
    """Reads series as a table, so that their timestamps are judged as those of a file.

    What a file may be and arrays may not is a series of few steps far apart, like the one at `refused`, among others.
    """
    columns = [labels(series, times, axis) for series, times in zip(request.series, stored, strict=True)]
    table = pd.DataFrame(
        {
            _ID: np.repeat(
                np.array([series.id for series in request.series], dtype=object),
                [len(series.target) for series in request.series],
            ),
            _TIME: columns[0].append(columns[1:]),
            _TARGET: np.concatenate([np.array(series.target, dtype=np.float64) for series in request.series]),
        }
    )
    named = {"frequency" if request.frequency else "expected_frequency": axis.frequency.alias}
    reading = read_panel(table, TableConfig(layout="long", timezone=axis.timezone, **named))
    if any(series.past or series.known or series.static for series in request.series):
        message = f"may span {MAX_STEPS_PER_ROW} steps for each of them, as there are covariates"
        raise InvalidFields.of(f"series.{refused}.timestamps", message)
    panel = reading.panel.select([reading.panel.position(series.id) for series in request.series])
    grouped = replace(panel, groups=np.asarray(groups, dtype=np.int64))
    return PanelIn(grouped, warnings_of(reading.report.findings))


def labels(series: TimedValues, stored: StoredTimes, axis: TimeAxis) -> pd.Index:
    """Gives the timestamp of each value of one series, in the zone of the axis."""
    return axis.label(stored) if series.start is None else axis.show(stored[0], len(series.target))


def warnings_of(findings: Iterable[Finding]) -> Warnings:
    """Gives the findings of each series."""
    warnings: Warnings = {}
    for found in findings:
        if found.series_id is not None:
            warnings.setdefault(found.series_id, []).append(DataWarning(code=found.code, message=found.message))
    return warnings


def times_read(series: TimedValues, position: int) -> Times:
    """Gives the start [1] or the timestamps [n] of one series, read as tables are read."""
    given = [series.start] if series.timestamps is None else series.timestamps
    if isinstance(given[0], str):
        plain = parse_plain([text for text in given if isinstance(text, str)])
        if plain is not None:
            return plain
    times = parse_times(pd.Series(given))
    if not times.are_steps and np.isnat(times.values).any():
        first = int(np.isnat(times.values).argmax())
        where = "start" if series.timestamps is None else f"timestamps.{first}"
        raise InvalidFields.of(f"series.{position}.{where}", "is not an ISO 8601 time")
    return times


def _axis(frequency: Frequency, timezone: str | None, parsed: Sequence[Times]) -> TimeAxis:
    """Gives the axis of a request: the zone asked for, else that of all its times, else UTC where they differ."""
    for position, times in enumerate(parsed):
        if times.are_steps != frequency.is_step:
            found, wanted = ("integers", "times") if times.are_steps else ("times", "integers")
            raise InvalidFields.of(
                f"series.{position}", f"has {found}, but frequency {frequency.alias} counts {wanted}"
            )
    zones = {times.timezone for times in parsed}
    if timezone is None and None in zones and len(zones) > 1:
        raise InvalidFields.of("series", "some series have times with an offset, others without; set timezone")
    return TimeAxis(frequency, timezone or (zones.pop() if len(zones) == 1 else "UTC"))


def _stored(times: Times, axis: TimeAxis) -> StoredTimes:
    if times.are_steps:
        return times.values
    return axis.store_naive(times.values) if times.timezone is None else axis.store_utc(times.values)
