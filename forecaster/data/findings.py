"""What people should know about the series of a panel: gaps, missing values, constants, short histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forecaster.arrays import BoolArray
from forecaster.data.cells import shown
from forecaster.data.panel import Panel
from forecaster.data.placement import Placed
from forecaster.data.report import FINDINGS_PER_CODE, CovariateFacts, Finding, FindingGroup, Hits, Kind, group

SEASONS_WANTED = 2


def panel_findings(placed: Placed) -> tuple[FindingGroup, ...]:
    """Gives the findings of a panel, one group per code that occurs."""
    panel, missing = placed.panel, np.isnan(placed.panel.values)
    seasons = f"step(s), fewer than {SEASONS_WANTED} seasons"
    return (
        *_of_steps(Kind("gap", "step(s) without a row, read as missing"), panel, ~placed.has_row),
        *_of_steps(Kind("missing-value", "row(s) without a value"), panel, missing & placed.has_row),
        *_of_series(Kind("constant-series", "step(s), all values the same"), panel, _is_constant(panel)),
        *_of_series(Kind("short-series", seasons), panel, _is_short(panel)),
    )


def unknown_categories(panel: Panel, vocabularies: Mapping[str, Sequence[str]]) -> tuple[Finding, ...]:
    """Gives the series, the first FINDINGS_PER_CODE of each category, with a text that its vocabulary has not.

    Categories without a vocabulary are none that the model reads.
    """
    held, found = panel.covariates, list[Finding]()
    for column, name in enumerate(held.category_names):
        if name not in vocabularies:
            continue
        texts, known = held.categories[:, column], {None, *vocabularies[name]}
        unknown = [place for place, text in enumerate(texts) if text not in known]
        found += [_unknown(panel, place, name, texts[place]) for place in unknown[:FINDINGS_PER_CODE]]
    return tuple(found)


def _unknown(panel: Panel, place: int, name: str, text: str) -> Finding:
    series_id = panel.series_ids[place]
    message = f"series {series_id!r}: {name!r} is {shown(text)}, not met in training and read as missing"
    return Finding("unknown-category", series_id, panel.axis.text(panel.starts[place]), 1, message)


def covariate_facts(panel: Panel) -> tuple[CovariateFacts, ...]:
    """Gives how each covariate of a panel was read, kind by kind."""
    held = panel.covariates
    ahead = held.ahead(panel.lengths)
    missing = {
        "past": np.isnan(held.past).sum(axis=0),
        "known": np.isnan(held.known).sum(axis=0),
        "static": np.isnan(held.static).sum(axis=0),
        "category": (held.categories == np.array(None)).sum(axis=0),
    }
    return tuple(
        CovariateFacts(
            name, kind, int(missing[kind][place]), (int(ahead.min()), int(ahead.max())) if kind == "known" else None
        )
        for kind, names in held.names.items()
        for place, name in enumerate(names)
    )


def _of_steps(kind: Kind, panel: Panel, mask: BoolArray) -> tuple[FindingGroup, ...]:
    steps = np.flatnonzero(mask)
    if not len(steps):
        return ()
    series = np.searchsorted(panel.offsets, steps, side="right") - 1

    def time_of(hit: int) -> str:
        start = panel.starts[series[hit]]
        return panel.axis.text(panel.axis.frequency.advance(start, int(steps[hit] - panel.offsets[series[hit]])))

    return group(kind, Hits.of(series), panel.series_ids, time_of)


def _of_series(kind: Kind, panel: Panel, mask: BoolArray) -> tuple[FindingGroup, ...]:
    series = np.flatnonzero(mask)
    if not len(series):
        return ()
    hits = Hits(series, series, panel.lengths[series])
    return group(kind, hits, panel.series_ids, lambda position: panel.axis.text(panel.starts[position]))


def _is_constant(panel: Panel) -> BoolArray:
    """Says which series [S] have one value only."""
    begins = panel.offsets[:-1]
    return np.asarray(np.fmin.reduceat(panel.values, begins) == np.fmax.reduceat(panel.values, begins))


def _is_short(panel: Panel) -> BoolArray:
    """Says which series [S] are too short to show a season repeat."""
    return np.asarray(panel.lengths < SEASONS_WANTED * panel.axis.frequency.season_length)
