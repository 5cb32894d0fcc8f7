"""Covariates of a request, by name, as the model that is asked wants them; pure, like the rest of the translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forecaster.arrays import FloatArray
from forecaster.config import CovariateConfig, ModelConfig
from forecaster.data.covariates import PanelCovariates
from forecaster.data.statics import category_text
from service.errors import InvalidFields, MissingCovariate
from service.requests.rows import Rows
from service.schemas import SeriesIn

# Networks clip numbers of a whole series that are far from those of training; graphs for ONNX Runtime that were written
# before they did square them in 32 bits.
MAX_STATIC = 1e15


def covariate_names(wanted: CovariateConfig) -> dict[str, list[str]]:
    """Gives the covariates that a model reads from the data, by their kind."""
    return {
        "past": list(wanted.past),
        "known": list(wanted.known),
        "static": list(wanted.static),
        "category": list(wanted.categories),
    }


def covariates_of(series: Sequence[SeriesIn], rows: Sequence[Rows], model: ModelConfig) -> PanelCovariates | None:
    """Gives the covariates that the model reads; None where it reads none.

    MissingCovariate names what a series lacks, InvalidFields what the model does not read and what is too short or of
    the wrong kind.
    """
    wanted = model.covariates
    for position, one in enumerate(series):
        _refuse_misfit(one, position, wanted)
    if not any(covariate_names(wanted).values()):
        return None
    pairs = list(zip(series, rows, strict=True))
    return PanelCovariates.from_arrays(
        past={name: [_past(one, row, name) for one, row in pairs] for name in wanted.past},
        known={name: [_known(one, row, name) for one, row in pairs] for name in wanted.known},
        static={name: [_number(one.static[name]) for one in series] for name in wanted.static},
        categories={name: [_category(one.static[name]) for one in series] for name in wanted.categories},
    )


def groups_of(series: Sequence[SeriesIn], model: ModelConfig) -> list[int]:
    """Gives the number of the group of each series, one without a group being alone; none where all are alone."""
    for position, one in enumerate(series):
        if one.group is not None and model.channels != "group":
            raise InvalidFields.of(f"series.{position}.group", "this model forecasts each series alone")
    if model.channels != "group":
        return []
    numbers: dict[tuple[str, str], int] = {}
    groups = [_category(one.group) for one in series]
    keys = [("id", one.id) if group is None else ("group", group) for one, group in zip(series, groups, strict=True)]
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _past(one: SeriesIn, row: Rows, name: str) -> FloatArray:
    return row.spread(np.array(one.past[name], dtype=np.float64))


def _known(one: SeriesIn, row: Rows, name: str) -> FloatArray:
    """Gives a column over the steps of the series, then ahead, where each number is one step."""
    numbers, length = np.array(one.known[name], dtype=np.float64), len(one.target)
    return np.concatenate([row.spread(numbers[:length]), numbers[length:]])


def _number(value: str | float | None) -> float:
    return float("nan") if value is None else float(value)


def _category(value: str | float | None) -> str | None:
    return None if value is None else category_text(value)


def _refuse_misfit(one: SeriesIn, position: int, wanted: CovariateConfig) -> None:
    """Refuses columns that are missing, not read, shorter than the history or of the wrong kind."""
    length = len(one.target)
    _refuse_names(position, "past", one.past, wanted.past)
    _refuse_names(position, "known", one.known, wanted.known)
    _refuse_names(position, "static", one.static, (*wanted.static, *wanted.categories))
    for name, column in one.past.items():
        if len(column) != length:
            raise InvalidFields.of(f"series.{position}.past.{name}", f"has {len(column)} numbers for {length} values")
    for name, column in one.known.items():
        if len(column) < length or len(column) != len(next(iter(one.known.values()))):
            raise InvalidFields.of(
                f"series.{position}.known.{name}",
                f"has {len(column)} numbers: wanted are {length}, one for each value, and one for each step ahead, "
                "as many in every column",
            )
    for name in wanted.static:
        value = one.static[name]
        if isinstance(value, str):
            raise InvalidFields.of(f"series.{position}.static.{name}", "must be a number")
        if value is not None and abs(value) > MAX_STATIC:
            raise InvalidFields.of(f"series.{position}.static.{name}", f"is beyond +/- {MAX_STATIC:g}")


def _refuse_names(position: int, kind: str, given: Mapping[str, object], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in given:
            raise MissingCovariate([{"field": f"series.{position}.{kind}.{name}", "message": "is missing"}])
    for name in given:
        if name not in wanted:
            reads = ", ".join(map(repr, wanted)) or "none"
            raise InvalidFields.of(
                f"series.{position}.{kind}.{name}", f"is not read by this model, which reads {reads}"
            )
