"""What is known of the series of a panel beside their values: numbers per step, and numbers and texts per series."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecaster.arrays import FloatArray, IntArray
from forecaster.config import CovariateConfig
from forecaster.data.spans import Spans, canonical_bytes
from forecaster.errors import DataError
from forecaster.time.calendar import calendar_columns

if TYPE_CHECKING:
    from forecaster.data.panel import Panel

TextArray = NDArray[np.object_]  # of str, None where missing
_Names = tuple[str, ...]


def _no_numbers() -> FloatArray:
    return np.empty((0, 0))


def _no_offsets() -> IntArray:
    return np.zeros(1, dtype=np.int64)


def _no_texts() -> TextArray:
    return np.empty((0, 0), dtype=np.object_)


@dataclass(frozen=True, eq=False)
class PanelCovariates:
    """Covariates of S series, one column per name; NaN, or None in a text, is missing.

    Past numbers stand at the steps of the target. Known numbers stand there and at further steps ahead:
    series i has known[known_offsets[i]:known_offsets[i + 1]], no fewer rows than its target. A kind without
    names keeps the empty array it has by default. The arrays are read-only and may be memory-mapped.
    """

    past_names: _Names = ()
    past: FloatArray = field(default_factory=_no_numbers)  # [total F]
    known_names: _Names = ()
    known: FloatArray = field(default_factory=_no_numbers)  # [total + steps ahead, F]
    known_offsets: IntArray = field(default_factory=_no_offsets)  # [S + 1]
    static_names: _Names = ()
    static: FloatArray = field(default_factory=_no_numbers)  # [S F]
    category_names: _Names = ()
    categories: TextArray = field(default_factory=_no_texts)  # [S F]

    def __post_init__(self) -> None:
        for name in ("past", "known", "known_offsets", "static", "categories"):
            array = np.ascontiguousarray(getattr(self, name)).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def from_arrays(
        cls,
        *,
        past: Mapping[str, Sequence[ArrayLike]] | None = None,
        known: Mapping[str, Sequence[ArrayLike]] | None = None,
        static: Mapping[str, ArrayLike] | None = None,
        categories: Mapping[str, Sequence[str | None]] | None = None,
    ) -> PanelCovariates:
        """Builds covariates from one list per name: of one array per series (past, known), or one value per series.

        DataError (invalid-panel) where known columns reach differently far in one series.
        """
        past, known, static, categories = past or {}, known or {}, static or {}, categories or {}
        lengths = [[len(np.asarray(series)) for series in column] for column in known.values()]
        if any(other != lengths[0] for other in lengths):
            message = f"known covariates {', '.join(map(repr, known))} are not known for the same steps of each series"
            raise DataError(message, code="invalid-panel")
        return cls(
            tuple(past),
            _columns([_joined(column) for column in past.values()]),
            tuple(known),
            _columns([_joined(column) for column in known.values()]),
            np.concatenate([[0], np.cumsum(lengths[0])]).astype(np.int64) if lengths else _no_offsets(),
            tuple(static),
            _columns([np.asarray(column, dtype=np.float64) for column in static.values()]),
            tuple(categories),
            _texts(list(categories.values())),
        )

    @property
    def names(self) -> dict[str, _Names]:
        """Names by kind: 'past', 'known', 'static', 'category'."""
        return {
            "past": self.past_names,
            "known": self.known_names,
            "static": self.static_names,
            "category": self.category_names,
        }

    @property
    def is_empty(self) -> bool:
        """True where there is no covariate at all."""
        return not any(self.names.values())

    def ahead(self, lengths: IntArray) -> IntArray:
        """Gives the steps [S] known ahead of the end of series of these lengths."""
        return np.diff(self.known_offsets) - lengths if self.known_names else np.zeros_like(lengths)

    def cut(self, spans: Spans) -> PanelCovariates:
        """Gives the covariates of the spans of a panel; what was known ahead of their ends stays known."""
        known = spans.reaching_to(self.known_offsets) if self.known_names else spans
        return PanelCovariates(
            self.past_names,
            self.past[spans.rows()] if self.past_names else self.past,
            self.known_names,
            self.known[known.rows()] if self.known_names else self.known,
            known.offsets() if self.known_names else self.known_offsets,
            self.static_names,
            self.static[spans.series] if self.static_names else self.static,
            self.category_names,
            self.categories[spans.series] if self.category_names else self.categories,
        )

    def chunks(self) -> Iterator[bytes]:
        """Gives all content as bytes, however it is held; nothing for no covariates."""
        if self.is_empty:
            return
        yield json.dumps(self.names).encode()
        yield from canonical_bytes(self.past)
        yield self.known_offsets.astype("<i8").tobytes() if self.known_names else b""
        yield from canonical_bytes(self.known)
        yield from canonical_bytes(self.static)
        yield json.dumps(self.categories.tolist()).encode()

    def misfit(self, offsets: IntArray) -> str | None:
        """Says why these are no covariates of series with these offsets [S + 1], or gives None where they are."""
        every = [name for names in self.names.values() for name in names]
        steps, series, known_offsets = offsets[-1], len(offsets) - 1, self.known_offsets
        if len(set(every)) < len(every):
            return f"covariate names are not unique: {', '.join(map(repr, every))}"
        for kind, array, rows in (("past", self.past, steps), ("static", self.static, series)):
            if self.names[kind] and not _is_table(array, rows, self.names[kind]):
                return (
                    f"{kind} covariates have shape {array.shape}, not {(int(rows), len(self.names[kind]))} of float64"
                )
        if self.category_names and self.categories.shape != (series, len(self.category_names)):
            return f"categories have shape {self.categories.shape}, not {(series, len(self.category_names))}"
        if not self.known_names:
            return None
        if known_offsets.dtype != np.int64 or known_offsets.shape != offsets.shape or known_offsets[0]:
            return f"offsets of known covariates are not {len(offsets)} integers from 0 on"
        if not _is_table(self.known, known_offsets[-1], self.known_names):
            return (
                f"known covariates have shape {self.known.shape}, not {(int(known_offsets[-1]), len(self.known_names))}"
            )
        short = np.flatnonzero(self.ahead(np.diff(offsets)) < 0)
        return f"known covariates end before the target of series number {short[0]}" if len(short) else None


NO_COVARIATES = PanelCovariates()


def covariate_config(panel: Panel, calendar: Sequence[str] = (), holidays: str | None = None) -> CovariateConfig:
    """Gives what a network fitted on this panel reads: its covariates, and the calendar features named.

    A cycle such as 'day_of_week' stands for its two columns; a country adds its holidays. They go by the clock of the
    panel's zone, in whatever zone other tables come. The texts of each category are those of the panel, sorted.
    ConfigError for calendar features that the panel cannot have.
    """
    held, columns = panel.covariates, calendar_columns(calendar, panel.axis, holidays)
    return CovariateConfig(
        past=held.past_names,
        known=held.known_names,
        calendar=columns,
        holidays=holidays,
        timezone=panel.axis.timezone if columns else None,
        static=held.static_names,
        categories={
            name: tuple(sorted({text for text in held.categories[:, place] if text is not None}))
            for place, name in enumerate(held.category_names)
        },
    )


def _is_table(array: NDArray[Any], rows: int, names: _Names) -> bool:
    return array.dtype == np.float64 and array.shape == (rows, len(names))


def _joined(column: Sequence[ArrayLike]) -> FloatArray:
    return np.concatenate([np.asarray(series, dtype=np.float64) for series in column])


def _columns(columns: Sequence[FloatArray]) -> FloatArray:
    if any(len(column) != len(columns[0]) for column in columns):
        raise DataError("covariates of one kind have different numbers of values", code="invalid-panel")
    return np.column_stack(columns) if columns else _no_numbers()


def _texts(columns: Sequence[Sequence[str | None]]) -> TextArray:
    if not columns:
        return _no_texts()
    texts = np.empty((len(columns[0]), len(columns)), dtype=np.object_)
    for place, column in enumerate(columns):
        texts[:, place] = column
    return texts
