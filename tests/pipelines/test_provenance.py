"""Where a model comes from: what its manifest says is what its run says, and no commit is made up."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from forecaster.bundle import VERSION_PATH, load_bundle
from pipelines import provenance
from pipelines.config import Environment
from pipelines.provenance import code_commit, packages_digest
from tests.conftest import Registry


def test_the_manifest_says_where_the_model_comes_from(registry: Registry) -> None:
    client = MlflowClient(registry.uri, registry.uri)
    run = client.get_run(str(client.get_model_version("waves", "1").run_id))
    source = client.get_model_version_download_uri("waves", "1").removeprefix("file://")
    bundle = load_bundle(Path(source) / VERSION_PATH)
    found = bundle.manifest.provenance
    assert found is not None
    assert (found.model, found.run_id) == ("waves", run.info.run_id)
    assert found.code_commit == run.data.tags["git_revision"]
    assert found.packages_digest == packages_digest()
    assert bundle.facts.data_fingerprint == run.data.tags["data_fingerprint"]
    assert {"mase", "validation/mase", "seasonal_naive/mase", "uncalibrated/mase"} <= set(found.metrics)
    below = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    runs = {"": run.data.metrics} | {f"{child.data.tags['role']}/": child.data.metrics for child in below}
    for name, value in found.metrics.items():
        role, slash, metric = name.rpartition("/")
        assert value == runs[role + slash][metric], name


def test_code_outside_of_a_checkout_has_the_commit_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "provenance.py").write_text("")  # not tracked: a virtual environment in somebody's repository
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert code_commit(Environment()) is None
    assert code_commit(Environment(code_commit="abc")) == "abc"


def test_changes_that_are_not_committed_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    path = tmp_path / "provenance.py"
    path.write_text("")
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=x"], ["tag", "v1"]):
        git(*arguments)
    monkeypatch.setattr(provenance, "__file__", str(path))
    assert code_commit(Environment(code_commit="abc")) == git("rev-parse", "HEAD")
    path.write_text("x")
    assert code_commit(Environment()) == f"{git('rev-parse', 'HEAD')}-dirty"


def test_packages_have_one_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = packages_digest()
    assert found == packages_digest()
    assert len(found) == len("sha256:") + 64
    monkeypatch.setattr(provenance.importlib.metadata, "distributions", list)
    assert packages_digest() != found
