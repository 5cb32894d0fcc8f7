"""What reading a table found: how the table was understood, and what people should know about its series."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forecaster.arrays import IntArray

FINDINGS_PER_CODE = 20
_NAMES_SHOWN = 10


@dataclass(frozen=True)
class Finding:
    """One thing to know about one series, or about all series of a wide table."""

    code: str
    series_id: str | None  # None: the table as a whole
    timestamp: str  # where it is found first
    count: int
    message: str
    repair: str | None = None  # what was done about it, as configured

    def line(self) -> str:
        """Gives it as a line of a report."""
        return f"  [{self.code}] {self.message}"


@dataclass(frozen=True)
class FindingTotal:
    """How often one code was found, in the series listed and in all others."""

    code: str
    num_series: int
    count: int


@dataclass(frozen=True)
class FindingGroup:
    """All that was found under one code: every occurrence counted, the first FINDINGS_PER_CODE series listed."""

    total: FindingTotal
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of finding: its code, what one series' count of it means, and the repair made."""

    code: str
    meaning: str
    repair: str | None = None


@dataclass(frozen=True)
class Hits:
    """Where one kind of finding occurs: k series of those named, each with how often, and where first."""

    series: IntArray  # [k] position of the series
    first: IntArray  # [k] number of the first hit, as the caller counts them
    counts: IntArray  # [k]

    @classmethod
    def of(cls, subjects: IntArray) -> Hits:
        """Groups hits by the series [n] they belong to."""
        return cls(*np.unique(subjects, return_index=True, return_counts=True))


def group(
    kind: Kind, hits: Hits, names: Sequence[str | None], time_of: Callable[[int], str]
) -> tuple[FindingGroup, ...]:
    """Gives the one group of these hits, or none where there are none; `time_of` gives the time of a hit's number."""
    if not len(hits.series):
        return ()
    listed = tuple(
        _finding(kind, names[hits.series[i]], time_of(int(hits.first[i])), int(hits.counts[i]))
        for i in range(min(len(hits.series), FINDINGS_PER_CODE))
    )
    total = FindingTotal(kind.code, len(hits.series), int(hits.counts.sum()))
    return (FindingGroup(total, listed),)


def _finding(kind: Kind, name: str | None, timestamp: str, count: int) -> Finding:
    whose = "all series" if name is None else f"series {name!r}"
    done = f"; {kind.repair}" if kind.repair else ""
    message = f"{whose}: {count} {kind.meaning}, from {timestamp} on{done}"
    return Finding(kind.code, name, timestamp, count, message, kind.repair)


@dataclass(frozen=True)
class CovariateFacts:
    """How one covariate was read."""

    name: str
    kind: str  # 'past', 'known', 'static' or 'category'
    num_missing: int  # of its steps (steps ahead included), or of the series
    steps_ahead: tuple[int, int] | None = None  # fewest and most over the series; None where it is not known ahead


@dataclass(frozen=True)
class DataReport:
    """How a table was read, and what was found in it. Timestamps are ISO 8601 texts, or step numbers."""

    layout: str  # 'long' or 'wide'
    id_column: str | None
    time_column: str | None
    value_columns: tuple[str, ...]
    unused_columns: tuple[str, ...]
    frequency: str
    frequency_inferred: bool
    timezone: str | None
    num_rows: int  # of the table
    num_series: int
    num_steps: int  # of all series together, missing ones included
    first_timestamp: str
    last_timestamp: str
    length_min: int
    length_median: float
    length_max: int
    num_gap_steps: int  # steps without a row
    num_missing_cells: int  # rows without a value
    num_leading_trimmed: int  # missing steps before the first value of a series, cut off
    totals: tuple[FindingTotal, ...]
    findings: tuple[Finding, ...]
    num_groups: int  # of series that see each other; the number of series where none do
    covariates: tuple[CovariateFacts, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Gives the report as JSON-safe values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Gives the report as lines of text."""
        return [*self._summary(), *self.found()]

    def found(self) -> list[str]:
        """Gives the lines that tell the findings."""
        lines = [finding.line() for finding in self.findings]
        totals = (total for total in self.totals if total.num_series > FINDINGS_PER_CODE)
        return [*lines, *(f"  [{total.code}] {total.num_series:,} series in all" for total in totals)]

    def _summary(self) -> Iterator[str]:
        yield f"layout      {self.layout}: time {self.time_column or 'counted rows'!r}, id {self.id_column!r}"
        yield f"values      {_listed(self.value_columns)}"
        if self.unused_columns:
            yield f"unused      {_listed(self.unused_columns)}"
        yield f"frequency   {self.frequency} ({'inferred' if self.frequency_inferred else 'given'})"
        yield f"time zone   {self.timezone or 'none'}"
        yield f"timestamps  {self.first_timestamp} to {self.last_timestamp}"
        yield f"series      {self.num_series:,}, {self.num_steps:,} steps from {self.num_rows:,} rows"
        yield f"lengths     {self.length_min:,} to {self.length_max:,}, median {self.length_median:,.10g}"
        yield (
            f"missing     {self.num_gap_steps:,} steps without a row, {self.num_missing_cells:,} without a value; "
            f"{self.num_leading_trimmed:,} leading ones cut off"
        )
        if self.num_groups < self.num_series:
            yield f"groups      {self.num_groups:,}"
        for facts in self.covariates:
            ahead = "" if facts.steps_ahead is None else ", {:,} to {:,} steps ahead".format(*facts.steps_ahead)
            yield f"covariate   {facts.name!r}, {facts.kind}: {facts.num_missing:,} missing{ahead}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(name if name.isprintable() else repr(name) for name in names[:_NAMES_SHOWN]) + more
