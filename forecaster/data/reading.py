"""The data door: a table of series becomes a panel, or an error says what is wrong with it.

table -> named columns -> layout -> cells -> time axis -> cells in order -> grid -> panel, with a report;
then what is known ahead (future table) and of whole series (static table) joins the panel.
Nothing is repaired unless the config asks for it. Steps without a row and values that are null are missing.
Leading missing values of a series are cut off; trailing ones stay, as the last timestamp of a series (of
the whole table, in a wide one) says where its forecast starts, unless the config lets series end with a value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.config import TableConfig
from forecaster.data.axis import choose_axis, stored_cells
from forecaster.data.cells import read_cells
from forecaster.data.columns import Layout, find_layout, with_named_columns
from forecaster.data.findings import covariate_facts, panel_findings
from forecaster.data.future import read_future, with_future
from forecaster.data.panel import Panel
from forecaster.data.placement import Placed, ended_at_values, place, refuse_unexpected, trimmed
from forecaster.data.repairs import repair
from forecaster.data.report import DataReport, FindingGroup
from forecaster.data.statics import Rows, static_rows, static_table_columns, with_statics
from forecaster.errors import DataError


@dataclass(frozen=True)
class PanelReading:
    """A panel and the report of how it was read."""

    panel: Panel
    report: DataReport


def read_panel(
    table: pd.DataFrame,
    config: TableConfig | None = None,
    *,
    future: pd.DataFrame | None = None,
    static: pd.DataFrame | None = None,
    first_row: int = 1,
) -> PanelReading:
    """Reads a table as `config` says (default: `TableConfig()`).

    `future` holds the known columns of the steps after the end of each series, by id and time; `static` one row
    per series, by id, of the static columns named there, or of all where none is named. A static column that stands
    in both tables may be filled in either, and is refused where they contradict each other (contradiction).
    Every problem is a DataError that names the series, the first row (counted from 1, or `first_row` in a part of a
    table) or timestamp, and how many there are: ColumnError, ValueTypeError, TimestampError, FrequencyError or
    SeriesError. What is no DataFrame is a DataError, too.
    """
    _refuse_other_kinds(table, future, static)
    config = config or TableConfig()
    named = with_named_columns(table, config)
    elsewhere = () if static is None else static_table_columns(static, config)
    layout = find_layout(named, config, elsewhere)
    source = read_cells(named, layout, first_row)
    axis = choose_axis(source, config)
    repaired = repair(stored_cells(source, axis), axis, config)
    is_inferred = config.frequency is None and config.expected_frequency is None
    placed = place(repaired.cells, axis, is_inferred=is_inferred)
    if config.frequency is None and config.expected_frequency is not None:
        refuse_unexpected(repaired.cells, axis)
    panel, findings = placed.panel, repaired.findings
    here = Rows(named, source.cells.codes)
    panel = with_statics(panel, here, tuple(name for name in layout.static_columns if name not in elsewhere), config)
    if static is not None:
        here = replace(here, table=named[list(layout.static_columns)])
        panel = with_statics(panel, static_rows(static, panel, config), elsewhere, config, here)
    if future is not None and len(future):
        ahead = read_future(future, layout, panel, config)
        panel, findings = with_future(panel, ahead.cells), (*findings, *ahead.findings)
    placed = replace(placed, panel=panel)
    placed = trimmed(placed if config.ends == "row" else ended_at_values(placed))
    origin = _Origin(layout, len(named), is_inferred)
    return PanelReading(placed.panel, _report(origin, placed, (*findings, *panel_findings(placed))))


def _refuse_other_kinds(table: object, future: object, static: object) -> None:
    for name, found in {"the table": table, "`future`": future, "`static`": static}.items():
        is_left_out = found is None and name != "the table"
        if not isinstance(found, pd.DataFrame) and not is_left_out:
            raise DataError(f"{name} must be a pandas DataFrame, got {type(found).__name__}")


@dataclass(frozen=True)
class _Origin:
    """What the report says of the table rather than of the panel."""

    layout: Layout
    num_rows: int
    is_inferred: bool


def _report(origin: _Origin, placed: Placed, groups: tuple[FindingGroup, ...]) -> DataReport:
    panel, layout = placed.panel, origin.layout
    num_gaps = int((~placed.has_row).sum())
    last = panel.axis.frequency.advance(panel.starts, panel.lengths - 1).max()
    return DataReport(
        layout=layout.kind,
        id_column=layout.id_column,
        time_column=layout.time_column,
        value_columns=layout.value_columns,
        unused_columns=layout.unused_columns,
        frequency=panel.axis.frequency.alias,
        frequency_inferred=origin.is_inferred,
        timezone=panel.axis.timezone,
        num_rows=origin.num_rows,
        num_series=len(panel),
        num_steps=panel.num_values,
        first_timestamp=panel.axis.text(panel.starts.min()),
        last_timestamp=panel.axis.text(last),
        length_min=int(panel.lengths.min()),
        length_median=float(np.median(panel.lengths)),
        length_max=int(panel.lengths.max()),
        num_gap_steps=num_gaps,
        num_missing_cells=int(np.isnan(panel.values).sum()) - num_gaps,
        num_leading_trimmed=placed.num_leading_trimmed,
        totals=tuple(found.total for found in groups),
        findings=tuple(finding for found in groups for finding in found.findings),
        num_groups=int(panel.group_numbers.max()) + 1,
        covariates=covariate_facts(panel),
    )
