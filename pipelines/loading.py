"""From a source to a panel: a table is read and checked whole, a store is opened where it lies.

A table larger than memory is first turned into a store, chunk by chunk, by `build_store`; training then
reads from the store's files only the windows it draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from forecaster.config import TableConfig
from forecaster.data.panel import Panel
from forecaster.data.reading import read_panel
from forecaster.data.store import StoreWriter, open_store
from forecaster.errors import ConfigError
from pipelines.config import SourceConfig
from pipelines.errors import SourceError
from pipelines.sources import read_chunks, read_table, refuse_two


@dataclass(frozen=True)
class LoadedPanel:
    """A panel, and what is known of how it was read: as lines for people and as JSON-safe facts."""

    panel: Panel
    lines: tuple[str, ...]
    facts: dict[str, Any]


def load(source: SourceConfig, table: TableConfig) -> LoadedPanel:
    """Gives the panel of a file, a query or a store folder. Raises SourceError or another DataError."""
    refuse_two(source)
    if source.path is not None and source.is_store:
        return _load_store(source.path, table)
    reading = read_panel(read_table(source, table.id_column), table)
    return LoadedPanel(reading.panel, tuple(reading.report.lines()), reading.report.to_dict())


def build_store(source: SourceConfig, table: TableConfig, folder: Path) -> LoadedPanel:
    """Turns a table into a store, holding one chunk of it in memory at a time. Gives the opened store.

    The rows of a series must stand together. A frequency that is not given is inferred from the first chunk
    and then holds for all, as does the time zone. A wide table is read whole. What was found in the chunks,
    repairs included, is among the lines. Raises SeriesError where a series comes up twice.
    """
    chunks = _whole_series(read_chunks(source, table.id_column), table)
    first = next(chunks)
    reading = read_panel(first, table)
    axis = reading.panel.axis
    fixed = table.model_copy(update={"frequency": axis.frequency.alias, "timezone": axis.timezone})
    findings = [*reading.report.findings]
    try:
        with StoreWriter(folder, axis) as writer:
            writer.append(reading.panel)
            for chunk in chunks:
                reading = read_panel(chunk, fixed)
                writer.append(reading.panel)
                findings += reading.report.findings
    except OSError as error:
        raise SourceError(f"store {folder} cannot be written: {error.strerror}") from error
    loaded = _load_store(folder, TableConfig())
    messages = [f"  [{finding.code}] {finding.message}" for finding in findings]
    return replace(loaded, lines=(*loaded.lines, *messages), facts={**loaded.facts, "findings": messages})


def _load_store(folder: Path, table: TableConfig) -> LoadedPanel:
    if table != TableConfig():
        raise ConfigError(f"{folder} is a store: its layout, frequency and time zone are settled, leave them out")
    panel = open_store(folder)
    facts = {
        "store": folder.name,
        "num_series": len(panel),
        "num_steps": panel.num_values,
        "frequency": panel.axis.frequency.alias,
        "timezone": panel.axis.timezone,
    }
    lines = (
        f"store       {folder}",
        f"frequency   {panel.axis.frequency.alias}",
        f"time zone   {panel.axis.timezone or 'none'}",
        f"series      {len(panel):,}, {panel.num_values:,} steps",
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
        num_same = int((ids != last).to_numpy().argmax()) if (ids != last).any() else len(ids)
        pending.append(chunk.iloc[:num_same])
        if num_same < len(ids):
            yield pd.concat(pending, ignore_index=True)
            pending = [chunk.iloc[num_same:]]
    yield pd.concat(pending, ignore_index=True)
