"""`forecaster predict`, whole: what was found in the table is told, and forecasts alone go to standard output."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from forecaster.config import CovariateConfig
from pipelines.commands.prediction import predict
from tests.pipelines.batch.factories import HORIZON, bundle_in, hours

FOUND = [
    "  [constant-series] series 's000': 60 step(s), all values the same, from 2024-01-01T00:00:00 on",
    "  [unknown-category] series 's001': 'store' is 'c', not met in training and read as missing",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    covariates = CovariateConfig(categories={"store": ("a", "b")})
    return bundle_in(tmp_path_factory.mktemp("model"), covariates=covariates)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    stores = ["a", "c"]
    frame = hours(2, 60).assign(store=lambda table: [stores[int(name[1:])] for name in table["unique_id"]])
    frame.loc[frame["unique_id"] == "s000", "y"] = 3.0
    frame.to_csv(tmp_path / "hours.csv", index=False)
    return tmp_path / "hours.csv"


def predicted(*arguments: str) -> Result:
    return CliRunner().invoke(predict, list(arguments), catch_exceptions=False)


def test_findings_are_told_beside_forecasts_on_the_screen(bundle: Path, data: Path) -> None:
    answer = predicted(str(data), "--model", str(bundle))
    assert answer.exit_code == 0
    assert answer.stderr.splitlines() == FOUND
    header, *rows = answer.stdout.splitlines()
    assert header.startswith("unique_id,ds,0.1")
    assert len(rows) == 2 * HORIZON


def test_nothing_is_told_where_nothing_was_found(bundle: Path, tmp_path: Path) -> None:
    hours(2, 60).assign(store="b").to_csv(tmp_path / "plain.csv", index=False)
    assert predicted(str(tmp_path / "plain.csv"), "--model", str(bundle)).stderr == ""


def test_they_end_the_report_beside_a_file(bundle: Path, data: Path, tmp_path: Path) -> None:
    answer = predicted(str(data), "--model", str(bundle), "--output", str(tmp_path / "out.csv"))
    assert answer.stdout == ""
    assert [line for line in answer.stderr.splitlines() if line.startswith("  [")] == FOUND
    assert answer.stderr.splitlines()[-1].endswith(f"{2 * HORIZON} rows in {tmp_path / 'out.csv'}")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 2 * HORIZON


def test_categories_that_the_model_does_not_read_are_no_finding(data: Path, tmp_path: Path) -> None:
    answer = predicted(str(data), "--model", str(bundle_in(tmp_path)), "--category-column", "store")
    assert answer.exit_code == 0
    assert answer.stderr.splitlines() == FOUND[:1]
