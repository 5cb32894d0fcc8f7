"""Writes the networks of a predictor as one ONNX graph, for publishing: what serves reads it and never writes one.

    inputs     context float64 [B L], observed bool [B L], and by name what else the config reads (`input_names`)
    outputs    the parameters [B H K] of each network, the scale: loc, spread, with 'log' logarithmic, [B 1] each,
               and of heads of quantiles the predictor's quantiles [B H Q] at the config's levels

B is free, weights are inside, and neither paths nor stack traces of the machine that exported are. A graph is given out
only if it answers the golden contexts as the networks do.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import torch
from torch import nn

from forecaster.errors import ExportError, ForecasterError
from forecaster.golden import golden_difference, golden_window, record_golden
from forecaster.model.ensemble import EnsembleOutput
from forecaster.model.inputs import CONTEXT, GROUPS, OBSERVED, covariates_of, input_names
from forecaster.predictor import Predictor
from forecaster.runtime.onnx import OnnxEnsemble, output_names
from forecaster.runtime.translations import translations
from forecaster.types import Scale

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)

# Of the reach of each golden forecast (`golden_difference`): float32 sums in another order.
TOLERANCE = 1e-5

_OPSET = 20
_TALKATIVE = ("torch.onnx", "torch.fx.experimental.symbolic_shapes")
_MOST_ROWS = 1 << 16  # of a batch


def try_export(predictor: Predictor) -> bytes | None:
    """Gives the graph of a predictor's networks; None, with a line in the log, where it cannot be had."""
    try:
        return export_networks(predictor)
    except ExportError as error:
        log.warning("network_not_exported", extra={"fields": {"reason": str(error)}})
        return None


def export_networks(predictor: Predictor) -> bytes:
    """Gives the graph of a predictor's networks, checked against them.

    ExportError where packages are missing, where the networks cannot be a graph, or where it gives other forecasts.
    """
    with _quiet():
        graph = _graph(predictor)
    _check(predictor, graph)
    return graph


def _graph(predictor: Predictor) -> bytes:
    network, ensemble = predictor.network, predictor.ensemble
    window = golden_window(network.config, network.context_length)
    names = input_names(network.config)
    rows = torch.export.Dim("rows", min=1, max=_MOST_ROWS)
    given = tuple(window[name].to(ensemble.device) for name in names)
    try:
        with torch.no_grad():
            program = torch.export.export(
                _Graph(predictor, names), given, dynamic_shapes=(tuple({0: rows} for _ in names),), strict=False
            )
            written = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                opset_version=_OPSET,
                input_names=list(names),
                output_names=list(output_names(network.config, len(ensemble.networks))),
                custom_translation_table=translations(),
            )
    except ImportError as error:
        raise ExportError(f"{error.name} is not installed: pip install 'forecaster[export]'") from error
    except Exception as error:  # tracing fails in as many ways as networks can be written
        raise ExportError(f"the network cannot be traced: {type(error).__name__}: {str(error)[:300]}") from error
    assert written is not None
    return _stripped(written.model_proto)


class _Graph(nn.Module):
    """All networks, and what is made of them, as one function of tensors in the order of their names."""

    def __init__(self, predictor: Predictor, names: tuple[str, ...]) -> None:
        super().__init__()
        self.networks, self.names = nn.ModuleList(predictor.networks), names
        self.predictor = predictor

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Gives the parameters of each network, the scale that all share, and quantiles at the config's levels."""
        named = dict(zip(self.names, given, strict=True))
        covariates, groups = covariates_of(named), named.get(GROUPS)
        outputs = [network(named[CONTEXT], named[OBSERVED], covariates, groups) for network in self.networks]
        scale = outputs[0].scale
        logarithmic = [] if scale.logarithmic is None else [scale.logarithmic]
        parameters = tuple(output.parameters for output in outputs)
        return (*parameters, scale.loc, scale.spread, *logarithmic, *self._quantiles(parameters, scale))

    def _quantiles(self, parameters: tuple[torch.Tensor, ...], scale: Scale) -> list[torch.Tensor]:
        if self.predictor.network.config.head != "quantile":
            return []
        joint = EnsembleOutput(parameters, scale, self.predictor.network.head)
        return [self.predictor.quantiles_of(joint, self.predictor.levels)]


def _stripped(model: onnx.ModelProto) -> bytes:
    """Gives the graph as bytes without what only its writer's machine explains."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for values in (model.graph.input, model.graph.output, model.graph.value_info, model.graph.initializer):
        for value in values:
            del value.metadata_props[:]
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    graph: bytes = model.SerializeToString(deterministic=True)
    return graph


def _check(predictor: Predictor, graph: bytes) -> None:
    """Raises ExportError unless the graph answers the golden contexts as the networks do."""
    try:
        exported = predictor.executed_by(OnnxEnsemble(graph, predictor.networks))
        worst = golden_difference(exported, record_golden(predictor))
    except (ImportError, ForecasterError) as error:
        raise ExportError(f"the graph cannot be checked: {error}") from error
    if not worst <= TOLERANCE:
        raise ExportError(f"the graph's forecast differs by {worst:.1e} of its reach, {TOLERANCE:.0e} is allowed")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back what the exporter says of itself: operators of packages that are not there, graphs that it gave up."""
    before = {name: logging.getLogger(name).level for name in _TALKATIVE}
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
