"""The bundle: an exact round trip, and nothing loads that was changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from forecaster.bundle import CALIBRATION, CONFIG, GOLDEN, MANIFEST, WEIGHTS, attribute, load_bundle, save_bundle
from forecaster.calibration import Calibration
from forecaster.config import CovariateConfig, ModelConfig, SplitConfig
from forecaster.errors import BundleError, GoldenError, IntegrityError
from forecaster.golden import record_golden
from forecaster.manifest import Provenance, TrainingFacts
from forecaster.model.network import Network
from forecaster.model.skips.linear import LinearSkip
from forecaster.predictor import Predictor
from forecaster.time.frequency import Frequency
from tests.factories import panel_of, sine_panel

SMALL = ModelConfig(horizon=6, context_length=32, patch_length=8, d_model=16, num_heads=2, num_layers=1, d_ff=16)
FACTS = TrainingFacts(
    data_fingerprint="sha256:0",
    num_series=1,
    frequency="h",
    timezone=None,
    horizon=6,
    cutoff="2024-01-01",
    latest="2024-01-01",
    used_up=(),
    split=SplitConfig(),
    num_steps=1,
    validation_loss=1.0,
)


READS_ALL = CovariateConfig(
    past=("rain",), known=("price", "sale"), calendar=("hour",), static=("size",), categories={"kind": ("a", "b")}
)


def small_network(head: str = "quantile", seed: int = 0, **changes: Any) -> Network:
    torch.manual_seed(seed)
    network = Network(ModelConfig(**{**SMALL.model_dump(), "head": head, **changes}))
    for parameter in network.parameters():  # far from the initial state, so that a wrong weight shows
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def small_calibration() -> Calibration:
    templates = np.random.default_rng(0).random((8, SMALL.horizon), dtype=np.float32)
    return Calibration(0.5, np.linspace(0.8, 1.4, SMALL.horizon), templates, 0.7, 0.79)


def small_predictor(head: str = "quantile", num_networks: int = 1, **changes: Any) -> Predictor:
    networks = [small_network(head, seed, **changes) for seed in range(num_networks)]
    return Predictor(networks, Frequency.parse("h"), small_calibration())


@pytest.fixture
def bundle_folder(tmp_path: Path) -> Path:
    save_bundle(tmp_path / "bundle", small_predictor(), FACTS)
    return tmp_path / "bundle"


@pytest.mark.parametrize("head", ["quantile", "student_t", "gaussian"])
@pytest.mark.parametrize("calibrated", [True, False])
def test_round_trip_is_exact(tmp_path: Path, head: str, calibrated: bool) -> None:
    predictor = small_predictor(head)
    predictor.calibration = predictor.calibration if calibrated else None
    digest = save_bundle(tmp_path / "b", predictor, FACTS)
    bundle = load_bundle(tmp_path / "b")
    panel = sine_panel(4, 50, noise=0.2, missing_share=0.1)
    before = predictor.predict(panel)
    np.testing.assert_array_equal(bundle.predictor.predict(panel).values, before.values)
    assert bundle.digest == digest
    assert bundle.manifest.training == FACTS


def test_an_ensemble_and_its_calibration_come_back_exactly(tmp_path: Path) -> None:
    predictor = small_predictor(num_networks=3)
    save_bundle(tmp_path / "b", predictor, FACTS)
    loaded = load_bundle(tmp_path / "b").predictor
    assert len(loaded.networks) == 3
    for before, after in zip(predictor.networks, loaded.networks, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    panel = sine_panel(2, 50, noise=0.2)
    np.testing.assert_array_equal(loaded.predict(panel).values, predictor.predict(panel).values)
    before, after = (p.sample_paths(panel, 5, seed=3).values for p in (predictor, loaded))
    np.testing.assert_array_equal(before, after)
    assert loaded.calibration is not None
    assert (loaded.calibration.coverage_before, loaded.calibration.coverage_after) == (0.7, 0.79)


@pytest.mark.parametrize("channels", ["independent", "group"])
def test_the_golden_forecast_of_a_model_with_covariates_is_replayed(tmp_path: Path, channels: str) -> None:
    predictor = small_predictor(num_networks=2, covariates=READS_ALL, channels=channels)
    save_bundle(tmp_path / "b", predictor, FACTS)
    golden = load_file(tmp_path / "b" / GOLDEN)
    assert golden["known.values"].shape == (4, 32 + 6, 2)
    assert ("groups" in golden) == (channels == "group")
    load_bundle(tmp_path / "b")
    golden["known.values"] = golden["known.values"].flip(1)
    save_file(golden, tmp_path / "b" / GOLDEN)
    rewrite_manifest(tmp_path / "b")
    with pytest.raises(GoldenError, match="differs by"):
        load_bundle(tmp_path / "b")


@pytest.mark.parametrize("covariates", [CovariateConfig(), READS_ALL], ids=["alone", "with covariates"])
def test_the_golden_forecast_of_a_model_that_reads_the_elapsed_time_is_replayed(
    tmp_path: Path, covariates: CovariateConfig
) -> None:
    save_bundle(tmp_path / "b", small_predictor(positions="time", covariates=covariates), FACTS)
    golden = load_file(tmp_path / "b" / GOLDEN)
    assert golden["elapsed"].shape == (4, 32 + 6)
    assert (golden["elapsed"][:, 31] == 0).all()
    load_bundle(tmp_path / "b")
    golden["elapsed"] = golden["elapsed"] * 3
    save_file(golden, tmp_path / "b" / GOLDEN)
    rewrite_manifest(tmp_path / "b")
    with pytest.raises(GoldenError, match="differs by"):
        load_bundle(tmp_path / "b")
    del golden["elapsed"]
    save_file(golden, tmp_path / "b" / GOLDEN)
    rewrite_manifest(tmp_path / "b")
    with pytest.raises(BundleError, match="'elapsed'"):
        load_bundle(tmp_path / "b")


def test_a_model_that_reads_the_elapsed_time_comes_back_exactly(tmp_path: Path) -> None:
    predictor = Predictor(small_network(positions="time"), Frequency.parse("B"))
    save_bundle(tmp_path / "b", predictor, FACTS)
    panel = sine_panel(2, 50, noise=0.2, frequency="B")
    values = load_bundle(tmp_path / "b").predictor.predict(panel).values
    np.testing.assert_array_equal(values, predictor.predict(panel).values)


def over_a_ridge(predictor: Predictor) -> Predictor:
    """Gives the predictor with weights in the ridge of its network."""
    skip = predictor.network.skip
    assert isinstance(skip, LinearSkip)
    skip.start_at(torch.randn(skip.weight.shape, generator=torch.Generator().manual_seed(0)))
    return predictor


def test_the_ridge_on_known_covariates_comes_back_exactly(tmp_path: Path) -> None:
    predictor = over_a_ridge(small_predictor(covariates=READS_ALL, season_length=24))
    save_bundle(tmp_path / "b", predictor, FACTS)
    weights = [
        found.network.state_dict()["skip.weight"] for found in (predictor, load_bundle(tmp_path / "b").predictor)
    ]
    assert weights[0].shape == (32 + 2 * 2, 6)
    assert torch.equal(*weights)


def test_a_bundle_whose_ridge_does_not_read_covariates_yet_gives_the_same_forecasts(tmp_path: Path) -> None:
    predictor = over_a_ridge(small_predictor(covariates=READS_ALL, season_length=24))
    predictor.network.state_dict()["skip.weight"][32:] = 0.0
    save_bundle(tmp_path / "b", predictor, FACTS)
    weights = load_file(tmp_path / "b" / WEIGHTS)
    weights["0.skip.weight"] = weights["0.skip.weight"][:32].contiguous()
    save_file(weights, tmp_path / "b" / WEIGHTS)
    rewrite_manifest(tmp_path / "b")
    loaded = load_bundle(tmp_path / "b").predictor  # replays the golden forecast
    assert torch.equal(loaded.network.state_dict()["skip.weight"], predictor.network.state_dict()["skip.weight"])


@pytest.mark.parametrize("head", ["negative_binomial", "mse"])
def test_counts_and_point_forecasts_come_back(tmp_path: Path, head: str) -> None:
    network = small_network(head, levels=(0.5,)) if head == "mse" else small_network(head)
    predictor = Predictor(network, Frequency.parse("h"))
    save_bundle(tmp_path / "b", predictor, FACTS)
    panel = panel_of(*np.random.default_rng(0).poisson(5.0, (2, 50)))
    values = load_bundle(tmp_path / "b").predictor.predict(panel).values
    np.testing.assert_array_equal(values, predictor.predict(panel).values)


def test_saving_twice_gives_the_same_digest(tmp_path: Path) -> None:
    digests = {save_bundle(tmp_path / name, small_predictor(), FACTS) for name in ("a", "b")}
    assert len(digests) == 1


def test_a_bundle_may_come_to_be_of_another_run(tmp_path: Path) -> None:
    provenance = Provenance(model="m", run_id="first", code_commit=None, packages_digest="sha256:0", metrics={})
    folder = tmp_path / "bundle"
    before = save_bundle(folder, small_predictor(), FACTS, provenance=provenance)
    weights = (folder / WEIGHTS).read_bytes()
    digest = attribute(folder, "second")
    bundle = load_bundle(folder)
    assert bundle.digest == digest != before
    assert bundle.manifest.provenance == provenance.model_copy(update={"run_id": "second"})
    assert (folder / WEIGHTS).read_bytes() == weights
    assert attribute(folder, "first") == before


def test_a_bundle_of_no_run_cannot(bundle_folder: Path) -> None:
    with pytest.raises(BundleError, match="no provenance"):
        attribute(bundle_folder, "second")


def test_an_existing_folder_is_not_overwritten(bundle_folder: Path) -> None:
    with pytest.raises(BundleError, match="exists already"):
        save_bundle(bundle_folder, small_predictor(), FACTS)


def test_a_bundle_that_another_writes_in_the_meantime_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(predictor: Predictor) -> dict[str, torch.Tensor]:
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / WEIGHTS).write_text("theirs")
        return record_golden(predictor)

    monkeypatch.setattr("forecaster.bundle.record_golden", meanwhile)
    with pytest.raises(OSError, match="not empty"):
        save_bundle(tmp_path / "b", small_predictor(), FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b" / WEIGHTS).read_text() == "theirs"


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.bundle.publish", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_bundle(tmp_path / "bundle", small_predictor(), FACTS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [CALIBRATION, CONFIG, GOLDEN, WEIGHTS])
def test_every_flipped_bit_is_refused(bundle_folder: Path, name: str) -> None:
    path = bundle_folder / name
    original = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(original), 40):
        changed = bytearray(original)
        changed[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(IntegrityError, match=name):
            load_bundle(bundle_folder)
    path.write_bytes(original)
    load_bundle(bundle_folder)


def test_truncated_missing_extra_and_linked_files_are_refused(bundle_folder: Path) -> None:
    weights = bundle_folder / WEIGHTS
    original = weights.read_bytes()
    weights.write_bytes(original[:-1])
    with pytest.raises(IntegrityError, match=WEIGHTS):
        load_bundle(bundle_folder)
    weights.unlink()
    with pytest.raises(IntegrityError, match="its manifest names"):
        load_bundle(bundle_folder)
    elsewhere = bundle_folder.parent / "elsewhere"
    elsewhere.write_bytes(original)
    weights.symlink_to(elsewhere)
    with pytest.raises(IntegrityError, match="not a plain file"):
        load_bundle(bundle_folder)
    weights.unlink()
    weights.write_bytes(original)
    (bundle_folder / "code.py").write_text("print('hello')")
    with pytest.raises(IntegrityError, match=r"code\.py"):
        load_bundle(bundle_folder)


def rewrite_manifest(folder: Path) -> None:
    """What an attacker or a bug would do: digests that match the changed files."""
    from forecaster.bundle import _digest_file

    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"] = {name: _digest_file(folder / name).model_dump() for name in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_changed_weights_with_matching_digests_fail_the_golden_forecast(bundle_folder: Path) -> None:
    weights = load_file(bundle_folder / WEIGHTS)
    weights["0.decoder.linear.weight"] = weights["0.decoder.linear.weight"] * 1.05
    save_file(weights, bundle_folder / WEIGHTS)
    rewrite_manifest(bundle_folder)
    with pytest.raises(GoldenError, match="differs by"):
        load_bundle(bundle_folder)


def test_a_changed_calibration_with_matching_digests_fails_the_golden_forecast(bundle_folder: Path) -> None:
    tensors = load_file(bundle_folder / CALIBRATION)
    save_file({**tensors, "factors": 1.01 * tensors["factors"]}, bundle_folder / CALIBRATION)
    rewrite_manifest(bundle_folder)
    with pytest.raises(GoldenError, match="differs by"):
        load_bundle(bundle_folder)


@pytest.mark.parametrize("name", ["factors", "templates"])
def test_a_calibration_of_another_horizon_is_refused(bundle_folder: Path, name: str) -> None:
    tensors = load_file(bundle_folder / CALIBRATION)
    save_file({**tensors, name: tensors[name][..., 1:].contiguous()}, bundle_folder / CALIBRATION)
    rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match="does not fit the horizon"):
        load_bundle(bundle_folder)


@pytest.mark.parametrize(
    ("number", "message"), [("2", r"names 2 network\(s\)|do not fit"), ("0", "0 invalid|invalid fields")]
)
def test_another_number_of_networks_is_refused(bundle_folder: Path, number: str, message: str) -> None:
    config = json.loads((bundle_folder / CONFIG).read_text())
    (bundle_folder / CONFIG).write_text(json.dumps({**config, "num_networks": int(number)}))
    rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle_folder)


def test_a_bundle_of_an_older_schema_says_so(bundle_folder: Path) -> None:
    manifest = json.loads((bundle_folder / MANIFEST).read_text())
    (bundle_folder / MANIFEST).write_text(json.dumps({**manifest, "schema_version": 1}))
    with pytest.raises(
        BundleError, match=r"has schema version 1, this version of the library reads 2: train"
    ) as caught:
        load_bundle(bundle_folder)
    assert caught.value.code == "other-schema"


def test_weights_of_another_shape_are_refused(bundle_folder: Path) -> None:
    config = json.loads((bundle_folder / CONFIG).read_text())
    config["model"]["d_ff"] = 32
    (bundle_folder / CONFIG).write_text(json.dumps(config))
    rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match="do not fit"):
        load_bundle(bundle_folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_version": 2}', '{"schema_version": 3}', '{"model": {"__class__": "os.system"}}']
)
def test_a_malformed_manifest_is_refused(bundle_folder: Path, text: str) -> None:
    (bundle_folder / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(bundle_folder)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        load_bundle(tmp_path)


def test_a_moved_bundle_keeps_its_digest(bundle_folder: Path) -> None:
    digest = load_bundle(bundle_folder).digest
    shutil.move(bundle_folder, bundle_folder.parent / "moved")
    assert load_bundle(bundle_folder.parent / "moved").digest == digest


def test_others_may_read_a_bundle_as_they_may_read_other_files(bundle_folder: Path) -> None:
    (bundle_folder.parent / "file").write_text("")
    (bundle_folder.parent / "folder").mkdir()
    usual = [(bundle_folder.parent / name).stat().st_mode & 0o777 for name in ("file", "folder")]
    assert {path.stat().st_mode & 0o777 for path in bundle_folder.iterdir()} == {usual[0]}
    assert bundle_folder.stat().st_mode & 0o777 == usual[1]


def test_a_folder_whose_name_cannot_be_one_is_refused() -> None:
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        load_bundle(Path("x" * 300))


def test_a_bundle_from_before_manifests_had_a_provenance_is_read(bundle_folder: Path) -> None:
    path = bundle_folder / MANIFEST
    manifest = json.loads(path.read_text())
    assert manifest.pop("provenance") is None
    path.write_text(json.dumps(manifest))
    assert load_bundle(bundle_folder).manifest.provenance is None
