"""Which columns of a table a model reads, and what each of them may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from forecaster.config import ModelConfig
from service.errors import InvalidFields, MissingCovariate

ID, TIME, TARGET, GROUP = "unique_id", "ds", "y", "group"

_NAMES_SHOWN, _LONGEST_NAME_SHOWN = 8, 20


class Role(Enum):
    """What a column is to a model; its value says what the column may hold."""

    ID = "texts or integers"
    TIME = "timestamps, dates, ISO 8601 texts or integers"
    TARGET = "numbers"
    COVARIATE = "numbers or booleans"
    STATIC = "numbers, the same in all rows of a series"
    CATEGORY = "texts or numbers, the same in all rows of a series"
    GROUP = "texts or integers, the same in all rows of a series"


TEXTS = frozenset({Role.ID, Role.CATEGORY, Role.GROUP})

OPTIONAL = (Role.GROUP,)  # what a table may leave out

Roles = Mapping[str, Role]  # of the columns to read, by name


def names_of(model: ModelConfig) -> tuple[str, ...]:
    """Gives the columns that a model reads from a table, those that may be left out included."""
    return tuple(_wanted(model))


def roles_of(model: ModelConfig, present: Sequence[str], optional: Sequence[Role] = OPTIONAL) -> Roles:
    """Gives the columns that a model reads from a table that has these.

    InvalidFields and MissingCovariate name the one that is not there, unless it may be left out.
    """
    wanted = _wanted(model)
    for name, role in wanted.items():
        if name not in present and role not in optional:
            family = InvalidFields if name in (ID, TIME, TARGET) else MissingCovariate
            raise family.of(name, f"is missing: the columns are {listed(present)}")
    return {name: role for name, role in wanted.items() if name in present}


def listed(names: Sequence[str]) -> str:
    """Gives names as messages list them, the first few."""
    shown = ", ".join(repr(name[:_LONGEST_NAME_SHOWN]) for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return (shown or "none") + (f" and {more} more" if more > 0 else "")


def _wanted(model: ModelConfig) -> dict[str, Role]:
    covariates = model.covariates
    return {
        **({GROUP: Role.GROUP} if model.channels == "group" else {}),
        **dict.fromkeys((*covariates.past, *covariates.known), Role.COVARIATE),
        **dict.fromkeys(covariates.static, Role.STATIC),
        **dict.fromkeys(covariates.categories, Role.CATEGORY),
        ID: Role.ID,
        TIME: Role.TIME,
        TARGET: Role.TARGET,
    }
