"""Whether a panel knows ahead of its ends what a model wants to know."""

from __future__ import annotations

import numpy as np

from forecaster.data.panel import Panel
from forecaster.errors import RequestError


def refuse_unknown_ahead(panel: Panel, names: tuple[str, ...], horizon: int) -> None:
    """Raises RequestError unless each known covariate is known up to the last of `horizon` steps after each series.

    Values missing before that last step count as missing, as they do in training; the message names the first step
    from which on nothing is known.
    """
    held = panel.covariates
    for name in names:
        column = held.known_names.index(name)
        for series in range(len(panel)):
            begin, end = held.known_offsets[series] + panel.lengths[series], held.known_offsets[series + 1]
            known = np.flatnonzero(~np.isnan(held.known[begin:end, column][:horizon]))
            reach = int(known[-1]) + 1 if len(known) else 0
            if reach < horizon:
                first = panel.axis.frequency.advance(panel.ends[series : series + 1], np.array([reach]))[0]
                raise RequestError(
                    f"known covariate {name!r} of series {panel.series_ids[series]!r} is missing from "
                    f"{panel.axis.text(first)} on: the {horizon} steps after the end of the series are needed",
                    code="unknown-ahead",
                )
