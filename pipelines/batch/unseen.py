"""The pretrained encoder as it suits a table in shards: one model for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np

from forecaster.bundle import Bundle, save_bundle
from forecaster.data.panel import Panel
from forecaster.pretrained import calibrated
from pipelines.batch.job import Shard
from pipelines.batch.reading import Rows
from pipelines.batch.shards import naming
from pipelines.batch.working_folder import WorkingFolder

_MOST_SHARDS = 8  # whose past is looked at: they are all in memory at once


def fit_encoder(folder: WorkingFolder, encoder: Bundle, first: Panel, rows: Rows, shards: Sequence[Shard]) -> None:
    """Puts the encoder into the folder, with intervals as its errors in the past of the series want them.

    Of more than eight shards eight are looked at, evenly spread over the table; the `first` has been read. Raises what
    reading the others raises.
    """
    places = np.linspace(0, len(shards) - 1, min(len(shards), _MOST_SHARDS)).round().astype(int)
    past = _joined([first, *(_read(rows, shards[place]) for place in places[1:])])
    shutil.rmtree(folder.bundle, ignore_errors=True)
    save_bundle(folder.bundle, calibrated(encoder.predictor, past), encoder.facts)


def _read(rows: Rows, shard: Shard) -> Panel:
    with naming(shard):
        return rows.panel(shard)


def _joined(panels: Sequence[Panel]) -> Panel:
    """Gives the series of all panels, which are on one axis, without covariates."""
    return Panel(
        tuple(series_id for panel in panels for series_id in panel.series_ids),
        np.append(0, np.cumsum(np.concatenate([panel.lengths for panel in panels]))),
        np.concatenate([panel.values for panel in panels]),
        np.concatenate([panel.starts for panel in panels]),
        panels[0].axis,
    )
