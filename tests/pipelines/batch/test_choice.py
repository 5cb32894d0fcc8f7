"""Whole or in shards: as the caller says, else by size; and the command that asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from forecaster.config import TableConfig
from forecaster.errors import ConfigError
from pipelines.batch import choice
from pipelines.batch.batch import Sharding
from pipelines.batch.choice import takes_shards
from pipelines.commands.prediction import predict
from pipelines.config import SourceConfig
from tests.pipelines.batch.factories import asked, bundle_in, hours, whole

OUT = Path("out.parquet")


@pytest.fixture(params=["parquet", "csv"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> SourceConfig:
    path = tmp_path / f"hours.{request.param}"
    frame = hours()
    frame.to_csv(path, index=False) if request.param == "csv" else frame.to_parquet(path, index=False)
    return SourceConfig(path=path)


def test_small_tables_are_read_whole_and_large_ones_in_shards(
    source: SourceConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not takes_shards(source, TableConfig(), OUT, Sharding(), None)
    monkeypatch.setattr(choice, "MANY_ROWS", 300)
    monkeypatch.setattr(choice, "MANY_BYTES", 300)
    assert takes_shards(source, TableConfig(), OUT, Sharding(), None)
    assert not takes_shards(source, TableConfig(), None, Sharding(), None)  # the screen shows a table
    assert not takes_shards(source, TableConfig(), OUT, Sharding(), False)
    assert not takes_shards(source, TableConfig(layout="wide"), OUT, Sharding(), None)


def test_what_the_caller_says_decides(source: SourceConfig) -> None:
    assert takes_shards(source, TableConfig(), OUT, Sharding(), True)
    assert takes_shards(source, TableConfig(), OUT, Sharding(engine="ray"), None)
    assert takes_shards(source, TableConfig(), OUT, Sharding(num_workers=1), None)


@pytest.mark.parametrize(
    ("output", "sharding", "wanted", "message"),
    [
        (None, Sharding(), True, "give an --output"),
        (None, Sharding(num_workers=2), None, "give an --output"),
        (OUT, Sharding(num_workers=2), False, "leave out --whole, or --workers"),
        (OUT, Sharding(num_workers=2, series_per_shard=9), False, "or --workers, --series-per-shard"),
        (OUT, Sharding(ray_address="auto"), None, "--ray-address is for --engine ray"),
        (OUT, Sharding(engine="ray", ray_address="auto", num_workers=2), None, "--workers is for a cluster of this"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    output: Path | None, sharding: Sharding, wanted: bool | None, message: str, source: SourceConfig
) -> None:
    with pytest.raises(ConfigError, match=message):
        takes_shards(source, TableConfig(), output, sharding, wanted)


def test_the_command_writes_a_folder_and_tells_how_far_it_is(tmp_path: Path) -> None:
    hours().to_parquet(tmp_path / "hours.parquet", index=False)
    bundle, output = bundle_in(tmp_path), tmp_path / "out"
    options = ["--shards", "--workers", "1", "--series-per-shard", "4", "--horizon", "2", "--quantiles", "0.1,0.9"]
    arguments = ["--model", str(bundle), "--data", str(tmp_path / "hours.parquet"), "--output", str(output), *options]
    answer = CliRunner().invoke(predict, arguments, catch_exceptions=False)
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "shards 3/3  10 series" in answer.stderr
    assert "20 rows of 10 series" in answer.stderr.splitlines()[-1]
    assert list(pd.read_parquet(output).columns) == ["unique_id", "ds", "0.1", "0.9"]


def test_the_command_forecasts_a_small_table_as_before(tmp_path: Path) -> None:
    hours().to_parquet(tmp_path / "hours.parquet", index=False)
    what = asked(bundle_in(tmp_path), tmp_path / "hours.parquet", tmp_path / "out.parquet")
    arguments = ["--model", what.reference, "--data", str(what.source.path), "--output", str(what.output)]
    assert CliRunner().invoke(predict, arguments, catch_exceptions=False).exit_code == 0
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), whole(what), check_exact=True)


@pytest.mark.parametrize("how", ["--whole", "--shards"])
def test_a_bundle_folder_is_forecast_without_importing_mlflow(how: str, tmp_path: Path) -> None:
    hours().to_parquet(tmp_path / "hours.parquet", index=False)
    code = (
        "import atexit, sys; atexit.register(lambda: print('mlflow' in sys.modules)); import forecaster.cli as program"
    )
    command = [sys.executable, "-c", f"{code}; program.main(sys.argv[1:])", "predict", str(tmp_path / "hours.parquet")]
    command += ["--model", str(bundle_in(tmp_path)), "--output", str(tmp_path / "out.parquet"), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False"]
