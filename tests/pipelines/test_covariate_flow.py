"""Covariates, ensembles and starts: trained, recorded, predicted by file and by MLflow client, backtested, stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from forecaster.bundle import load_bundle
from forecaster.errors import ColumnError
from pipelines import tracking
from pipelines.config import Environment, load_config
from pipelines.loading import load
from pipelines.promotion.promote import promote
from pipelines.start import begin
from pipelines.train import Training, train
from tests.pipelines.factories import make_champion, priced_tables
from tests.pipelines.test_flow import FOLDS, UNDRAWN, Shell

SPLIT = {"split.num_validation_folds": 1, "split.num_test_folds": 2}
PLAIN = {"export": False, "figures": False}
BRIEF = {"training.max_steps": 4, "training.steps_per_validation": 2, "training.batch_size": 16}
SHAPE = {"horizon": 12, "context_length": 48, "d_model": 16, "num_heads": 2, "num_layers": 1, "d_ff": 16}


@dataclass(frozen=True)
class Prices:
    """Two versions of the model 'prices': the second, of two networks, was begun from the first."""

    home: Path
    first: Training
    second: Training

    def path(self, name: str) -> str:
        return str(self.home / f"{name}.csv")

    def run(self, training: Training) -> Run:
        return MlflowClient(f"sqlite:///{self.home / 'mlflow.db'}").get_run(training.run_id)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Prices:
    home = tmp_path_factory.mktemp("prices")
    for name, table in priced_tables(num_hours=240, num_ahead=12).items():
        table.to_csv(home / f"{name}.csv", index=False)
    environment = Environment(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    shape = {f"model.{name}": value for name, value in SHAPE.items()}
    columns = {"table.known_columns": ["price"], "model.calendar": "auto", "model.holidays": "DE"}
    start = {"start.kind": "fine_tune", "start.reference": "prices/1", "training.num_members": 2, **PLAIN}
    first = trained(environment, {**shape, **columns, "export": False})
    return Prices(home, first, trained(environment, start))


def trained(environment: Environment, settings: dict[str, Any]) -> Training:
    source = {f"source.{name}": str(environment.home / f"{file}.csv") for name, file in FILES.items()}
    config = load_config(None, {"name": "prices", **source, **SPLIT, **BRIEF, **settings})
    begun = begin(environment, config)
    loaded = load(begun.config.source, begun.config.table)
    return train(environment, tracking.connect(environment), begun.config, loaded, start=begun.start)


FILES = {"path": "history", "static": "static"}


@pytest.fixture
def shell(prices: Prices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("FORECASTER_HOME", str(prices.home))
    uri = f"sqlite:///{prices.home / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return Shell(prices.home, uri, capsys)


def test_a_run_records_what_the_data_has_settled(prices: Prices) -> None:
    found = prices.run(prices.first).data
    assert found.params["table.known_columns"] == "['price']"
    assert found.params["resolved.covariates.known"] == "['price']"
    assert "hour_of_day_sin" in found.params["resolved.covariates.calendar"]
    assert "days_to_holiday" in found.params["resolved.covariates.calendar"]
    assert found.params["resolved.covariates.categories"] == "{'kind': ['big', 'small']}"
    assert found.metrics["num_networks"] == 1
    assert found.metrics["estimated_memory_bytes"] > 1e5
    assert 0 <= found.metrics["calibration_coverage_before"] <= 1
    assert found.tags["start"] == "scratch"


def test_a_challenger_that_reads_less_meets_its_champion_on_the_same_series(prices: Prices) -> None:
    """Its own table has not what the champion reads, and the folds of one are those of the other."""
    environment = Environment(home=prices.home, tracking_uri=f"sqlite:///{prices.home / 'mlflow.db'}")
    settings = {f"model.{name}": value for name, value in SHAPE.items()} | PLAIN
    trained(environment, {**settings, "name": "fewer", "table.known_columns": ["price"]})
    make_champion(environment, "fewer", 1)
    challenger = trained(environment, {**settings, "name": "fewer"})
    source = {f"source.{name}": prices.path(file) for name, file in FILES.items()}
    config = load_config(None, {"name": "fewer", **source, **SPLIT, **BRIEF, **settings})
    panel = load(config.source, config.table).panel
    assert panel.covariates.known_names == ()
    outcome = promote(environment, tracking.connect(environment), config, panel, challenger.version)
    assert set(outcome.evaluations) == {"challenger", "champion", "seasonal_naive"}
    assert len({len(found.series) for found in outcome.evaluations.values()}) == 1
    assert set(outcome.evaluations["champion"].series) == set(range(len(panel)))


def test_a_start_gives_its_shape_and_columns_and_is_recorded(prices: Prices) -> None:
    found = prices.run(prices.second).data
    assert (found.tags["start"], found.params["start.reference"]) == ("fine_tune", "prices/1")
    assert found.tags["start_bundle"] == prices.first.digest
    assert found.params["table.known_columns"] == "['price']"
    assert found.params["resolved.d_model"] == "16"


def test_every_network_of_an_ensemble_counts_and_has_a_curve_of_its_own(prices: Prices) -> None:
    one, two = (prices.run(training).data.metrics for training in (prices.first, prices.second))
    assert (two["num_networks"], two["num_parameters"]) == (2, 2 * one["num_parameters"])
    assert {"validation_loss", "member_1/validation_loss"} <= set(two)
    assert {name for name in two if not name.startswith("member_1/")} == set(one)


def test_a_file_and_an_mlflow_client_get_the_same_numbers(shell: Shell, prices: Prices, tmp_path: Path) -> None:
    tables = {name: pd.read_csv(prices.path(name)) for name in ("history", "future", "static")}
    output = tmp_path / "forecast.csv"
    files = [word for name in ("future", "static") for word in (f"--{name}", prices.path(name))]
    code, _ = shell.plain(
        "predict", "--data", prices.path("history"), *files, "--model", "prices/2", "--output", str(output)
    )
    assert code == 0
    rows = pd.concat([tables["history"], tables["future"]]).merge(tables["static"], on="unique_id")
    rows = rows.sort_values(["unique_id", "ds"])
    by_client = mlflow.pyfunc.load_model("models:/prices/2").predict(rows)
    by_file = pd.read_csv(output)
    assert list(by_client["ds"].astype(str)) == list(by_file["ds"])
    np.testing.assert_allclose(by_client["0.5"], by_file["0.5"], rtol=1e-12)


def test_an_mlflow_client_hears_which_covariate_is_missing(shell: Shell, prices: Prices) -> None:
    model = mlflow.pyfunc.load_model("models:/prices/1")
    with pytest.raises(ColumnError, match="needs the known covariate 'price'"):
        model.predict(pd.read_csv(prices.path("history")).drop(columns="price"))


def test_a_roll_out_goes_on_as_far_as_covariates_are_known(shell: Shell, prices: Prices, tmp_path: Path) -> None:
    later = pd.read_csv(prices.path("future"), parse_dates=["ds"])
    longer = pd.concat([later, later.assign(ds=later["ds"] + pd.Timedelta(hours=12))])
    longer.sort_values(["unique_id", "ds"]).to_csv(tmp_path / "longer.csv", index=False)
    flags = ("--static", prices.path("static"), "--future", str(tmp_path / "longer.csv"), "--model", "prices/1")
    further = ("--horizon", "24", "--output", str(tmp_path / "out.csv"))
    assert shell.plain("predict", "--data", prices.path("history"), *flags, *further)[0] == 2
    assert shell.plain("predict", "--data", prices.path("history"), *flags, *further, "--roll-out")[0] == 0
    assert len(pd.read_csv(tmp_path / "out.csv")) == 2 * 24


def test_a_backtest_and_a_promotion_take_the_columns_from_the_model(shell: Shell, prices: Prices) -> None:
    data = ("--data", prices.path("history"), "--static", prices.path("static"), "--model", "prices")
    code, result = shell("backtest", *data, "--reference", "prices/1", *FOLDS)
    assert (code, set(result["scores"])) == (0, {"model", "seasonal_naive"})
    code, result = shell("promote", *data, *FOLDS, *UNDRAWN)
    assert code in (0, 4), result


def test_a_refit_reads_covariates_and_is_refused_for_weights_that_began_with_others(
    shell: Shell, prices: Prices
) -> None:
    data = ("--data", prices.path("history"), "--static", prices.path("static"), "--model", "prices", *UNDRAWN)
    code, result = shell("backtest", *data, "--reference", "prices/1", "--folds", "1", "--refit", "--no-champion")
    assert (code, result["num_folds"]) == (0, 1), result
    code, result = shell("backtest", *data, "--reference", "prices/2", "--folds", "1", "--refit", "--no-champion")
    assert (code, result["error"]) == (2, "invalid-config")
    assert "its training (fine_tune) began with weights that may have seen" in result["message"]


def test_a_store_holds_covariates_and_what_is_known_ahead(shell: Shell, prices: Prices, tmp_path: Path) -> None:
    files = ("--data", prices.path("history"), "--static", prices.path("static"), "--future", prices.path("future"))
    code, facts = shell("data", "store", *files, "--known-column", "price", str(tmp_path / "store"))
    assert (code, facts["covariates"]) == (0, {"known": ["price"], "static": ["size"], "category": ["kind"]})
    outputs = [tmp_path / "by_store.csv", tmp_path / "by_file.csv"]
    shell.plain("predict", "--data", str(tmp_path / "store"), "--model", "prices/1", "--output", str(outputs[0]))
    shell.plain("predict", *files, "--model", "prices/1", "--output", str(outputs[1]))
    assert outputs[0].read_text() == outputs[1].read_text()


def test_the_bundle_of_a_fine_tuning_knows_what_it_began_with(prices: Prices) -> None:
    bundles = [load_bundle(path.parent) for path in prices.home.rglob("bundle/manifest.json")]
    start = next(bundle.manifest.training.start for bundle in bundles if bundle.digest == prices.second.digest)
    assert (start.kind, start.bundle_digest, start.learning_rate_factor) == ("fine_tune", prices.first.digest, 0.1)
