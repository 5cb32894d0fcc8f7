"""Networks in ONNX Runtime: they answer as torch does, alone as in company, and open nothing that they should not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from onnx.external_data_helper import convert_model_to_external_data

from forecaster.errors import BundleError, RequestError
from forecaster.model.ensemble import Executor
from forecaster.model.inputs import CONTEXT, GROUPS, OBSERVED, covariates_of
from forecaster.runtime.onnx import OnnxEnsemble
from tests.runtime.factories import Exported, answer, rows_of, windows
from tests.test_bundle import small_network

NEAR = 1e-5  # of the spread: parameters are in scaled space


@pytest.fixture
def ensemble(exported: Exported) -> OnnxEnsemble:
    return OnnxEnsemble(exported.graph, exported.predictor.networks)


@pytest.mark.parametrize("num_rows", [1, 4, 32])
def test_members_and_scale_are_those_of_torch(exported: Exported, ensemble: OnnxEnsemble, num_rows: int) -> None:
    inputs = windows(exported.predictor, num_rows)
    expected, given = answer(exported.predictor.ensemble, inputs), answer(ensemble, inputs)
    assert len(given.parameters) == 2
    for one, other in zip(given.parameters, expected.parameters, strict=True):
        torch.testing.assert_close(one, other, rtol=NEAR, atol=NEAR)
    torch.testing.assert_close(given.scale.loc, expected.scale.loc, rtol=1e-12, atol=0)
    torch.testing.assert_close(given.scale.spread, expected.scale.spread, rtol=1e-12, atol=0)


@pytest.mark.parametrize("levels", [None, (0.2, 0.5)], ids=["own", "others"])
def test_quantiles_are_those_of_torch_from_the_graph_or_from_the_members(
    exported: Exported, ensemble: OnnxEnsemble, levels: tuple[float, ...] | None
) -> None:
    predictor, inputs = exported.predictor, windows(exported.predictor, 5)
    given = (inputs[CONTEXT], inputs[OBSERVED], levels or predictor.levels, covariates_of(inputs), inputs[GROUPS])
    expected = predictor.quantiles(*given)
    found = predictor.executed_by(ensemble).quantiles(*given)
    assert found.dtype == torch.float64
    assert ((found - expected).abs() / inputs[CONTEXT].std(dim=1)[:, None, None]).max() <= NEAR


def test_only_the_models_own_levels_are_the_graphs_to_answer(exported: Exported, ensemble: OnnxEnsemble) -> None:
    inputs = windows(exported.predictor, 2)
    arguments = inputs[CONTEXT], inputs[OBSERVED], covariates_of(inputs), inputs[GROUPS]
    assert exported.predictor.ensemble.own_quantiles(*arguments) is None
    found = ensemble.own_quantiles(*arguments)
    assert found is not None
    assert found.shape[-1] == len(exported.predictor.levels)


def test_rows_of_a_group_see_each_other(exported: Exported, ensemble: OnnxEnsemble) -> None:
    inputs = windows(exported.predictor, 4)
    together = inputs | {"groups": torch.zeros(4, dtype=torch.int64)}
    expected, given = answer(exported.predictor.ensemble, together), answer(ensemble, together)
    torch.testing.assert_close(given.parameters[0], expected.parameters[0], rtol=NEAR, atol=NEAR)
    assert (given.parameters[0] - answer(ensemble, inputs).parameters[0]).abs().max() > 100 * NEAR


@pytest.mark.parametrize("kind", ["eager", "onnx"])
def test_a_row_alone_is_the_same_row_among_32(exported: Exported, ensemble: OnnxEnsemble, kind: str) -> None:
    executor: Executor = ensemble if kind == "onnx" else exported.predictor.ensemble
    inputs = windows(exported.predictor, 32)
    together = answer(executor, inputs)
    for row in range(32):
        alone = answer(executor, rows_of(inputs, row))
        assert (alone.parameters[0] - together.parameters[0][row]).abs().max() <= NEAR
        assert torch.equal(alone.scale.spread, together.scale.spread[row : row + 1])


def test_a_row_without_a_value_harms_no_other(exported: Exported, ensemble: OnnxEnsemble) -> None:
    inputs = windows(exported.predictor, 3)
    before = answer(ensemble, inputs).parameters[0]
    inputs["observed"] = inputs["observed"].clone()
    inputs["observed"][1] = False
    after = answer(ensemble, inputs).parameters[0]
    assert after.isfinite().all()
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]], rtol=NEAR, atol=NEAR)


def test_what_stands_under_missing_is_never_read(exported: Exported, ensemble: OnnxEnsemble) -> None:
    inputs = windows(exported.predictor, 4)
    before = answer(ensemble, inputs)
    for name in ("context", "past.values", "known.values", "static.values"):
        mask = inputs[name.replace("values", "observed") if "." in name else "observed"]
        inputs[name] = torch.where(mask, inputs[name], torch.nan)
    assert torch.equal(answer(ensemble, inputs).parameters[0], before.parameters[0])


@pytest.mark.parametrize("number", [3e6, -1e15, 1e30])
def test_static_numbers_far_from_training_are_clipped_as_by_torch(
    exported: Exported, ensemble: OnnxEnsemble, number: float
) -> None:
    inputs = windows(exported.predictor, 4)
    inputs["static.values"] = torch.full_like(inputs["static.values"], number)
    inputs["static.observed"] = torch.ones_like(inputs["static.observed"])
    expected, given = answer(exported.predictor.ensemble, inputs), answer(ensemble, inputs)
    assert given.parameters[0].isfinite().all()
    torch.testing.assert_close(given.parameters[0], expected.parameters[0], rtol=NEAR, atol=NEAR)


def test_a_shorter_context_counts_as_missing_on_the_left(exported: Exported, ensemble: OnnxEnsemble) -> None:
    inputs = windows(exported.predictor, 2)
    inputs["observed"] = inputs["observed"].clone()
    inputs["observed"][:, :10] = False
    whole = answer(ensemble, inputs).parameters[0]
    shorter = {**inputs, "context": inputs["context"][:, 10:], "observed": inputs["observed"][:, 10:]}
    assert torch.equal(answer(ensemble, shorter).parameters[0], whole)


def test_missing_covariates_are_refused_as_by_torch(exported: Exported, ensemble: OnnxEnsemble) -> None:
    inputs = windows(exported.predictor, 1)
    with pytest.raises(RequestError, match="needs covariates and got none"):
        ensemble(inputs["context"], inputs["observed"])


def test_bytes_that_are_no_graph_are_refused(exported: Exported) -> None:
    for graph in (b"", b"graph", exported.graph[: len(exported.graph) // 2]):
        with pytest.raises(BundleError, match="cannot be opened"):
            OnnxEnsemble(graph, exported.predictor.networks)


def test_a_graph_of_another_config_is_refused(exported: Exported) -> None:
    with pytest.raises(BundleError, match="the config names others"):
        OnnxEnsemble(exported.graph, [small_network()])
    with pytest.raises(BundleError, match="the config names others"):
        OnnxEnsemble(exported.graph, exported.predictor.networks[:1])


def test_an_open_graph_does_not_keep_its_bytes(exported: Exported) -> None:
    graph = bytes(bytearray(exported.graph))
    before = sys.getrefcount(graph)
    ensemble = OnnxEnsemble(graph, exported.predictor.networks)
    assert sys.getrefcount(graph) == before
    assert answer(ensemble, windows(exported.predictor, 1)).parameters[0].isfinite().all()


def test_what_a_large_batch_has_left_is_given_back_and_answers_stay(exported: Exported, ensemble: OnnxEnsemble) -> None:
    few = windows(exported.predictor, 1)
    before = answer(ensemble, few)
    answer(ensemble, windows(exported.predictor, 1024))
    kept = _resident()
    ensemble.give_back_memory(few[CONTEXT], few[OBSERVED], covariates_of(few), few[GROUPS])
    assert kept - _resident() > 30e6
    assert torch.equal(answer(ensemble, few).parameters[0], before.parameters[0])


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_weights_outside_of_the_graph_are_not_read(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_from_string(exported.graph)
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, str(tmp_path / "network.onnx"))
    assert (tmp_path / "weights.bin").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="cannot be opened"):
        OnnxEnsemble((tmp_path / "network.onnx").read_bytes(), exported.predictor.networks)


def test_neither_library_nor_service_imports_a_runtime_before_a_graph_is_opened() -> None:
    names = "{'onnx', 'onnxscript', 'onnxruntime'}"
    code = f"import sys, forecaster.bundle, service.app; assert not {names} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


REPORTS = """
import sys, time
from pathlib import Path
from forecaster.runtime.onnx import _session
_session(Path(sys.argv[1]).read_bytes(), 1)
time.sleep(0.2)
print([str(path) for path in Path(sys.argv[2]).rglob("*")])
"""


def test_the_runtime_neither_writes_nor_sends_what_it_would_report_of_its_use(
    exported: Exported, tmp_path: Path
) -> None:
    (tmp_path / "graph").write_bytes(exported.graph)
    (tmp_path / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home" / "cache")}
    command = [sys.executable, "-c", REPORTS, str(tmp_path / "graph"), str(tmp_path / "home")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
