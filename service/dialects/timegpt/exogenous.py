"""Rows of exogenous features -> the covariates of a model by name.

The SDK sends no names, only an order: features known ahead first, then those of the past, each as its caller ordered
them. So a row has a name where the request says it, or where the model reads a single covariate of that kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from forecaster.config import CovariateConfig
from service.dialects.timegpt.bodies import Parameters
from service.errors import InvalidFields, MissingCovariate

_FIELD = "series.X"
_SAY_NAMES = "say which is which: model_parameters={'exogenous': [names, in the order of X]}"


@dataclass(frozen=True)
class Columns:
    """The places in X of the covariates that a model reads, by name."""

    known: dict[str, int] = field(default_factory=dict)
    past: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """The rows of X as they were sent: how many, and which the request calls known ahead; None: it does not say."""

    number: int
    known: frozenset[int] | None

    @classmethod
    def split(cls, number: int, hist_exog: Sequence[int] | None) -> Rows:
        """Reads `hist_exog`, the places of what is known up to the cutoff alone."""
        hist = hist_exog or ()
        if any(place >= number for place in hist):
            raise InvalidFields.of("hist_exog", f"has a place that X, of {number} features, has not")
        return cls(number, frozenset(range(number)) - set(hist))


def columns_of(rows: Rows, wanted: CovariateConfig, parameters: Parameters | None) -> Columns:
    """Gives which row is which covariate of the model.

    MissingCovariate where it reads what was not sent, InvalidFields for rows that it does not read and where it cannot
    be told which row is which.
    """
    if wanted.static or wanted.categories:
        whole = ", ".join([*wanted.static, *wanted.categories])
        raise MissingCovariate(
            [{"field": "series", "message": f"this model reads {whole} of each series: ask it by POST /v1/forecast"}]
        )
    names = None if parameters is None else parameters.exogenous
    return _nameless(rows, wanted) if names is None else _named(rows, wanted, names)


def _named(rows: Rows, wanted: CovariateConfig, names: Sequence[str]) -> Columns:
    where = "model_parameters.exogenous"
    if len(names) != rows.number:
        raise InvalidFields.of(where, f"has {len(names)} names for the {rows.number} features of X")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidFields.of(where, f"names {twice[0]!r} more than once")
    for place, name in enumerate(names):
        if name not in (*wanted.known, *wanted.past):
            raise InvalidFields.of(where, f"{name!r} is not read by this model, which reads {_read_by(wanted)}")
        _refuse_other_kind(rows, place, name, is_known=name in wanted.known)
    for name in (*wanted.known, *wanted.past):
        if name not in names:
            raise MissingCovariate([{"field": _FIELD, "message": f"lacks {name!r}, which this model reads"}])
    places = {name: place for place, name in enumerate(names)}
    return Columns({name: places[name] for name in wanted.known}, {name: places[name] for name in wanted.past})


def _nameless(rows: Rows, wanted: CovariateConfig) -> Columns:
    num_wanted = len(wanted.known) + len(wanted.past)
    if rows.number != num_wanted:
        message = f"has {rows.number} features, where this model reads {_read_by(wanted)}"
        problem = [{"field": _FIELD, "message": message}]
        raise MissingCovariate(problem) if rows.number < num_wanted else InvalidFields(problem)
    if num_wanted == 0:
        return Columns()
    if max(len(wanted.known), len(wanted.past)) > 1 or (rows.known is None and num_wanted > 1):
        raise InvalidFields.of(_FIELD, f"has no names, and this model reads {_read_by(wanted)}: {_SAY_NAMES}")
    known = dict.fromkeys(wanted.known, 0)
    past = dict.fromkeys(wanted.past, num_wanted - 1)
    for name, place in (*known.items(), *past.items()):
        _refuse_other_kind(rows, place, name, is_known=name in known)
    return Columns(known, past)


def _refuse_other_kind(rows: Rows, place: int, name: str, *, is_known: bool) -> None:
    """Refuses a feature that is sent as known ahead and read as past, or the reverse."""
    if rows.known is None or (place in rows.known) == is_known:
        return
    wanted = "known ahead: leave it out of hist_exog_list, and give a forecast its future in X_df"
    if not is_known:
        wanted = "known up to the cutoff alone: name it in hist_exog_list"
    raise InvalidFields.of(_FIELD, f"feature {place}: this model reads {name!r} as {wanted}")


def _read_by(wanted: CovariateConfig) -> str:
    kinds = (("known ahead", wanted.known), ("past", wanted.past))
    found = [f"{', '.join(map(repr, names))} ({kind})" for kind, names in kinds if names]
    return " and ".join(found) or "none"
