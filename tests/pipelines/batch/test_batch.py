"""Forecasts in shards: what a whole table gives, all or nothing, gone on with after a kill."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy

from forecaster.config import CovariateConfig, TableConfig
from forecaster.data.store import write_store
from forecaster.errors import ConfigError, DataError, RequestError, SeriesError, TimestampError, ValueTypeError
from pipelines.batch.batch import Asked, Progress
from pipelines.batch.output import Manifest
from pipelines.config import SourceConfig
from pipelines.errors import BatchError, SourceError
from pipelines.prediction import Wanted
from tests.factories import sine_panel
from tests.pipelines.batch.factories import (
    HORIZON,
    asked,
    broken_off,
    bundle_in,
    bytes_in,
    hours,
    sharded,
    whole,
)

NUM_SERIES = 10


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_in(tmp_path_factory.mktemp("model"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    hours().to_parquet(tmp_path / "hours.parquet", index=False, row_group_size=77)
    return tmp_path / "hours.parquet"


@pytest.fixture
def what(bundle: Path, data: Path, tmp_path: Path) -> Asked:
    return asked(bundle, data, tmp_path / "out")


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted(3, [0.5, 0.1]), Wanted(12, [0.5], roll_out=True)], ids=["plain", "chosen", "rolled out"]
)
def test_a_folder_of_parts_reads_as_the_table_that_is_forecast_whole(
    wanted: Wanted, bundle: Path, data: Path, tmp_path: Path
) -> None:
    what = asked(bundle, data, tmp_path / "out", wanted)
    manifest = sharded(what, series_per_shard=256)
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), whole(what), check_exact=True)
    assert manifest.num_rows == NUM_SERIES * (wanted.horizon or HORIZON)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_holds_what_the_table_that_is_forecast_whole_does(
    ending: str, bundle: Path, data: Path, tmp_path: Path
) -> None:
    what = asked(bundle, data, tmp_path / f"out.{ending}")
    sharded(what)
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    found, expected = read(what.output), whole(what)
    if ending == "csv":
        expected.to_csv(tmp_path / "whole.csv", index=False)
        expected = pd.read_csv(tmp_path / "whole.csv")
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_csv_file_shows_times_alike_where_those_of_some_shards_are_all_midnight(bundle: Path, tmp_path: Path) -> None:
    frame = hours(2, 30)
    frame = frame[(frame["unique_id"] == "s001") | (frame["ds"] < "2024-01-02")]  # s000 goes on at midnight
    frame.to_parquet(tmp_path / "hours.parquet", index=False)
    what = asked(bundle, tmp_path / "hours.parquet", tmp_path / "out.csv", Wanted(1))
    sharded(what, series_per_shard=1)
    assert pd.read_csv(what.output)["ds"].tolist() == ["2024-01-02 00:00:00", "2024-01-02 06:00:00"]


def test_a_csv_file_shows_the_offset_of_midnights_too(bundle: Path, tmp_path: Path) -> None:
    frame = hours(2, 30)
    frame = frame[(frame["unique_id"] == "s001") | (frame["ds"] < "2024-01-02")]
    frame.assign(ds=frame["ds"].dt.tz_localize("America/New_York")).to_parquet(tmp_path / "hours.parquet", index=False)
    what = asked(bundle, tmp_path / "hours.parquet", tmp_path / "out.csv", Wanted(1))
    sharded(what, series_per_shard=1)
    found = pd.read_csv(what.output)["ds"].tolist()
    assert found == ["2024-01-02 00:00:00-05:00", "2024-01-02 06:00:00-05:00"]


def test_texts_with_several_offsets_are_read_in_utc_as_the_table_that_is_forecast_whole(tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path, covariates=CovariateConfig(calendar=("hour_of_day_sin", "hour_of_day_cos")))
    frame = hours(3, 40)
    local = (frame["ds"] + pd.to_timedelta(frame["unique_id"].str[1:].astype(int) * 12, "h")).dt.tz_localize(
        "Europe/Berlin"
    )
    summer = local + pd.Timedelta(days=90) - pd.Timedelta(hours=44)  # the clocks change on 31 March
    frame.assign(ds=summer.map(lambda time: time.isoformat())).to_csv(tmp_path / "hours.csv", index=False)
    what = asked(bundle, tmp_path / "hours.csv", tmp_path / "out.parquet")
    sharded(what, series_per_shard=1)
    expected = whole(what)
    assert str(expected["ds"].dt.tz) == "UTC"
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), expected, rtol=1e-6)


@pytest.mark.parametrize("begins_with", ["+00:00", "+01:00", ""])
def test_offsets_in_some_shards_and_none_in_others_are_refused_before_the_work(
    bundle: Path, tmp_path: Path, begins_with: str
) -> None:
    frame = hours(3, 40)
    offsets = frame["unique_id"].map({"s000": begins_with, "s001": begins_with}).fillna("" if begins_with else "Z")
    frame.assign(ds=frame["ds"].dt.strftime("%Y-%m-%dT%H:%M") + offsets).to_csv(tmp_path / "hours.csv", index=False)
    what = asked(bundle, tmp_path / "hours.csv", tmp_path / "out.parquet")
    with pytest.raises(TimestampError) as in_whole:
        whole(what)
    with pytest.raises(TimestampError) as in_shards:
        sharded(what, series_per_shard=1)
    assert str(in_shards.value) in str(in_whole.value)
    assert not what.output.exists()


def test_every_series_and_step_has_exactly_one_row(what: Asked) -> None:
    sharded(what)
    found = pd.read_parquet(what.output)
    assert len(found) == NUM_SERIES * HORIZON
    assert not found.duplicated(["unique_id", "ds"]).any()
    manifest = Manifest.model_validate_json((what.output / "_manifest.json").read_bytes())
    assert [part.num_series for part in manifest.parts] == [3, 3, 3, 1]
    assert manifest.num_rows == sum(pq.read_metadata(path).num_rows for path in what.output.glob("*.parquet"))


def test_a_model_with_past_and_static_columns_reads_them_in_its_shards(tmp_path: Path) -> None:
    covariates = CovariateConfig(past=("visits",), static=("size",))
    frame = hours()
    frame["visits"] = np.random.default_rng(2).integers(0, 9, len(frame))
    frame["size"] = frame["unique_id"].str[1:].astype(float)
    frame.to_parquet(tmp_path / "hours.parquet", index=False)
    what = asked(bundle_in(tmp_path, covariates=covariates), tmp_path / "hours.parquet", tmp_path / "out")
    sharded(what)
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), whole(what), rtol=1e-5, atol=1e-4)


def test_days_in_a_zone_keep_their_zone(tmp_path: Path) -> None:
    panel = sine_panel(5, 40, frequency="D", timezone="Europe/Berlin")
    panel.to_frame().to_parquet(tmp_path / "days.parquet", index=False)
    what = asked(bundle_in(tmp_path, "D"), tmp_path / "days.parquet", tmp_path / "out")
    sharded(what)
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), whole(what), rtol=1e-6)


def test_a_csv_file_and_a_query_give_what_the_parquet_file_gives(what: Asked, tmp_path: Path) -> None:
    sharded(what)
    frame = hours()
    frame.to_csv(tmp_path / "hours.csv", index=False)
    url = f"sqlite:///{tmp_path / 'tables.db'}"
    engine = sqlalchemy.create_engine(url)
    frame.assign(ds=frame["ds"].map(pd.Timestamp.isoformat)).to_sql("history", engine, index=False)
    engine.dispose()
    query = "SELECT unique_id, ds, y FROM history ORDER BY unique_id, ds"
    for name, source in (
        ("csv", SourceConfig(path=tmp_path / "hours.csv")),
        ("sql", SourceConfig(url=url, query=query)),
    ):
        other = Asked(what.reference, source, what.table, what.wanted, tmp_path / name)
        sharded(other)
        parts = {file: content for file, content in bytes_in(other.output).items() if file.endswith(".parquet")}
        assert parts == {file: content for file, content in bytes_in(what.output).items() if file in parts}


def test_a_broken_off_run_shows_nothing_and_is_gone_on_with_to_the_same_bytes(what: Asked, tmp_path: Path) -> None:
    unbroken = Asked(what.reference, what.source, what.table, what.wanted, tmp_path / "unbroken")
    sharded(unbroken)
    broken_off(what, after=2)
    assert not what.output.exists()
    made: list[int] = []
    sharded(what, lambda progress: made.append(progress.num_done))
    assert made == [3, 4]
    assert bytes_in(what.output) == bytes_in(unbroken.output)
    assert not (tmp_path / ".out.shards").exists()


def test_a_part_that_is_gone_or_was_cut_off_is_made_again(what: Asked, tmp_path: Path) -> None:
    broken_off(what, after=3)
    parts = sorted((tmp_path / ".out.shards" / "parts").iterdir())
    parts[0].unlink()
    os.truncate(parts[1], 100)
    made: list[int] = []
    sharded(what, lambda progress: made.append(progress.num_done))
    assert made == [2, 3, 4]
    assert len(pd.read_parquet(what.output)) == NUM_SERIES * HORIZON


def test_a_broken_off_run_is_not_gone_on_with_by_another_one(what: Asked, data: Path, tmp_path: Path) -> None:
    broken_off(what, after=1)
    for other, settings, differing in (
        (asked(Path(what.reference), data, what.output, Wanted(3)), {}, "horizon"),
        (asked(Path(what.reference), data, what.output, table=TableConfig(unsorted="sort")), {}, "table"),
        (asked(bundle_in(tmp_path, d_model=24), data, what.output), {}, "model"),
        (what, {"series_per_shard": 4}, "series_per_shard"),
    ):
        with pytest.raises(BatchError, match=rf"something else \({differing}\): finish that one first"):
            sharded(other, **settings)
    hours(11).to_parquet(data, index=False)
    with pytest.raises(BatchError, match=r"something else \(data\)"):
        sharded(what)
    assert sharded(what, restart=True).num_series == 11


@pytest.mark.parametrize("restart", [False, True], ids=["at its end", "given up"])
def test_what_a_run_leaves_that_is_killed_while_it_removes_its_folder_is_of_no_run(
    what: Asked, data: Path, restart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def killed(path: Path, **named: Any) -> None:
        if path.name != "fetched":  # which goes at the begin of a run
            raise KeyboardInterrupt
        remove(path, **named)

    if restart:
        broken_off(what, after=3)
    with monkeypatch.context() as ending, pytest.raises(KeyboardInterrupt):
        ending.setattr(shutil, "rmtree", killed)
        sharded(what, restart=restart)
    hours().assign(y=lambda frame: frame["y"] + 1000).to_parquet(data, index=False)
    sharded(what)
    expected = whole(what).reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), expected, check_dtype=False, rtol=1e-6)


def test_two_runs_do_not_work_on_one_output(what: Asked) -> None:
    def again(progress: Progress) -> None:
        with pytest.raises(BatchError, match="another process forecasts into"):
            sharded(what)

    assert sharded(what, again).num_series == NUM_SERIES


def test_a_shard_that_fails_is_named_and_the_others_are_kept(bundle: Path, tmp_path: Path) -> None:
    frame = hours()
    frame.loc[frame["unique_id"] == "s007", "y"] = np.inf
    frame.to_parquet(tmp_path / "hours.parquet", index=False)
    what = asked(bundle, tmp_path / "hours.parquet", tmp_path / "out")
    with pytest.raises(ValueTypeError, match=r"shard 2 \(rows 181 to 270, series 's006' to 's008'\): series 's007'"):
        sharded(what)
    assert not what.output.exists()
    assert len(list((tmp_path / ".out.shards" / "parts").iterdir())) == 2


def test_scattered_series_are_refused_before_any_forecast(bundle: Path, tmp_path: Path) -> None:
    hours().sort_values(["ds", "unique_id"]).to_parquet(tmp_path / "hours.parquet", index=False)
    with pytest.raises(SeriesError, match=r"do not stand together.*sort the table by series and time"):
        sharded(asked(bundle, tmp_path / "hours.parquet", tmp_path / "out"))


def test_what_the_model_cannot_give_is_refused_before_any_shard(bundle: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="horizon 99 is outside"):
        sharded(asked(bundle, data, tmp_path / "out", Wanted(99)))
    assert not (tmp_path / ".out.shards").exists()


def test_tables_whose_series_cannot_be_told_apart_by_rows_are_refused(bundle: Path, data: Path, tmp_path: Path) -> None:
    write_store(sine_panel(2, 30), tmp_path / "store")
    for source, table, reason in (
        (SourceConfig(path=tmp_path / "store"), TableConfig(), "is a store"),
        (SourceConfig(path=data, static=data), TableConfig(), "a future or a static table"),
        (SourceConfig(path=data), TableConfig(group_column="g"), "series of one 'g' see each other"),
        (SourceConfig(path=data), TableConfig(layout="wide"), "a wide table"),
    ):
        with pytest.raises(ConfigError, match=reason):
            sharded(Asked(str(bundle), source, table, Wanted(), tmp_path / "out"))


def test_an_output_that_cannot_be_written_is_refused_before_any_work(bundle: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for output, reason in (("there", "exists already"), ("none/out", "does not exist"), ("out.txt", "must end in")):
        with pytest.raises(SourceError, match=reason):
            sharded(asked(bundle, data, tmp_path / output))


def test_numbers_and_types_of_a_csv_file_are_checked_by_row(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.batch import staging
    from pipelines.sources import read_chunks

    monkeypatch.setattr(staging, "read_chunks", lambda source, texts: read_chunks(source, texts, 40))
    frame = hours().astype({"y": object, "ds": object})
    for column, value, error, message in (
        ("y", "three", ValueTypeError, "row 51 has in column 'y' the value 'three'"),
        ("y", 1e400, DataError, "infinite"),
    ):
        broken = frame.copy()
        broken.loc[50, column] = value
        broken.to_csv(tmp_path / "hours.csv", index=False)
        with pytest.raises(error, match=message):
            sharded(asked(bundle, tmp_path / "hours.csv", tmp_path / "out"), restart=True)
