"""The panel: many series on regular grids of one frequency, flat in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import numpy as np
import pandas as pd

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.covariates import NO_COVARIATES, PanelCovariates
from forecaster.data.panel_checks import Target, refuse_misfit, refuse_starts, refuse_values, target_numbers
from forecaster.data.spans import Spans, canonical_bytes
from forecaster.errors import DataError, SeriesError
from forecaster.time.frequency import TimeAxis
from forecaster.time.grid import StoredTimes


def _every_series_its_own() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Panel:
    """S series, one after the other: series i is values[offsets[i]:offsets[i + 1]], one value per step.

    A step without a value is NaN; there are no infinities, and no value is beyond MAX_VALUE. Every series
    has at least one step. Series of one group may see each other; without `groups` each has its own. The
    arrays are read-only, and the values may be memory-mapped.
    DataError (invalid-panel) where ids, offsets, values, starts, covariates and groups do not fit together.
    """

    series_ids: tuple[str, ...]  # S, unique
    offsets: IntArray  # [S + 1] ascending from 0 to the number of values
    values: FloatArray  # [total] NaN where missing
    starts: StoredTimes  # [S] stored time of the first step
    axis: TimeAxis
    covariates: PanelCovariates = NO_COVARIATES
    groups: IntArray = field(default_factory=_every_series_its_own)  # [S] equal where series share a group

    def __post_init__(self) -> None:
        if not len(self.groups):
            object.__setattr__(self, "groups", np.arange(len(self.series_ids)))
            self.__dict__["is_grouped"] = False
        refuse_misfit(self)
        for name in ("offsets", "values", "starts", "groups"):
            array = getattr(self, name).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def from_arrays(
        cls,
        series_ids: Sequence[str],
        starts: StoredTimes,
        targets: Sequence[Target],
        axis: TimeAxis,
        *,
        covariates: PanelCovariates | None = None,
        groups: Sequence[int] | IntArray = (),
    ) -> Panel:
        """Builds a panel from one array per series (NaN or None: missing) and the stored time of its first value.

        Leading missing values are cut off with their covariates, as `read_panel` does. ValueTypeError for
        values that are no numbers (booleans, texts), infinite or beyond MAX_VALUE; SeriesError for repeated ids
        and for series without an observed value; TimestampError for a start that is off the grid.
        """
        if not len(series_ids) == len(starts) == len(targets):
            found = f"{len(series_ids)} ids, {len(starts)} starts and {len(targets)} targets"
            raise DataError(f"every series has one id, start and target, got {found}", code="invalid-panel")
        arrays = [target_numbers(target, series_id) for series_id, target in zip(series_ids, targets, strict=True)]
        panel = cls(
            tuple(series_ids),
            np.array([0, *accumulate(map(len, arrays))], dtype=np.int64),
            arrays[0] if len(arrays) == 1 else np.concatenate([*arrays, np.empty(0)]),
            np.asarray(starts),
            axis,
            NO_COVARIATES if covariates is None else covariates,
            np.asarray(groups, dtype=np.int64),
        )
        refuse_values(panel)
        refuse_starts(panel)
        return panel.trimmed()

    def __len__(self) -> int:
        return len(self.series_ids)

    def __contains__(self, series_id: object) -> bool:
        return series_id in self._positions

    @property
    def num_values(self) -> int:
        """Number of steps of all series together, missing ones included."""
        return len(self.values)

    @cached_property
    def lengths(self) -> IntArray:
        """[S] number of steps of each series."""
        return np.diff(self.offsets)

    @cached_property
    def ends(self) -> StoredTimes:
        """[S] stored time of the step after the last one of each series: where its forecast starts."""
        return self.axis.frequency.advance(self.starts, self.lengths)

    @cached_property
    def group_numbers(self) -> IntArray:
        """[S] the groups numbered 0, 1, ... in the order in which the series bring them up."""
        _, first, numbers = np.unique(self.groups, return_index=True, return_inverse=True)
        return np.asarray(np.argsort(np.argsort(first))[numbers])

    @cached_property
    def is_grouped(self) -> bool:
        """True where some series share a group."""
        return bool(self.group_numbers.max() + 1 < len(self))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {series_id: position for position, series_id in enumerate(self.series_ids)}

    def position(self, series_id: str) -> int:
        """Gives the position of a series; SeriesError where there is none of that id."""
        try:
            return self._positions[series_id]
        except KeyError as error:
            raise SeriesError(f"there is no series {series_id[:40]!r} in this panel", code="unknown-series") from error

    def target(self, position: int) -> FloatArray:
        """Gives a view of the values of one series, NaN where missing."""
        return self.values[self.offsets[position] : self.offsets[position + 1]]

    def select(self, positions: Sequence[int] | IntArray) -> Panel:
        """Gives a panel of the series at `positions`, in that order; at least one, none twice."""
        chosen = np.asarray(positions, dtype=np.int64)
        spans = Spans(chosen, self.offsets[:-1][chosen], self.lengths[chosen], np.zeros_like(chosen))
        return self._cut(spans, self.starts[chosen])

    def head(self, lengths: IntArray) -> Panel:
        """Gives a panel of the first `lengths` [S] steps of each series, 1 .. all of them; SeriesError otherwise.

        Covariates that were known ahead of the new ends stay known.
        """
        wrong = np.flatnonzero((lengths < 1) | (lengths > self.lengths))
        if len(wrong):
            first = wrong[0]
            raise SeriesError(
                f"series {self.series_ids[first]!r} has {self.lengths[first]} steps, the first {lengths[first]} "
                "are asked for: leave it out by select()",
                code="too-short",
            )
        skipped = np.zeros_like(lengths)
        return self._cut(Spans(np.arange(len(self)), self.offsets[:-1], lengths, skipped), self.starts)

    def trimmed(self) -> Panel:
        """Gives a panel whose series begin with an observed value; SeriesError for a series that has none."""
        leading = self.num_leading_missing()
        if not leading.any():
            return self
        starts = self.axis.frequency.advance(self.starts, leading)
        spans = Spans(np.arange(len(self)), self.offsets[:-1] + leading, self.lengths - leading, leading)
        return self._cut(spans, starts)

    def num_leading_missing(self) -> IntArray:
        """Gives the number [S] of steps before the first observed value of each series; SeriesError if it has none."""
        if not np.isnan(self.values[self.offsets[:-1]]).any():
            return np.zeros(len(self), dtype=np.int64)
        observed = np.append(np.flatnonzero(~np.isnan(self.values)), self.num_values)
        first = observed[np.searchsorted(observed, self.offsets[:-1])]
        empty = np.flatnonzero(first >= self.offsets[1:])
        if len(empty):
            raise SeriesError(
                f"{len(empty)} series without any observed value, first {self.series_ids[empty[0]]!r}: leave them out",
                code="no-observed-value",
            )
        return first - self.offsets[:-1]

    def steps(self) -> IntArray:
        """Gives for each value [total] the number of its step within its series, from 0."""
        return np.arange(self.num_values) - np.repeat(self.offsets[:-1], self.lengths)

    def timestamps(self) -> StoredTimes:
        """Gives for each value [total] its stored time."""
        return self.axis.frequency.advance(np.repeat(self.starts, self.lengths), self.steps())

    def to_frame(self, id_column: str = "unique_id", time_column: str = "ds", target_column: str = "y") -> pd.DataFrame:
        """Gives a long table: one row per series and step, NaN where missing."""
        columns = {
            id_column: np.repeat(np.asarray(self.series_ids, dtype=object), self.lengths),
            time_column: self.axis.label(self.timestamps()),
            target_column: np.array(self.values),
        }
        return pd.DataFrame(columns)

    def fingerprint(self) -> str:
        """Gives 'sha256:...' of all content: ids in their order, time axis, starts, offsets, values and covariates.

        Groups count by which series share one, and not at all where none do.
        How the values are held does not matter, nor which NaN stands for missing, nor the sign of a zero.
        """
        return self._fingerprint

    def target_fingerprint(self) -> str:
        """Gives the fingerprint without covariates and groups: what is to be forecast, whatever is known beside it."""
        return f"sha256:{self._digest_of_targets.hexdigest()}"

    @cached_property
    def _digest_of_targets(self) -> hashlib._Hash:
        header = [self.axis.frequency.alias, self.axis.timezone, list(self.series_ids)]
        digest = hashlib.sha256(json.dumps(header).encode())
        digest.update(self.starts.astype("<i8").tobytes())
        digest.update(self.offsets.astype("<i8").tobytes())
        for chunk in canonical_bytes(self.values):
            digest.update(chunk)
        return digest

    @cached_property
    def _fingerprint(self) -> str:
        digest = self._digest_of_targets.copy()
        for chunk in self.covariates.chunks():
            digest.update(chunk)
        if self.is_grouped:
            digest.update(b"groups" + self.group_numbers.astype("<i8").tobytes())
        return f"sha256:{digest.hexdigest()}"

    def _cut(self, spans: Spans, starts: StoredTimes) -> Panel:
        return Panel(
            tuple(self.series_ids[position] for position in spans.series),
            spans.offsets(),
            self.values[spans.rows()],
            starts,
            self.axis,
            self.covariates.cut(spans),
            self.groups[spans.series],
        )
