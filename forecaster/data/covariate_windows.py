"""Covariates of windows: those that a network reads, in its order, cut out of a panel.

    step of the series   cutoff - L . . . cutoff - 1 | cutoff . . . cutoff + H - 1
    past                 |--------- [L] ------------|
    known, calendar      |------------------ [L + H] --------------------------|
    elapsed              |------------------ [L + H] --------------------------|

Past covariates end at the cutoff, as the context does. Known ones reach beyond the end of a series as far as
the panel knows them. The calendar is known everywhere, before the start of a series too, and so is the elapsed time:
that from the end of each step to the cutoff. It is counted in steps of mean length (30.44 days of months, 1.4 days
of business days), and from the cutoff, so that float32 keeps seven digits of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.config import CovariateConfig
from forecaster.data.covariates import TextArray
from forecaster.data.cutting import cut_table, leading, masked
from forecaster.data.panel import Panel
from forecaster.data.timeline import Timeline
from forecaster.errors import ColumnError
from forecaster.types import CovariateBatch, Masked


class CovariateWindows:
    """Cuts the covariates of `config` for windows of `context_length` (L) and `horizon` (H) steps.

    The elapsed time is made with `reads_elapsed` alone. ColumnError where the panel lacks one of the covariates,
    ConfigError for calendar features it cannot have.
    """

    def __init__(
        self, panel: Panel, config: CovariateConfig, context_length: int, horizon: int, *, reads_elapsed: bool = False
    ) -> None:
        held, kinds = panel.covariates, ("past", "known", "static", "category")
        wanted = (config.past, config.known, config.static, tuple(config.categories))
        past, known, static, categories = (_places(panel, *pair) for pair in zip(kinds, wanted, strict=True))
        self._panel, self._context_length, self._horizon = panel, context_length, horizon
        self._past, self._known, self._reads_elapsed = past, known, reads_elapsed
        self._timeline = Timeline(panel, config, (context_length, horizon))
        self._static = masked(_table(held.static, static, len(panel)), np.ones((len(panel), 1), dtype=np.bool_))
        self._categories = _numbered(held.categories, categories, tuple(config.categories.values()), len(panel))

    def gather(self, series: IntArray, cutoffs: IntArray) -> CovariateBatch:
        """Gives the covariates of the windows of these series [B] at these cutoffs [B], which the panel has."""
        width = self._context_length + self._horizon
        calendar = self._timeline.cut(series, cutoffs - self._context_length, width)
        return CovariateBatch(
            past=self._cut_past(series, cutoffs),
            known=self._cut_known(series, cutoffs),
            calendar=torch.from_numpy(calendar),
            static=_tensors(self._static[0][series], self._static[1][series]),
            categories=torch.from_numpy(self._categories[series]),
            elapsed=self._elapsed(series, cutoffs) if self._reads_elapsed else None,
        )

    def _elapsed(self, series: IntArray, cutoffs: IntArray) -> torch.Tensor:
        """Gives the time from the end of each step to the cutoff [B L+H], 0 at the last step of the context."""
        frequency, length = self._panel.axis.frequency, self._context_length
        following = cutoffs[:, np.newaxis] + np.arange(1 - length, self._horizon + 1)  # a step ends as the next begins
        ends = frequency.advance(self._panel.starts[series][:, np.newaxis], following)
        return torch.from_numpy(frequency.elapsed(ends, ends[:, length - 1 : length]).astype(np.float32))

    def _cut_past(self, series: IntArray, cutoffs: IntArray) -> Masked:
        length = self._context_length
        if not len(self._past):
            return _none(len(series), length)
        begins = self._panel.offsets[series] + cutoffs - length
        exists = ~leading(length - cutoffs, length)
        return _cut(self._panel.covariates.past, begins, exists, self._past)

    def _cut_known(self, series: IntArray, cutoffs: IntArray) -> Masked:
        length, width = self._context_length, self._context_length + self._horizon
        if not len(self._known):
            return _none(len(series), width)
        offsets = self._panel.covariates.known_offsets
        lengths = offsets[series + 1] - offsets[series]
        exists = leading(length - cutoffs + lengths, width) & ~leading(length - cutoffs, width)
        return _cut(self._panel.covariates.known, offsets[series] + cutoffs - length, exists, self._known)


def _places(panel: Panel, kind: str, wanted: tuple[str, ...]) -> IntArray:
    """Gives where the columns wanted stand among those of one kind."""
    names = panel.covariates.names
    missing = next((name for name in wanted if name not in names[kind]), None)
    if missing is not None:
        other = next((f" (it is a {found} one here)" for found, held in names.items() if missing in held), "")
        held = ", ".join(map(repr, names[kind])) or "none"
        raise ColumnError(
            f"the model needs the {kind} covariate {missing!r}, which the data has not{other}: wanted are "
            f"{', '.join(map(repr, wanted))}, there are {held}",
            code="missing-covariate",
        )
    return np.array([names[kind].index(name) for name in wanted], dtype=np.int64)


def _cut(table: FloatArray, begins: IntArray, exists: BoolArray, places: IntArray) -> Masked:
    values, observed = cut_table(table, begins, exists)
    if np.array_equal(places, np.arange(table.shape[1])):
        return _tensors(values, observed)
    return _tensors(values[:, :, places], observed[:, :, places])


def _table(table: FloatArray, places: IntArray, num_rows: int) -> FloatArray:
    return table[:, places] if len(places) else np.empty((num_rows, 0))


def _numbered(
    texts: TextArray,
    places: IntArray,
    vocabularies: Sequence[tuple[str, ...]],
    num_series: int,
) -> IntArray:
    """Gives the numbers [S F] of texts [S F']: 1 for the first of a vocabulary, 0 for what is missing or not in it."""
    numbers = np.zeros((num_series, len(places)), dtype=np.int64)
    for column, (place, vocabulary) in enumerate(zip(places, vocabularies, strict=True)):
        number_of = {text: number for number, text in enumerate(vocabulary, start=1)}
        numbers[:, column] = [number_of.get(text, 0) for text in texts[:, place]]
    return numbers


def _tensors(values: FloatArray, observed: BoolArray) -> Masked:
    return Masked(torch.from_numpy(values), torch.from_numpy(observed))


def _none(num_windows: int, width: int) -> Masked:
    shape = num_windows, width, 0
    return Masked(torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.bool))
