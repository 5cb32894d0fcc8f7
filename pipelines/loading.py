"""From a source to a panel: a table is read and checked whole, a store is opened where it lies.

A table larger than memory is first turned into a store, chunk by chunk, by `build_store`; training then
reads from the store's files only the windows it draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.bundle import Bundle
from forecaster.config import CovariateConfig, TableConfig
from forecaster.data.columns import DEFAULT_TIME_COLUMN, with_named_columns
from forecaster.data.panel import Panel
from forecaster.data.reading import PanelReading, read_panel
from forecaster.data.store import StoreWriter, open_store
from forecaster.data.timestamps import zone_of_cells
from forecaster.errors import ConfigError
from pipelines.config import SourceConfig
from pipelines.errors import SourceError
from pipelines.sources import read_chunks, read_table, refuse_two, text_columns


@dataclass(frozen=True)
class LoadedPanel:
    """A panel, and what is known of how it was read: as lines for people and as JSON-safe facts."""

    panel: Panel
    lines: tuple[str, ...]
    facts: dict[str, Any]
    found: tuple[str, ...] = ()  # those of the lines that tell findings


def load(source: SourceConfig, table: TableConfig) -> LoadedPanel:
    """Gives the panel of a file, a query or a store folder. Raises SourceError or another DataError."""
    refuse_two(source)
    if source.path is not None and source.is_store:
        _refuse_beside_store(source)
        return _load_store(source.path, table)
    reading = _read_whole(source, table)
    report = reading.report
    return LoadedPanel(reading.panel, tuple(report.lines()), report.to_dict(), tuple(report.found()))


def load_for(bundles: Sequence[Bundle], source: SourceConfig, table: TableConfig) -> LoadedPanel:
    """Gives the panel as these models expect it; the errors are those of `load`."""
    return load(source, table_for(bundles, source, table))


def table_for(bundles: Sequence[Bundle], source: SourceConfig, table: TableConfig) -> TableConfig:
    """Gives the config that expects the models' frequency and all their covariates where it names none.

    What is in a store is settled there.
    """
    if source.is_store:
        return table
    frequency = bundles[0].predictor.frequency.alias
    return table.expecting(frequency, _joint([bundle.config.model.covariates for bundle in bundles]))


def _joint(wanted: Sequence[CovariateConfig]) -> CovariateConfig:
    """Gives the columns that any of some models read, each once."""
    return CovariateConfig(
        past=tuple(dict.fromkeys(name for each in wanted for name in each.past)),
        known=tuple(dict.fromkeys(name for each in wanted for name in each.known)),
        static=tuple(dict.fromkeys(name for each in wanted for name in each.static)),
        categories={name: texts for each in wanted for name, texts in each.categories.items()},
    )


def _read_whole(source: SourceConfig, table: TableConfig) -> PanelReading:
    frame = read_table(source, text_columns(table))
    future, static = (
        None if path is None else read_table(SourceConfig(path=path), text_columns(table))
        for path in (source.future, source.static)
    )
    return read_panel(frame, table, future=future, static=static)


def build_store(source: SourceConfig, table: TableConfig, folder: Path) -> LoadedPanel:
    """Turns a table into a store, holding one chunk of it in memory at a time. Gives the opened store.

    The rows of a series must stand together. A frequency that is not given is inferred from the first chunk
    and then holds for all, as does the time zone. Read whole are wide tables, and those with groups or with a
    future or static table, which may join what stands in different chunks. What was found in the chunks,
    repairs included, is among the lines. Raises SeriesError where a series comes up twice.
    """
    readings = _readings(source, table)
    first = next(readings)
    findings = [*first.report.findings]
    try:
        with StoreWriter(folder, first.panel.axis) as writer:
            writer.append(first.panel)
            for reading in readings:
                writer.append(reading.panel)
                findings += reading.report.findings
    except OSError as error:
        raise SourceError(f"store {folder} cannot be written: {error.strerror}") from error
    loaded = _load_store(folder, TableConfig())
    found = tuple(finding.line() for finding in findings)
    facts = {**loaded.facts, "findings": list(found)}
    return replace(loaded, lines=(*loaded.lines, *found), facts=facts, found=found)


def _readings(source: SourceConfig, table: TableConfig) -> Iterator[PanelReading]:
    """Yields the parts of a table that can be read on their own, all on the axis of the first."""
    if source.future is not None or source.static is not None or table.group_column is not None:
        yield _read_whole(source, table)
        return
    named = (with_named_columns(chunk, table) for chunk in read_chunks(source, text_columns(table)))
    chunks = _whole_series(named, table)
    chunk = next(chunks)
    first, first_row = read_panel(chunk, table), 1 + len(chunk)
    yield first
    axis, sample = first.panel.axis, _a_time(chunk, table)
    fixed = table.model_copy(update={"expected_frequency": axis.frequency.alias, "timezone": axis.timezone})
    for chunk in chunks:
        zone_of_cells([sample, _a_time(chunk, table)])  # refuses what only some of both have: an offset
        yield read_panel(chunk, fixed, first_row=first_row)
        first_row += len(chunk)


def _a_time(chunk: pd.DataFrame, table: TableConfig) -> object:
    """Gives one of the timestamps of a chunk, as it stands there; those of one chunk all have an offset or none."""
    times = chunk.get(table.time_column or DEFAULT_TIME_COLUMN)
    return None if times is None else times.iloc[0]


def _refuse_beside_store(source: SourceConfig) -> None:
    if source.future is not None or source.static is not None:
        raise ConfigError(
            f"{source.path} is a store: it holds what its future and static tables said, leave them out (build it anew)"
        )


def _load_store(folder: Path, table: TableConfig) -> LoadedPanel:
    if table != TableConfig():
        raise ConfigError(
            f"{folder} is a store: its layout, frequency, time zone and covariates are settled, leave them out"
        )
    panel = open_store(folder)
    covariates = {kind: list(names) for kind, names in panel.covariates.names.items() if names}
    facts = {
        "store": folder.name,
        "num_series": len(panel),
        "num_steps": panel.num_values,
        "frequency": panel.axis.frequency.alias,
        "timezone": panel.axis.timezone,
        "covariates": covariates,
    }
    lines = (
        f"store       {folder}",
        f"frequency   {panel.axis.frequency.alias}",
        f"time zone   {panel.axis.timezone or 'none'}",
        f"series      {len(panel):,}, {panel.num_values:,} steps",
        *(f"covariates  {kind}: {', '.join(map(repr, names))}" for kind, names in covariates.items()),
    )
    return LoadedPanel(panel, lines, facts)


def _whole_series(chunks: Iterator[pd.DataFrame], table: TableConfig) -> Iterator[pd.DataFrame]:
    """Regroups chunks so that none ends within a series; a table without ids comes as one chunk."""
    pending = [next(chunks)]
    for chunk in chunks:
        ids = None if table.layout == "wide" else chunk.get(table.id_column)
        if ids is None:
            pending.append(chunk)
            continue
        last = pending[-1][table.id_column].iloc[-1]
        differ = (ids != last).fillna(True).to_numpy(dtype=np.bool_)  # a missing id is refused where it is read
        num_same = int(differ.argmax()) if differ.any() else len(ids)
        pending.append(chunk.iloc[:num_same])
        if num_same < len(ids):
            yield pd.concat(pending, ignore_index=True)
            pending = [chunk.iloc[num_same:]]
    yield pd.concat(pending, ignore_index=True)
