"""Networks computed by ONNX Runtime from one graph, in the place of an `Ensemble`.

The graph's inputs are those that `input_names` names, its outputs the members' parameters and the scale, and what is
made of them for the levels that nearly all ask for: calibrated quantiles, where the head is one of quantiles. Those of
distributions are worked out by functions that no graph has. Only what is asked for is computed.

ONNX Runtime is imported when the first graph is opened, and kept from reporting to its makers, which it does by
default. A graph is data from outside: it comes as bytes whose digest was checked, and nothing that it points to outside
of them is read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecaster.config import ModelConfig
from forecaster.errors import BundleError, RequestError
from forecaster.model.ensemble import EnsembleOutput
from forecaster.model.inputs import CONTEXT, GROUPS, OBSERVED, input_names, named_covariates
from forecaster.model.network import Network
from forecaster.model.patching import left_pad
from forecaster.types import CovariateBatch, Scale

if TYPE_CHECKING:
    import onnxruntime

LOC, SPREAD, LOGARITHMIC, QUANTILES = "loc", "spread", "logarithmic", "quantiles"

_NOWHERE = "/dev/null"  # weights outside of the graph's own bytes would be looked for below it
_FATAL = 4  # of ONNX Runtime's log levels: what fails is raised


def output_names(config: ModelConfig, num_networks: int) -> tuple[str, ...]:
    """Gives the names of what a graph of so many networks gives, in their order."""
    members = [f"parameters.{number}" for number in range(num_networks)]
    logarithmic = [LOGARITHMIC] if config.scaling == "log" else []
    return (*members, LOC, SPREAD, *logarithmic, *([QUANTILES] if config.head == "quantile" else []))


class OnnxEnsemble:
    """Networks that ONNX Runtime computes on `num_threads` threads of this CPU; BundleError for an unfit graph.

    ImportError without ONNX Runtime. May be called by several threads at once.
    """

    device = torch.device("cpu")

    def __init__(self, graph: bytes, networks: Sequence[Network], num_threads: int = 1) -> None:
        self.networks = tuple(networks)
        self._config, self._length = self.networks[0].config, self.networks[0].context_length
        self._inputs = input_names(self._config)
        self._outputs = output_names(self._config, len(self.networks))
        self._session = _session(graph, num_threads)
        given = {value.name for value in self._session.get_inputs()}, {v.name for v in self._session.get_outputs()}
        if given != (set(self._inputs), set(self._outputs)):
            raise BundleError(f"the graph maps {sorted(given[0])} to {sorted(given[1])}, the config names others")

    def __call__(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> EnsembleOutput:
        """Gives what all members say of context [B L'], observed [B L'] and what else is known of these windows."""
        given = self._given(context, observed, covariates, groups)
        wanted = [name for name in self._outputs if name != QUANTILES]
        arrays: list[NDArray[Any]] = self._session.run(wanted, given)
        found = dict(zip(wanted, map(torch.from_numpy, arrays), strict=True))
        scale = Scale(found[LOC], found[SPREAD], self._config.scaling == "asinh", found.get(LOGARITHMIC))
        parameters = tuple(found[name] for name in self._outputs[: len(self.networks)])
        return EnsembleOutput(parameters, scale, self.networks[0].head)

    def own_quantiles(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """Gives the quantiles [B H Q] at the config's levels, as the predictor that was exported makes them.

        None where the graph has none.
        """
        if QUANTILES not in self._outputs:
            return None
        (values,) = self._session.run([QUANTILES], self._given(context, observed, covariates, groups))
        return torch.from_numpy(values)

    def give_back_memory(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None = None,
        groups: torch.Tensor | None = None,
    ) -> None:
        """Looks at these windows, and returns to the system what larger batches have left in ONNX Runtime's arena."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._session.run([LOC], self._given(context, observed, covariates, groups), options)

    def _given(
        self,
        context: torch.Tensor,
        observed: torch.Tensor,
        covariates: CovariateBatch | None,
        groups: torch.Tensor | None,
    ) -> dict[str, NDArray[Any]]:
        """Gives the graph's inputs by name."""
        if context.shape[1] != self._length:
            context, observed = left_pad(context, observed, self._length)
        named = {CONTEXT: context.to(torch.float64), OBSERVED: observed}
        if GROUPS in self._inputs:
            named[GROUPS] = torch.arange(len(context)) if groups is None else groups
        if not self._config.reads_context_alone:
            if covariates is None:
                raise RequestError("this model needs covariates and got none", code="missing-covariates")
            named |= named_covariates(covariates, self._config)
        return {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in named.items()}


def _session(graph: bytes, num_threads: int) -> onnxruntime.InferenceSession:
    """Opens a graph on the CPU. Threads do not spin while they wait: cores are shared with other requests."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at its import, which already reports
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common root but this one
        raise BundleError(f"the graph cannot be opened: {str(error)[:200]}", code="unfit-graph") from error
    session.disable_fallback()  # there is no other provider to go on with, for which
    session._model_bytes = None  # it would keep these bytes: all weights once more
    return session
