"""Train, backtest, promote, roll back and predict through the command line, on a real MLflow store."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from forecaster.bundle import VERSION_PATH, load_bundle
from forecaster.cli import main
from forecaster.config import ForecasterConfig, SplitConfig
from forecaster.data.reading import read_panel
from forecaster.data.splits import rolling_origin
from forecaster.training.fit import fit
from pipelines.commands.promotion import history
from pipelines.config import Environment
from pipelines.promotion.policy import Decision
from tests.conftest import TINY, Registry, noisy_waves
from tests.pipelines.factories import make_champion
from tests.pipelines.stores import PostgresRegistry

FOLDS = ("--set", "split.num_validation_folds=1", "--set", "split.num_test_folds=2")
UNDRAWN = ("--set", "figures=false")  # they take seconds
TINY_FLAGS = [
    *("--horizon", "12", "--set", "model.context_length=48", "--set", "model.d_model=16", "--set", "model.num_heads=2"),
    *("--set", "model.num_layers=1", "--set", "model.d_ff=16", "--set", "training.batch_size=16"),
    *("--set", "export=false"),  # takes seconds
    *UNDRAWN,
    *FOLDS,
]


class Shell:
    """Runs `forecaster` in this process on a copy of the registry; gives exit code and JSON."""

    def __init__(self, home: Path, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys, self.home, self.uri = capsys, home, uri
        self.client = MlflowClient(uri, uri)
        self.data = home / "waves.csv"
        noisy_waves().to_csv(self.data, index=False)

    def __call__(self, *arguments: str) -> tuple[int, Any]:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--json"])
        return int(ended.value.code or 0), json.loads(self.capsys.readouterr().out)

    def plain(self, *arguments: str) -> tuple[int, str]:
        """Runs a command that has no --json; gives exit code and standard output."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        return int(ended.value.code or 0), self.capsys.readouterr().out

    def crown(self, number: int) -> None:
        """Makes a version the champion, whichever is."""
        make_champion(Environment(home=self.home, tracking_uri=self.uri), "waves", number)

    def aliases(self) -> dict[str, int]:
        return {name: int(number) for name, number in self.client.get_registered_model("waves").aliases.items()}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.stack)])
def shell(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    """A shell whose MLflow store is in SQLite, as by default, or in Postgres."""
    home = tmp_path / "home"
    is_default = request.param == "sqlite"
    origin: Registry | PostgresRegistry = request.getfixturevalue("registry" if is_default else "postgres_registry")
    shutil.copytree(origin.home, home, ignore=shutil.ignore_patterns("work", "cache"))
    monkeypatch.setenv("FORECASTER_HOME", str(home))
    if isinstance(origin, Registry):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # of the registry, if it was made just now
        return Shell(home, f"sqlite:///{home / 'mlflow.db'}", capsys)
    uri = origin.copied()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return Shell(home, uri, capsys)


# For what the kind of the store has no part in.
in_sqlite = pytest.mark.parametrize("shell", ["sqlite"], indirect=True)


@in_sqlite
@pytest.mark.slow
def test_a_registered_version_has_a_graph_unless_told_otherwise(shell: Shell) -> None:
    flags = ("--max-steps", "1", "--no-promote", *TINY_FLAGS, "--set", "export=true")
    code, _ = shell("train", "--data", str(shell.data), *flags)
    assert code == 0
    folders = [_folder(shell, number) for number in ("1", "2")]
    assert [(folder / "network.onnx").exists() for folder in folders] == [False, True]
    assert load_bundle(folders[1], "onnx").runtime.name == "onnx"


def _folder(shell: Shell, number: str) -> Path:
    """Gives where the registry keeps the bundle of a version."""
    return Path(shell.client.get_model_version_download_uri("waves", number).removeprefix("file://")) / VERSION_PATH


def test_a_challenger_without_the_wanted_gain_is_registered_and_not_promoted(shell: Shell) -> None:
    demanding = (*FOLDS, *UNDRAWN, "--set", "promotion.min_gain=0.9")
    code, result = shell("train", "--data", str(shell.data), "--max-steps", "1", *TINY_FLAGS, *demanding)
    assert code == 0
    assert (result["model"], result["version"], result["promoted"]) == ("waves", 2, False)
    assert "90.0% is wanted" in result["reason"]
    assert shell.aliases() == {"champion": 1, "challenger": 2}
    assert set(result["scores"]) == {"validation", "model", "seasonal_naive"}
    assert not list(shell.home.glob("work/*/bundle"))  # the registry has it
    code, result = shell("promote", "--data", str(shell.data), *demanding)
    assert (code, result["error"]) == (4, "not-promoted")


@in_sqlite
def test_a_challenger_worse_than_the_naive_is_not_promoted(shell: Shell) -> None:
    untrained = ("--max-steps", "1", "--set", "model.skip=none")
    _, result = shell("train", "--data", str(shell.data), *untrained, *TINY_FLAGS)
    assert "does not beat the seasonal naive's" in result["reason"]
    assert shell.aliases() == {"champion": 1, "challenger": 2}


def test_promoting_the_champion_again_is_refused(shell: Shell) -> None:
    code, result = shell("promote", "--data", str(shell.data), *FOLDS)
    assert (code, result["error"]) == (4, "not-promoted")
    assert "is the champion already" in result["message"]


def test_roll_back_returns_to_the_previous_champion_once(shell: Shell) -> None:
    shell("train", "--data", str(shell.data), "--max-steps", "1", "--no-promote", *TINY_FLAGS)
    shell.crown(2)
    assert shell.aliases() == {"champion": 2, "challenger": 2, "previous": 1}
    assert shell("rollback", "--model", "waves") == (0, {"model": "waves", "champion": 1})
    assert shell.aliases() == {"champion": 1}  # what was rolled back is not to be promoted again
    told = CliRunner().invoke(history, ["--model", "waves"], catch_exceptions=False).output.splitlines()
    assert [line.split()[0] for line in told] == ["1", "2", "3"]
    assert "promote: version 2 in the place of version 1, by " in told[1]
    assert told[2].endswith(": by hand")
    found = json.loads(CliRunner().invoke(history, ["--model", "waves", "--json"]).output)["history"]
    assert [(move["kind"], move["version"]) for move in found] == [("promote", 1), ("promote", 2), ("roll back", 1)]
    assert found[0]["run_id"] is not None
    code, result = shell("rollback", "--model", "waves")
    assert (code, result["error"]) == (5, "alias-missing")


def test_a_better_challenger_takes_the_place_of_a_champion(shell: Shell) -> None:
    untrained = ("--max-steps", "1", "--set", "model.skip=none", "--no-promote")
    shell("train", "--data", str(shell.data), *untrained, *TINY_FLAGS)
    shell.crown(2)
    code, result = shell("train", "--data", str(shell.data), "--max-steps", "1", *TINY_FLAGS)
    assert (code, result["version"], result["promoted"]) == (0, 3, False)
    assert "which may be chance" in result["reason"]  # two series, two folds
    code, result = shell("promote", "--data", str(shell.data), *FOLDS, *UNDRAWN, "--set", "promotion.confidence=0.6")
    assert code == 0, result
    assert shell.aliases() == {"champion": 3, "challenger": 3, "previous": 2}
    experiment, wanted = (
        shell.client.get_experiment_by_name("waves"),
        "tags.stage = 'promote' and tags.role = 'challenger'",
    )
    (run, *_) = shell.client.search_runs([experiment.experiment_id], wanted)
    checks = json.loads(Path(shell.client.download_artifacts(run.info.run_id, "checks.json")).read_text())
    assert checks["columns"] == ["rule", "passed", "finding"]
    assert [row[:2] for row in checks["data"]] == [["naive", True], ["gain", True], ["confidence", True]]


def test_who_has_to_approve_is_waited_for_and_named(shell: Shell) -> None:
    shell("train", "--data", str(shell.data), "--max-steps", "1", "--no-promote", *TINY_FLAGS)
    shell.client.delete_registered_model_alias("waves", "champion")
    policy = (*FOLDS, *UNDRAWN, "--set", "promotion.needs_approval=true")
    code, result = shell("promote", "--data", str(shell.data), *policy)
    assert (code, result["error"]) == (4, "not-promoted")
    assert result["message"].endswith("nobody has approved of it yet")
    code, result = shell("promote", "--data", str(shell.data), *policy, "--approved-by", "the owner")
    assert (code, result["promoted"]) == (0, True), result
    assert "the owner has approved" in result["reason"]
    assert shell.client.get_model_version("waves", "2").tags["approved_by"] == "the owner"


def test_a_champion_that_was_replaced_during_the_comparison_stays(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.promotion import promote

    for _ in range(2):
        shell("train", "--data", str(shell.data), "--max-steps", "1", "--no-promote", *TINY_FLAGS)
    real = promote.compare

    def overtaken(*given: Any) -> Any:
        shell.crown(2)
        return real(*given)

    monkeypatch.setattr(promote, "compare", overtaken)
    monkeypatch.setattr(promote, "decide", lambda *_: Decision(True, "told so"))
    code, result = shell("promote", "--data", str(shell.data), *FOLDS, *UNDRAWN)
    assert (code, result["error"]) == (5, "champion-moved")
    assert "the champion is waves version 2 now" in result["message"]
    assert shell.aliases()["champion"] == 2


def test_a_terminated_command_ends_its_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import train

    monkeypatch.setattr(train, "fit", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["train", "--data", str(shell.data), *TINY_FLAGS])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 128 + signal.SIGTERM
    experiment = shell.client.get_experiment_by_name("waves")
    (run, *_) = shell.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert run.info.status == "KILLED"


def test_a_champion_of_another_schema_gives_way_to_what_beats_the_naive(shell: Shell) -> None:
    from pipelines import registry as writer
    from pipelines.promotion.promote import find_contenders

    for _ in range(2):
        shell("train", "--data", str(shell.data), "--max-steps", "1", "--no-promote", *TINY_FLAGS)
    shell.crown(2)
    assert set(find_contenders(Environment.read(), shell.client, "waves").bundles) == {"challenger", "champion"}
    folder = Path(shell.client.get_model_version_download_uri("waves", "2").removeprefix("file://")) / VERSION_PATH
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 1}))
    found = find_contenders(Environment.read(), shell.client, "waves")
    assert (set(found.bundles), found.champion) == ({"challenger"}, writer.Version("waves", 2))


def test_a_training_run_holds_what_analysts_need(shell: Shell) -> None:
    steps = ("--max-steps", "4", "--set", "training.steps_per_validation=2")
    _, result = shell("train", "--data", str(shell.data), *steps, *TINY_FLAGS, "--set", "figures=true")
    run = shell.client.get_run(result["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["model.horizon"] == "12"
    assert run.data.params["resolved.patch_length"] == "8"
    assert run.data.tags["data_fingerprint"].startswith("sha256:")
    assert {"git_revision", "python", "command", "stage"} <= set(run.data.tags)
    expected = {"validation_loss", "training_loss", "mase", "smape", "wql", "coverage_80", "relative_mase"}
    assert expected <= set(run.data.metrics)
    assert run.info.run_name == f"waves h0012 encoder+ridge train {run.data.tags['data_fingerprint'][7:15]}"
    curve = shell.client.get_metric_history(result["run_id"], "mase_by_step")
    assert [metric.step for metric in curve] == list(range(1, 13))
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "waves"
    files = {file.path for file in shell.client.list_artifacts(result["run_id"])}
    assert {"figures", "tables", "windows.parquet", "config.yaml", "data_report.json"} <= files
    figures = {Path(file.path).stem for file in shell.client.list_artifacts(result["run_id"], "figures")}
    assert {"forecasts", "attention", "model_over_seasonal_naive", "forecasts_beside_seasonal_naive"} <= figures
    below = shell.client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    children = {child.data.tags["role"]: child.data.metrics for child in below}
    assert set(children) == {"seasonal_naive", "validation", "uncalibrated"}
    assert children["seasonal_naive"]["mase"] == result["scores"]["seasonal_naive"]["mase"]
    assert children["validation"]["mase"] == result["scores"]["validation"]["mase"]


def test_a_failed_training_ends_its_run_and_registers_nothing(shell: Shell, tmp_path: Path) -> None:
    noisy_waves().groupby("unique_id").head(20).to_csv(tmp_path / "waves.csv", index=False)
    code, result = shell("train", "--data", str(tmp_path / "waves.csv"), *TINY_FLAGS)
    assert (code, result["error"]) == (3, "too-short")
    experiment = shell.client.get_experiment_by_name("waves")
    statuses = [run.info.status for run in shell.client.search_runs([experiment.experiment_id])]
    assert statuses[0] == "FAILED"
    assert "RUNNING" not in statuses
    assert len(shell.client.search_model_versions("name='waves'")) == 1


def test_backtest_scores_model_and_naive_on_the_same_folds(shell: Shell) -> None:
    code, result = shell("backtest", "--data", str(shell.data), "--reference", "waves/1", *FOLDS, *UNDRAWN)
    assert code == 0
    assert result["scores"]["model"]["mase"] < result["scores"]["seasonal_naive"]["mase"]
    assert shell.client.get_run(result["run_id"]).data.metrics["mase"] == result["scores"]["model"]["mase"]


def test_a_backtest_tells_the_model_from_champion_and_baselines(shell: Shell) -> None:
    shell("train", "--data", str(shell.data), "--max-steps", "1", "--no-promote", *TINY_FLAGS)
    flags = ("--reference", "waves@challenger", "--folds", "2", "--step", "6", "--gap", "3", "--baseline", "ridge")
    code, result = shell("backtest", "--data", str(shell.data), *flags, *UNDRAWN)
    assert code == 0, result
    assert list(result["scores"]) == ["model", "champion", "seasonal_naive", "ridge"]
    assert (result["versions"], result["num_folds"]) == ({"model": 2, "champion": 1}, 2)
    assert list(result["gains"]) == ["champion", "seasonal_naive", "ridge"]
    assert all(set(gains) == {"mase", "scaled_crps"} for gains in result["gains"].values())
    (note,) = result["notes"]
    assert note.startswith("ridge: fitted on all 2 folds anew")
    run = shell.client.get_run(result["run_id"])
    assert (run.data.params["backtest.gap"], run.data.tags["champion"]) == ("3", "1")
    assert run.data.metrics["gain_over_ridge_mase"] == result["gains"]["ridge"]["mase"]["mean"]
    steps = pd.read_parquet(shell.client.download_artifacts(result["run_id"], "steps.parquet"))
    assert len(steps) == 4 * 3 * 2 * 12  # roles, series, folds, steps
    assert steps.loc[steps["step"] <= 3, "mase"].isna().all()
    assert steps["step"][steps["mase"].notna()].min() == 4
    times = steps["cutoff"].drop_duplicates().sort_values()
    assert set(times.diff().dropna()) == {pd.Timedelta(hours=6)}
    code, result = shell("backtest", "--data", str(shell.data), *flags, *UNDRAWN, "--no-champion")
    assert list(result["scores"]) == ["model", "seasonal_naive", "ridge"]


@in_sqlite
@pytest.mark.slow
def test_a_refit_trains_for_each_fold_as_the_version_was_trained_on_what_the_fold_may_see(
    shell: Shell, tmp_path: Path
) -> None:
    code, result = shell("backtest", "--data", str(shell.data), "--folds", "3", "--refit", *UNDRAWN)
    assert code == 0, result  # the registered weights have seen the oldest of three folds
    assert not list((shell.home / "checkpoints").iterdir())
    steps = pd.read_parquet(shell.client.download_artifacts(result["run_id"], "steps.parquet"))
    panel = read_panel(noisy_waves()).panel
    (fold, *_) = rolling_origin(panel, 12, 3)
    config = ForecasterConfig(model=TINY["model"], training=TINY["training"], split=SplitConfig(num_validation_folds=1))
    split = config.split.model_copy(update={"num_test_folds": 0})
    alone = fit(fold.visible(panel), config.model_copy(update={"split": split}), tmp_path / "alone")
    expected = alone.predictor.forecast_windows(panel, fold.series, fold.cutoffs, 12, (0.5,))[:, :, 0]
    rows = steps[(steps["role"] == "model") & (steps["fold"] == 0)]
    scored = rows["forecast"].notna().to_numpy()
    np.testing.assert_allclose(rows["forecast"][scored], expected.ravel()[scored], rtol=1e-6)


@in_sqlite
def test_a_series_that_was_used_up_or_has_ended_does_not_stop_promotion(shell: Shell, tmp_path: Path) -> None:
    frame = noisy_waves()
    young = frame[frame["unique_id"] == "s0"].tail(20).assign(unique_id="young")
    old = frame[frame["unique_id"] == "s0"].head(300).assign(unique_id="ended")
    first, later = (tmp_path / name for name in ("first.csv", "later.csv"))
    pd.concat([frame[frame["ds"] < frame["ds"].max() - pd.Timedelta(hours=23)], young.head(1), old]).to_csv(first)
    pd.concat([frame, young, old]).to_csv(later)
    flags = ["--model", "ragged", "--max-steps", "4", *TINY_FLAGS, "--id-column", "unique_id"]
    assert shell("train", "--data", str(first), *flags)[0] == 0
    settings = (*FOLDS, *UNDRAWN)
    code, result = shell("backtest", "--data", str(later), *flags[:2], *settings, "--reference", "ragged@challenger")
    assert code == 0, result


@in_sqlite
def test_folds_that_a_model_was_trained_on_are_refused(shell: Shell) -> None:
    code, result = shell("backtest", "--data", str(shell.data), *FOLDS, "--set", "promotion.num_folds=3")
    assert (code, result["error"]) == (3, "leakage")


@in_sqlite
def test_on_newer_data_only_folds_after_the_training_are_allowed(shell: Shell, tmp_path: Path) -> None:
    frame = noisy_waves()
    newer = frame.assign(ds=frame["ds"] + pd.Timedelta(hours=24))
    newer.to_csv(tmp_path / "waves.csv", index=False)
    code, _ = shell("backtest", "--data", str(tmp_path / "waves.csv"), *FOLDS, *UNDRAWN)
    assert code == 0
    code, result = shell("backtest", "--data", str(tmp_path / "waves.csv"), *FOLDS, "--set", "promotion.num_folds=6")
    assert (code, result["error"]) == (3, "leakage")


def test_any_mlflow_client_gets_the_same_numbers(shell: Shell) -> None:
    mlflow.set_tracking_uri(shell.uri)
    mlflow.set_registry_uri(shell.uri)
    model = mlflow.pyfunc.load_model("models:/waves@champion")
    frame = noisy_waves()
    by_mlflow = model.predict(frame, params={"horizon": 5, "quantiles": [0.25, 0.5]})
    source = Path(shell.client.get_model_version_download_uri("waves", "1").removeprefix("file://"))
    by_hand = load_bundle(source / VERSION_PATH).predictor.predict(read_panel(frame).panel, 5, [0.25, 0.5]).to_frame()
    assert list(by_mlflow.columns) == ["unique_id", "ds", "0.25", "0.5"]
    np.testing.assert_array_equal(by_mlflow[["0.25", "0.5"]], by_hand[["0.25", "0.5"]])


@pytest.mark.parametrize(
    "changed",
    [
        {"y": lambda frame: frame["y"].fillna(0).round().astype(int)},
        {"unique_id": lambda frame: frame["unique_id"].str[1:].astype(int)},
        {"ds": lambda frame: frame["ds"].astype(str)},
        {"ds": lambda frame: frame["ds"].dt.tz_localize("UTC")},
    ],
    ids=["whole numbers", "numbered ids", "texts", "with a zone"],
)
def test_an_mlflow_client_may_send_any_kind_of_column_that_a_file_may_hold(registry: Registry, changed: Any) -> None:
    mlflow.set_tracking_uri(registry.uri)
    mlflow.set_registry_uri(registry.uri)
    model = mlflow.pyfunc.load_model("models:/waves@champion")
    assert len(model.predict(noisy_waves().assign(**changed))) == 36


def test_doctor_finds_this_installation_well(shell: Shell) -> None:
    code, result = shell("doctor")
    assert code == 0
    assert all(check["ok"] for check in result["checks"])
    found = {check["name"]: check["found"] for check in result["checks"]}
    assert "champions: days 1, waves 1" in found["registry"]
    assert found["ledger"] == "tables of revision 0007"
