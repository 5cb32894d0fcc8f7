"""Bundles with a graph: its bytes are the manifest's, and what executes them is what was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from forecaster.bundle import MANIFEST, NETWORK, describe, load_bundle, read_manifest, save_bundle
from forecaster.errors import BundleError, IntegrityError
from forecaster.model.inputs import covariates_of
from forecaster.runtime.onnx import OnnxEnsemble
from tests.runtime.factories import Exported, windows
from tests.test_bundle import FACTS, rewrite_manifest, small_predictor


@pytest.fixture
def folder(exported: Exported, tmp_path: Path) -> Path:
    save_bundle(tmp_path / "bundle", exported.predictor, FACTS, exported.graph)
    return tmp_path / "bundle"


def test_the_graph_is_a_file_of_the_bundle_like_any_other(exported: Exported, folder: Path) -> None:
    assert (folder / NETWORK).read_bytes() == exported.graph
    assert read_manifest(folder).files[NETWORK].size == len(exported.graph)
    assert (folder / NETWORK).stat().st_mode == (folder / MANIFEST).stat().st_mode


def test_a_flipped_bit_of_the_graph_is_refused_whatever_executes_it(exported: Exported, folder: Path) -> None:
    for position in np.random.default_rng(0).integers(0, len(exported.graph), 20):
        changed = bytearray(exported.graph)
        changed[position] ^= 4
        (folder / NETWORK).write_bytes(changed)
        for runtime in ("eager", "onnx"):
            with pytest.raises(IntegrityError, match=NETWORK):
                load_bundle(folder, runtime)  # type: ignore[arg-type]


def test_a_graph_that_the_manifest_does_not_name_is_refused(exported: Exported, tmp_path: Path) -> None:
    save_bundle(tmp_path / "plain", exported.predictor, FACTS)
    (tmp_path / "plain" / NETWORK).write_bytes(exported.graph)
    with pytest.raises(IntegrityError, match="its manifest names"):
        load_bundle(tmp_path / "plain")


def test_a_bundle_may_hold_no_graph_and_no_other_file(exported: Exported, folder: Path) -> None:
    (folder / NETWORK).rename(folder / "other.onnx")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["other.onnx"] = manifest["files"].pop(NETWORK)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="this version of the library wants"):
        load_bundle(folder)
    (folder / "other.onnx").unlink()
    del manifest["files"]["other.onnx"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    rewrite_manifest(folder)
    assert load_bundle(folder, "auto").runtime.name == "eager"


def test_forecasts_are_the_same_to_a_hundred_thousandth_of_the_spread(exported: Exported, folder: Path) -> None:
    loaded = load_bundle(folder, "onnx").predictor
    assert isinstance(loaded.ensemble, OnnxEnsemble)
    inputs = windows(exported.predictor, 8)
    given, expected = (
        predictor.quantiles(
            inputs["context"], inputs["observed"], predictor.levels, covariates_of(inputs), inputs["groups"]
        )
        for predictor in (loaded, exported.predictor)
    )
    reach = (expected - inputs["context"].mean(dim=1)[:, None, None]).abs().amax(dim=(1, 2), keepdim=True)
    assert ((given - expected).abs() / reach).max() <= 1e-5


def test_facts_say_what_executes_a_bundle_and_why(folder: Path) -> None:
    facts = [describe(load_bundle(folder, runtime))["runtime"] for runtime in ("eager", "onnx", "auto")]
    assert facts[:2] == [{"name": "eager", "milliseconds": {}}, {"name": "onnx", "milliseconds": {}}]
    assert set(facts[2]["milliseconds"]) == {"eager", "onnx"}
    assert set(facts[2]["milliseconds"]["onnx"]) == {"1", "32"}
    assert json.loads(json.dumps(facts)) == facts


def test_weights_are_held_once_by_what_executes_them(folder: Path) -> None:
    eager, onnx = load_bundle(folder, "eager"), load_bundle(folder, "onnx")
    assert [next(network.parameters()).device.type for network in eager.predictor.networks] == ["cpu", "cpu"]
    tensors = [tensor for network in onnx.predictor.networks for tensor in network.state_dict().values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert describe(onnx)["num_parameters"] == describe(eager)["num_parameters"] > 0


def test_levels_that_were_trained_come_as_they_are_and_others_between_them() -> None:
    predictor = small_predictor(levels=(0.1, 0.5, 0.9))
    context, observed = torch.randn(2, 32, dtype=torch.float64), torch.ones(2, 32, dtype=torch.bool)
    three = predictor.quantiles(context, observed, (0.1, 0.5, 0.9))
    four = predictor.quantiles(context, observed, (0.1, 0.3, 0.5, 0.9))
    assert torch.equal(three, four[..., [0, 2, 3]])
