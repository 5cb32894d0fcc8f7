"""Exports: every kind of network can be one, nothing of its writer is in it, and a wrong one is not given out."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx
import pytest
import torch

from forecaster.config import CovariateConfig
from forecaster.errors import ExportError
from forecaster.model.network import Network
from forecaster.predictor import Predictor
from forecaster.runtime import export
from forecaster.runtime.export import export_networks, try_export
from forecaster.runtime.onnx import OnnxEnsemble
from forecaster.time.frequency import Frequency
from tests.model.factories import COVERING, awake_network, batch_for
from tests.runtime.factories import Exported
from tests.test_bundle import small_predictor

_FEW = 3  # a graph takes many seconds
_VARIANTS = [*list(COVERING)[:_FEW], *(pytest.param(name, marks=pytest.mark.long) for name in list(COVERING)[_FEW:])]


def predictor_of(network: Network) -> Predictor:
    return Predictor(network, Frequency.parse("h"))


class Undecided(Network):
    """A network whose way depends on its data: no graph can hold it."""

    def forward(self, context: torch.Tensor, *rest: object) -> object:  # type: ignore[override]
        return super().forward(context if context.sum() > 0 else -context, *rest)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("variant", _VARIANTS)
def test_every_kind_of_network_can_be_exported_and_answers_the_same(variant: str) -> None:
    network = awake_network(0, **COVERING[variant])
    ensemble = OnnxEnsemble(export_networks(predictor_of(network)), [network])
    for num_rows in (1, 7):
        batch = batch_for(network, num_rows, seed=num_rows)
        batch.observed[-1, :13] = False
        with torch.inference_mode():
            expected = network(batch.context, batch.observed, batch.covariates, batch.groups)
        given = ensemble(batch.context, batch.observed, batch.covariates, batch.groups)
        torch.testing.assert_close(given.parameters[0], expected.parameters, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(given.scale.loc, expected.scale.loc, rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(given.scale.spread, expected.scale.spread, rtol=1e-7, atol=1e-7)
        assert (given.scale.logarithmic is None) == (expected.scale.logarithmic is None)


def test_a_graph_holds_its_weights_and_nothing_of_the_machine_that_wrote_it(exported: Exported) -> None:
    model = onnx.load_from_string(exported.graph)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert not model.functions
    assert b"/" + Path(export.__file__).parts[1].encode() not in exported.graph
    assert b".py" not in exported.graph


@pytest.mark.slow
def test_two_exports_are_the_same_and_say_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    graphs = {export_networks(small_predictor()) for _ in range(2)}
    assert len(graphs) == 1
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("torch.onnx").level == logging.NOTSET


def test_a_network_that_cannot_be_traced_is_served_without_a_graph(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    predictor = small_predictor()
    predictor = predictor_of(Undecided(predictor.network.config))
    with pytest.raises(ExportError, match="cannot be traced"):
        export_networks(predictor)
    assert try_export(predictor) is None
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == ["network_not_exported"]
    assert capfd.readouterr().out == ""


def test_a_graph_that_answers_otherwise_is_not_given_out(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_graph", lambda _: exported.graph)
    changed = small_predictor(num_networks=2, covariates=exported.predictor.network.config.covariates, channels="group")
    with torch.no_grad():
        changed.network.decoder.linear.weight *= 1.001
    with pytest.raises(ExportError, match="differs by"):
        export_networks(changed)
    other = small_predictor(covariates=CovariateConfig(past=("rain",)))
    with pytest.raises(ExportError, match="the config names others"):
        export_networks(other)
