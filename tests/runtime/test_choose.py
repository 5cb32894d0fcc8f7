"""The choice of a runtime: what was asked for, or the faster one; each is checked before it is used."""

from __future__ import annotations

import sys
import time

import pytest
import torch

from forecaster.errors import BundleError, GoldenError
from forecaster.golden import record_golden
from forecaster.model.ensemble import Ensemble, EnsembleOutput
from forecaster.runtime.choose import Runtime, chosen, measured
from forecaster.runtime.onnx import OnnxEnsemble
from tests.runtime.factories import Exported
from tests.test_bundle import small_predictor


class Repeated(Ensemble):
    """Computes everything a number of times."""

    times = 20

    def __call__(self, *inputs: object) -> EnsembleOutput:  # type: ignore[override]
        found = [super(Repeated, self).__call__(*inputs) for _ in range(self.times)]  # type: ignore[arg-type]
        return found[0]


@pytest.fixture(scope="module")
def golden(exported: Exported) -> dict[str, torch.Tensor]:
    return record_golden(exported.predictor)


def test_both_ways_are_timed_alone_and_in_a_batch(exported: Exported) -> None:
    predictor = exported.predictor
    begin = time.perf_counter()
    timings = measured({"one": predictor.ensemble, "many": Repeated(predictor.networks)})
    assert time.perf_counter() - begin < 5
    assert [list(found) for found in timings.values()] == [[1, 32], [1, 32]]
    for size in (1, 32):
        assert timings["many"][size] > 3 * timings["one"][size]


def test_auto_takes_the_faster_way_and_says_what_it_measured(
    exported: Exported, golden: dict[str, torch.Tensor]
) -> None:
    slow = exported.predictor.executed_by(Repeated(exported.predictor.networks))
    predictor, choice = chosen(slow, golden, exported.graph, "auto")
    assert choice.name == "onnx"
    assert isinstance(predictor.ensemble, OnnxEnsemble)
    assert {name: set(found) for name, found in choice.milliseconds.items()} == {"eager": {1, 32}, "onnx": {1, 32}}


def test_what_the_timed_batches_took_is_given_back(
    exported: Exported, golden: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    monkeypatch.setattr(OnnxEnsemble, "give_back_memory", lambda _, context, *others: rows.append(len(context)))
    chosen(exported.predictor, golden, exported.graph, "auto")
    assert rows == [1]


def test_what_is_asked_for_is_taken_and_not_measured(exported: Exported, golden: dict[str, torch.Tensor]) -> None:
    names: tuple[Runtime, ...] = ("eager", "onnx")
    for name in names:
        predictor, choice = chosen(exported.predictor, golden, exported.graph, name)
        assert (choice.name, choice.milliseconds) == (name, {})
        assert isinstance(predictor.ensemble, OnnxEnsemble if name == "onnx" else Ensemble)


def test_without_a_graph_auto_is_eager_and_onnx_is_refused(
    exported: Exported, golden: dict[str, torch.Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    predictor, choice = chosen(exported.predictor, golden, None, "auto")
    assert predictor is exported.predictor
    assert (choice.name, choice.milliseconds) == ("eager", {})
    assert not caplog.records
    with pytest.raises(BundleError, match="has no graph") as caught:
        chosen(exported.predictor, golden, None, "onnx")
    assert caught.value.code == "no-onnx"


def test_a_graph_that_cannot_be_opened_leaves_auto_eager_with_a_line_in_the_log(
    exported: Exported, golden: dict[str, torch.Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    _, choice = chosen(exported.predictor, golden, b"spoiled", "auto")
    assert choice.name == "eager"
    assert [record.message for record in caplog.records] == ["onnx_not_used"]
    with pytest.raises(BundleError, match="cannot be opened"):
        chosen(exported.predictor, golden, b"spoiled", "onnx")


def test_without_onnx_runtime_auto_is_eager(
    exported: Exported, golden: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert chosen(exported.predictor, golden, exported.graph, "auto")[1].name == "eager"
    with pytest.raises(BundleError, match="ONNX Runtime is not installed"):
        chosen(exported.predictor, golden, exported.graph, "onnx")


@pytest.mark.parametrize("runtime", ["auto", "onnx"])
def test_a_graph_of_other_weights_is_refused(exported: Exported, runtime: Runtime) -> None:
    config = exported.predictor.network.config
    other = small_predictor(num_networks=2, covariates=config.covariates, channels="group")
    with torch.no_grad():
        other.network.decoder.linear.weight *= 1.1
    with pytest.raises(GoldenError, match="differs by"):
        chosen(other, record_golden(other), exported.graph, runtime)
    assert chosen(other, record_golden(other), exported.graph, "eager")[1].name == "eager"


def test_the_same_predictor_by_another_executor_shares_all_else(exported: Exported) -> None:
    other = exported.predictor.executed_by(OnnxEnsemble(exported.graph, exported.predictor.networks))
    assert other.calibration is exported.predictor.calibration
    assert isinstance(exported.predictor.ensemble, Ensemble)
