"""Roll-out: forecasts beyond a model's horizon, block after block, each fed with what the one before it forecast.

    history ---- forecast of H steps ---->  quantiles of block 1
    history + path 1 of block 1  --->  quantiles given path 1  \\
      ...                                                       mixture, by weight  --->  quantiles of block 2
    history + path Q of block 1  --->  quantiles given path Q  /                           and so on

One path for each quantile level: the mean of what lies nearer to that level than to the others, which together have
the spread of the forecast. So what is uncertain in one block is uncertain in the next. A path keeps its level from
block to block: errors are taken to persist, which errs on the side of wide intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.covariates import PanelCovariates
from forecaster.data.panel import Panel
from forecaster.data.spans import Spans
from forecaster.level_weights import level_weights
from forecaster.quantile_function import cell_means, mixture
from forecaster.support import Support, in_support, kept_within

BlockForecast = Callable[[Panel], FloatArray]  # [S H Q] after the end of each series


@dataclass(frozen=True)
class RollOut:
    """How a model is rolled out: what it says of one block, at which levels, and how far back it looks."""

    forecast: BlockForecast
    levels: tuple[float, ...]  # Q
    context_length: int
    support: Support = "any"

    def further_blocks(
        self, panel: Panel, first: FloatArray, num_blocks: int, wanted: tuple[float, ...]
    ) -> Iterator[FloatArray]:
        """Yields the quantiles [S H Q'] at `wanted` of each of the blocks that follow the first one [S H Q]."""
        block = first
        joint = tuple(sorted({*self.levels, *wanted}))
        own, asked = [joint.index(level) for level in self.levels], [joint.index(level) for level in wanted]
        branches = branched(panel, self.context_length, len(self.levels))
        for _ in range(num_blocks):
            paths = self._paths(block)
            branches = continued(branches, paths.reshape(-1, paths.shape[2]))
            each = self.forecast(branches).reshape(paths.shape[0], len(self.levels), *block.shape[1:])
            mixed = self._mixed(each, joint)
            block = mixed[..., own]
            yield mixed[..., asked]

    def _paths(self, block: FloatArray) -> FloatArray:
        """Gives the path [S Q H] of each level of a block [S H Q]. Those of counts are means, and not below 0."""
        means = in_support(lambda values: cell_means(values, self.levels), block, self.support)
        return np.moveaxis(np.maximum(means, 0.0) if self.support == "counts" else means, 2, 1)

    def _mixed(self, each: FloatArray, wanted: tuple[float, ...]) -> FloatArray:
        """Gives the quantiles [S H Q'] of the mixture of what follows each path [S Q H Q]."""
        weights = level_weights(self.levels)
        mixed = in_support(lambda values: mixture(values, weights, self.levels, wanted), each, self.support)
        return kept_within(mixed, mixed, self.support)


def branched(panel: Panel, context_length: int, num_branches: int) -> Panel:
    """Gives the last `context_length` steps of each series `num_branches` times, branch by branch within a series.

    The branches of one number form groups as the series do.
    """
    series = np.repeat(np.arange(len(panel)), num_branches)
    skipped = np.maximum(panel.lengths - context_length, 0)[series]
    spans = Spans(series, panel.offsets[series] + skipped, panel.lengths[series] - skipped, skipped)
    branch = np.tile(np.arange(num_branches), len(panel))
    return Panel(
        tuple(f"{panel.series_ids[s]}/{b}/{s}" for s, b in zip(series, branch, strict=True)),
        spans.offsets(),
        panel.values[spans.rows()],
        panel.axis.frequency.advance(panel.starts[series], skipped),
        panel.axis,
        panel.covariates.cut(spans),
        panel.group_numbers[series] * num_branches + branch,
    )


def continued(panel: Panel, values: FloatArray) -> Panel:
    """Gives the panel with further values [S n] after the end of each series, where past covariates are missing."""
    width = values.shape[1]
    offsets = panel.offsets + width * np.arange(len(panel) + 1)
    covariates = panel.covariates
    if covariates.past_names:
        missing = np.full((len(panel), width, len(covariates.past_names)), np.nan)
        covariates = replace(covariates, past=_joined(panel.offsets, covariates.past, missing))
    if covariates.known_names:
        covariates = _known_to(covariates, np.diff(offsets))
    return replace(
        panel,
        offsets=offsets,
        values=_joined(panel.offsets, panel.values, values),
        covariates=covariates,
    )


def _joined(offsets: IntArray, table: FloatArray, further: FloatArray) -> FloatArray:
    """Gives the rows of each series followed by its further rows [S n ...]."""
    parts = [part for s in range(len(further)) for part in (table[offsets[s] : offsets[s + 1]], further[s])]
    return np.concatenate(parts)


def _known_to(covariates: PanelCovariates, lengths: IntArray) -> PanelCovariates:
    """Gives covariates whose known numbers reach to these lengths [S] at least, missing where they did not."""
    offsets, known = covariates.known_offsets, covariates.known
    short = np.maximum(lengths - np.diff(offsets), 0)
    parts = []
    for series, missing in enumerate(short):
        parts += [known[offsets[series] : offsets[series + 1]], np.full((missing, known.shape[1]), np.nan)]
    longer = offsets + np.concatenate([[0], np.cumsum(short)])
    return replace(covariates, known=np.concatenate(parts), known_offsets=longer)
