"""Which tensors a model takes and gives in the Open Inference Protocol.

target [S, L] ... -> quantiles [S, H, Q] ...      S series, L values of each, H steps, Q levels
"""

from __future__ import annotations

from dataclasses import dataclass

from forecaster.predictor import Predictor

FLOATS, INTEGERS, TEXTS = "FP64", "INT64", "BYTES"
TARGET, START, ID, GROUP = "target", "start", "unique_id", "group"
QUANTILES, LEVELS, TIMESTAMPS, WARNINGS = "quantiles", "levels", "timestamps", "warnings"
PAST, KNOWN, STATIC = "past", "known", "static"

_ANY = -1


@dataclass(frozen=True)
class TensorSpec:
    """The datatype and the shape of a tensor, -1 where any size will do."""

    datatype: str
    shape: tuple[int, ...]
    has_nulls: bool = False  # an element may be missing

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)


def inputs_of(predictor: Predictor) -> dict[str, TensorSpec]:
    """Gives the inputs of a model by name; it needs all of them."""
    model = predictor.network.config
    covariates = model.covariates
    rows, whole = TensorSpec(FLOATS, (_ANY, _ANY), has_nulls=True), TensorSpec(FLOATS, (_ANY,), has_nulls=True)
    labels = TensorSpec(TEXTS, (_ANY,), has_nulls=True)
    return {
        TARGET: rows,
        START: TensorSpec(_datatype_of_times(predictor), (_ANY,)),
        ID: TensorSpec(TEXTS, (_ANY,)),
        **{f"{PAST}.{name}": rows for name in covariates.past},
        **{f"{KNOWN}.{name}": rows for name in covariates.known},
        **{f"{STATIC}.{name}": whole for name in covariates.static},
        **{f"{STATIC}.{name}": labels for name in covariates.categories},
        **({GROUP: labels} if model.channels == "group" else {}),
    }


def outputs_of(predictor: Predictor) -> dict[str, TensorSpec]:
    """Gives the outputs of a model by name."""
    return {
        QUANTILES: TensorSpec(FLOATS, (_ANY, _ANY, _ANY)),
        LEVELS: TensorSpec(FLOATS, (_ANY,)),
        TIMESTAMPS: TensorSpec(_datatype_of_times(predictor), (_ANY, _ANY)),
        ID: TensorSpec(TEXTS, (_ANY,)),
        WARNINGS: TensorSpec(TEXTS, (_ANY, 3)),  # whose, its code and its message
    }


def _datatype_of_times(predictor: Predictor) -> str:
    return INTEGERS if predictor.frequency.is_step else TEXTS
